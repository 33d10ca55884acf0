"""The command line of the embedded target: its options, its state directory, its secrets."""

import argparse
import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from target import defects, ports
from target.errors import TargetError
from target.processes import spawn
from target.settings import Secrets, Settings
from target.supervisor import Supervisor
from target.valkey_server import write_private


def parser() -> argparse.ArgumentParser:
    """The options, all as text: `Options` checks them together, so that every problem is named at once."""
    options = argparse.ArgumentParser(
        prog="python -m target",
        description="Start the embedded reference AIA and keep it up until SIGTERM or SIGINT.",
        epilog=f"defects:\n{defects.SYNTAX}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", default="8000", help="0 takes a free one (default: 8000)")
    options.add_argument("--replicas", default="3", help="API processes on that port (default: 3)")
    options.add_argument("--workers", default="1", help="agent workers (default: 1)")
    options.add_argument("--state-dir", metavar="DIR", help="keeps data and logs (default: a temporary one)")
    options.add_argument(
        "--rate-limit-per-hour", default="36000", metavar="N", help="requests per user (default: 36000)"
    )
    options.add_argument("--token-lifetime-s", default="900", metavar="N", help="of access tokens (default: 900)")
    options.add_argument("--scrypt-log2-n", default="12", metavar="N", help="cost of password hashes (default: 12)")
    options.add_argument("--work-ms", default="10:40", metavar="MIN:MAX", help="work per task (default: 10:40)")
    options.add_argument("--task-retention-s", default="3600", metavar="N", help="keep task records (default: 3600)")
    options.add_argument("--seed", default="1", metavar="N", help="of defects (default: 1)")
    options.add_argument("--parent-pid", metavar="PID", help="stop when this process ends")
    options.add_argument("--defect", action="append", default=[], metavar="SPEC", help="repeatable, see below")
    return options


class Options:
    """Checked options; raises TargetError (exit code 2) that lists all problems."""

    def __init__(self, values: argparse.Namespace) -> None:
        self._values = values
        self._problems: list[str] = []
        self.host: str = values.host
        self.state_dir: str | None = values.state_dir
        self.port = self._number("port", 0, 65_535)
        self.replicas = self._number("replicas", 1, 64)
        self.workers = self._number("workers", 0, 64)
        self.rate_limit_per_hour = self._number("rate_limit_per_hour", 1, 10**9)
        self.token_lifetime_s = self._number("token_lifetime_s", 1, 86_400)
        self.scrypt_log2_n = self._number("scrypt_log2_n", 4, 18)
        self.task_retention_s = self._number("task_retention_s", 10, 10**7)
        self.seed = self._number("seed", 0, 2**63)
        self.parent_pid = self._number("parent_pid", 1, 2**31) if values.parent_pid is not None else None
        self.work_ms = self._work_ms()
        self.defects = self._defects()
        if self._problems:
            raise TargetError("\n".join(self._problems), exit_code=2)

    def _number(self, name: str, lowest: int, highest: int) -> int:
        text: str = getattr(self._values, name)
        with contextlib.suppress(ValueError):
            if lowest <= int(text) <= highest:
                return int(text)
        option = name.replace("_", "-")
        self._problems.append(f"--{option} {text}: must be a whole number from {lowest} to {highest}")
        return lowest

    def _work_ms(self) -> tuple[int, int]:
        text: str = self._values.work_ms
        with contextlib.suppress(ValueError):
            least, most = (int(part) for part in text.split(":"))
            if 0 <= least <= most <= 60_000:
                return least, most
        self._problems.append(f"--work-ms {text}: must be MIN:MAX in milliseconds, such as 10:40, at most 60000")
        return 0, 0

    def _defects(self) -> tuple[str, ...]:
        specs: list[str] = self._values.defect
        for spec in specs:
            try:
                defects.Defects().plant(spec)
            except ValueError as error:
                self._problems.append(f"--defect {spec}: {error}; known defects:\n{defects.SYNTAX}")
        return tuple(specs)


@contextlib.contextmanager
def state_directory(given: str | None) -> Iterator[Path]:
    """The folder for everything that the target writes; a temporary one goes away at the end, even after a SIGKILL.

    Raises TargetError (exit code 2) when the given one cannot be used, or is in use by another target.
    """
    if given is not None:
        folder = Path(given).absolute()
        with _locked(folder):
            yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="aia-target-"))
    janitor: subprocess.Popen[bytes] | None = None
    try:
        (folder / "logs").mkdir()
        janitor = _start_janitor(folder)
        yield folder
    finally:
        if janitor:
            janitor.kill()
            janitor.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start_janitor(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "target.janitor", str(os.getpid()), str(folder)]
    log_file = folder / "logs" / "janitor.log"
    return spawn(command, log_file=log_file, environment=os.environ, dies_with_parent=False)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise TargetError(f"--state-dir {folder}: cannot be written: {error.strerror}", exit_code=2) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(f"--state-dir {folder}: another target uses it", exit_code=2) from None
        yield


def new_secrets(folder: Path) -> Secrets:
    """Fresh secrets; those that clients and probes need are also written to private files in `folder`."""
    made = Secrets(
        redis_password=secrets.token_urlsafe(24),
        jwt_key=secrets.token_urlsafe(48),
        client_id=os.environ.get("AIA_CLIENT_ID", "aia-client"),
        client_secret=os.environ.get("AIA_CLIENT_SECRET") or secrets.token_urlsafe(24),
    )
    write_private(folder / "redis-password", made.redis_password)
    write_private(folder / "client-credentials", f"{made.client_id}\n{made.client_secret}\n")
    return made


def serve(options: Options, folder: Path) -> None:
    """Run the target in `folder` until it is told to stop. Raises TargetError when it cannot start."""
    logging.basicConfig(
        filename=folder / "logs" / "supervisor.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    with ports.reserve(options.host, options.port) as reserved:
        settings = Settings(
            host=options.host,
            port=reserved.getsockname()[1],
            redis_port=ports.free_loopback_port(),
            state_dir=folder,
            defects=options.defects,
            seed=options.seed,
            rate_limit_per_hour=options.rate_limit_per_hour,
            token_lifetime_s=options.token_lifetime_s,
            scrypt_log2_n=options.scrypt_log2_n,
            work_ms=options.work_ms,
            task_retention_s=options.task_retention_s,
        )
        supervisor = Supervisor(
            settings,
            new_secrets(folder),
            replicas=options.replicas,
            workers=options.workers,
            parent_pid=options.parent_pid,
        )
        supervisor.run(lambda: print(f"AIA is up at {settings.url} (state file: {supervisor.state_file})", flush=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        options = Options(parser().parse_args(arguments))
        with state_directory(options.state_dir) as folder:
            serve(options, folder)
    except TargetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
