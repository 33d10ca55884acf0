"""Opens a platform by what the ledger keeps of it."""

from collections.abc import Mapping
from pathlib import Path

from chaos.platforms.base import Platform
from chaos.platforms.local import KIND, LocalPlatform
from journal.errors import HarnessDefect


def open_platform(reference: Mapping[str, str]) -> Platform:
    """The platform that gave this reference. Raises HarnessDefect for one of a kind that this version does not know."""
    if reference.get("kind") != KIND or "state_file" not in reference:
        raise HarnessDefect(f"this version knows no platform of the kind {reference.get('kind')!r}")
    return LocalPlatform(Path(reference["state_file"]))
