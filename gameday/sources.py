"""Finds plans and profiles: a file named by its path, or one that comes with the harness, named by its name."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from gameday.contradictions import contradictions, contradictions_of_time
from gameday.profile_file import read_profile
from gameday.recording import with_recording
from gameday.yaml_file import place_of, read_document, validate
from journal.errors import BadInput, PlanError, Problem, ProfileError
from journal.plan import Plan
from journal.profile import Profile

_LENGTH = ("load.stages", "load.arrivals")  # where these are wrong, nobody knows how long the load is


def load_plan(name: str) -> Plan:
    """The plan with this name or path. Raises PlanError with every problem that the file itself has."""
    path = _find(name, "plan", PlanError)
    document = read_document(path, PlanError)
    plan = validate(Plan, document, PlanError)
    problems = list(contradictions(plan))
    if not any(problem.where.startswith(_LENGTH) or problem.where == "load" for problem in problems):
        try:
            plan = with_recording(plan, path.parent)
            problems = [*contradictions_of_time(plan), *problems]
        except PlanError as error:
            problems += error.problems
    if problems:
        where = (document.where(place_of(problem.where)) for problem in problems)
        raise PlanError(Problem(line, one.what, one.remedy) for line, one in zip(where, problems, strict=True))
    return plan


def load_profile(name: str) -> Profile:
    """The profile with this name or path. Raises ProfileError with every problem that the file itself has."""
    return read_profile(read_document(_find(name, "profile", ProfileError), ProfileError))


def with_line(problem: Problem, names: Mapping[str, str]) -> Problem:
    """A problem at "plan: load.mix" or "profile: paths" at the line of the file; `names`: kind → name or path of it.

    What comes with the harness keeps its name, since nobody would change it there.
    """
    kind, _, place = problem.where.partition(": ")
    if kind not in names:
        return problem
    if not Path(names[kind]).is_file():
        return replace(problem, where=f"{kind} {names[kind]}: {place}")
    document = read_document(Path(names[kind]), BadInput)
    return replace(problem, where=document.where(place_of(place)))


def text_of(name: str, kind: str) -> str:
    """The text of a plan or profile that could be loaded, as somebody wrote it."""
    return _find(name, kind, BadInput).read_text(encoding="utf-8")


def folder_of(name: str, kind: str) -> Path:
    """The folder of a plan or profile that could be loaded."""
    return _find(name, kind, BadInput).parent


def packaged(kind: str) -> dict[str, Path]:
    """Name → file of everything of a kind ("plan", "profile") that comes with the harness."""
    folder = Path(str(resources.files(f"gameday.{kind}s")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _find(name: str, kind: str, error: type[BadInput]) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    known = packaged(kind)
    if name in known:
        return known[name]
    remedy = f"name a file, or one of: {', '.join(known)}"
    what = f"is a folder, not a {kind}" if path.is_dir() else f"there is no such {kind}"
    raise error([Problem(name, what, remedy)])
