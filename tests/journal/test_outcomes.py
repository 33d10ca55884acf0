"""Which endings are answers: a request that was answered, however badly, is none that went missing."""

from journal.outcomes import Outcome


def test_whatever_the_target_said_is_an_answer_and_silence_is_none() -> None:
    unanswered = {outcome for outcome in Outcome if not outcome.answered}
    assert unanswered == {Outcome.TIMEOUT, Outcome.CUT, Outcome.REFUSED}
