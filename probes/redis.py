"""Measures how quickly the target's Redis answers PING."""

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


def measure_pings(
    endpoint: RedisEndpoint, *, count: int = 40, interval_ms: float = 10.0, timeout_s: float = TIMEOUT_S
) -> list[Ping]:
    """`count` PINGs over one connection, due every `interval_ms`.

    Each is timed from when it was due, not from when it could be sent: otherwise a stall that holds up the next ten
    pings would count once, and a server that stands still four fifths of the time would look quick.

    Raises:
        TargetUnreachable: Redis cannot be reached, or an answer took longer than `timeout_s`.
        ProfileError: the password file cannot be read.
    """
    with _connection(endpoint, timeout_s) as client:
        client.ping()  # connecting and authenticating is not part of the first latency
        begin_ns = time.time_ns()
        begin_s = time.perf_counter()
        return [_ping(client, begin_ns, begin_s, index * interval_ms / 1000) for index in range(count)]


def p95_ms(pings: list[Ping]) -> float:
    """The 95th percentile of their latencies in ms, as one that was really seen (the next higher one)."""
    return float(np.percentile([ping.latency_ms for ping in pings], 95, method="higher"))


def ping_p95_ms(state_file: str, count: int = 20, interval_ms: float = 10.0, timeout_s: float = TIMEOUT_S) -> float:
    """The p95 of `count` PINGs to the Redis of the target with this state file: what a hypothesis calls."""
    endpoint = read_target_state(Path(state_file)).redis
    return p95_ms(measure_pings(endpoint, count=count, interval_ms=interval_ms, timeout_s=timeout_s))


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
        raise ProfileError([Problem(endpoint.password_file, "Redis does not take this password")]) from error
    except valkey.TimeoutError as error:
        raise TargetUnreachable(
            f"Redis at {endpoint.host}:{endpoint.port}: no answer within {timeout_s:g} s"
        ) from error
    except (valkey.ValkeyError, OSError) as error:
        raise TargetUnreachable(f"Redis at {endpoint.host}:{endpoint.port}: {error}") from error
    finally:
        client.close()  # type: ignore[no-untyped-call]  # valkey annotates most methods, not this one


def _password(endpoint: RedisEndpoint) -> str:
    try:
        return Path(endpoint.password_file).read_text().strip()
    except OSError as error:
        raise ProfileError([Problem(endpoint.password_file, f"cannot be read: {error.strerror}")]) from error
