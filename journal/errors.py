"""The one error tree of the harness; each error knows the exit code that it leads to.

GamedayError
├── BadInput                 exit 2, carries every problem found
│   ├── PlanError
│   ├── ProfileError
│   ├── CommandError
│   └── RunDirectoryError
├── GuardError               exit 4
├── TargetUnreachable        exit 5
│   └── ClusterUnreachable   the API server of its cluster does not answer
├── NotReverted              exit 6
├── Interrupted              exit 130
└── HarnessDefect            exit 70
    ├── ClusterRefused       the API server said no; carries the status
    ├── MirrorBroken         the stream that copies a run directory was cut or damaged
    └── FaultRefused         a fault that may not or cannot be injected; nothing was changed
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from journal.exit_codes import ExitCode


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what somebody gave us: where it is, what is wrong, what to write instead."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}{'; ' + self.remedy if self.remedy else ''}"


class GamedayError(Exception):
    """Anything that ends a command in a known way; its text is meant for the person at the terminal."""

    exit_code: ClassVar[ExitCode] = ExitCode.HARNESS_DEFECT


class BadInput(GamedayError):
    """Input that cannot be used, with all of its problems at once."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PlanError(BadInput):
    """A plan that cannot be run."""


class ProfileError(BadInput):
    """A target profile that cannot be used."""


class CommandError(BadInput):
    """A command line that makes no sense."""


class RunDirectoryError(BadInput):
    """A run directory that is missing, or whose manifest is unreadable or of an unknown schema."""


class GuardError(GamedayError):
    """A guard found its limit crossed and ended the run."""

    exit_code = ExitCode.ABORTED_BY_GUARD


class TargetUnreachable(GamedayError):
    """The target did not answer as a running AIA."""

    exit_code = ExitCode.TARGET_UNREACHABLE


class ClusterUnreachable(TargetUnreachable):
    """The cluster's API server did not answer in time."""


class NotReverted(GamedayError):
    """A fault is still in force, or nobody could prove that it is not."""

    exit_code = ExitCode.NOT_REVERTED


class Interrupted(GamedayError):
    """Somebody asked for the end of the run by a signal."""

    exit_code = ExitCode.INTERRUPTED


class HarnessDefect(GamedayError):
    """Something of ours broke; it says nothing about the target."""


class ClusterRefused(HarnessDefect):
    """The cluster's API server answered with a no; whoever expected that one catches it by its status."""

    def __init__(self, status: int, message: str, retry_after_s: float = 0.0) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)

    @property
    def passing(self) -> bool:
        """Whether the same request may be granted in a moment."""
        return self.status == 429 or self.status >= 500


class MirrorBroken(HarnessDefect):
    """The stream that copies a run directory was cut or damaged; asked again, it goes on where the copy ends."""


class FaultRefused(HarnessDefect):
    """A fault was not injected because a safety rule or a missing precondition forbids it; nothing was changed."""
