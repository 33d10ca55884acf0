"""The parts of AIA as pods: what they are told by environment variables, then the same code as on one machine."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from target import agent_worker, api_replica, counters, valkey_server
from target.command import Options, parser
from target.errors import TargetError
from target.settings import Secrets, Settings

PARTS = ("api", "worker", "redis")
_OPTIONS = (
    "host",
    "port",
    "rate-limit-per-hour",
    "token-lifetime-s",
    "scrypt-log2-n",
    "work-ms",
    "task-retention-s",
    "seed",
)
_DEFAULTS = {"AIA_HOST": "0.0.0.0", "AIA_REDIS_ADDRESS": "aia-redis:6379"}  # noqa: S104 - a pod's own address
_API_PORT, _REDIS_PORT = "8000", "6379"
_DRAIN_S = "5"  # what a busy cluster needs to stop sending clients to a pod that ends
_FINISH_S = 15


def settings_from(environment: Mapping[str, str]) -> Settings:
    """The settings of an API replica or a worker. Raises TargetError (exit code 2) that lists all problems."""
    given = {"AIA_PORT": _API_PORT, **_DEFAULTS, **environment}
    options = _options(given)
    redis_host, redis_port = _address(given["AIA_REDIS_ADDRESS"])
    return Settings(
        host=options.host,
        port=options.port,
        redis_host=redis_host,
        redis_port=redis_port,
        state_dir=_state_dir(given),
        defects=options.defects,
        seed=options.seed,
        rate_limit_per_hour=options.rate_limit_per_hour,
        token_lifetime_s=options.token_lifetime_s,
        scrypt_log2_n=options.scrypt_log2_n,
        work_ms=options.work_ms,
        task_retention_s=options.task_retention_s,
        listens_early=True,
        drain_s=_seconds(given.get("AIA_DRAIN_S", _DRAIN_S)),
        finish_s=_FINISH_S,
    )


def _options(given: Mapping[str, str]) -> Options:
    """What the command line of the whole target takes as options, here from variables of the same names."""
    values = ((name, given.get("AIA_" + name.upper().replace("-", "_"))) for name in _OPTIONS)
    arguments = [f"--{name}={value}" for name, value in values if value]
    arguments += [f"--defect={spec}" for spec in given.get("AIA_DEFECTS", "").split()]
    return Options(parser().parse_args(arguments))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise TargetError(f"AIA_REDIS_ADDRESS={text}: must be HOST:PORT, such as aia-redis:6379", exit_code=2)
    return host.strip("[]"), int(port)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 60:
            return float(text)
    raise TargetError(f"AIA_DRAIN_S={text}: must be a number of seconds from 0 to 60", exit_code=2)


def _state_dir(given: Mapping[str, str]) -> Path:
    return Path(given.get("AIA_STATE_DIR") or tempfile.gettempdir())


def secrets_from(environment: Mapping[str, str]) -> Secrets:
    """All secrets. Raises TargetError (exit code 2) that names the variables that are not set."""
    return Secrets(
        redis_password=_secret(environment, "AIA_REDIS_PASSWORD"),
        jwt_key=_secret(environment, "AIA_JWT_KEY"),
        client_id=_secret(environment, "AIA_CLIENT_ID"),
        client_secret=_secret(environment, "AIA_CLIENT_SECRET"),
    )


def _secret(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise TargetError(f"the environment variable {name} must be set", exit_code=2)
    return environment[name]


def _name(environment: Mapping[str, str]) -> str:
    return environment.get("POD_NAME") or socket.gethostname()


def _api(environment: Mapping[str, str]) -> None:
    settings, name = settings_from(environment), _name(environment)
    if not settings.counters_file(name).exists():  # a container that was started again goes on counting
        counters.create(settings.counters_file(name))
    api_replica.serve(name, settings, secrets_from(environment))


def _worker(environment: Mapping[str, str]) -> None:
    password = _secret(environment, "AIA_REDIS_PASSWORD")
    secrets = Secrets(redis_password=password, jwt_key="", client_id="", client_secret="")  # it has no use for more
    asyncio.run(agent_worker.work(_name(environment), settings_from(environment), secrets))


def _redis(environment: Mapping[str, str]) -> None:
    """Become the server; its configuration, which holds the password, stays off the volume of its data."""
    given = {"AIA_PORT": _REDIS_PORT, **_DEFAULTS, **environment}
    options = _options(given)
    command = valkey_server.prepare(
        Path(tempfile.gettempdir()) / "redis",
        host=options.host,
        port=options.port,
        password=_secret(given, "AIA_REDIS_PASSWORD"),
        data=_state_dir(given),
    )
    os.execv(command[0], command)  # noqa: S606 - a server of ours, no shell


def main(arguments: Sequence[str]) -> int:
    """Be the named part until SIGTERM; returns the exit code."""
    if len(arguments) != 1 or arguments[0] not in PARTS:
        print(f"usage: python -m target.pod {'|'.join(PARTS)}", file=sys.stderr)
        return 2
    level = logging.INFO if arguments[0] == "worker" else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(message)s")
    try:
        {"api": _api, "worker": _worker, "redis": _redis}[arguments[0]](os.environ)
    except TargetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
