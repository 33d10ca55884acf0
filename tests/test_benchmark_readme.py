from pathlib import Path

from benchmarks.readme import write_section


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
