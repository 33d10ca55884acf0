"""Reads figures back from the tables of `benchmarks/README.md`, by the name of the section and of the column."""

import re
import sys
from dataclasses import dataclass

from benchmarks.readme import README

Row = dict[str, str]


@dataclass(frozen=True)
class Section:
    """One section of the README; a figure that is not there ends the program with its name."""

    name: str
    text: str

    def rows(self, column: str) -> list[Row]:
        """The lines of the first table that has such a column."""
        for table in re.findall(r"(?:^\|.*\|\n?)+", self.text, re.MULTILINE):
            head, _, *lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in table.splitlines()]
            if column in head:
                return [dict(zip(head, cells, strict=False)) for cells in lines]
        sys.exit(f"the section {self.name!r} of {README.name} has no column {column!r}; measure it again")

    def figure(self, column: str, **first: str) -> float:
        """The number in a column, of the line whose first cell is the given one."""
        (wanted,) = first.values()
        found = [row[column] for row in self.rows(column) if next(iter(row.values())) == wanted]
        if not found:
            sys.exit(f"the section {self.name!r} of {README.name} has no line {wanted!r}; measure it again")
        return number(found[0])

    def stated(self, pattern: str) -> float:
        """The number that a sentence states."""
        found = re.search(pattern, self.text)
        if found is None:
            sys.exit(f"the section {self.name!r} of {README.name} does not say {pattern!r}; measure it again")
        return number(found[1])


def number(text: str) -> float:
    """A number as people read it: 41,361 or 27%."""
    bare = text.replace(",", "").strip("* ")
    return float(bare.removesuffix("%")) / 100 if bare.endswith("%") else float(bare)


def section(name: str, text: str = "") -> Section:
    """A section of the README, or of another text."""
    whole = text or README.read_text(encoding="utf-8")
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in whole:
        sys.exit(f"{README.name} has no section {name!r}; measure it first")
    return Section(name, whole.partition(begin)[2].partition(end)[0])
