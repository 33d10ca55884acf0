"""Brings home what the volume of a run still has, when its conductor has ended: through a pod made for that alone."""

import copy
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gameday.cluster.diagnosis import Patience, pod_troubles
from gameday.cluster.mirroring import SENDER, receive_once
from gameday.cluster.run import CONDUCTOR, READER, ClusterRun, run_directory_in
from journal.errors import ClusterRefused, ClusterUnreachable, CommandError, HarnessDefect, MirrorBroken, Problem
from journal.mirror import Receiver
from probes.kubernetes_api import Json

START_WITHIN_S, FETCH_WITHIN_S = 180.0, 300.0
_LIVES_S = 900
_TRIES_PER_FILE = 3
_PAUSE_S = 1.0
# sleeps until it is told to end; the first process of a container hears only the signals that it waits for
_SLEEP = (
    "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); "
    f"signal.sigtimedwait({{signal.SIGTERM}}, {_LIVES_S})"
)


def has_volume(run: ClusterRun) -> bool:
    """Whether there is anything to fetch from."""
    claim = run.names.path("persistentvolumeclaims", "runs")
    return run.conductor_job() is not None and run.find(claim) is not None


def fetch_rest(run: ClusterRun, tell: Callable[[str], None]) -> None:
    """Completes the local copy and compares it with the volume by hashes.

    Raises:
        ClusterUnreachable: the cluster did not answer for too long.
        CommandError: no pod beside the volume can be started.
        MirrorBroken: files differ, however often they are fetched.
    """
    job = run.conductor_job()
    assert job is not None, "see has_volume"
    with _reader(run, job) as connect:
        _fetch(connect, Receiver(run.local.path), tell)


def _fetch(connect: Callable[[], "subprocess.Popen[bytes]"], receiver: Receiver, tell: Callable[[str], None]) -> None:
    tries: dict[str, int] = {}
    ends_s = time.monotonic() + FETCH_WITHIN_S
    while True:
        try:
            differing = receive_once(connect, receiver, follow=False, on_record=lambda: None)
        except MirrorBroken as error:
            if time.monotonic() > ends_s:
                raise
            tell(f"fetching again: {error}")
            time.sleep(_PAUSE_S)
            continue
        if not differing:
            return
        for file in differing:
            tries[file] = tries.get(file, 0) + 1
            receiver.forget(file)
        hopeless = [file for file, number in tries.items() if number >= _TRIES_PER_FILE]
        if hopeless:
            raise MirrorBroken(f"{', '.join(hopeless)}: the copy differs from the volume, however often it is fetched")
        tell(f"fetched again from the beginning, since the hashes differ: {', '.join(differing)}")


@contextmanager
def _reader(run: ClusterRun, job: Json) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Connections to a sender in a pod beside the volume; the pod is removed in the end."""
    path = run.names.path("pods", READER)
    _create_anew(run, path, reader_pod(run, job))
    try:
        _await_running(run, path)
        command = [*SENDER, run_directory_in(job)]
        yield lambda: run.kubectl.exec(run.names.namespace, run.names.of(READER), READER, command)
    finally:
        remove_reader(run)


def remove_reader(run: ClusterRun) -> None:
    """Removes the pod, whether it is there or not."""
    try:
        run.api.delete(run.names.path("pods", READER), grace_period_s=0)
    except ClusterRefused as error:
        if error.status != 404:
            raise


def reader_pod(run: ClusterRun, job: Json) -> Json:
    """A pod like the conductor's: same image, user and volume, but no rights, no network name, nothing to do."""
    template = job["spec"]["template"]["spec"]
    container = next(found for found in template["containers"] if found["name"] == CONDUCTOR)
    kept = ("securityContext", "imagePullSecrets", "tolerations", "nodeSelector", "priorityClassName")
    spec = {key: copy.deepcopy(template[key]) for key in kept if key in template}
    spec |= {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": _LIVES_S,
        "terminationGracePeriodSeconds": 2,
        "containers": [
            {
                "name": READER,
                "image": container["image"],
                "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                "command": ["python", "-P", "-c", _SLEEP],
                "securityContext": copy.deepcopy(container.get("securityContext", {})),
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"cpu": "500m", "memory": "128Mi"},
                },
                "volumeMounts": [{"name": "runs", "mountPath": "/runs", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "runs", "persistentVolumeClaim": {"claimName": run.names.of("runs"), "readOnly": True}}],
    }
    metadata = {"name": run.names.of(READER), "labels": run.names.labels(READER)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _create_anew(run: ClusterRun, path: str, pod: Json) -> None:
    """Makes the pod; one that an earlier command has left is replaced, it may be about to end."""
    remove_reader(run)
    ends_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            run.api.create(run.names.path("pods"), pod)
            return
        except ClusterRefused as error:
            if error.status != 409 or time.monotonic() > ends_s:
                problem = Problem(path, f"the cluster refuses the pod that reads the volume: {error}")
                raise CommandError([problem]) from error
        time.sleep(_PAUSE_S)


def _await_running(run: ClusterRun, path: str) -> None:
    patience, ends_s = Patience(), time.monotonic() + START_WITHIN_S
    while time.monotonic() < ends_s:
        pod = run.find(path)
        phase = (pod or {}).get("status", {}).get("phase")
        if phase == "Running":
            return
        if pod is None or phase in {"Failed", "Succeeded"}:
            raise HarnessDefect(f"the pod that reads the volume ended at once ({phase})")
        for trouble in patience.exhausted(list(pod_troubles(pod)), time.monotonic()):
            raise CommandError([Problem(run.names.namespace, str(trouble), trouble.remedy)])
        time.sleep(_PAUSE_S / 2)
    raise ClusterUnreachable(f"the pod that reads the volume did not run after {START_WITHIN_S:g} s")
