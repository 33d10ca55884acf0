"""Writes a first plan and profile for somebody to edit."""

from pathlib import Path

from gameday.sources import packaged
from journal.errors import CommandError, Problem

_PROFILE = """\
# Where the target is and how it may be treated. Remove base_url to use the embedded reference AIA.
name: my-aia
base_url: http://127.0.0.1:8000
# Nothing else is ever loaded or broken; add a host only if you may do that to it.
allowed_hosts: [127.0.0.1, localhost]
verify_tls: true
limits: {requests_per_hour_per_user: 36000, max_users: 500}
platform:
  kind: local
  # as printed by `gameday target up`; without it a plan may not have faults
  state_file: ""
  environment: embedded
"""


def write_starter_files(folder: Path) -> list[Path]:
    """Writes plan.yaml and profile.yaml into the folder; files that are there already are never overwritten.

    Raises:
        CommandError: one of them exists, or the folder cannot be written.
    """
    contents = {"plan.yaml": packaged("plan")["gameday"].read_text(), "profile.yaml": _PROFILE}
    existing = [name for name in contents if (folder / name).exists()]
    if existing:
        remedy = "move it away, or name another folder"
        raise CommandError(Problem(str(folder / name), "exists already", remedy) for name in existing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise CommandError([Problem(str(folder), f"cannot be written: {error.strerror}")]) from error
    return [folder / name for name in contents]
