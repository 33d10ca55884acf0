"""The exit codes of every command, in one place."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process of the harness says when it ends."""

    PASS = 0
    FAIL = 1
    BAD_INPUT = 2
    INCONCLUSIVE = 3
    ABORTED_BY_GUARD = 4
    TARGET_UNREACHABLE = 5
    NOT_REVERTED = 6
    HARNESS_DEFECT = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One short clause for people, as printed at the end of a run."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.PASS: "every required gate passed",
    ExitCode.FAIL: "a required gate failed",
    ExitCode.BAD_INPUT: "bad command, plan, profile or run directory",
    ExitCode.INCONCLUSIVE: "the evidence does not decide a required gate",
    ExitCode.ABORTED_BY_GUARD: "a guard stopped the run",
    ExitCode.TARGET_UNREACHABLE: "the target was not reachable",
    ExitCode.NOT_REVERTED: "a fault could not be reverted",
    ExitCode.HARNESS_DEFECT: "a defect of the harness itself, not of the target",
    ExitCode.INTERRUPTED: "interrupted; faults were reverted first",
}

_GRAVEST_FIRST = (70, 2, 6, 130, 5, 4, 1, 3, 0)


def gravest(*codes: int) -> ExitCode:
    """The one code to exit with where several apply; a code outside the table counts as a defect of the harness."""
    known = [code if code in _GRAVEST_FIRST else int(ExitCode.HARNESS_DEFECT) for code in codes]
    return ExitCode(min(known, key=_GRAVEST_FIRST.index, default=0))
