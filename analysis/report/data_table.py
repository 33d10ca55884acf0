"""The numbers behind a chart, as a table to read and as CSV to take away."""

import csv
import io
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from analysis.charts.panel import Panel
from analysis.charts.time_bins import TimeBins
from analysis.report import formats

Cell = str | float | int | None


@dataclass(frozen=True, slots=True)
class DataTable:
    """Rows of cells under a header; None is an empty cell, which is not a zero."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def csv_uri(self) -> str:
        """The table as a `data:` address that needs no network."""
        return "data:text/csv;charset=utf-8," + quote(self.csv, safe=",.:-+")

    @property
    def csv(self) -> str:
        """The table as CSV; text that a spreadsheet would run as a formula is kept from it by an apostrophe."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_csv_cell(cell) for cell in self.header])
        writer.writerows([_csv_cell(cell) for cell in row] for row in self.rows)
        return text.getvalue()

    @property
    def text_rows(self) -> list[tuple[str, ...]]:
        """The cells as they are read."""
        return [tuple(_text_cell(cell) for cell in row) for row in self.rows]


def panel_table(panel: Panel, bins: TimeBins) -> DataTable:
    """A row for each bin of a chart over time."""
    unit = f" ({panel.unit})" if panel.unit not in {"count", "users"} else ""
    header = ("elapsed s", *(f"{series.label}{unit}" for series in panel.series))
    return time_table(header, bins, *(series.values for series in panel.series))


def time_table(header: tuple[str, ...], bins: TimeBins, *columns: NDArray[np.float64]) -> DataTable:
    """A row for each bin: when it begins, and its values of shape (N,)."""
    starts = [round(float(start), 1) for start in bins.starts_s]
    return DataTable(header, tuple(zip(starts, *(_numbers(column) for column in columns), strict=True)))


def _numbers(values: NDArray[np.float64]) -> list[Cell]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _csv_cell(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
    return "" if cell is None else f"{cell:.10g}"


def _text_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else f"{cell:.10g}".replace("-", formats.MINUS)
