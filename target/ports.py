"""Which TCP port to take: one that is free, and stays ours while replicas come and go."""

import socket

from target.errors import TargetError


def free_loopback_port() -> int:
    """A port that the kernel says is free on 127.0.0.1 at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that never listens, but keeps `port` (0: a free one) for the replicas, which share it.

    The port is first taken without SO_REUSEPORT, since with it the kernel would let us join a stranger's port.
    Raises TargetError (exit code 2) when the port is in use or the host is not ours.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT are in nobody's way
            probe.bind(address)
            probe.listen(1)  # with SO_REUSEADDR only listening tells whether somebody else does
            chosen: int = probe.getsockname()[1]
        return bound_socket(host, chosen)
    except OSError as error:
        message = f"cannot listen on {host} port {port}: {error.strerror}; choose another (--port 0 takes a free one)"
        raise TargetError(message, exit_code=2) from error


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the shared port, not listening yet; OSError when the port is not to be had."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(address)
    return bound
