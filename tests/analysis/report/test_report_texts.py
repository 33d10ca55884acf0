"""The Markdown of a pull request and the JUnit XML of a CI system."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from analysis.report.fault_words import users
from analysis.report.formats import value_of
from analysis.report.junit import junit_xml
from analysis.report.markdown import MAX_BYTES, block, code, markdown_report, text
from analysis.verdict import Estimate, State
from journal.exit_codes import ExitCode


def test_the_verdict_is_the_title_and_what_failed_is_in_the_first_rows(example):
    lines = example.text("report.md").splitlines()
    assert lines[0].startswith("# ✗ FAIL. POST /api/v1/mcp/process: 85.1 %")
    table = [line for line in lines[: lines.index("**Why**")] if line.startswith("| ")]
    assert len(table) - 2 == 10
    assert [row.split()[1] for row in table[2:6]] == ["✗"] * 4
    assert "85.12 %" not in table[2]
    assert "85.1 % (84.3 to 85.9)" in table[2]


def test_every_row_of_a_table_has_as_many_cells_as_its_header(example):
    blocks = re.split(r"\n\n+", example.text("report.md"))
    tables = [part.splitlines() for part in blocks if part.startswith("| ")]
    assert len(tables) >= 5
    for header, *rows in tables:
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert cells == {header.count("|")}


def test_the_markdown_says_faults_accounts_and_the_command(example):
    report = example.text("report.md")
    assert "19,456 sent = 19,440 answered + 12 cut + 3 unfinished + 1 lost." in report
    assert "The generator used 2.5 % of what it can do (310 of 12,400 requests/s)." in report
    assert "3 seconds left out, because the generator was suspect: 1:02 to 1:05 a loop stood still for 1.2 s." in report
    assert "✗ none: it did not bite" in report
    assert example.evidence.manifest.command in report


def test_what_users_felt_is_not_known_where_the_load_did_not_outlast_the_fault(example):
    unseen = replace(example.verdict.faults[0], detected_s=None, recovered_s=None)
    assert users(unseen) == "not known: the load did not outlast it"


def test_a_report_with_very_many_endpoints_still_fits_into_a_comment(example):
    many = tuple(replace(example.verdict.endpoints[0], name=f"GET /{number}/" + "x" * 190) for number in range(2000))
    gates = tuple(replace(example.verdict.gates[0], subject=endpoint.name) for endpoint in many)
    report = markdown_report(example.evidence, replace(example.verdict, endpoints=many, gates=gates))
    assert len(report.encode()) <= MAX_BYTES
    assert "further gates are in report.html" in report


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("@everyone see #1", "&#64;everyone see &#35;1"),
        ("a | b", r"a \| b"),
        ("[x](http://e.example)", r"\[x\](http&#58;//e.example)"),
        ("line\n\n# title", "line &#35; title"),
        ("bell\x07", "bell\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_text_of_the_target_has_no_effect_in_markdown(hostile, harmless):
    assert text(hostile) == harmless


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_what_the_harness_warned_of_stands_in_every_report(example, name):
    said = example.text(name)
    assert "The harness warned" in said or "What the harness warned of" in said
    assert "worker-0: " in said


@pytest.mark.parametrize(
    ("slope", "text"), [(3.8e-13, "0"), (-2.4e-13, "0"), (0.0, "0"), (0.012, "+0.012"), (-14.04, "\N{MINUS SIGN}14")]
)
def test_a_slope_that_is_noise_of_arithmetic_reads_as_none(slope, text):
    assert value_of(Estimate(value=slope), "MiB/h") == f"{text} MiB/h"


def test_nothing_ends_a_code_span_or_a_code_block_from_inside():
    assert code("a ` b | c\nd") == "`a ' b ¦ c d`"
    assert block("echo ```x```") == "````\necho ```x```\n````"


def cases(xml: bytes) -> dict[str, list[str]]:
    suite = ET.fromstring(xml).find("testsuite")
    return {case.get("name"): [child.tag for child in case] for case in suite}


def test_each_gate_is_a_test_case_that_ends_as_ci_should_show_it(example):
    found = cases((example.run.path / "junit.xml").read_bytes())
    assert len(found) == len(example.verdict.gates)
    assert found["Latency POST /api/v1/mcp/process"] == ["failure"]
    assert found["Latency GET /api/v1/auth/me"] == ["system-out"]
    assert found["Availability all requests"] == ["error"]
    assert found["Memory api-0"] == ["skipped"]


def test_the_totals_of_the_suite_are_those_of_its_cases(example):
    suite = ET.fromstring((example.run.path / "junit.xml").read_bytes()).find("testsuite")
    totals = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert totals == {"tests": 18, "failures": 3, "errors": 2, "skipped": 1}


def test_a_run_that_a_guard_ended_is_an_error_even_when_all_gates_pass(example):
    passing = tuple(gate for gate in example.verdict.gates if gate.state == State.PASS)
    aborted = replace(example.verdict, gates=passing, exit_code=int(ExitCode.ABORTED_BY_GUARD), state="aborted")
    endings = [tag for tags in cases(junit_xml(aborted, "plan")).values() for tag in tags]
    assert endings.count("error") == 1


def test_control_characters_do_not_break_the_xml(example):
    gates = (replace(example.verdict.gates[0], subject="a\x00\x1b[31m\ud800 b", reason="\x08"),)
    xml = junit_xml(replace(example.verdict, gates=gates), "plan\x01")
    assert "a\N{REPLACEMENT CHARACTER}" in next(iter(cases(xml)))
