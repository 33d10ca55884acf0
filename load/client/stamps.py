"""The kernel's receive stamps: when the last byte of an answer arrived, however late this process reads it.

Linux stamps received TCP data where SO_TIMESTAMPNS is set, and hands the stamp of the last segment out with the data.
"""

import platform
import socket
import struct
from dataclasses import dataclass

from gevent.monkey import get_original

_socket = get_original("socket", "socket")
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
FEWEST_UNSTAMPED, MOST_UNSTAMPED_SHARE = 10, 0.01
SPACE = socket.CMSG_SPACE(TIMESPEC.size)


def ask_for_stamps(raw: socket.socket) -> bool:
    """Asks the kernel to stamp what this socket receives; whether it agreed."""
    if platform.system() != "Linux":
        return False
    try:
        raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def are_refused() -> bool:
    """Whether sockets of this process get no stamps, so that all latencies are taken in user space."""
    with _socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        return not ask_for_stamps(raw)


@dataclass(slots=True)
class StampCount:
    """How many answers of this process the kernel stamped.

    `unstamped` were timed in user space instead: their stamp was missing, or the wall clock was set while they waited.
    """

    stamped: int = 0
    unstamped: int = 0


count = StampCount()


def complaint() -> str:
    """What is to be said at the end, when more answers went without a stamp than a clock that is set explains."""
    answers = count.stamped + count.unstamped
    if count.unstamped < FEWEST_UNSTAMPED or count.unstamped <= MOST_UNSTAMPED_SHARE * answers:
        return ""
    rest = "their latencies contain this worker's own delay"
    return f"the kernel gave no stamp for {count.unstamped:,} of {answers:,} answers: {rest}"
