"""A signal asks for the end of the run in order; the last one, or one that only leaves, ends the waiting."""

import os
import signal

import pytest

from gameday.stop_signals import StopSignals
from journal.errors import Interrupted


def test_signals_are_noted_until_the_last_one() -> None:
    with StopSignals(last=2, farewell="until later") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received is signal.SIGTERM
        with pytest.raises(Interrupted, match="until later"):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_leaves_does_not_ask_for_the_end_of_the_run() -> None:
    with StopSignals(farewell="until later", leaving={signal.SIGHUP}) as stop:
        with pytest.raises(Interrupted, match="until later"):
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.received is None
