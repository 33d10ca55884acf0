"""Keeps what the pods of a run printed, before they are removed, beside what the conductor's own children did."""

import click

from gameday.cluster.run import CONDUCTOR, READER, ClusterRun, component
from journal.errors import ClusterRefused, ClusterUnreachable
from probes.kubernetes_api import Json

MAX_BYTES = 4 * 1024 * 1024
LAST_WORDS_LINES = 20
_INDEX = "batch.kubernetes.io/job-completion-index"


def keep_logs(run: ClusterRun) -> None:
    """Writes the log of each pod into `logs/`; one that cannot be had is left out, the verdict does not need it."""
    for pod in run.pods():
        text = _log_of(run, pod["metadata"]["name"], limitBytes=MAX_BYTES) if component(pod) != READER else None
        if text:
            (run.local.logs / f"{_name(pod)}.log").write_text(text, encoding="utf-8")


def say_last_words(run: ClusterRun, pod: str) -> None:
    """Prints the end of the conductor's log, where there is no run directory to tell more."""
    click.echo((pod and _log_of(run, pod, container=CONDUCTOR, tailLines=LAST_WORDS_LINES)) or "(nothing)", err=True)


def _log_of(run: ClusterRun, pod: str, **options: str | int) -> str | None:
    try:
        return run.api.text(f"{run.names.path('pods')}/{pod}/log", **options)
    except (ClusterRefused, ClusterUnreachable):
        return None


def _name(pod: Json) -> str:
    """As the master names its workers; a part without an index by its component."""
    labels = pod["metadata"]["labels"]
    index = labels.get(_INDEX)
    return f"{component(pod)}-{index}" if index is not None else component(pod)
