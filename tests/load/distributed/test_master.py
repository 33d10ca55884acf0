"""What a master makes of what its workers say: each parcel acknowledged, each defect and each silence told."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from journal.errors import BadInput, TargetUnreachable
from journal.exit_codes import ExitCode
from journal.frame_file import scan
from journal.frames import Frame, encode
from journal.run_directory import RunDirectory
from journal.timeline import EventKind, read_timeline
from load.distributed.master import Master
from load.distributed.messages import ACK, Command
from load.distributed.reporter import Parcel


class Scene:
    """A master, its run directory, and what it sent."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.sent: list[tuple[Any, ...]] = []
        environment: Any = SimpleNamespace(parsed_options=None)
        self.master = Master(environment, None, lambda *sent: self.sent.append(sent), run)  # type: ignore[arg-type]  # no runner is asked

    def report(self, node_id: str, sequence: int, *, last: bool = False) -> None:
        frame = encode(Frame("worker-0", sequence, 1_000 + sequence, 1, {}, last))
        parcel = Parcel(sequence, frame, last, warnings=["look out"])
        self.master._on_report(SimpleNamespace(node_id=node_id, data=parcel.encode()))

    def warnings(self) -> list[str]:
        return [
            event.data["message"] for event in read_timeline(self.run.timeline)[0] if event.kind is EventKind.WARNING
        ]

    def states(self) -> list[str]:
        return [event.data["state"] for event in read_timeline(self.run.timeline)[0] if event.kind is EventKind.WORKER]


@pytest.fixture
def scene(make_run: Callable[..., RunDirectory]) -> Iterator[Scene]:
    scene = Scene(make_run("http://127.0.0.1:1"))
    yield scene
    scene.master.collector.close()
    scene.master.timeline.close()


def test_a_parcel_is_acknowledged_each_time_it_comes_and_written_down_once(scene: Scene):
    scene.master.roster.join("node", 0)
    for sequence in (1, 2, 1):
        scene.report("node", sequence)
    assert scene.sent == [(ACK, {"sequence": sequence}, "node") for sequence in (1, 2, 1)]
    frames = [found.sequence for found in scan(scene.run.frames.read_bytes()) if isinstance(found, Frame)]
    assert frames == [1, 2]
    assert scene.warnings() == ["worker-0: look out"] * 2


def test_a_parcel_of_a_stranger_is_not_acknowledged_and_neither_is_one_after_the_end(scene: Scene):
    scene.report("stranger", 1)
    scene.master.roster.join("node", 0)
    scene.master.done.set()
    scene.report("node", 1)
    assert scene.sent == []


def test_a_worker_has_left_when_all_that_it_sent_is_there(scene: Scene):
    scene.master.roster.join("node", 0)
    scene.report("node", 2, last=True)
    assert scene.states() == ["joined"]
    scene.report("node", 1)
    assert scene.states() == ["joined", "left"]


def answered(scene: Scene, command: Command, answer: dict[str, Any]) -> None:
    scene.master.roster.join("node", 0).results[command] = answer


@pytest.mark.parametrize(
    ("code", "error"), [(ExitCode.TARGET_UNREACHABLE, TargetUnreachable), (ExitCode.BAD_INPUT, BadInput)]
)
def test_what_stops_a_worker_from_preparing_stops_the_run(scene: Scene, code: ExitCode, error: type[Exception]):
    answered(scene, Command.PREPARE, {"error": "nobody is there", "exit_code": int(code)})
    with pytest.raises(error, match="nobody is there"):
        scene.master._prepare()


def test_a_defect_in_a_worker_is_one_of_the_run(scene: Scene):
    answered(scene, Command.DRAIN, {"error": "oops", "exit_code": 70})
    scene.master._ask(Command.DRAIN, 1.0)
    assert scene.master.exit_code is ExitCode.HARNESS_DEFECT
    assert scene.warnings() == ["worker-0 could not drain: oops"]


def test_journeys_that_raised_and_accounts_that_stay_are_told_in_the_end(scene: Scene):
    answered(scene, Command.CLOSE, {"accounts_left": 3, "defects": 2})
    scene.master._close()
    assert scene.master.exit_code is ExitCode.HARNESS_DEFECT
    assert scene.warnings() == [
        "worker-0: 3 test accounts could not be removed",
        "worker-0: journeys raised 2 exceptions",
    ]


def test_a_worker_that_does_not_answer_is_told(scene: Scene):
    scene.master.roster.join("node", 0)
    scene.master._ask(Command.DRAIN, 0.05)
    assert scene.warnings() == ["worker-0 did not answer to drain within 0.05 s"]
