"""Who does not know the shared secret is refused before a word of theirs is taken, and named."""

import signal
import socket
from collections.abc import Callable

import pytest
import zmq

from journal.run_directory import RunDirectory
from journal.timeline import EventKind, read_timeline
from load.distributed.fence import Doorman, master_keys, only_peer_that_left
from tests.load.conftest import Locusts, Target, eventually

SECRET = "a secret of the tests, long enough"


def warnings(run: RunDirectory) -> list[str]:
    return [event.data["message"] for event in read_timeline(run.timeline)[0] if event.kind is EventKind.WARNING]


def states(run: RunDirectory) -> list[str]:
    return [event.data["state"] for event in read_timeline(run.timeline)[0] if event.kind is EventKind.WORKER]


@pytest.fixture
def with_secret(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the secret of the processes that are started from now on; none for ""."""

    def use(secret: str) -> None:
        if secret:
            monkeypatch.setenv("GAMEDAY_LOAD_SECRET", secret)
        else:
            monkeypatch.delenv("GAMEDAY_LOAD_SECRET", raising=False)

    return use


def start_master(locusts: Locusts, run: RunDirectory, workers: int = 1) -> None:
    master = ["--master", "--master-bind-port", str(locusts.port), "--expect-workers", str(workers), "--only-summary"]
    locusts.start("master", *master, "--run-dir", str(run.path))


def start_worker(locusts: Locusts, name: str) -> None:
    locusts.start(name, "--worker", "--master-host", "127.0.0.1", "--master-port", str(locusts.port))


@pytest.mark.parametrize("other", ["", "another secret that is as long"])
def test_a_peer_without_the_secret_is_refused_and_named_and_one_with_it_works(
    other: str, target: Target, make_run, locusts: Locusts, with_secret: Callable[[str], None]
):
    run = make_run(target.url, duration_s=3)
    with_secret(SECRET)
    start_master(locusts, run)
    with_secret(other)
    start_worker(locusts, "stranger")
    refused = "master: refused 127.0.0.1, who has another shared secret or none"
    eventually(lambda: refused in warnings(run), 40, "the stranger is named")
    eventually(lambda: "the master refuses this worker" in locusts.log("stranger"), 10, "the stranger hears of it")
    assert states(run) == []
    with_secret(SECRET)
    start_worker(locusts, "worker")
    assert [locusts.ended(name) for name in ("master", "worker")] == [0, 0], locusts.log("master")
    assert states(run) == ["joined", "left"]
    assert warnings(run) == [refused]
    assert refused.removeprefix("master: ") in locusts.log("master")
    told = "".join(locusts.log(name) for name in ("master", "worker", "stranger"))
    assert SECRET not in told
    locusts.signal("stranger", signal.SIGKILL)


def test_the_secret_may_come_from_a_file_and_is_in_no_command_line_and_no_file_of_the_run(
    target: Target, make_run, locusts: Locusts, monkeypatch: pytest.MonkeyPatch
):
    run = make_run(target.url, duration_s=2)
    file = locusts.folder / "secret"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("GAMEDAY_LOAD_SECRET_FILE", str(file))
    start_master(locusts, run)
    start_worker(locusts, "worker")
    assert [locusts.ended(name) for name in ("master", "worker")] == [0, 0], locusts.log("master")
    for path in run.path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GAMEDAY_LOAD_SECRET": "short"}, "fewer than 16 characters"),
        ({"GAMEDAY_LOAD_SECRET": SECRET, "GAMEDAY_LOAD_SECRET_FILE": "x"}, "both are set"),
        ({"GAMEDAY_LOAD_SECRET_FILE": "/"}, "cannot be read"),
    ],
)
def test_a_secret_that_is_none_is_bad_input(
    variables: dict[str, str], message: str, locusts: Locusts, monkeypatch: pytest.MonkeyPatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    start_worker(locusts, "worker")
    assert locusts.ended("worker") == 2
    log = locusts.log("worker")
    assert message in log
    assert "Traceback" not in log
    assert "short" not in log.replace("shortest", "")


def test_the_keys_follow_from_the_secret_alone():
    assert master_keys(SECRET) == master_keys(SECRET)
    assert master_keys(SECRET)[0] != master_keys(SECRET + "x")[0]


def test_each_refused_address_is_named_once_and_unknown_ones_only_when_there_is_no_other():
    doorman = Doorman()
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = [socket.create_connection(server.getsockname()) for _ in range(3)]
        there = [server.accept()[0] for _ in here]
        for number in range(35):
            doorman.take(zmq.EVENT_ACCEPTED, 1_000_000)
            doorman.take(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, 7)
            doorman.take(zmq.EVENT_DISCONNECTED, 1_000_000)
            assert len(doorman.messages) == (number >= 29)
        for connection in there:
            doorman.take(zmq.EVENT_ACCEPTED, connection.fileno())
            doorman.take(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, 32)
            doorman.take(zmq.EVENT_DISCONNECTED, connection.fileno())
        for connection in (*here, *there):
            connection.close()
    unknown, known = doorman.messages
    assert "address is not known" in unknown
    assert known.startswith("refused 127.0.0.1,")


def test_a_connection_that_was_greeted_is_not_refused_when_it_ends():
    doorman = Doorman()
    for event, value in ((zmq.EVENT_ACCEPTED, 9), (zmq.EVENT_HANDSHAKE_SUCCEEDED, 0), (zmq.EVENT_DISCONNECTED, 9)):
        doorman.take(event, value)
    assert not doorman.messages


def test_an_address_that_was_gone_too_soon_is_found_where_the_kernel_remembers_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        assert only_peer_that_left(port) == ""
        here = socket.create_connection(("127.0.0.1", port))
        there = server.accept()[0]
        there.close()  # who closes first is the one that remembers
        assert here.recv(1) == b""
        here.close()
        assert eventually(lambda: only_peer_that_left(port), 10, "the kernel's memory") == "127.0.0.1"
