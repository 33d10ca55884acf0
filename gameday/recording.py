"""Reads a file of recorded arrivals: one moment a line, as seconds from the begin, or as timestamps."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from journal.errors import PlanError, Problem
from journal.plan import Plan
from journal.recorded_arrivals import LONGEST_S, MOST_ARRIVALS, offsets_s_of, pack

MOST_BYTES = 64 * 1024 * 1024
MOST_TRAVELLING_BYTES = 600 * 1024  # a ConfigMap holds one MiB, and there is more in it
EPOCH_FROM_S = 1e8  # a number from here on is a time since 1970, no offset: as an offset it would be three years
_SHOWN = 10
_WHERE = "load.arrivals.file"


def with_recording(plan: Plan, folder: Path) -> Plan:
    """The plan with the content of the file that its arrivals name, which lies in `folder` if it is not absolute.

    Raises:
        PlanError: the file, or a recording that the plan holds already, cannot be used; with every bad line.
    """
    arrivals = plan.load.arrivals
    if arrivals is None or arrivals.process != "recorded":
        return plan
    if arrivals.recording:
        _check(offsets_s_of(arrivals.recording).tolist())
        return plan
    recording = pack(np.round(np.array(read_moments(folder / arrivals.file)) * 1e6).astype(np.int64))
    return replace(plan, load=replace(plan.load, arrivals=replace(arrivals, recording=recording)))


def travelling(text: str, plan: Plan) -> str:
    """The text of a plan for a place where its file of arrivals is not: with what the plan read from it inside.

    Raises:
        PlanError: it would be too much for the ConfigMap that carries it.
    """
    arrivals = plan.load.arrivals
    if arrivals is None or not arrivals.recording:
        return text
    if len(arrivals.recording) > MOST_TRAVELLING_BYTES:
        what = f"holds {round(plan.load.curve.total):,} arrivals, too many to travel into a cluster"
        raise PlanError([Problem(_WHERE, what, "shorten it, or use poisson arrivals of the same rates")])
    data = yaml.safe_load(text)
    data["load"]["arrivals"]["recording"] = arrivals.recording
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def read_moments(path: Path) -> list[float]:
    """The offsets in seconds, ascending; timestamps count from the earliest. Order and repetition do not matter.

    Raises:
        PlanError: it cannot be read, or holds anything but moments of one kind; with every bad line, up to ten.
    """
    numbers: list[float] = []
    stamps: list[float] = []
    problems: list[Problem] = []
    for line, text in enumerate(_text(path).splitlines(), start=1):
        entry = text.partition("#")[0].strip()
        if not entry:
            continue
        moment, is_stamp = _moment(entry)
        if moment is None:
            what = f"{entry!r:.60} is neither a number of seconds nor a timestamp"
            problems.append(Problem(f"{path}:{line}", what, "write 12.5 or 2026-01-31T12:00:00.250Z"))
        else:
            (stamps if is_stamp else numbers).append(moment)
    if numbers and stamps:
        problems.append(Problem(str(path), f"mixes {len(numbers)} offsets with {len(stamps)} timestamps", "use one"))
    if problems:
        raise PlanError(_first(problems, path))
    return _check(sorted(numbers) if numbers else [stamp - min(stamps) for stamp in sorted(stamps)])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlanError([Problem(_WHERE, f"{path} cannot be read: {error.strerror}")]) from error
    except ValueError as error:  # a path with a null byte
        raise PlanError([Problem(_WHERE, f"is no path: {error}")]) from error
    if len(raw) > MOST_BYTES:
        raise PlanError([Problem(_WHERE, f"{path} is larger than {MOST_BYTES >> 20} MiB")])
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise PlanError([Problem(_WHERE, f"{path} is not a text file")]) from None


def _moment(entry: str) -> tuple[float | None, bool]:
    """The seconds that an entry names, and whether it is a time of day rather than an offset."""
    try:
        seconds = float(entry)
    except ValueError:
        return _timestamp(entry), True
    return (seconds if 0 <= seconds < 1e12 else None), seconds >= EPOCH_FROM_S


def _timestamp(entry: str) -> float | None:
    try:
        moment = datetime.fromisoformat(entry)
    except ValueError:
        return None
    # without a zone all are of the same one, and only their distances matter
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _first(problems: list[Problem], path: Path) -> Iterator[Problem]:
    yield from problems[:_SHOWN]
    if len(problems) > _SHOWN:
        yield Problem(str(path), f"{len(problems) - _SHOWN} more lines cannot be read")


def _check(offsets_s: list[float]) -> list[float]:
    if not offsets_s:
        raise PlanError([Problem(_WHERE, "holds no arrival")])
    if len(offsets_s) > MOST_ARRIVALS:
        raise PlanError([Problem(_WHERE, f"holds {len(offsets_s):,} arrivals; {MOST_ARRIVALS:,} are possible")])
    if offsets_s[-1] > LONGEST_S:
        raise PlanError([Problem(_WHERE, f"lasts {offsets_s[-1] / 86400:.1f} days; 7 are possible")])
    return offsets_s
