"""Measures how quickly the target's Redis answers PING."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import valkey

from journal.errors import Problem, ProfileError, TargetUnreachable
from probes.target_state import RedisEndpoint, read_target_state

TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Ping:
    """One PING: when it was due in epoch nanoseconds, and how long after that its answer came."""

    due_at_ns: int
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PingSeries:
    """`count` PINGs, due every `interval_ms`, each answered within `timeout_s`; fewer when `until_ns` comes first."""

    count: int = 40
    interval_ms: float = 10.0
    timeout_s: float = TIMEOUT_S
    until_ns: int | None = None


def measure_pings(
    endpoint: RedisEndpoint, *, count: int = 40, interval_ms: float = 10.0, timeout_s: float = TIMEOUT_S
) -> list[Ping]:
    """As `measure_series`."""
    return measure_series(endpoint, PingSeries(count=count, interval_ms=interval_ms, timeout_s=timeout_s))


def measure_series(endpoint: RedisEndpoint, series: PingSeries) -> list[Ping]:
    """PINGs over one connection, at least one.

    Each is timed from when it was due, not from when it could be sent: otherwise a stall that holds up the next ten
    pings would count once, and a server that stands still four fifths of the time would look quick.

    Raises:
        TargetUnreachable: Redis cannot be reached, or an answer took longer than the series allows.
        ProfileError: the password cannot be read, or is not taken.
    """
    pings: list[Ping] = []
    with _connection(endpoint, series.timeout_s) as client:
        client.ping()  # connecting and authenticating is not part of the first latency
        begin_ns = time.time_ns()
        begin_s = time.perf_counter()
        while len(pings) < series.count:
            pings.append(_ping(client, begin_ns, begin_s, len(pings) * series.interval_ms / 1000))
            if series.until_ns is not None and time.time_ns() >= series.until_ns:
                break
    return pings


def why_unreachable(endpoint: RedisEndpoint, timeout_s: float = 1.0) -> str:
    """Why this machine cannot talk to Redis at all; empty when it can, be the answers ever so late.

    A server without time still gets its connections, which the kernel makes; so whoever gets none is kept out.
    """
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout_s).close()
        with _connection(endpoint, timeout_s) as client:
            client.ping()
    except (OSError, ProfileError) as error:
        return str(error)
    except TargetUnreachable as error:
        return "" if isinstance(error.__cause__, valkey.TimeoutError) else str(error)
    return ""


def p95_ms(pings: list[Ping]) -> float:
    """The 95th percentile of their latencies in ms, as one that was really seen (the next higher one)."""
    return float(np.percentile([ping.latency_ms for ping in pings], 95, method="higher"))


def ping_p95_ms(
    state_file: str = "",
    count: int = 20,
    interval_ms: float = 10.0,
    timeout_s: float = TIMEOUT_S,
    *,
    redis: str = "",
    password_env: str = "AIA_REDIS_PASSWORD",  # noqa: S107  # the name of a variable
) -> float:
    """The p95 of `count` PINGs to the target's Redis: what a hypothesis calls.

    It is the one at `redis` (host:port), with the password that the environment has under `password_env`, else the one
    in the target's state file. Raises ProfileError when neither is given.
    """
    endpoint = parse_address(redis, password_env) if redis else _endpoint_in(state_file)
    return p95_ms(measure_pings(endpoint, count=count, interval_ms=interval_ms, timeout_s=timeout_s))


def parse_address(address: str, password_env: str) -> RedisEndpoint:
    """The endpoint at host:port. Raises ProfileError for another form."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ProfileError([Problem("redis", f"{address!r} is no address", "write host:port")])
    return RedisEndpoint(host.strip("[]"), int(port), password_env=password_env)


def _endpoint_in(state_file: str) -> RedisEndpoint:
    if not state_file:
        raise ProfileError([Problem("redis", "is not named", "set GAMEDAY_REDIS to host:port, or name a state file")])
    return read_target_state(Path(state_file)).redis


def _ping(client: "valkey.Valkey", begin_ns: int, begin_s: float, due_s: float) -> Ping:
    time.sleep(max(0.0, begin_s + due_s - time.perf_counter()))
    client.ping()
    latency_s = time.perf_counter() - begin_s - due_s
    return Ping(begin_ns + round(due_s * 1e9), latency_s * 1000)


@contextmanager
def _connection(endpoint: RedisEndpoint, timeout_s: float) -> Iterator["valkey.Valkey"]:
    client = valkey.Valkey(
        host=endpoint.host,
        port=endpoint.port,
        password=_password(endpoint),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )
    try:
        yield client
    except valkey.AuthenticationError as error:
        place = endpoint.password_env or endpoint.password_file
        raise ProfileError([Problem(place, "Redis does not take this password")]) from error
    except valkey.TimeoutError as error:
        raise TargetUnreachable(
            f"Redis at {endpoint.host}:{endpoint.port}: no answer within {timeout_s:g} s"
        ) from error
    except (valkey.ValkeyError, OSError) as error:
        raise TargetUnreachable(f"Redis at {endpoint.host}:{endpoint.port}: {error}") from error
    finally:
        client.close()  # type: ignore[no-untyped-call]  # valkey annotates most methods, not this one


def _password(endpoint: RedisEndpoint) -> str | None:
    if endpoint.password_env:
        return os.environ.get(endpoint.password_env) or None
    try:
        return Path(endpoint.password_file).read_text().strip()
    except OSError as error:
        raise ProfileError([Problem(endpoint.password_file, f"cannot be read: {error.strerror}")]) from error
