"""How one exchange ended, in one word and with its times: what the journeys' side of the client deals in."""

from typing import NamedTuple

from journal.outcomes import Outcome
from load.client.headers import Headers


class Reply(NamedTuple):
    """`outcome` is OK for any whole answer; `detail` says what happened when there is none.

    `service_us` spans connecting where that was necessary, sending, and receiving the last byte; `lag_us` how long the
    answer then lay unread, None where the kernel gave no stamp. `began_ns` and `received_ns` are epoch times.
    """

    outcome: Outcome
    service_us: int
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    detail: str = ""
    head_before: bytes = b""
    lag_us: int | None = None
    began_ns: int = 0
    received_ns: int = 0

    @property
    def headers(self) -> Headers:
        """The fields of the header."""
        return Headers(self.head)

    @property
    def served_by(self) -> str:
        """The replica behind this connection, as far as it was known before this exchange."""
        return Headers(self.head_before).get("x-served-by", "")
