"""An example of a run: three minutes, every state of a fault, an endpoint that fails, a gap, hostile texts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analysis.evidence import Evidence, load_evidence
from analysis.report.write import write_reports
from analysis.verdict import (
    Verdict,
    write_verdict,
)
from journal.run_directory import RunDirectory, create_run_directory
from tests.analysis.report.example_run import (
    example_manifest,
    write_failures,
    write_frames,
    write_readings,
    write_timeline,
)
from tests.analysis.report.example_verdict import example_verdict


@dataclass(frozen=True)
class Example:
    run: RunDirectory
    evidence: Evidence
    verdict: Verdict

    def text(self, name: str) -> str:
        return (self.run.path / name).read_text()


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    run = create_run_directory(Path(tmp_path_factory.mktemp("runs")) / "example", example_manifest())
    rng = np.random.default_rng(7)
    write_frames(run, rng)
    write_timeline(run)
    write_readings(run, rng)
    write_failures(run)
    evidence, verdict = load_evidence(run), example_verdict()
    write_verdict(run.verdict, verdict)
    write_reports(run, evidence, verdict)
    return Example(run, evidence, verdict)
