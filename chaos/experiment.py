"""Finds, reads and checks an experiment before anything is touched; every problem is reported at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid

from chaos.fault import Fault
from chaos.registry import make_fault
from journal.errors import CommandError, Problem

_MAX_BYTES = 256 * 1024
_ACTIONS, _INJECT = "chaos.actions", "inject"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A Chaos Toolkit experiment that may be run: `overrides` replace values of its configuration."""

    name: str
    document: dict[str, Any]
    overrides: dict[str, Any]
    fault: Fault


def experiment_names() -> list[str]:
    """The experiments that come with the harness."""
    files = resources.files("chaos.experiments").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def read_experiment(source: str) -> tuple[str, dict[str, Any]]:
    """The name and the document of an experiment of ours, or of the YAML file at this path.

    Raises:
        CommandError: there is none, or it is not YAML.
    """
    name, text = _find(source)
    try:
        document = yaml.load(text, Loader=_PlainLoader)  # noqa: S506  # a SafeLoader without aliases
    except yaml.YAMLError as error:
        raise CommandError(
            [Problem(source, f"is not YAML that can be read: {' '.join(str(error).split())}")]
        ) from error
    if not isinstance(document, dict):
        raise CommandError([Problem(source, "is no experiment: expected a mapping with title, method and rollbacks")])
    return name, document


def check_settings(source: str, settings: Sequence[str]) -> Fault:
    """Holds settings against the experiment, while there is no target yet; the fault that it would inject.

    Raises:
        CommandError: with every problem.
    """
    _, document = read_experiment(source)
    configuration = dict(_own_configuration(document)) | _overrides(document, settings)
    return _fault(source, _resolved_activities(source, document, configuration))


def prepare_experiment(source: str, settings: Sequence[str]) -> Experiment:
    """The experiment with `key=value` settings for its configuration; the environment it needs has to be set.

    Raises:
        CommandError: with every problem of the file, the settings, or the options of the fault.
    """
    name, document = read_experiment(source)
    overrides = _overrides(document, settings)
    try:
        ensure_experiment_is_valid(document)
        configuration = load_configuration(document.get("configuration", {}), dict(overrides))
    except ChaosException as error:
        raise CommandError([Problem(source, str(error))]) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # chaoslib's checks expect the right types
        raise CommandError([Problem(source, f"is no valid experiment: {error!r}")]) from error
    activities = _resolved_activities(source, document, configuration)
    _refuse_leftovers(source, activities)
    return Experiment(name=name, document=document, overrides=overrides, fault=_fault(source, activities))


def _find(source: str) -> tuple[str, str]:
    path = Path(source)
    if source in experiment_names():
        return source, (resources.files("chaos.experiments") / f"{source}.yaml").read_text("utf-8")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CommandError([Problem(source, f"is larger than {_MAX_BYTES // 1024} KiB, so no experiment")])
        return path.stem, path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError([Problem(source, "is not a text file")]) from error
    except (OSError, ValueError) as error:
        remedy = f"name a YAML file or one of: {', '.join(experiment_names())}"
        raise CommandError([Problem(source, "there is no such experiment", remedy)]) from error


class _PlainLoader(yaml.SafeLoader):
    """No aliases: a few lines of them can stand for more memory than there is, and an experiment needs none."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(problem="aliases are not allowed here")
        return super().compose_node(parent, index)


def _overrides(document: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    known = sorted(key for key, _ in _own_configuration(document))
    overrides, problems = {}, []
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            problems.append(Problem(f"--set {setting}", "is not of the form key=value"))
        elif key not in known:
            problems.append(Problem(f"--set {setting}", f"there is no {key!r}", f"one of: {', '.join(known)}"))
        else:
            overrides[key] = _scalar(setting, value, problems)
    if problems:
        raise CommandError(problems)
    return overrides


def _scalar(setting: str, text: str, problems: list[Problem]) -> Any:
    try:
        value = yaml.load(text, Loader=_PlainLoader)  # noqa: S506  # a SafeLoader without aliases
    except yaml.YAMLError:
        value = {}
    if isinstance(value, dict | list):
        problems.append(Problem(f"--set {setting}", "the value has to be a number, a text, true or false"))
    return value


def _own_configuration(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the experiment itself sets; the other values come from the environment and are not for plans to set."""
    configuration = document.get("configuration")
    if isinstance(configuration, dict):
        yield from ((key, value) for key, value in configuration.items() if not isinstance(value, dict))


def _resolved_activities(
    source: str, document: Mapping[str, Any], configuration: Mapping[str, Any]
) -> list[dict[str, Any]]:
    hypothesis = _mapping(document.get("steady-state-hypothesis"))
    lists = [hypothesis.get("probes"), document.get("method"), document.get("rollbacks")]
    activities = [activity for some in lists if isinstance(some, list) for activity in some]
    if not all(isinstance(activity, dict) for activity in activities):
        raise CommandError([Problem(source, "is no valid experiment: an activity is a mapping with type and provider")])
    return [substitute(activity, configuration, None) for activity in activities]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _refuse_leftovers(source: str, activities: Sequence[Mapping[str, Any]]) -> None:
    """chaoslib passes a `${x}` that nothing defines on as it is."""
    problems = [
        Problem(f"{source}: {activity.get('name')}", f"{text!r} is defined nowhere", "add it to the configuration")
        for activity in activities
        for text in _texts(activity)
        if "${" in text
    ]
    if problems:
        raise CommandError(problems)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _fault(source: str, activities: Sequence[Mapping[str, Any]]) -> Fault:
    """The one fault that the method injects, checked with its options before anything happens."""
    providers = [_mapping(activity.get("provider")) for activity in activities]
    arguments = [
        _mapping(provider.get("arguments"))
        for provider in providers
        if (provider.get("module"), provider.get("func")) == (_ACTIONS, _INJECT)
    ]
    if len(arguments) != 1:
        message = f"has to call {_ACTIONS}.{_INJECT} once, found {len(arguments)} calls"
        raise CommandError([Problem(source, message, "one fault for each experiment; run several side by side")])
    return make_fault(str(arguments[0].get("fault")), _mapping(arguments[0].get("options")))
