"""What a worker makes of its master's messages: leases by its own clock, each command done once and answered again."""

from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from journal.errors import TargetUnreachable
from load.distributed.messages import RESULT, Command
from load.distributed.worker import Worker


class Scene:
    """A worker with a context of the test's own, and what it told its master."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.granted: list[dict[str, Any]] = []
        self.worker = Worker(None, None, lambda *told: self.told.append(told))  # type: ignore[arg-type]  # neither is asked
        model: Any = SimpleNamespace(granted=self.granted.append)
        self.worker._context = SimpleNamespace(open_model=model)  # type: ignore[assignment]

    def command(self, command: Command) -> None:
        self.worker._on_command(SimpleNamespace(data={"command": command.value}))
        gevent.sleep(0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("ahead_ns", [-3_000_000_000, 0, 3_000_000_000])
def test_a_lease_is_followed_by_the_clock_of_the_master(scene: Scene, ahead_ns: int):
    scene.worker._clock.offset_ns = -ahead_ns  # what is to be added to a clock that is ahead
    scene.worker._on_lease(SimpleNamespace(data={"begin_ns": 10, "until_ns": 20, "shares": [[0, 0, 1]]}))
    assert scene.granted == [{"begin_ns": 10 + ahead_ns, "until_ns": 20 + ahead_ns, "shares": [[0, 0, 1]]}]


def test_a_command_that_comes_again_is_answered_again_but_done_once(scene: Scene):
    done: list[object] = []
    scene.worker._commands[Command.DRAIN] = lambda context: done.append(context) or {"left": 0}
    for _ in range(3):
        scene.command(Command.DRAIN)
    assert len(done) == 1
    assert scene.told == [(RESULT, {"command": "drain", "data": {"left": 0}})] * 3


def test_a_command_that_is_under_way_is_not_begun_again(scene: Scene):
    begun: list[object] = []
    scene.worker._commands[Command.DRAIN] = lambda context: (begun.append(context), gevent.sleep(60), {})[2]
    for _ in range(3):
        scene.command(Command.DRAIN)
    assert (len(begun), scene.told) == (1, [])
    gevent.killall(list(scene.worker._running.values()))


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (TargetUnreachable("nobody is there"), {"error": "nobody is there", "exit_code": 5}),
        (ZeroDivisionError("oops"), {"error": "ZeroDivisionError: oops", "exit_code": 70}),
    ],
)
def test_a_command_that_fails_is_answered_with_what_went_wrong(scene: Scene, error: Exception, answer: dict[str, Any]):
    def fail(context: object) -> dict[str, Any]:
        raise error

    scene.worker._commands[Command.PREPARE] = fail
    scene.command(Command.PREPARE)
    assert scene.told == [(RESULT, {"command": "prepare", "data": answer})]
