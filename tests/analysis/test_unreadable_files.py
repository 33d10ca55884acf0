"""A file of a run directory that may not be opened is named; it is neither a crash nor taken for an empty one."""

from pathlib import Path

import pytest

from analysis.__main__ import main
from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import create_run_directory


@pytest.mark.parametrize("name", ["frames.bin", "timeline.jsonl", "readings.jsonl", "failures.jsonl"])
def test_a_file_that_cannot_be_opened_is_named_with_exit_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = Manifest(
        run_id="r1",
        created_at_ns=1,
        command="gameday run smoke",
        base_url="http://127.0.0.1:8000",
        plan=Plan(name="p", load=Load(stages=(Stage(users=5, duration_s=10),))),
        profile=Profile(name="embedded"),
        machine=this_machine(),
        versions={},
    )
    run = create_run_directory(tmp_path / "run", manifest)
    (run.path / name).mkdir()  # permissions do not hold back root, this does
    assert main([str(run.path)]) == 2
    said = capsys.readouterr().err
    assert f"{run.path / name}: cannot be read: Is a directory" in said
    assert "Traceback" not in said
