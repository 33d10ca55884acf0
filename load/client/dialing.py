"""Opening connections: from a name to a wire, over all of its addresses, within one deadline."""

import errno
import os
import ssl
from time import monotonic_ns

import gevent
from gevent import socket as resolving
from gevent.monkey import get_original

from load.client.errors import ConnectionNotOpened, RequestError, TimedOut, UnknownHost
from load.client.origin import Origin
from load.client.reactor import Reactor
from load.client.stamps import ask_for_stamps
from load.client.tls import TlsWire
from load.client.wire import Wire

_socket = get_original("socket", "socket")


def dial(origin: Origin, reactor: Reactor, deadline_ns: int, sessions: dict[Origin, ssl.SSLSession]) -> Wire | TlsWire:
    """A connection to the origin, encrypted where its scheme says so.

    Raises:
        NotConnected: there is none; the text says why.
    """
    try:
        wire = _first_that_answers(origin, reactor, deadline_ns)
    except TimedOut:
        raise ConnectionNotOpened("no connection in time") from None
    if not origin.secure:
        return wire
    try:
        encrypted = TlsWire(wire, origin, sessions)
        encrypted.handshake(deadline_ns)
    except TimedOut:
        wire.close()
        raise ConnectionNotOpened("no TLS handshake in time") from None
    except RequestError:
        wire.close()
        raise
    except OSError as error:
        wire.close()
        raise ConnectionNotOpened(f"no TLS handshake: {error}") from error
    except BaseException:  # whatever stops the handshake, a killed user included, nobody else knows of this socket
        wire.close()
        raise
    return encrypted


def _first_that_answers(origin: Origin, reactor: Reactor, deadline_ns: int) -> Wire:
    """Each address gets an equal part of what is left: one that says nothing must not use up the time of the others."""
    last: Exception = OSError(f"{origin.host} has no address")
    addresses = _addresses(origin, deadline_ns)
    for number, (family, address) in enumerate(addresses):
        now_ns = monotonic_ns()
        try:
            return _open(family, address, reactor, now_ns + (deadline_ns - now_ns) // (len(addresses) - number))
        except (OSError, TimedOut) as error:
            last = error
    if isinstance(last, TimedOut):
        raise last
    raise ConnectionNotOpened(f"no connection: {last}") from last


def _addresses(origin: Origin, deadline_ns: int) -> list[tuple[int, tuple[object, ...]]]:
    """The addresses in the order of the resolver, which asks in a thread of its own."""
    try:
        with gevent.Timeout(max(0.001, (deadline_ns - monotonic_ns()) / 1e9), TimedOut()):
            found = resolving.getaddrinfo(origin.host, origin.port, type=resolving.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnknownHost(f"no connection: {origin.host} has no address: {error}") from error
    return [(family, address) for family, _, _, _, address in found]


def _open(family: int, address: tuple[object, ...], reactor: Reactor, deadline_ns: int) -> Wire:
    raw = _socket(family, resolving.SOCK_STREAM)
    raw.setblocking(False)
    raw.setsockopt(resolving.IPPROTO_TCP, resolving.TCP_NODELAY, 1)
    ask_for_stamps(raw)
    wire = Wire(raw, reactor)
    try:
        code = raw.connect_ex(address)
        if code == errno.EINPROGRESS:
            wire.wait_connected(deadline_ns)
            code = raw.getsockopt(resolving.SOL_SOCKET, resolving.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:  # also when the user is stopped meanwhile
        wire.close()
        raise
    return wire
