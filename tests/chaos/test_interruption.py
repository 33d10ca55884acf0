"""Signals: the first one ends the experiment, none ends the reverting."""

import signal
from collections.abc import Iterator

import pytest

from chaos.held_signals import held_signals
from chaos.interruption import Interruption

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2]


@pytest.fixture
def interruption() -> Iterator[Interruption]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    interruption = Interruption()
    interruption.install()
    yield interruption
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_interrupts_and_later_ones_are_only_noted(
    interruption: Interruption, number: signal.Signals
) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    signal.raise_signal(signal.SIGTERM)
    assert interruption.signal == number.name


def test_a_signal_during_the_reverting_is_only_noted(interruption: Interruption) -> None:
    interruption.shield()
    signal.raise_signal(signal.SIGTERM)
    assert interruption.signal == "SIGTERM"


def test_a_signal_waits_while_it_is_held_back(interruption: Interruption) -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # where it is raised is what is tested
        with held_signals():
            signal.raise_signal(signal.SIGTERM)
            steps.append("inside")
        steps.append("after")
    assert steps == ["inside"]
