"""Chaos Toolkit's own log and journal: beside the run or where asked for, never in the folder one happens to be in."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LOGGER = "chaostoolkit"


def send_log_to(path: Path | None) -> None:
    """Chaos Toolkit's log goes to this file and nowhere else; None discards it."""
    logger = logging.getLogger(_LOGGER)
    handler = logging.FileHandler(path, delay=True) if path else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def write_journal(path: Path, journal: Mapping[str, Any]) -> None:
    """Writes the journal as strict JSON: numbers that JSON does not know become null, other objects their text."""
    text = json.dumps(_strict(journal), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
