"""Recorded arrivals as text that travels inside a plan: the gaps between them in whole µs, compressed.

`pack` and `offsets_s_of` are each other's reverse. One million arrivals take about three megabytes.
"""

import base64
import binascii
import zlib

import numpy as np
from numpy.typing import NDArray

from journal.errors import PlanError, Problem

MOST_ARRIVALS = 2_000_000
LONGEST_S = 7 * 86_400
_GAP = np.dtype("<u4")  # 71 minutes; a longer gap is several, with markers between
_WHOLE = np.iinfo(_GAP).max


def pack(offsets_us: NDArray[np.int64]) -> str:
    """The text of ascending offsets in µs from the begin of the load."""
    gaps = np.diff(offsets_us, prepend=0)
    long = gaps // _WHOLE  # so many markers before this gap
    ends = np.cumsum(long + 1) - 1
    words = np.full(int(long.sum()) + gaps.size, _WHOLE, dtype=_GAP)
    words[ends] = gaps % _WHOLE
    return base64.b64encode(zlib.compress(words.tobytes(), 9)).decode()


def offsets_s_of(recording: str) -> NDArray[np.float64]:
    """The offsets in seconds, ascending.

    Raises:
        PlanError: the text was not made by `pack`.
    """
    most_bytes = _GAP.itemsize * (MOST_ARRIVALS + LONGEST_S * 10**6 // _WHOLE + 1)
    try:
        packed = base64.b64decode(recording.encode("ascii"), validate=True)
        inflate = zlib.decompressobj()
        raw = inflate.decompress(packed, most_bytes + 1) if packed else b""
    except (ValueError, binascii.Error, zlib.error) as error:
        raise _damaged(str(error)) from error
    if len(raw) > most_bytes or len(raw) % _GAP.itemsize or (packed and not inflate.eof):
        raise _damaged("it does not hold what it claims")
    words = np.frombuffer(raw, dtype=_GAP).astype(np.int64)
    return np.asarray(np.cumsum(words)[words != _WHOLE] / 1e6)


def _damaged(what: str) -> PlanError:
    remedy = "name the file of arrivals with `file` instead"
    return PlanError([Problem("load.arrivals.recording", f"cannot be read: {what}", remedy)])
