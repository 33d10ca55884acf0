"""Finds plans and profiles: a file named by its path, or one that comes with the harness, named by its name."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from gameday.yaml_file import read_document, validate
from journal.errors import BadInput, PlanError, Problem, ProfileError
from journal.plan import Plan
from journal.profile import Profile


def load_plan(name: str) -> Plan:
    """The plan with this name or path. Raises PlanError with every problem that the file itself has."""
    plan = validate(Plan, read_document(_find(name, "plan", PlanError), PlanError), PlanError)
    problems = list(_contradictions(plan))
    if problems:
        raise PlanError(Problem(f"{name}: {problem.where}", problem.what, problem.remedy) for problem in problems)
    return plan


def load_profile(name: str) -> Profile:
    """The profile with this name or path. Raises ProfileError with every problem that the file itself has."""
    return validate(Profile, read_document(_find(name, "profile", ProfileError), ProfileError), ProfileError)


def text_of(name: str, kind: str) -> str:
    """The text of a plan or profile that could be loaded, as somebody wrote it."""
    return _find(name, kind, BadInput).read_text(encoding="utf-8")


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


def _contradictions(plan: Plan) -> Iterator[Problem]:
    """What no single field shows."""
    load = plan.load
    if load.warm_up_s >= load.duration_s:
        what = f"the warm-up ({load.warm_up_s:g} s) takes the whole load ({load.duration_s:g} s)"
        yield Problem("load.warm_up_s", what, "make the stages longer")
    if load.think_time.min_s > load.think_time.max_s:
        yield Problem("load.think_time", "min_s is above max_s")
    if load.workers > load.peak_users:
        yield Problem("load.workers", f"{load.workers} workers cannot share {load.peak_users} users", "use fewer")
    if not any(load.mix.values()):
        yield Problem("load.mix", "no journey has a weight above 0")
    yield from _fault_contradictions(plan)


def _fault_contradictions(plan: Plan) -> Iterator[Problem]:
    judged_s = plan.load.duration_s - plan.load.warm_up_s
    seen: set[str] = set()
    for index, fault in enumerate(plan.faults):
        if fault.id in seen:
            yield Problem(f"faults[{index}].id", f"{fault.id} is given twice", "give each fault an id of its own")
        seen.add(fault.id)
        if fault.at_s >= judged_s:
            what = f"{fault.id} begins at {fault.at_s:g} s, but the load after the warm-up lasts {judged_s:g} s"
            yield Problem(f"faults[{index}].at_s", what, "begin it earlier")
