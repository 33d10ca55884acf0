"""Judges a search and writes capacity.json and capacity.html into its run directory."""

from analysis.capacity.judge import judge_capacity
from analysis.capacity.page import capacity_page
from analysis.capacity.result import write_result
from analysis.capacity.terminal import closing_lines
from journal.exit_codes import ExitCode
from journal.run_directory import RunDirectory, write_whole


def judge_and_report_capacity(run: RunDirectory) -> tuple[list[str], ExitCode]:
    """What to print, and the exit code.

    Raises:
        RunDirectoryError: the directory cannot be read, or nothing can be written there.
    """
    evidence, result = judge_capacity(run)
    write_result(run.capacity, result)
    page = run.path / "capacity.html"
    write_whole(page, capacity_page(evidence.manifest, result).encode())
    return closing_lines(result, page), result.exit
