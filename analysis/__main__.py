"""`python -m analysis RUN`: judges a run directory, writes verdict and reports into it, exits by the verdict."""

import argparse
import io
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from analysis.judge import judge
from analysis.terminal import closing_lines
from analysis.verdict import Verdict, write_verdict
from journal.errors import GamedayError
from journal.exit_codes import ExitCode
from journal.run_directory import RunDirectory


def judge_and_report(run: RunDirectory) -> Verdict:
    """Judges a run and writes verdict.json, then the reports, into its directory.

    Raises:
        RunDirectoryError: the directory or its manifest cannot be read, or nothing can be written there.
    """
    # imported here, so that a judgement alone never loads what only drawing needs
    from analysis.report.write import write_reports  # noqa: PLC0415

    evidence, verdict = judge(run)
    write_verdict(run.verdict, verdict)
    write_reports(run, evidence, verdict)
    return verdict


def judge_and_say(run: RunDirectory) -> tuple[list[str], ExitCode]:
    """Judges a run, or a search for the capacity, and writes its reports; what to print, and the exit code.

    Raises:
        RunDirectoryError: as `judge_and_report`.
    """
    if run.read_manifest().capacity is None:
        verdict = judge_and_report(run)
        return closing_lines(verdict, run.path / "report.html"), verdict.exit
    from analysis.capacity.write import judge_and_report_capacity  # noqa: PLC0415  # loads what only a search needs

    return judge_and_report_capacity(run)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Judge a run directory, again if need be.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run directory")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the signs of the verdict must not crash a terminal without them
    try:
        lines, code = judge_and_say(RunDirectory(options.run))
    except GamedayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception:  # noqa: BLE001  # a crash would exit with 1, which reads "fail"; its trace is printed
        traceback.print_exc()
        return ExitCode.HARNESS_DEFECT
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
