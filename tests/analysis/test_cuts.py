"""Which fault explains a cut request."""

import pytest

from analysis.cuts import attributed_cuts
from analysis.evidence import NS, Evidence, load_evidence
from analysis.fault_story import fault_stories
from journal.failures import Failure
from journal.json_lines import JsonLines
from journal.outcomes import Endpoint, Kind, Outcome

LOAD_NS = 1_700_000_010 * NS
ENDPOINT = Endpoint(Kind.REQUEST, "auth", "GET /auth/me")


@pytest.fixture
def explained(synthetic):
    """The id of the fault that explains one failure; F1 kills api-2 (pid 123) at 20.2 s, F2 throttles 40 to 50 s."""

    def explain(at_s: float, outcome: Outcome, served_by: str = "", endpoint: Endpoint = ENDPOINT) -> str | None:
        run = synthetic(frames=False)
        failures = JsonLines(run.failures)
        at_ns = LOAD_NS + round(at_s * NS)
        told = Failure.of(endpoint, outcome, at_ns=at_ns, worker="w", detail="reset", served_by=served_by)
        failures.append(told.record())
        failures.close()
        evidence: Evidence = load_evidence(run)
        return next((cut.fault_id for cut in attributed_cuts(evidence, fault_stories(evidence))), None)

    return explain


@pytest.mark.parametrize(
    ("at_s", "served_by", "fault_id"),
    [
        pytest.param(20.3, "api-2@123", "F1", id="on the killed replica"),
        pytest.param(20.3, "", "F1", id="on an unknown replica"),
        pytest.param(20.3, "api-1@99", "", id="on another replica"),
        pytest.param(20.3, "api-2@77", "", id="on an earlier life of the replica"),
        pytest.param(20.0, "api-2@123", "F1", id="just before the kill was written down"),
        pytest.param(19.5, "api-2@123", "", id="before the kill"),
        pytest.param(22.2, "api-2@123", "F1", id="within two seconds"),
        pytest.param(22.6, "api-2@123", "", id="too late"),
    ],
)
def test_a_kill_explains_what_it_cut_and_no_more(explained, at_s: float, served_by: str, fault_id: str) -> None:
    assert explained(at_s, Outcome.CUT, served_by) == fault_id


def test_a_throttle_explains_time_outs_but_no_cuts(explained) -> None:
    assert explained(45.0, Outcome.TIMEOUT) == "F2"
    assert explained(45.0, Outcome.CUT) == ""
    assert explained(60.0, Outcome.TIMEOUT) == ""


def test_answered_failures_and_what_is_no_request_are_no_cuts(explained) -> None:
    assert explained(20.3, Outcome.SERVER_ERROR) is None
    assert explained(20.3, Outcome.CUT, endpoint=Endpoint(Kind.MESSAGE, "agents", "WS ping")) is None
