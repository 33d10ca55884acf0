"""Experiments are checked before anything is touched, and all that is wrong is told at once."""

from pathlib import Path

import pytest

from chaos.experiment import check_settings, experiment_names, prepare_experiment
from chaos.registry import FAULTS, make_fault
from chaos.toolkit_files import write_journal
from journal.errors import CommandError

BODY = """\
title: t
description: d
configuration: {count: 1, where: {type: env, key: GAMEDAY_BASE_URL}}
method:
  - {type: action, name: inject, provider: {type: python, module: chaos.actions, func: inject, arguments: %s}}
"""
SOUND = "{fault: kill-replica, options: {count: '${count}'}}"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEDAY_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GAMEDAY_STATE_FILE", "state.json")


def prepare(tmp_path: Path, content: str | bytes, *settings: str) -> object:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prepare_experiment(str(path), settings).fault


@pytest.mark.parametrize("name", experiment_names())
def test_each_experiment_of_ours_is_sound(name: str) -> None:
    assert prepare_experiment(name, []).fault.name in FAULTS


def test_settings_reach_the_options_of_the_fault(tmp_path: Path) -> None:
    assert prepare(tmp_path, BODY % SOUND, "count=2") == make_fault("kill-replica", {"count": 2})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no experiment"),
        (b"\x7fELF\x00\xff\xfe", "not a text file"),
        ("\x00", "not YAML"),
        ("a: [", "not YAML"),
        (BOMB, "aliases are not allowed"),
        ("[]", "is no experiment"),
        ("title: 1\nmethod: 5\n", "experiment"),
        ("#" * 300_000, "larger than"),
        (BODY % "{fault: kill-replica, options: {count: '${cuont}'}}", r"'\$\{cuont\}' is defined nowhere"),
        (BODY % "{fault: melt}", "there is no fault 'melt'"),
        (BODY % "{fault: kill-replica, options: {cuont: 1}}", "kill-replica.cuont"),
        (BODY % "{fault: kill-replica, options: {count: 0}}", "kill-replica.count"),
        (BODY.replace("chaos.actions", "os.path") % SOUND, "experiment.yaml"),
        ("title: t\ndescription: d\nmethod: []\n", "has to call chaos.actions.inject once"),
    ],
)
def test_what_is_no_sound_experiment_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        prepare(tmp_path, content)


@pytest.mark.parametrize(
    "setting", ["cuont=1", "count", "where=http://192.0.2.1", "count=[1]", "count={a: 1}", "count=: :"]
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(CommandError, match="--set"):
        prepare(tmp_path, BODY % SOUND, setting)


def test_settings_can_be_checked_while_there_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAMEDAY_BASE_URL")
    monkeypatch.delenv("GAMEDAY_STATE_FILE")
    check_settings("throttle-redis", ["off_ms=300", "duration_s=5"])
    with pytest.raises(CommandError) as refusal:
        check_settings("throttle-redis", ["off_ms=-1", "duration_s=long"])
    assert [problem.where for problem in refusal.value.problems] == [
        "throttle-redis.off_ms",
        "throttle-redis.duration_s",
    ]


@pytest.mark.parametrize("content", ["title: 1\nmethod: 5\n", "method: [1]\n", "steady-state-hypothesis: 1\n"])
def test_a_document_of_another_shape_is_refused_in_the_same_way(tmp_path: Path, content: str) -> None:
    (tmp_path / "experiment.yaml").write_text(content)
    with pytest.raises(CommandError, match="experiment"):
        check_settings(str(tmp_path / "experiment.yaml"), [])


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refusal:
        prepare(tmp_path, BODY % SOUND, "cuont=1", "count", "x=y")
    assert len(refusal.value.problems) == 3
    with pytest.raises(CommandError) as refusal:
        make_fault("throttle-redis", {"off_ms": -1, "on_ms": "often", "duration_s": 0, "speed": 3})
    assert len(refusal.value.problems) == 4


@pytest.mark.parametrize("options", [{"off_ms": 20, "on_ms": 100}, {"off_ms": 400, "on_ms": 100, "duration_s": 1}])
def test_a_throttle_whose_effect_could_not_be_seen_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(CommandError, match="throttle-redis"):
        make_fault("throttle-redis", options)


def test_a_journal_with_nan_is_still_json(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.json", {"run": [{"output": float("nan"), "error": ValueError("x")}]})
    text = (tmp_path / "journal.json").read_text()
    assert "null" in text
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"latency_ms": 5}, "latency_ms"),
        ({"latency_ms": 50, "jitter_ms": 45}, "jitter_ms"),
        ({"rate_kb_per_s": 0.5}, "rate_kb_per_s"),
        ({"latency_ms": 1000, "duration_s": 8}, "duration_s"),
    ],
)
def test_a_delay_whose_effect_could_not_be_seen_is_refused(options: dict[str, float], problem: str) -> None:
    with pytest.raises(CommandError, match=f"delay-redis.{problem}"):
        make_fault("delay-redis", options)


@pytest.mark.parametrize("options", [{"count": 1, "percent": 50}, {"percent": 0}, {"percent": 101}])
def test_replicas_are_counted_or_shared_out_but_not_both(options: dict[str, float]) -> None:
    with pytest.raises(CommandError, match=r"kill-replica\.percent"):
        make_fault("kill-replica", options)
