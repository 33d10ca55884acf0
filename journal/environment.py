"""Environment variables by which the processes of one run understand each other, and the secret that they may share."""

import os
from collections.abc import Mapping
from pathlib import Path

from journal.errors import CommandError, Problem

SPOOL_FOLDER = "GAMEDAY_SPOOL_DIR"
LOAD_SECRET = "GAMEDAY_LOAD_SECRET"  # noqa: S105  # the name of the variable
LOAD_SECRET_FILE = f"{LOAD_SECRET}_FILE"
SHORTEST_SECRET = 16


def load_secret(environment: Mapping[str, str] | None = None) -> str:
    """What master and workers share to know each other by, from a variable or from the file that one names; "" if none.

    A file that is not there means none: a mounted Secret may be optional.

    Raises:
        CommandError: both are given, the file cannot be read, or the secret is too short to be one.
    """
    given = os.environ if environment is None else environment
    text, file = given.get(LOAD_SECRET, ""), given.get(LOAD_SECRET_FILE, "")
    if text and file:
        raise CommandError([Problem(f"{LOAD_SECRET}, {LOAD_SECRET_FILE}", "both are set", "set only one of them")])
    where = LOAD_SECRET_FILE if file else LOAD_SECRET
    secret = _of_file(file) if file else text.strip()
    if secret and len(secret) < SHORTEST_SECRET:
        what, remedy = f"the secret has fewer than {SHORTEST_SECRET} characters", "make one: openssl rand -hex 32"
        raise CommandError([Problem(where, what, remedy)])
    return secret


def _of_file(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CommandError([Problem(LOAD_SECRET_FILE, f"{file} cannot be read: {why}")]) from error
