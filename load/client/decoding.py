"""Bodies in gzip or deflate, decoded with a bound: a small answer may claim to be a very large one."""

import zlib

from load.client.errors import NotDecodable, TooLarge

ACCEPTED = "gzip, deflate"
_GZIP, _RAW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_GZIP_MARK = b"\x1f\x8b"


class Decoder:
    """Decodes the pieces of one body; `encoding` is the value of its Content-Encoding.

    Raises:
        NotDecodable: an encoding that this client never asked for.
    """

    def __init__(self, encoding: str, limit_bytes: int) -> None:
        self._limit_bytes = self._left = limit_bytes
        names = [name.strip().lower() for name in encoding.split(",")]
        self._stages = [_Stage(name) for name in reversed(names) if name not in {"", "identity"}]

    def feed(self, piece: bytes) -> bytes:
        """The next piece, decoded.

        Raises:
            NotDecodable: it is not in the encoding.
            TooLarge: the whole is larger than the limit.
        """
        for stage in self._stages:
            piece = stage.feed(piece, self._left + 1)
        self._left -= len(piece)
        if self._left < 0:
            raise TooLarge(f"the decoded body is larger than {self._limit_bytes} bytes")
        return piece

    def renew(self) -> None:
        """Begins the bound anew, for bodies that are used up while they arrive."""
        self._left = self._limit_bytes

    def finish(self) -> None:
        """The body has ended. Raises NotDecodable when its encoding has not."""
        if any(not stage.whole for stage in self._stages):
            raise NotDecodable("the encoded body ends too early")


class _Stage:
    """One encoding; a server may apply several."""

    def __init__(self, name: str) -> None:
        if name in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(_GZIP)
        elif name == "deflate":
            self._inflate = zlib.decompressobj()
        else:
            raise NotDecodable(f"unknown content encoding {name!r:.40}")
        self._deflate = name == "deflate"
        self._may_go_on = not self._deflate
        self._begun = False
        self._held = b""

    @property
    def whole(self) -> bool:
        """Whether the encoding has come to its end, or never began."""
        return self._inflate.eof or not self._begun

    def feed(self, piece: bytes, limit: int) -> bytes:
        data, self._held, decoded = self._held + piece, b"", b""
        try:
            while data and len(decoded) < limit and (not self._inflate.eof or self._another_begins(data)):
                decoded += self._inflated(data, limit - len(decoded))
                data = self._inflate.unused_data
        except zlib.error as error:
            raise NotDecodable(f"the body is not in its encoding: {error}") from error
        return decoded

    def _inflated(self, data: bytes, limit: int) -> bytes:
        first, self._begun = not self._begun, True
        try:
            return self._inflate.decompress(data, limit)
        except zlib.error:
            if not (first and self._deflate):
                raise
            self._inflate = zlib.decompressobj(_RAW)  # deflate without the zlib wrapper, as some servers send it
            return self._inflate.decompress(data, limit)

    def _another_begins(self, data: bytes) -> bool:
        """Whether the end of a gzip file is followed by another one; what else comes there is padding."""
        if self._may_go_on and data.startswith(_GZIP_MARK):
            self._inflate = zlib.decompressobj(_GZIP)
            return True
        self._may_go_on = self._may_go_on and _GZIP_MARK.startswith(data)
        self._held = data if self._may_go_on else b""
        return False


def decode(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """A whole body, decoded. Raises as `Decoder` does."""
    decoder = Decoder(encoding, limit_bytes)
    decoded = decoder.feed(body)
    decoder.finish()
    return decoded
