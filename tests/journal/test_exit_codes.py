"""Where several exit codes apply, one fixed order decides; each error leads to the code of its kind."""

from itertools import combinations

import pytest

from journal import errors
from journal.exit_codes import ExitCode, gravest

GRAVEST_FIRST = [
    ExitCode.HARNESS_DEFECT,
    ExitCode.BAD_INPUT,
    ExitCode.NOT_REVERTED,
    ExitCode.INTERRUPTED,
    ExitCode.TARGET_UNREACHABLE,
    ExitCode.ABORTED_BY_GUARD,
    ExitCode.FAIL,
    ExitCode.INCONCLUSIVE,
    ExitCode.PASS,
]


@pytest.mark.parametrize(("graver", "lighter"), list(combinations(GRAVEST_FIRST, 2)))
def test_the_graver_of_two_codes_wins_in_either_order(graver: ExitCode, lighter: ExitCode) -> None:
    assert gravest(graver, lighter) is graver
    assert gravest(lighter, graver) is graver


def test_every_code_has_its_place_in_the_order_and_a_meaning() -> None:
    assert set(GRAVEST_FIRST) == set(ExitCode)
    assert all(code.meaning for code in ExitCode)


def test_without_any_code_all_is_well() -> None:
    assert gravest() is ExitCode.PASS


@pytest.mark.parametrize("code", [-9, 99, 137])
def test_a_code_that_is_none_of_ours_is_a_defect_of_the_harness(code: int) -> None:
    assert gravest(0, code) is ExitCode.HARNESS_DEFECT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PlanError, 2),
        (errors.ProfileError, 2),
        (errors.CommandError, 2),
        (errors.RunDirectoryError, 2),
        (errors.GuardError, 4),
        (errors.TargetUnreachable, 5),
        (errors.NotReverted, 6),
        (errors.HarnessDefect, 70),
        (errors.FaultRefused, 70),
        (errors.Interrupted, 130),
    ],
)
def test_an_error_leads_to_the_code_of_its_kind(error: type[errors.GamedayError], code: int) -> None:
    assert error.exit_code == code


def test_bad_input_carries_all_of_its_problems_in_one_text() -> None:
    found = errors.PlanError([errors.Problem("plan.seed", "is negative", "write 0 or more"), errors.Problem("", "odd")])
    assert str(found) == "plan.seed: is negative; write 0 or more\nodd"
