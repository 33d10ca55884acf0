"""The copy of a run directory over connections that break, fall silent, or say something else."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.children import spawn_piped
from gameday.cluster import mirroring
from gameday.cluster.mirroring import Mirroring, receive_once
from journal.errors import MirrorBroken, RunDirectoryError
from journal.mirror import Receiver

Process = subprocess.Popen[bytes]


def eventually(look: Callable[[], object], what: str, within_s: float = 30) -> None:
    ends_s = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < ends_s, what
        time.sleep(0.02)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    (tmp_path / "original" / "logs").mkdir(parents=True)
    (tmp_path / "original" / "timeline.jsonl").write_text("{}\n" * 1000)
    return tmp_path / "original"


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    (tmp_path / "copy").mkdir()
    return Receiver(tmp_path / "copy")


def sender(directory: Path) -> Process:
    return spawn_piped([sys.executable, "-P", "-m", "journal.mirror_sender", str(directory)])


def python(code: str) -> Process:
    return spawn_piped([sys.executable, "-c", code])


def test_one_connection_brings_all_there_is(original: Path, receiver: Receiver, tmp_path: Path) -> None:
    assert receive_once(lambda: sender(original), receiver, follow=False, on_record=lambda: None) == []
    copied = (tmp_path / "copy" / "timeline.jsonl").read_bytes()
    assert copied == (original / "timeline.jsonl").read_bytes()


def test_a_connection_that_fails_says_why(receiver: Receiver) -> None:
    complaint = "import sys; sys.exit('container not found')"
    with pytest.raises(MirrorBroken) as caught:
        receive_once(lambda: python(complaint), receiver, follow=False, on_record=lambda: None)
    assert "container not found" in str(caught.value)


def test_a_silent_connection_is_given_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "SILENCE_S", 0.5)
    monkeypatch.setattr(mirroring, "PULSE_S", 0.1)
    started: list[Process] = []

    def connect() -> Process:
        started.append(python("import time; time.sleep(600)"))
        return started[-1]

    with pytest.raises(MirrorBroken):
        receive_once(connect, receiver, follow=True, on_record=lambda: None)
    assert started[0].poll() is not None


def test_following_survives_connections_that_are_cut(original: Path, receiver: Receiver, tmp_path: Path) -> None:
    started: list[Process] = []

    def connect() -> Process:
        started.append(sender(original))
        return started[-1]

    copy = tmp_path / "copy" / "timeline.jsonl"
    with Mirroring(connect, receiver) as mirroring_:
        for _ in range(3):
            with (original / "timeline.jsonl").open("a") as file:
                file.write("{}\n")
            eventually(
                lambda: copy.exists() and copy.read_bytes() == (original / "timeline.jsonl").read_bytes(), "a copy"
            )
            eventually(lambda: mirroring_.lost_since_s is None, "a connection")
            started[-1].kill()
            eventually(lambda: mirroring_.lost_since_s is not None, "the loss is noticed")
    assert len(started) >= 3
    eventually(lambda: all(process.poll() is not None for process in started), "no process is left")


def test_a_copy_that_cannot_be_written_ends_the_following(original: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with Mirroring(lambda: sender(original), Receiver(tmp_path / "file")) as mirroring_:
        eventually(lambda: mirroring_.failed is not None, "the failure")
    assert isinstance(mirroring_.failed, RunDirectoryError)
