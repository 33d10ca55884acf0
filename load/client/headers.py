"""The header lines of an answer: kept as they came, taken apart only when somebody asks."""

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """Header fields by name, whatever the case of its letters; several fields of one name are joined by ", "."""

    __slots__ = ("_fields",)

    def __init__(self, head: bytes = b"") -> None:
        self._fields: dict[str, list[str]] = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self._fields.setdefault(name.strip().lower(), []).append(value.strip(" \t"))

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def get_all(self, name: str, default: list[str] | None = None) -> list[str] | None:
        """Every field of this name on its own, as Set-Cookie needs it."""
        return self._fields.get(name.lower(), default)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"
