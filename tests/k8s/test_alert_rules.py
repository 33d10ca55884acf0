"""The alert rules follow from the SLO, and fire when, and only when, a budget burns too fast."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.alert_rules import alert_rules, custom_resource, main
from journal.exit_codes import ExitCode
from journal.plan import Slo
from tests.k8s.manifests import K8S

COMPONENTS = K8S / "components"
RULES = COMPONENTS / "prometheus" / "rules.yaml"
HOUR_S = 3600


def test_the_rules_that_come_with_the_harness_are_those_of_the_default_slo() -> None:
    assert yaml.safe_load(RULES.read_text(encoding="utf-8")) == alert_rules(Slo())


def test_the_custom_resource_holds_the_same_rules() -> None:
    text = (COMPONENTS / "prometheus-operator" / "rule.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == custom_resource(alert_rules(Slo()))


def test_the_rules_are_good_prometheus(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_scrape_config_is_good_prometheus(promtool: str, tmp_path: Path) -> None:
    config = yaml.safe_load((COMPONENTS / "prometheus" / "scrape.yaml").read_text(encoding="utf-8"))
    config["rule_files"] = [str(RULES)]
    # Debian builds its promtool without the discovery of pods
    assert config["scrape_configs"][0].pop("kubernetes_sd_configs")[0]["role"] == "pod"
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = subprocess.run([promtool, "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def alerts(slo: Slo, period_s: float = HOUR_S) -> list[dict[str, Any]]:
    return [rule for rule in alert_rules(slo, period_s)["groups"][0]["rules"] if "alert" in rule]


def test_windows_scale_with_the_length_of_a_run() -> None:
    windows = {alert["labels"]["window"] for alert in alerts(Slo(), 24 * HOUR_S) if "window" in alert["labels"]}
    assert windows == {"1440s", "7200s", "21600s"}


def test_no_alert_waits_for_a_burn_rate_that_a_dead_target_does_not_reach() -> None:
    generous = [alert for alert in alerts(Slo(good_share=0.9)) if "Latency" in alert["alert"]]
    assert [alert["labels"]["window"] for alert in generous] == ["300s", "900s"]


def test_a_plans_own_slo_and_length_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soak"]) == ExitCode.PASS
    assert yaml.safe_load(capsys.readouterr().out) != alert_rules(Slo())


def test_an_unknown_plan_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.yaml"]) == ExitCode.BAD_INPUT
    assert "nowhere.yaml" in capsys.readouterr().err


def firing(promtool: str, folder: Path, series: dict[str, str], expected: dict[int, list[tuple[str, str]]]) -> None:
    """Feeds one value a second of each series to the rules; `expected`: second → alerts that fire then, with window."""
    label = "run=" + '"r"'
    tests = [
        {
            "expr": 'count by (alertname, window) (ALERTS{alertstate="firing"})',
            "eval_time": f"{second}s",
            "exp_samples": [{"labels": _labels(name, window), "value": 1} for name, window in wanted],
        }
        for second, wanted in expected.items()
    ]
    loaded = {'gameday_phase{phase="load",LABEL}': "1x4000", **series}
    inputs = [{"series": name.replace("LABEL", label), "values": values} for name, values in loaded.items()]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1s",
        "tests": [{"interval": "1s", "input_series": inputs, "promql_expr_test": tests}],
    }
    file = folder / "rules_test.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _labels(name: str, window: str) -> str:
    return f'{{alertname="{name}"' + (f', window="{window}"}}' if window else "}")


def load(bad: str, failed: str = "0x4000") -> dict[str, str]:
    return {
        "gameday_requests_per_second{LABEL}": "100x4000",
        "gameday_bad_share{LABEL}": bad,
        "gameday_failed_share{LABEL}": failed,
    }


PAGE, SLOWER, TICKET = (("GamedayLatencyBudgetBurns", window) for window in ("60s", "300s", "900s"))


def test_what_the_slo_allows_alerts_nobody(promtool: str, tmp_path: Path) -> None:
    firing(promtool, tmp_path, load("0.05x4000", "0.001x4000"), {10: [], 900: [], 3600: []})


def test_a_total_slowdown_pages_after_36_seconds_and_the_page_ends_with_it(promtool: str, tmp_path: Path) -> None:
    slow = load("0x999 1x99 0x2000")  # β·w·burn = 0.05 · 60 s · 12
    firing(promtool, tmp_path, slow, {1030: [], 1040: [PAGE], 1065: [PAGE, SLOWER], 1106: [SLOWER, TICKET], 1200: []})


def test_one_bad_second_at_the_beginning_pages_nobody(promtool: str, tmp_path: Path) -> None:
    firing(promtool, tmp_path, load("1x1 0x4000"), {1: [], 3: [], 10: []})


def test_a_slow_leak_of_the_budget_becomes_a_ticket(promtool: str, tmp_path: Path) -> None:
    firing(promtool, tmp_path, load("0.12x4000"), {700: [], 800: [TICKET]})


def test_failures_alert_long_before_slowness_would(promtool: str, tmp_path: Path) -> None:
    names = [("GamedayAvailabilityBudgetBurns", window) for window in ("60s", "300s", "900s")]
    firing(promtool, tmp_path, load("0.03x4000", "0x999 0.03x3000"), {999: [], 1100: names})


def test_the_warm_up_burns_no_budget(promtool: str, tmp_path: Path) -> None:
    warming = {'gameday_phase{phase="load",LABEL}': "0x99 1x3000", **load("1x99 0x3000", "1x99 0x3000")}
    firing(promtool, tmp_path, warming, {90: [], 101: [], 110: []})


def test_a_fault_that_stays_is_told(promtool: str, tmp_path: Path) -> None:
    fault = {'gameday_fault_active{fault="kill",fault_id="F1",LABEL}': "1x4000"}
    firing(promtool, tmp_path, fault, {800: [], 910: [("GamedayFaultNotReverted", "")]})


def test_a_load_that_does_not_happen_is_told(promtool: str, tmp_path: Path) -> None:
    silent = {"gameday_requests_per_second{LABEL}": "0x4000"}
    firing(promtool, tmp_path, silent, {20: [], 40: [("GamedayNoLoad", "")]})
