"""`gameday k8s` before it touches a cluster: what is missing or does not fit has its message and its exit code."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gameday.cluster.finding import local_directory
from gameday.cluster.kubectl import complaint
from gameday.cluster.starting import credentials
from gameday.sources import load_profile
from journal.errors import ClusterUnreachable, CommandError, RunDirectoryError
from journal.manifest import Manifest, this_machine
from journal.plan import Load, Plan, Stage
from journal.profile import Profile
from journal.run_directory import create_run_directory, make_run_directory
from tests.probes.api_server import Asked, Reply, api_server

ROOT = Path(__file__).parents[3]
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def gameday(tmp_path: Path) -> Callable[..., Done]:
    """Runs the command with a kubectl that only its existence speaks for, and a kubeconfig of the test."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "bin" / "kubectl").chmod(0o755)

    def run(*arguments: str, kubectl: bool = True, server: str = "") -> Done:
        kubeconfig = tmp_path / "kubeconfig"
        if server:
            kubeconfig.write_text(yaml.safe_dump(config_of(server)))
        path = str(tmp_path / "bin") if kubectl else str(tmp_path)
        return subprocess.run(
            [sys.executable, "-P", "-m", "gameday", "k8s", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "KUBECONFIG": str(kubeconfig)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def config_of(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def refused(done: Done, code: int, *said: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for text in said:
        assert text in done.stderr


def test_without_kubectl_the_remedy_is_named(gameday: Callable[..., Done]) -> None:
    refused(gameday("run", "smoke", kubectl=False), 2, "kubectl: is not on the PATH", "https://kubernetes.io")


def test_without_a_kubeconfig_the_remedy_is_named(gameday: Callable[..., Done]) -> None:
    refused(gameday("run", "smoke"), 2, "kubeconfig", "KUBECONFIG")


@pytest.mark.parametrize("command", [("run", "smoke"), ("render", "smoke"), ("attach",), ("recover",)])
def test_a_namespace_that_cannot_be_is_refused(gameday: Callable[..., Done], command: tuple[str, ...]) -> None:
    refused(gameday(*command, "--namespace", "../kube-system"), 2, "a namespace has up to 63 small letters")


def test_an_api_server_that_does_not_answer_is_exit_5(gameday: Callable[..., Done]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    refused(gameday("run", "smoke", server=f"https://127.0.0.1:{port}"), 5, "API server")


def test_a_profile_of_another_platform_is_refused(gameday: Callable[..., Done]) -> None:
    refused(gameday("run", "smoke", "--profile", "embedded"), 2, "platform.kind is local", "has to be kubernetes")


def test_an_experiment_that_is_a_file_does_not_come_along(gameday: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text((ROOT / "chaos/experiments/kill-api-pod.yaml").read_text())
    plan = "name: p\nload: {stages: [{users: 5, duration_s: 60}]}\nfaults: [{id: F1, experiment: mine.yaml, at_s: 5}]\n"
    (tmp_path / "plan.yaml").write_text(plan)
    refused(gameday("run", "plan.yaml"), 2, "mine.yaml: files do not come along into the cluster")


def test_a_namespace_that_may_not_be_touched_is_refused(gameday: Callable[..., Done], tmp_path: Path) -> None:
    profile = yaml.safe_load((ROOT / "gameday/profiles/kubernetes.yaml").read_text())
    profile["platform"]["cluster"]["namespace"] = "kube-system"
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(profile))
    done = gameday("run", "cluster", "--profile", "profile.yaml")
    refused(done, 2, "kube-system is not among allowed_namespaces (aia-system)")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "aia-system has no label aia-gameday/environment"),
        ({"aia-gameday/environment": "production"}, "carries aia-gameday/environment=production"),
        (None, "there is no aia-system"),
    ],
)
def test_a_target_that_is_not_there_or_not_to_be_broken_is_refused(
    gameday: Callable[..., Done], labels: dict[str, str] | None, said: str
) -> None:
    def script(asked: Asked) -> Reply:
        assert asked.method == "GET", "nothing is made before everything has been checked"
        if asked.path == "/version":
            return Reply(body={"gitVersion": "v1.34.0"})
        if labels is None:
            return Reply(404, {"message": "not found"})
        return Reply(body={"metadata": {"name": "aia-system", "labels": labels}})

    with api_server(script) as server:
        refused(gameday("run", "smoke", server=server.url), 2, said)


def test_what_the_cluster_forbids_is_bad_input(gameday: Callable[..., Done]) -> None:
    with api_server(lambda _: Reply(403, {"message": "forbidden: you may not"})) as server:
        refused(gameday("attach", server=server.url), 2, "you may not", "--context")


@pytest.mark.parametrize(
    ("runs", "arguments", "said"),
    [
        ([], (), "has no run"),
        (["aaaaaaaa", "bbbbbbbb"], (), "has several runs: aaaaaaaa (since 2026), bbbbbbbb (since 2026)"),
        (["aaaaaaaa"], ("cccccccc",), "has no run cccccccc; there are: aaaaaaaa"),
        (["aaaaaaaa"], ("No.1",), "a run id has"),
    ],
)
def test_attach_names_the_runs_that_there_are(
    gameday: Callable[..., Done], runs: list[str], arguments: tuple[str, ...], said: str
) -> None:
    plans = [{"metadata": {"labels": {"aia-gameday/run": run}, "creationTimestamp": "2026"}} for run in runs]
    with api_server(lambda _: Reply(body={"items": plans})) as server:
        refused(gameday("attach", *arguments, server=server.url), 2, said)


def test_recover_with_no_ledger_has_nothing_to_do(gameday: Callable[..., Done]) -> None:
    with api_server(lambda _: Reply(body={"items": []})) as server:
        done = gameday("recover", server=server.url)
    assert done.returncode == 0, done.stderr
    assert "nothing to recover" in done.stdout


@pytest.mark.parametrize(
    ("stderr", "kind", "said"),
    [
        ("Unable to connect to the server: dial tcp: i/o timeout", ClusterUnreachable, "cannot be reached"),
        ("E1 memcache.go: x\nThe connection to the server x was refused", ClusterUnreachable, "was refused"),
        ('error: context "x" does not exist', CommandError, "kubectl config get-contexts"),
        (
            'Error from server (Forbidden): jobs.batch is forbidden: User "a" cannot create',
            CommandError,
            'kubectl apply: jobs.batch is forbidden: User "a" cannot create',
        ),
        ("Warning: would violate PodSecurity\n", CommandError, "it gave no reason"),
    ],
)
def test_what_kubectl_complains_of_becomes_an_error_of_ours(stderr: str, kind: type[Exception], said: str) -> None:
    error = complaint("apply", stderr)
    assert type(error) is kind
    assert said in str(error)


def test_only_credentials_that_the_profile_names_and_that_are_set_travel() -> None:
    environment = {"AIA_CLIENT_ID": "me", "AIA_CLIENT_SECRET": "", "PATH": "/bin", "AIA_REDIS_PASSWORD": "pw"}
    assert credentials(load_profile("kubernetes"), environment) == {"AIA_CLIENT_ID": "me", "AIA_REDIS_PASSWORD": "pw"}


def test_a_run_comes_back_to_the_directory_that_has_it_already(tmp_path: Path) -> None:
    manifest = Manifest(
        run_id="12345678",
        created_at_ns=1,
        command="test",
        base_url="http://127.0.0.1:1",
        plan=Plan(name="p", load=Load(stages=(Stage(users=1, duration_s=1),))),
        profile=Profile(name="p"),
        machine=this_machine(),
        versions={},
    )
    runs, new = tmp_path / "runs", tmp_path / "runs" / "new"
    kept = create_run_directory(runs / "earlier", manifest)
    make_run_directory(runs / "other")
    assert local_directory("12345678", None, new) == kept
    assert local_directory("12345678", kept.path, new) == kept
    assert local_directory("12345678", runs / "other", new).path == runs / "other"
    assert local_directory("87654321", None, new).path == new
    with pytest.raises(RunDirectoryError):
        local_directory("87654321", kept.path, new)
