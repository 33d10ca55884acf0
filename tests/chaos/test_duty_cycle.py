"""The process that stalls another one: it waits for its start, ends by itself, and always leaves its target running."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from chaos.platforms.process_handle import hold_process
from chaos.platforms.stalling import Staller, end_staller
from journal.errors import FaultRefused
from tests.chaos.scene import incarnation_of, poll, stallers_of


def is_stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


@contextmanager
def duty_cycle(target: psutil.Process, off_ms: float = 50, on_ms: float = 10) -> Iterator[subprocess.Popen[str]]:
    options = [f"--off-ms={off_ms}", f"--on-ms={on_ms}"]
    command = [sys.executable, "-P", "-m", "chaos.duty_cycle", incarnation_of(target), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], duration_s: float) -> None:
    process.stdin.write(f"{duration_s}\n")
    process.stdin.flush()


def test_it_stops_its_target_again_and_again(sleeper: psutil.Process) -> None:
    with duty_cycle(sleeper, off_ms=100, on_ms=100) as process:
        tell(process, 60)
        for _ in range(3):
            assert poll(lambda: is_stopped(sleeper))
            assert poll(lambda: not is_stopped(sleeper))


def test_it_ends_when_its_time_is_up(sleeper: psutil.Process) -> None:
    with duty_cycle(sleeper, off_ms=60_000) as process:
        tell(process, 0.5)
        assert poll(lambda: is_stopped(sleeper))
        assert process.wait(timeout=10) == 0
        assert not is_stopped(sleeper)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_target_runs(sleeper: psutil.Process, number: signal.Signals) -> None:
    with duty_cycle(sleeper, off_ms=60_000) as process:
        tell(process, 60)
        assert poll(lambda: is_stopped(sleeper))
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert not is_stopped(sleeper)


def test_without_a_start_nothing_happens(sleeper: psutil.Process) -> None:
    with duty_cycle(sleeper) as process:
        process.stdin.close()
        assert process.wait(timeout=10) == 0
        assert not is_stopped(sleeper)


def test_it_goes_on_when_its_starter_lets_go_of_it(sleeper: psutil.Process) -> None:
    staller = Staller(incarnation_of(sleeper), off_ms=60_000, on_ms=1)
    staller.apply(60)
    staller.close()
    assert poll(lambda: is_stopped(sleeper))
    end_staller(staller.name)
    assert not stallers_of(incarnation_of(sleeper))
    assert not is_stopped(sleeper)
    end_staller(staller.name)


def test_it_ends_with_its_target(sleeper: psutil.Process) -> None:
    with duty_cycle(sleeper) as process:
        tell(process, 60)
        sleeper.kill()
        assert process.wait(timeout=10) == 0


def test_a_process_with_another_start_is_not_held(sleeper: psutil.Process) -> None:
    assert hold_process(f"{sleeper.pid}@{sleeper.create_time() - 60:.2f}") is None
    with pytest.raises(FaultRefused):
        Staller(f"{sleeper.pid}@{sleeper.create_time() - 60:.2f}", off_ms=1, on_ms=1)


def test_a_process_that_has_ended_is_not_held() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    name = incarnation_of(psutil.Process(child.pid))
    with hold_process(name) or pytest.fail("it should be there, if only as a zombie") as handle:
        assert handle.ended_within(10)
        assert hold_process(name) is None, "a zombie has ended"
        child.wait()
        assert not handle.send(signal.SIGCONT)
    assert hold_process(name) is None
