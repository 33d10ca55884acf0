"""Makes the hostile server importable by its bare name, and the run directory of a small plan."""

import sys
import time
from pathlib import Path

import pytest

from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import RunDirectory, create_run_directory, new_run_id

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def make_run(tmp_path: Path):
    def make(base_url: str, *, users: int = 10, duration_s: float = 6.0, warm_up_s: float = 1.0) -> RunDirectory:
        stage = Stage(users=users, spawn_rate_per_s=float(users), duration_s=duration_s)
        plan = Plan(name="test", load=Load(stages=(stage,), warm_up_s=warm_up_s, drain_s=5.0))
        manifest = Manifest(
            run_id=new_run_id(),
            created_at_ns=time.time_ns(),
            command="pytest",
            base_url=base_url,
            plan=plan,
            profile=Profile(name="test", base_url=base_url, task_timeout_s=8.0),
            machine=this_machine(),
            versions={},
        )
        return create_run_directory(tmp_path / "run", manifest)

    return make
