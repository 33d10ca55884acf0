"""Bodies in gzip or deflate, decoded with a bound: a small answer may claim to be a very large one."""

import zlib

from load.client.errors import NotDecodable, TooLarge

ACCEPTED = "gzip, deflate"
_GZIP, _RAW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS


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
        self._begun = False

    @property
    def whole(self) -> bool:
        """Whether the encoding has come to its end, or never began."""
        return self._inflate.eof or not self._begun

    def feed(self, piece: bytes, limit: int) -> bytes:
        if not piece:
            return b""
        try:
            return self._inflated(piece, limit)
        except zlib.error as error:
            raise NotDecodable(f"the body is not in its encoding: {error}") from error

    def _inflated(self, piece: bytes, limit: int) -> bytes:
        first, self._begun = not self._begun, True
        if self._inflate.eof:  # gzip files may be strung together; anything else after the end is padding
            return b""
        try:
            return self._inflate.decompress(piece, limit)
        except zlib.error:
            if not (first and self._deflate):
                raise
            self._inflate = zlib.decompressobj(_RAW)  # deflate without the zlib wrapper, as some servers send it
            return self._inflate.decompress(piece, limit)


def decode(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """A whole body, decoded. Raises as `Decoder` does."""
    decoder = Decoder(encoding, limit_bytes)
    decoded = decoder.feed(body)
    decoder.finish()
    return decoded
