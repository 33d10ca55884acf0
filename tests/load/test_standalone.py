import pytest

from journal.errors import CommandError
from load.standalone import UNLIMITED_S, Options, make_run


def options(**changes) -> Options:
    given = {
        "host": "http://10.0.0.7:8000/",
        "users": 50,
        "spawn_rate_per_s": 10.0,
        "duration_s": 60.0,
        "workers": 2,
        "mix": {"auth": 1},
    }
    return Options(**{**given, **changes})


def test_the_options_of_locust_become_a_plan_and_a_profile_in_a_fresh_run_directory(tmp_path):
    first, second = make_run(options(), tmp_path), make_run(options(), tmp_path)
    assert first.path != second.path
    manifest = first.read_manifest()
    load = manifest.plan.load
    assert (load.duration_s, load.peak_users, load.workers, load.mix) == (60, 50, 2, {"auth": 1})
    assert load.warm_up_s == 10
    assert manifest.base_url == "http://10.0.0.7:8000"
    assert manifest.profile.allowed_hosts == ("10.0.0.7",)


@pytest.mark.parametrize(
    ("users", "rate", "duration_s", "warm_up_s"),
    [(1, 1, 10, 2), (50, 5, 30, 10), (50, 1, 30, 15), (10, 10, None, 10)],
    ids=["short", "slow ramp", "ramp longer than half", "no end"],
)
def test_the_warm_up_covers_the_ramp_and_leaves_half_of_the_time(tmp_path, users, rate, duration_s, warm_up_s):
    plan = make_run(options(users=users, spawn_rate_per_s=rate, duration_s=duration_s), tmp_path).read_manifest().plan
    assert plan.load.warm_up_s == warm_up_s
    assert plan.load.duration_s == (duration_s or UNLIMITED_S)


@pytest.mark.parametrize("host", [None, "", "localhost:8000", "ftp://x", "http://"])
def test_a_run_needs_a_target(tmp_path, host):
    with pytest.raises(CommandError):
        make_run(options(host=host), tmp_path)
    assert list(tmp_path.iterdir()) == []
