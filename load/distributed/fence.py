"""The fence around the traffic between master and workers: whoever does not know the shared secret gets no word in.

Locust's own sockets know no passwords. ZeroMQ's CURVE does: it encrypts, and both sides prove that they hold the right
keys before the first message is taken. The master's key pair is derived from the secret, so only who knows the secret
can greet the master, and only who knows it can be taken for the master.
"""

import hashlib
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import gevent
import zmq.green as zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from journal.environment import LOAD_SECRET

_SALT = b"aia-gameday master"
_LONGEST_RECONNECT_MS = 1000
_NAMELESS = 30
_MOST_NAMED = 100
_FAILED = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
}
_ENDING = {"04", "05", "06", "0B"}  # FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING
_logger = logging.getLogger(__name__)


def master_keys(secret: str) -> tuple[bytes, bytes]:
    """The master's public and secret key; slow on purpose, so that a short secret is not found by trying."""
    raw = hashlib.scrypt(secret.encode(), salt=_SALT, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    secret_key = z85.encode(raw)
    return zmq.curve_public(secret_key), secret_key


class Doorman:
    """Watches who is refused at a socket, and names each once: by address, or as nobody when none can be found out."""

    def __init__(self) -> None:
        self.messages: deque[str] = deque(maxlen=_MOST_NAMED)
        self._peers: dict[int, str] = {}
        self._named: set[str] = set()
        self._nameless = 0
        self._failed = False

    def watch(self, monitor: Any) -> NoReturn:
        """Follows the events of a socket for good."""
        while True:
            event = recv_monitor_message(monitor)
            port = event["endpoint"].decode().rpartition(":")[2]
            self.take(int(event["event"]), int(event["value"]), int(port) if port.isdigit() else 0)

    def take(self, event: int, value: int, port: int = 0) -> None:
        """One event; the one of a failed greeting does not say whose, but the end of that connection comes next."""
        if event == zmq.EVENT_ACCEPTED:
            self._peers[value] = peer_of(value)
        elif event in _FAILED:
            self._failed = True
        elif event == zmq.EVENT_DISCONNECTED:
            peer = self._peers.pop(value, "")
            if self._failed:
                self._refused(peer or (only_peer_that_left(port) if not self._named else ""))
            self._failed = False

    def _refused(self, peer: str) -> None:
        self._nameless += not peer
        known = peer in self._named if peer else bool(self._named) or self._nameless < _NAMELESS
        if known or len(self._named) >= _MOST_NAMED:
            return
        self._named.add(peer)
        message = f"refused {peer or 'somebody whose address is not known'}, who has another shared secret or none"
        _logger.warning(message)
        self.messages.append(message)


def peer_of(descriptor: int) -> str:
    """The address at the other end of a connection; "" when it has ended already."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            return _plain(str(connection.getpeername()[0]))
    except OSError:
        return ""


def only_peer_that_left(port: int) -> str:
    """The address whose connections to our port are just being wound up; "" when there is none, or more than one.

    A refusal takes less time than we may need to look at the connection; Linux remembers it for a minute.
    """
    peers = {_address(row[2]) for row in _kernels_connections() if row[3] in _ENDING and _port(row[1]) == port}
    return peers.pop() if len(peers) == 1 else ""


def _kernels_connections() -> Iterator[list[str]]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            yield from (line.split() for line in table.read_text().splitlines()[1:])


def _port(end: str) -> int:
    return int(end.partition(":")[2], 16)


def _address(end: str) -> str:
    """The address of "0100007F:15B3": words of four bytes, each in the machine's order."""
    raw = bytes.fromhex(end.partition(":")[0])
    words = [raw[start : start + 4] for start in range(0, len(raw), 4)]
    ordered = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return _plain(socket.inet_ntop(socket.AF_INET if len(ordered) == 4 else socket.AF_INET6, ordered))


def _plain(address: str) -> str:
    """An IPv4 address that an IPv6 socket sees."""
    return address.removeprefix("::ffff:")


class _Applicant:
    """The worker's side: tells once that the master does not take it."""

    def __init__(self) -> None:
        self._told = False

    def watch(self, monitor: Any) -> NoReturn:
        while True:
            event = int(recv_monitor_message(monitor)["event"])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._told = False
            elif event in _FAILED and not self._told:
                self._told = True
                _logger.error("the master refuses this worker: do both have the same %s? Trying on.", LOAD_SECRET)


DOORMAN = Doorman()


def fence_in(secret: str, base: Any) -> None:
    """Makes each socket of class `base` that is opened from now on part of the fence; without a secret it only watches.

    `base` is what both kinds of Locust's sockets are made from; it offers no hook, so its initialiser is wrapped.
    """
    public, private = master_keys(secret) if secret else (b"", b"")
    plain = base.__init__

    def fenced(self: Any, sock_type: int, ipv4_only: bool) -> None:
        plain(self, sock_type, ipv4_only)
        opened = self.socket
        if sock_type == zmq.ROUTER:
            # a worker that comes back after its connection broke without a word is the same worker
            opened.setsockopt(zmq.ROUTER_HANDOVER, 1)
            if secret:
                opened.curve_server, opened.curve_secretkey = True, private
            watch = DOORMAN.watch
        else:
            opened.setsockopt(zmq.RECONNECT_IVL_MAX, _LONGEST_RECONNECT_MS)
            if secret:
                opened.curve_publickey, opened.curve_secretkey = zmq.curve_keypair()
                opened.curve_serverkey = public
            watch = _Applicant().watch
        gevent.spawn(watch, opened.get_monitor_socket())

    base.__init__ = fenced
