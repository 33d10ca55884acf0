"""A profile as a record, with all problems of its file at once: those of single fields and those of the whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gameday.data_files import read_rows, with_absolute_files
from gameday.journey_checks import journey_problems
from gameday.yaml_file import Document, validate
from journal.errors import Problem, ProfileError
from journal.profile import Profile
from journal.profile_journeys import ProfileJourney

_JOINED = ("secrets", "data")
"""What journeys refer to."""


def read_profile(document: Document) -> Profile:
    """The profile of a document. Raises ProfileError with every problem."""
    problems: list[Problem] = []
    profile: Profile | None = None
    try:
        profile = validate(Profile, document, ProfileError)
    except ProfileError as error:
        problems += error.problems
    readable = profile or _readable_part(document)
    if readable is not None:
        readable = with_absolute_files(readable, Path(document.path).parent)
        rows = read_rows(readable, problems, document.where)
        columns = {name: tuple(rows[name][0]) for name in rows if rows[name]}
        problems += [Problem(document.where(place), *said) for place, *said in journey_problems(readable, columns)]
    if profile is None or problems or readable is None:
        raise ProfileError(problems)
    return readable


def _readable_part(document: Document) -> Profile | None:
    """The journeys that can be read, with what they refer to: one wrong key shall not hide what else is wrong."""
    data = document.data if isinstance(document.data, dict) else {}
    journeys = data.get("journeys")
    if not isinstance(journeys, dict):
        return None
    sound = {str(name): raw for name, raw in journeys.items() if _is_sound(document, raw)}
    return _tried(document, {"name": "x", **{key: data[key] for key in _JOINED if key in data}, "journeys": sound})


def _tried(document: Document, data: Any) -> Profile | None:
    try:
        return validate(Profile, replace(document, data=data), ProfileError)
    except ProfileError:
        return None


def _is_sound(document: Document, raw: Any) -> bool:
    try:
        validate(ProfileJourney, replace(document, data=raw), ProfileError)
    except ProfileError:
        return False
    return True
