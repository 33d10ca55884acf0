import gevent
import numpy as np
import pytest

from journal.timeline import LOST_AFTER_S, Timeline, read_timeline
from load.distributed.messages import COMMAND, Command
from load.distributed.roster import ASK_AGAIN_AFTER_S, NOTABLE_NS, NOTABLE_SILENCE_S, Roster


class Scene:
    def __init__(self, path) -> None:
        self.path = path
        self.now_s = 0.0
        self.sent: list[tuple[str, str]] = []
        self.timeline = Timeline(path)
        self.roster = Roster(self.send, self.timeline, lambda: self.now_s)

    def send(self, msg_type, data=None, client_id=None) -> None:
        assert msg_type == COMMAND
        self.sent.append((client_id, data["command"]))

    def events(self) -> list[tuple[str, str]]:
        return [(event.data["worker"], event.data["state"]) for event in read_timeline(self.path)[0]]


@pytest.fixture
def scene(tmp_path):
    scene = Scene(tmp_path / "timeline.jsonl")
    yield scene
    scene.timeline.close()


def test_a_silent_worker_is_lost_and_joins_again_when_it_speaks(scene):
    for index in range(2):
        scene.roster.join(f"node-{index}", index)
    for scene.now_s in np.arange(0, LOST_AFTER_S + 2):
        scene.roster.heard("node-1")
    scene.roster.find_lost()
    assert [member.name for member in scene.roster.living()] == ["worker-1"]
    scene.roster.heard("node-0")
    joined = [("worker-0", "joined"), ("worker-1", "joined")]
    assert scene.events() == [*joined, ("worker-0", "lost"), ("worker-0", "joined")]


def test_a_silence_too_short_to_lose_a_worker_is_written_down_all_the_same(scene):
    scene.roster.join("node-0", 0)
    for scene.now_s in (NOTABLE_SILENCE_S - 0.1, 2 * NOTABLE_SILENCE_S):
        scene.roster.find_lost()
        scene.roster.heard("node-0")
    told = [event.data.get("silent_s") for event in read_timeline(scene.path)[0]]
    assert told == [None, NOTABLE_SILENCE_S + 0.1]
    assert {state for _, state in scene.events()} == {"joined"}


def test_a_worker_that_left_in_order_is_never_lost_and_a_stranger_is_nobody(scene):
    member = scene.roster.join("node-0", 0)
    scene.roster.left(member)
    scene.roster.left(member)
    scene.now_s = 100
    scene.roster.heard("node-0")
    scene.roster.find_lost()
    assert scene.events() == [("worker-0", "joined"), ("worker-0", "left")]
    assert scene.roster.heard("node-9") is None


def test_a_command_is_sent_again_until_it_is_answered(scene):
    member = scene.roster.join("node-0", 0)

    def answer_the_third_question() -> None:
        while len(scene.sent) < 3:
            scene.now_s += ASK_AGAIN_AFTER_S / 4
            gevent.sleep(0.005)
            scene.roster.heard("node-0")
        member.results[Command.DRAIN] = {"done": True}

    answering = gevent.spawn(answer_the_third_question)
    answers = scene.roster.ask(Command.DRAIN, [member], within_s=60)
    answering.get(timeout=5)
    assert answers == {"worker-0": {"done": True}}
    assert scene.sent == [("node-0", "drain")] * 3


def test_nobody_waits_for_a_worker_that_is_lost_on_the_way(scene):
    members = [scene.roster.join(f"node-{index}", index) for index in range(2)]
    members[0].results[Command.CLOSE] = {}

    def pass_the_time() -> None:
        while scene.now_s < LOST_AFTER_S + 1:
            scene.now_s += 0.5
            scene.roster.heard("node-0")
            gevent.sleep(0.005)

    passing = gevent.spawn(pass_the_time)
    assert scene.roster.ask(Command.CLOSE, members, within_s=1_000) == {"worker-0": {}}
    passing.get(timeout=5)


def test_a_worker_keeps_the_index_that_it_brings_and_a_second_one_with_it_gets_the_next_free(scene):
    wanted = [("node-a", 1), ("node-b", 0), ("node-c", 1), ("node-a", 1), ("node-d", 0)]
    names = [scene.roster.join(node, index).name for node, index in wanted]
    assert names == ["worker-1", "worker-0", "worker-2", "worker-1", "worker-3"]


def test_the_index_of_a_lost_worker_is_never_given_again(scene):
    scene.roster.join("node-a", 0)
    scene.now_s = LOST_AFTER_S + 1
    scene.roster.find_lost()
    assert scene.roster.join("node-b", 0).name == "worker-1"


def test_a_clock_is_news_when_it_is_known_for_the_first_time_or_had_run_away(scene):
    member = scene.roster.join("node-a", 0)
    news = [scene.roster.is_news(member, {"off_ns": off_ns}) for off_ns in (0, NOTABLE_NS, -NOTABLE_NS - 1)]
    assert news == [True, False, True]
