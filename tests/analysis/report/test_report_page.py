"""The HTML page: its figures are the verdict's, it needs neither network nor script, and no text becomes markup."""

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from analysis.report import formats
from analysis.report.decision import decision_rows, folded_words, linked_reasons, split_rows
from analysis.report.page import _json_in_html, html_page
from analysis.report.target_events import target_events
from analysis.verdict import Estimate, State, anchor, read_verdict
from journal.columns import merge
from journal.timeline import EventKind

HOSTILE = "</script><!-- ]]> &amp; \u2028"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """All elements of a page, and the text of each element that has an id."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, str]] = []
        self.texts: Counter[str] = Counter()
        self.text: dict[str, str] = {}
        self.scripts: list[str] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append((tag, found.get("id", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "script":
            self.scripts[-1] += data
            return
        for _, name in self.open:
            if name:
                self.text[name] = self.text.get(name, "") + data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def attributes(self, name: str) -> list[str]:
        return [found[name] for _, found in self.elements if name in found]


@pytest.fixture(scope="module")
def page(example) -> Page:
    return Page(example.text("report.html"))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_every_element_is_closed_in_order(page):
    assert page.open == []


def test_the_figures_of_the_decision_table_are_those_of_verdict_json(example, page):
    rows = decision_rows(read_verdict(example.run.verdict))
    assert len(rows) == len(example.verdict.gates)
    for row in rows:
        text = squeezed(page.text[row.id])
        gate = row.gate
        assert formats.value_of(gate.measured, gate.unit, formats.decimals_for(gate.threshold)) in text
        assert row.interval in text
        assert formats.count(gate.samples) in text
        assert f"{formats.sign(gate.state)} {gate.state}" in text


def test_the_figures_of_each_endpoint_are_those_of_verdict_json(example, page):
    for endpoint in read_verdict(example.run.verdict).endpoints:
        text = squeezed(page.text[anchor("endpoint", endpoint.journey, endpoint.name)])
        assert squeezed(endpoint.name) in text
        for figures in (endpoint.outside, endpoint.inside):
            assert formats.count(figures.samples) in text
            assert formats.value_of(figures.good_share, "share") in text
            assert formats.interval_of(figures.good_share, "share") in text
            for quantile in (figures.latency.p50, figures.latency.p95, figures.latency.p99):
                assert formats.significant(quantile.value) in text
                assert formats.interval_of(quantile, "ms") in text


def test_the_page_says_the_line_the_accounts_the_faults_and_the_command(example, page):
    assert example.verdict.line in page.text["verdict"]
    sum_line = "19,456 sent = 19,440 answered + 12 cut + 3 unfinished + 1 lost"
    assert sum_line in squeezed(page.text["trust"])
    assert "0 ≤ 13 ≤ 15" in squeezed(page.text["trust"])
    assert example.evidence.manifest.command in page.text["about"]
    for fault, words in (
        ("f1", "well again 6 s"),
        ("f2", "did not bite"),
        ("f3", "still in force"),
        ("f4", "never inj"),
    ):
        assert words in squeezed(page.text[f"fault-{fault}"])


def test_the_page_says_what_share_of_the_generator_was_used_or_why_that_is_not_known(example, page):
    assert "2.5 % of what it can do: 310 of 12,400 requests/s" in squeezed(page.text["trust"])
    health = replace(example.verdict.generator, ceiling=None, uncalibrated="1 of 2 workers calibrated")
    html = html_page(example.evidence, replace(example.verdict, generator=health))
    assert "? 1 of 2 workers calibrated" in squeezed(Page(html).text["trust"])


def test_the_page_says_which_seconds_were_left_out_why_and_what_that_changed(example):
    first = replace(example.verdict.gates[0], whole=Estimate(value=0.913))
    page = Page(html_page(example.evidence, replace(example.verdict, gates=(first, *example.verdict.gates[1:]))))
    text = squeezed(page.text["trust"])
    assert "✓ kept up but for 3 seconds, which were left out with all that was measured then" in text
    assert "1:02 to 1:05: a loop stood still for 1.2 s" in text
    assert f"{first.subject}, {first.promise}" in text
    assert "91.3 %" in text


def test_what_befell_the_target_stands_under_the_timeline(page):
    text = squeezed(page.text["target-events"])
    assert "0:32api-2restarted" in text
    assert "not-ready" in text
    assert "on node n1" in text


def test_of_very_many_events_of_the_target_the_rest_is_counted(example):
    (event, *_) = example.evidence.events_of(EventKind.TARGET)
    events = target_events(replace(example.evidence, events=(event,) * 105), shown=100)
    assert (len(events.rows), events.rest) == (100, 5)


def test_the_page_says_where_readings_come_from(example, page):
    assert "readings of the target" in squeezed(page.text["about"])
    assert example.evidence.manifest.readings.source in page.text["about"]


def test_what_failed_comes_first_and_what_only_informs_comes_after_what_is_required(example):
    rows = decision_rows(example.verdict)
    ranks = [(row.gate.state != State.FAIL, not row.gate.required, formats.rank(row.gate.state)) for row in rows]
    assert ranks == sorted(ranks)
    shown, folded = split_rows(rows)
    assert shown + folded == rows
    assert all(row.gate.state == State.PASS or not row.gate.required for row in folded)
    assert not any(row.gate.state == State.FAIL for row in folded)


def test_rows_that_only_inform_do_not_hide_those_that_decide(example):
    gates = [replace(gate, state=State.PASS) for gate in example.verdict.gates]
    informing = [replace(gates[0], required=False, state=State.INCONCLUSIVE, subject=f"S{i}") for i in range(20)]
    required = [gate for gate in gates if gate.required]
    shown, folded = split_rows(decision_rows(replace(example.verdict, gates=(*informing, *required))))
    assert shown, "a page without a row that decides"
    assert all(row.gate.required for row in shown)
    assert "20 that are open and only inform" in folded_words(folded)


def test_each_reason_links_to_the_row_that_shows_it(example):
    rows = {row.id: row.gate for row in decision_rows(example.verdict)}
    reasons = linked_reasons(example.verdict, list(decision_rows(example.verdict)))
    assert [rows[reason.href[1:]].subject for reason in reasons] == [
        "POST /api/v1/mcp/process",
        "no-foreign-data",
        "F3",
    ]


def test_every_link_on_the_page_leads_to_a_place_on_it_or_to_a_moment(page):
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    links = [link for link in page.attributes("href") if not link.startswith("data:")]
    assert len(links) > 30
    for link in links:
        assert re.fullmatch(r"#t=-?[\d.]+", link) or link[1:] in ids, link


def test_nothing_is_loaded_from_anywhere(example, page):
    for tag, found in page.elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form", "video", "audio", "image", "use"}
        for name in ("src", "srcset", "action", "data", "poster", "xlink:href"):
            assert name not in found
    style = re.search(r"<style>(.*?)</style>", example.text("report.html"), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert all(link.startswith(("#", "data:")) for link in page.attributes("href"))


def test_the_browser_is_told_to_run_our_script_and_nothing_else(page):
    policy = next(found["content"] for _, found in page.elements if "http-equiv" in found)
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_texts_of_the_target_never_become_markup(example, page):
    assert page.comments == []
    assert len(page.scripts) == 2
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert "</script><!--<script>alert(1)" in page.text["errors"]
    assert not re.search(r"<script>\s*alert", example.text("report.html"))


def test_nothing_in_the_data_of_the_script_can_end_its_element():
    data = {"label": HOSTILE}
    escaped = _json_in_html(data)
    assert not set("<>&") & set(escaped)
    assert json.loads(escaped) == data


def test_the_data_of_the_script_are_the_bins_of_the_charts(example, page):
    data = json.loads(page.scripts[0])
    assert data["starts_s"][0] == -10
    assert len(data["starts_s"]) == 194
    latency = {series["name"]: series["values"] for series in data["panels"]["latency"]["series"]}
    gap = slice(130, 137)
    assert all(len(values) == 194 and values[gap] == [None] * 7 for values in latency.values())
    assert all(low <= high for low, high in zip(latency["p50"], latency["p99"], strict=True) if low is not None)


def test_each_chart_has_its_numbers_as_a_table_and_as_csv(page):
    downloads = {found["download"]: found["href"] for _, found in page.elements if "download" in found}
    panels = {"latency", "good-share", "rate", "errors", "users", "memory-by-role", "lag", "cpu"}
    assert {f"{name}.csv" for name in panels} <= set(downloads)
    assert {"fault-f1.csv", "memory-api-0.csv"} <= set(downloads)
    header, first = downloads["latency.csv"].partition(",")[2].split("%0A")[:2]
    assert header == "elapsed%20s,p50%20%28ms%29,p95%20%28ms%29,p99%20%28ms%29"
    assert first.startswith("-10,")
    assert "elapsed s" in page.text["panel-latency"]


def test_a_run_without_frames_or_readings_still_gives_a_whole_page(example, tmp_path):
    empty = replace(example.evidence, columns=merge([]), events=(), readings=(), failures=(), load=None)
    verdict = replace(example.verdict, faults=(), memory=(), endpoints=(), gates=(), load_began_ns=None, load_s=0.0)
    html = html_page(empty, verdict)
    assert Page(html).open == []
    assert "Nothing was recorded." in html


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.972, 1, "97.2 %"),
        (1.0, 1, "100 %"),
        (0.99996, 1, "99.996 %"),
        (0.99996, 2, "99.996 %"),
        (0.0, 1, "0 %"),
        (0.0004, 1, "0.04 %"),
        (0.012, 1, "1.2 %"),
        (0.5, 2, "50.00 %"),
        (None, 1, "–"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(value, decimals, text):
    assert formats.share(value, decimals) == text
