"""TLS over a wire, through memory buffers: so the kernel's stamps are kept, and the handshake waits on the loop."""

import ssl
from functools import lru_cache
from time import monotonic_ns
from typing import Any

from gevent.monkey import get_original

from load.client.errors import CertificateRefused, TimedOut, TlsRefused
from load.client.origin import Origin
from load.client.wire import RECEIVE_BYTES, Wire


@lru_cache(maxsize=64)
def context_for(*, verify: bool, ca_file: str) -> ssl.SSLContext:
    """The settings of all connections that judge certificates alike; one object, since sessions belong to it.

    Raises:
        TlsRefused: the file of authorities cannot be used.
    """
    # Looked up here: gevent warns when it patches a class that a module already holds.
    context: ssl.SSLContext = get_original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise TlsRefused(f"the file of authorities {ca_file} cannot be used: {error}") from error
    return context


class TlsWire:
    """The same as a `Wire`, encrypted. Sessions are resumed: `sessions` remembers one for each origin."""

    def __init__(self, wire: Wire, origin: Origin, sessions: dict[Origin, ssl.SSLSession]) -> None:
        self._wire = wire
        self._origin = origin
        self._sessions = sessions
        context = context_for(verify=origin.verify_tls, ca_file=origin.ca_file)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = origin.host
        session = sessions.get(origin)
        self._ssl: Any = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self._remembered = self._ended = False

    @property
    def stamp_ns(self) -> int:
        """When the kernel received the last bytes."""
        return self._wire.stamp_ns

    @property
    def read_ns(self) -> int:
        """When the last bytes were read."""
        return self._wire.read_ns

    @property
    def read_mono_ns(self) -> int:
        """The same moment on the monotonic clock."""
        return self._wire.read_mono_ns

    @property
    def resumed(self) -> bool:
        """Whether the handshake took up an earlier session."""
        return bool(self._ssl.session_reused)

    def handshake(self, deadline_ns: int) -> None:
        """Agrees on keys and judges the certificate.

        Raises:
            CertificateRefused: wrong name, expired, or nobody vouches for it.
            TlsRefused: anything else that the two sides could not agree on.
            TimedOut, OSError: as the wire raises them.
        """
        try:
            while not self._step(deadline_ns):
                pass
        except ssl.SSLCertVerificationError as error:
            self._flush(deadline_ns)  # the alert that tells the other side why
            raise CertificateRefused(f"certificate refused: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise TlsRefused(f"TLS handshake failed: {error.reason or error}") from error

    def _step(self, deadline_ns: int) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush(deadline_ns)
            self._fill(deadline_ns)
            return False
        self._flush(deadline_ns)
        return True

    def _flush(self, deadline_ns: int) -> None:
        if self._outgoing.pending:
            self._wire.send(self._outgoing.read(), deadline_ns)

    def _fill(self, deadline_ns: int) -> None:
        data = self._wire.receive(deadline_ns)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def send(self, data: bytes, deadline_ns: int) -> None:
        """Encrypts and sends all of it."""
        self._ssl.write(data)
        self._flush(deadline_ns)

    def receive(self, deadline_ns: int) -> bytes:
        """The next bytes, decrypted; empty when the other side has ended the encryption in order.

        Raises:
            OSError: the connection broke, or was closed without saying so.
        """
        while True:
            try:
                data: bytes = self._ssl.read(RECEIVE_BYTES)
            except ssl.SSLWantReadError:
                self._fill(deadline_ns)
                continue
            except ssl.SSLZeroReturnError:
                return b""
            self._remember()
            return data

    def _remember(self) -> None:
        """Keeps the session for the next connection; with TLS 1.3 it comes only after the handshake."""
        if not self._remembered:
            session = self._ssl.session
            if session is not None and session.has_ticket:
                self._sessions[self._origin] = session
                self._remembered = True

    def is_fresh(self) -> bool:
        """Whether the connection can be used again: nothing has come but what belongs to the encryption itself."""
        while not self._ended and (self._incoming.pending or not self._wire.is_fresh()):
            self._ended = not self._is_only_encryption()
        return not self._ended

    def _is_only_encryption(self) -> bool:
        try:
            if not self._incoming.pending:
                self._fill(monotonic_ns())
            self._ssl.read(RECEIVE_BYTES)
        except ssl.SSLWantReadError:
            return True
        except (OSError, TimedOut):  # closed, broken, or nothing there after all
            return False
        return False  # data that nobody asked for

    def drop(self) -> None:
        """Ends the connection as a network does, without a word to the other side."""
        self._wire.drop()

    def close(self) -> None:
        """Closes the connection without waiting for the other side."""
        self._wire.close()
