import pytest

from benchmarks.microseconds import RUNGS, rows


def test_what_the_rungs_add_sums_up_to_the_whole_request():
    rungs = {rung.name: float(us) for rung, us in zip(RUNGS, (8, 12, 15.5, 17, 20, 20.75), strict=True)}
    parts = {name: 0.125 for rung in RUNGS for name in rung.parts}
    *lines, whole = rows({"rungs": rungs, "parts": parts})
    assert [float(us) for _, us, _ in lines] == [8, 4, 3.5, 1.5, 3, 0.75]
    assert float(whole[1]) == pytest.approx(sum(float(us) for _, us, _ in lines)) == 20.75
