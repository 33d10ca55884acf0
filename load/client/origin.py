"""Where a target listens: scheme, host and port of a URL, and what its connections need."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that answers HTTP, and how its certificate is judged; `ca_file` replaces the system's authorities."""

    scheme: str
    host: str
    port: int
    verify_tls: bool = True
    ca_file: str = ""

    @classmethod
    def of(cls, base_url: str, *, verify_tls: bool = True, ca_file: str = "") -> "Origin":
        """The origin of a URL, which is known to have a scheme and a host.

        Raises:
            ValueError: the port is no number, or the brackets of an IPv6 address are not closed.
        """
        parts = urlsplit(base_url)
        port = DEFAULT_PORTS.get(parts.scheme, 80) if parts.port is None else parts.port
        return cls(parts.scheme, parts.hostname or "", port, verify_tls, ca_file)

    @property
    def secure(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a request may take, and how much an answer may weigh.

    `connect_s` bounds opening a connection, `read_s` each silence while an answer is awaited, `total_s` all of it;
    None: no bound of its own. `body_bytes` bounds the body as received and again as decoded.
    """

    connect_s: float | None = None
    read_s: float | None = None
    total_s: float | None = None
    header_bytes: int = 65_536
    body_bytes: int = 64 * 1024 * 1024
