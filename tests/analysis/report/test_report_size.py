"""A long run makes a report no bigger than one can send."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.report.write import write_reports
from journal.columns import FrameColumns, HistogramColumns, WorkerRecord
from journal.histogram import bucket_indices
from journal.outcomes import Outcome
from journal.readings import ReadingSeries
from journal.run_directory import RunDirectory

HOURS = 8
SECONDS = HOURS * 3600
SLOWEST_S = 12_345


def eight_hours(columns: FrameColumns) -> FrameColumns:
    """Columns of a steady run with one very slow second, made without frames, which would take minutes."""
    rng = np.random.default_rng(1)
    endpoints = len(columns.endpoints)
    count = np.zeros((endpoints, len(Outcome), SECONDS), dtype=np.int64)
    count[:, Outcome.OK] = 8
    count[:, Outcome.TIMEOUT] = rng.random((endpoints, SECONDS)) < 0.01
    shape = (endpoints, SECONDS)
    endpoint, second = (index.ravel() for index in np.indices(shape, dtype=np.int32))
    values = (rng.lognormal(3, 0.5, endpoint.size) * 1000).astype(np.int64)
    values[second == SLOWEST_S] = 5_000_000
    names = columns.histograms.names
    histograms = HistogramColumns(
        name=np.full(endpoint.size, names.index("service"), dtype=np.int32),
        endpoint=endpoint,
        outcome=np.full(endpoint.size, int(Outcome.OK), dtype=np.int8),
        second=second,
        index=bucket_indices(values).astype(np.int32),
        count=np.full(endpoint.size, 8, dtype=np.int64),
        names=names,
    )
    first = columns.first_second
    return replace(
        columns,
        count=count,
        over=np.zeros((1, *count.shape), dtype=np.int64),
        started=count.sum(axis=1),
        in_flight=np.ones(shape, dtype=np.int64),
        users=np.full(SECONDS, 50),
        reporting=np.full(SECONDS, 1),
        histograms=histograms,
        workers=(WorkerRecord("worker-0", SECONDS, (), first, first + SECONDS - 1, complete=True, unfinished=0),),
    )


def long_reading(series: ReadingSeries) -> ReadingSeries:
    at_ns = series.at_ns[0] + np.arange(0, SECONDS, 5, dtype=np.int64) * 10**9
    size = np.full(at_ns.size, 80 * 2**20)
    flat = np.full(at_ns.size, 8)
    return replace(
        series, at_ns=at_ns, rss_bytes=size, uss_bytes=size, cpu_s=np.arange(at_ns.size) * 1.5, threads=flat,
        descriptors=flat,
    )  # fmt: skip


@pytest.fixture(scope="module")
def long_report(example, tmp_path_factory) -> str:
    evidence = replace(
        example.evidence,
        columns=eight_hours(example.evidence.columns),
        readings=tuple(long_reading(series) for series in example.evidence.readings),
    )
    verdict = replace(example.verdict, load_s=float(SECONDS))
    run = RunDirectory(tmp_path_factory.mktemp("long"))
    write_reports(run, evidence, verdict)
    return (run.path / "report.html").read_text()


def test_the_report_of_eight_hours_stays_under_three_megabytes(long_report):
    assert len(long_report.encode()) < 3_000_000


def test_no_chart_of_it_has_more_than_six_hundred_points(long_report):
    data = json.loads(re.search(r'id="data">(.*?)</script>', long_report, re.DOTALL)[1])
    assert 200 < len(data["starts_s"]) <= 600


def test_the_slowest_second_of_it_can_still_be_seen(long_report):
    data = json.loads(re.search(r'id="data">(.*?)</script>', long_report, re.DOTALL)[1])
    p99 = data["panels"]["latency"]["series"][2]["values"]
    slowest = max(range(len(p99)), key=p99.__getitem__)
    begin_s = data["starts_s"][slowest]
    assert begin_s <= SLOWEST_S - 10 < begin_s + data["width_s"]
    assert p99[slowest] > 4 * sorted(p99)[-2]
