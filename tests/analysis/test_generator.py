"""The generator judges itself by what it recorded, and is not trusted for what it did not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis.evidence import Evidence, load_evidence
from analysis.generator import generator_gate, generator_health
from analysis.judge import judge_evidence
from analysis.verdict import State
from journal.histogram import bucket_index
from journal.outcomes import Kind
from journal.run_directory import RunDirectory

Synthetic = Callable[..., RunDirectory]
CALM = {"kill_at_s": None, "throttle_at_s": None, "load_s": 40}


@pytest.fixture
def evidence(synthetic: Synthetic) -> Evidence:
    return load_evidence(synthetic(**CALM))


def with_names(evidence: Evidence, name: np.ndarray, names: tuple[str, ...]) -> Evidence:
    """The same with other names for its histograms: `name` of each bucket is an index into `names`."""
    table = replace(evidence.columns.histograms, name=name, names=names)
    return replace(evidence, columns=replace(evidence.columns, histograms=table))


def test_a_generator_that_did_not_record_its_lag_leaves_the_run_open(evidence: Evidence) -> None:
    table = evidence.columns.histograms
    mute = with_names(evidence, table.name, tuple("other" if name == "lag" else name for name in table.names))
    row = generator_gate(mute, generator_health(mute))
    assert (row.state, row.reason) == (State.INCONCLUSIVE, "the generator did not record its own lag")
    assert judge_evidence(mute).exit_code == 3


def test_answers_that_lay_unread_make_the_generator_suspect(evidence: Evidence) -> None:
    table = evidence.columns.histograms
    of_requests = np.isin(table.endpoint, evidence.rows(Kind.REQUEST))
    late = with_names(evidence, np.where(of_requests, table.names.index("lag"), table.name), table.names)
    health = generator_health(late)
    assert health.suspect
    assert health.reason.startswith("Generator late: answers read late, p99 1")
    assert health.reason.endswith("ms (limit 50)")


def test_the_lag_of_a_second_that_is_left_out_does_not_make_the_rest_suspect(synthetic: Synthetic) -> None:
    evidence = load_evidence(synthetic(**CALM, stalls_ms={13: 300.0}))
    table = evidence.columns.histograms
    stalled = (table.name == table.names.index("lag")) & (table.index >= bucket_index(290_000))
    many = replace(table, count=np.where(stalled, 100, table.count))
    health = generator_health(replace(evidence, columns=replace(evidence.columns, histograms=many)))
    assert health.left_out_s == 1
    assert health.lag_p99_ms is not None
    assert health.lag_p99_ms < 50


def test_time_of_users_that_is_explained_twice_is_no_better_than_time_that_is_not(synthetic: Synthetic) -> None:
    health = generator_health(load_evidence(synthetic(**CALM, pause_ms=1200)))
    assert health.unexplained_share == pytest.approx(-0.3, abs=0.02)
    assert "Generator did not apply the load" in health.reason
