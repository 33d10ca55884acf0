"""Alert rules for Prometheus, made from an SLO: how fast a run burns its error budgets, told from the master's metrics.

The rules follow "Alerting on SLOs" of the SRE workbook (multiple windows, multiple burn rates), with the windows scaled
from 30 days to the length of a run. `python -m gameday.alert_rules [PLAN]` prints them; what it prints for the default
SLO lies in `k8s/components`.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from gameday.sources import load_plan
from journal.errors import GamedayError
from journal.plan import Slo

SHORTEST_PERIOD_S = 3600.0
SHORT_WINDOW_SHARE = 1 / 12
IN_FORCE_TOO_LONG_S = 900
RULE_INTERVAL_S = 1
_LOADED = 'ignoring (phase) gameday_phase{phase="load"} == 1'
_REQUESTS = "gameday:requests:per_second"

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Level:
    """Alerts when this share of the budget of a whole period goes within this share of the period."""

    window_share: float
    budget_share: float
    severity: str

    @property
    def burn_rate(self) -> float:
        """How many times faster than "just used up at the end of the period" that is."""
        return self.budget_share / self.window_share


LEVELS = (Level(1 / 60, 0.2, "page"), Level(1 / 12, 0.3, "page"), Level(1 / 4, 0.5, "ticket"))


@dataclass(frozen=True, slots=True)
class Budget:
    """A share of requests that may be bad, and the metric with the share that is."""

    name: str
    metric: str
    allowed: float
    promise: str


def budgets(slo: Slo) -> tuple[Budget, Budget]:
    """The two budgets that an SLO grants."""
    good, available = f"{slo.good_share * 100:g} %", f"{slo.availability * 100:g} %"
    return (
        Budget("latency", "gameday_bad_share", 1 - slo.good_share, f"{good} in less than {slo.threshold_ms:g} ms"),
        Budget("availability", "gameday_failed_share", 1 - slo.availability, f"{available} answered properly"),
    )


def alert_rules(slo: Slo, period_s: float = SHORTEST_PERIOD_S) -> dict[str, Any]:
    """The content of a rules file, for runs of about `period_s`."""
    # the warm-up and what follows the load are nobody's budget
    rules: list[Rule] = [{"record": _REQUESTS, "expr": f"gameday_requests_per_second and {_LOADED}"}]
    for budget in budgets(slo):
        rules += _recording(budget, period_s)
    for budget in budgets(slo):
        rules += _alerts(budget, period_s)
    # one group, because rules of a group see the results of those before them in the same second
    return {"groups": [{"name": "gameday", "interval": f"{RULE_INTERVAL_S}s", "rules": rules + _watchdogs()}]}


def _recording(budget: Budget, period_s: float) -> list[Rule]:
    bad = f"gameday:{budget.name}_bad_requests:per_second"
    rules: list[Rule] = [{"record": bad, "expr": f"{_REQUESTS} * {budget.metric}"}]
    for window in sorted({window for level in LEVELS for window in _windows_s(level, period_s)}):
        # By the whole window, also while the load is younger: one bad second at its beginning is no bad minute. The sum
        # counts seconds because the rules are evaluated each second, however seldom the metrics are scraped.
        requests = f"(avg_over_time({_REQUESTS}[{window}s]) * {window})"
        expression = f"sum_over_time({bad}[{window}s]) / {requests} / {budget.allowed:.6g}"
        rules.append({"record": _burn(budget, window), "expr": expression})
    return rules


def _alerts(budget: Budget, period_s: float) -> list[Rule]:
    # a level above the burn rate of a target that fails every request could never alert
    return [_alert(budget, level, period_s) for level in LEVELS if level.burn_rate * budget.allowed < 1]


def _alert(budget: Budget, level: Level, period_s: float) -> Rule:
    long, short = _windows_s(level, period_s)
    burning = f"{_burn(budget, long)} > {level.burn_rate:g} and {_burn(budget, short)} > {level.burn_rate:g}"
    what = f'The {budget.name} budget burns {{{{ $value | printf "%.1f" }}}} times too fast'
    return {
        "alert": f"Gameday{budget.name.title()}BudgetBurns",
        "expr": burning,
        "labels": {"severity": level.severity, "window": f"{long}s"},
        "annotations": {
            "summary": f"{what} in run {{{{ $labels.run }}}}",
            "description": f"Promised: {budget.promise}. At this rate {level.budget_share:.0%} of the budget of a run "
            f"of {period_s:g} s goes within {long} s. A fault in force is no excuse, but may be the reason: "
            "see gameday_fault_active.",
        },
    }


def _watchdogs() -> list[Rule]:
    return [
        {
            "alert": "GamedayFaultNotReverted",
            "expr": "gameday_fault_active == 1",
            "for": f"{IN_FORCE_TOO_LONG_S}s",
            "labels": {"severity": "page"},
            "annotations": {
                "summary": "Fault {{ $labels.fault_id }} ({{ $labels.fault }}) of run {{ $labels.run }} is still in "
                "force",
                "description": f"It has been for {IN_FORCE_TOO_LONG_S} s. Look at the reaper; revert by "
                "`gameday k8s recover`.",
            },
        },
        {
            "alert": "GamedayNoLoad",
            "expr": f"gameday_requests_per_second == 0 and {_LOADED}",
            "for": "30s",
            "labels": {"severity": "ticket"},
            "annotations": {
                "summary": "Run {{ $labels.run }} is to load its target, and no request ends",
                "description": "Either the workers are gone or the target answers nothing.",
            },
        },
    ]


def _windows_s(level: Level, period_s: float) -> tuple[int, int]:
    long_s = level.window_share * period_s
    return round(long_s), max(1, round(long_s * SHORT_WINDOW_SHARE))


def _burn(budget: Budget, window_s: int) -> str:
    return f"gameday:{budget.name}_budget:burn_rate{window_s}s"


def custom_resource(rules: dict[str, Any]) -> dict[str, Any]:
    """The same for Prometheus Operator."""
    labels = {"app.kubernetes.io/part-of": "aia-gameday", "app.kubernetes.io/component": "prometheus"}
    metadata = {"name": "gameday", "namespace": "aia-gameday", "labels": labels}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata, "spec": rules}


def main(arguments: list[str]) -> int:
    """Prints the rules for a plan, or for the default SLO."""
    parser = argparse.ArgumentParser(prog="python -m gameday.alert_rules", description="Prints alert rules.")
    parser.add_argument("plan", nargs="?", help="whose SLO and length count (default: the default SLO, an hour)")
    parser.add_argument("--custom-resource", action="store_true", help="as a PrometheusRule for Prometheus Operator")
    options = parser.parse_args(arguments)
    try:
        plan = load_plan(options.plan) if options.plan else None
    except GamedayError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    slo, length_s = (plan.slo, plan.load.duration_s) if plan else (Slo(), 0.0)
    rules = alert_rules(slo, max(length_s, SHORTEST_PERIOD_S))
    printed = custom_resource(rules) if options.custom_resource else rules
    yaml.safe_dump(printed, sys.stdout, sort_keys=False, width=120)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
