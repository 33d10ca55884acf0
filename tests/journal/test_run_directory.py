"""A run directory is made with its manifest or not at all, and one that cannot be judged says why."""

import dataclasses
import json
from pathlib import Path

import pytest

from journal.errors import RunDirectoryError
from journal.exit_codes import ExitCode
from journal.manifest import SCHEMA, Manifest, installed_versions, read_manifest, this_machine, write_manifest
from journal.plan import Load, Plan, PlannedFault, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory, has_room, new_run_id, write_whole

FAULT = PlannedFault(id="F1", experiment="kill-api-pod", at_s=10, configuration={"grace_s": 0, "names": ["a"]})


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        run_id=new_run_id(),
        created_at_ns=1_700_000_000_000_000_000,
        command="gameday run smoke",
        base_url="http://127.0.0.1:8000",
        plan=Plan(name="größer", load=Load(stages=(Stage(users=5, duration_s=10),)), faults=(FAULT,)),
        profile=Profile(name="embedded", paths={"login": "/auth/login"}),
        machine=this_machine(),
        versions=installed_versions(),
    )


def problems(path: Path) -> list[str]:
    with pytest.raises(RunDirectoryError) as caught:
        read_manifest(path)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    return [str(problem) for problem in caught.value.problems]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert names(tmp_path) == ["manifest.json"]


def test_a_manifest_from_before_readings_had_an_origin_can_be_read(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path / "manifest.json", manifest)
    data = json.loads((tmp_path / "manifest.json").read_text())
    del data["readings"]
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    origin = read_manifest(tmp_path / "manifest.json").readings
    assert (origin.source, origin.of_containers) == ("unknown", False)


def test_a_manifest_names_what_shapes_a_measurement(manifest: Manifest) -> None:
    assert {"aia-gameday", "locust", "numpy"} <= manifest.versions.keys()
    assert manifest.machine.cores >= 1
    assert manifest.machine.memory_bytes > 2**20


def test_a_distribution_that_is_not_installed_is_left_out_of_the_versions() -> None:
    assert installed_versions(["numpy", "no-such-distribution"]).keys() == {"numpy"}


def test_an_unknown_schema_is_refused_with_the_one_that_can_be_read(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path / "manifest.json", dataclasses.replace(manifest, schema="aia-gameday/run/99"))
    (problem,) = problems(tmp_path / "manifest.json")
    assert "unknown schema 'aia-gameday/run/99'" in problem
    assert SCHEMA in problem


def test_a_missing_manifest_says_what_to_name(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "manifest.json")
    assert "there is no manifest; name a run directory" in problem


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[" * 100_000, b"[]", b"null", b'"text"'])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    assert len(problems(tmp_path / "manifest.json")) == 1


def test_a_manifest_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    assert "cannot be read" in problems(tmp_path / "manifest.json")[0]


def test_all_missing_and_mistyped_fields_of_a_manifest_are_listed_together(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "manifest.json"
    write_manifest(path, manifest)
    data = json.loads(path.read_bytes())
    del data["run_id"]
    data["plan"]["load"]["stages"][0]["users"] = "many"
    data["machine"] = None
    path.write_text(json.dumps(data), encoding="utf-8")
    assert problems(path) == [
        "manifest.run_id: is missing",
        "manifest.plan.load.stages[0].users: expected int, found 'many'",
        "manifest.machine: expected an object, found NoneType",
    ]


def test_a_new_run_directory_holds_its_manifest_and_a_place_for_logs(tmp_path: Path, manifest: Manifest) -> None:
    run = create_run_directory(tmp_path / "runs" / "first", manifest)
    assert run.read_manifest() == manifest
    assert names(run.path) == ["logs", "manifest.json"]


def test_a_directory_that_holds_something_is_never_reused(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="is not empty"):
        create_run_directory(tmp_path, manifest)
    assert names(tmp_path) == ["notes.txt"]


def test_a_path_that_is_a_file_cannot_become_a_run_directory(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="is a file, not a directory"):
        create_run_directory(tmp_path / "file", manifest)


def test_a_run_directory_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="there is no such run directory; see the folder runs/"):
        RunDirectory(tmp_path / "missing").read_manifest()


def test_what_does_not_fit_on_the_disk_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    write_whole(tmp_path / "verdict.json", b"old")
    (tmp_path / "verdict.json.tmp").symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match="No space left on device; make room on the disk"):
        write_whole(tmp_path / "verdict.json", b"new")
    assert (tmp_path / "verdict.json").read_bytes() == b"old"
    assert names(tmp_path) == ["verdict.json"]


def test_room_is_what_the_disk_says(tmp_path: Path) -> None:
    assert has_room(tmp_path)
    assert not has_room(Path("/proc")), "a file system without any blocks"
