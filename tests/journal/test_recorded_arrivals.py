import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import PlanError
from journal.recorded_arrivals import offsets_s_of, pack


@given(st.lists(st.integers(0, 7 * 86_400 * 10**6), max_size=200).map(sorted))
def test_what_was_packed_comes_out_again(offsets_us: list[int]) -> None:
    assert np.round(offsets_s_of(pack(np.array(offsets_us, dtype=np.int64))) * 1e6).tolist() == offsets_us


@pytest.mark.parametrize("gap_us", [2**32 - 2, 2**32 - 1, 2**32, 3 * (2**32 - 1)])
def test_a_gap_longer_than_a_word_is_kept(gap_us: int) -> None:
    assert np.round(offsets_s_of(pack(np.array([5, 5 + gap_us]))) * 1e6).tolist() == [5, 5 + gap_us]


@pytest.mark.parametrize(
    "text",
    [
        "no base64!",
        "größer",
        base64.b64encode(b"not compressed").decode(),
        base64.b64encode(zlib.compress(b"abc")).decode(),
        base64.b64encode(zlib.compress(bytes(4000))[:-6]).decode(),
        base64.b64encode(zlib.compress(bytes(100_000_000))).decode(),
    ],
)
def test_what_nobody_packed_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="recording: cannot be read"):
        offsets_s_of(text)
