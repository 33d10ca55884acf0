from pathlib import Path

import pytest

from benchmarks.measured import section
from benchmarks.readme import write_section
from benchmarks.scaling import Measured, Needs, between, table

PAGE = """
<!-- begin one -->
It has 10,000 users: 262 MiB.

| who | a | b |
| --- | --- | --- |
| us | 1,234.5 | 27% |

| rate | c |
| ---: | ---: |
| 20 | 7 |
<!-- end one -->
"""
CURVE = [(20.0, 10.0), (200.0, 100.0), (2_000.0, 1_000.0)]


def test_a_section_is_replaced_in_its_place_and_all_else_stays(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    write_section("one", "First", "| 1 |", readme)
    write_section("two", "Second", "| 2 |", readme)
    readme.write_text(readme.read_text() + "\nBy hand.\n")
    before = readme.read_text()
    write_section("one", "First", "| 3 |", readme)
    assert readme.read_text() == before.replace("| 1 |", "| 3 |")
    assert readme.read_text().count("<!-- begin one -->") == 1
    assert readme.read_text().startswith("# Measurements\n")
    assert readme.read_text().endswith("\nBy hand.\n")


def test_figures_are_read_back_by_section_line_and_column() -> None:
    one = section("one", PAGE)
    assert one.figure("a", who="us") == 1234.5
    assert one.figure("b", who="us") == 0.27
    assert one.figure("c", rate="20") == 7
    assert one.stated(r": (\d+) MiB") == 262


@pytest.mark.parametrize("missing", ["b", "d"])
def test_a_figure_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(SystemExit, match="measure it again"):
        section("one", PAGE).figure(missing, who="them")


def test_between_measured_points_lies_a_power_law_and_outside_of_them_the_nearest() -> None:
    assert [between(CURVE, at) for at in (1.0, 20.0, 60.0, 200.0, 9_999.0)] == pytest.approx([10, 10, 30, 100, 1_000])


def test_what_a_load_takes_is_reckoned_by_the_formulas_of_the_page() -> None:
    flat = [(20.0, 2.0), (2_000.0, 2.0)]
    measured = Measured(
        client_us=25.0,
        arrival_us=100.0,
        user_kib=32.0,
        request_bytes=500.0,
        frame_bytes=CURVE,
        master_cores=flat,
        conductor_us=flat,
        analysis_us=flat,
        analysis_kb=flat,
    )
    of = Needs(560_000.0, 25.0, 2.0, measured)
    assert (of.workers, of.users, of.of_a_series) == (20, 1_120_000, 1_400)
    assert of.worker_mib == 80 + 1_120_000 / 20 * 32 / 1024
    assert of.network_gbit_per_s == pytest.approx(2.24)
    assert of.journal_bytes_per_s == pytest.approx(20 * 700)
    assert of.judging_cpu_h == pytest.approx(20 * 2 / 1e6)
    assert of.master_cores == 40
    assert table(measured).count("\n") > 15
