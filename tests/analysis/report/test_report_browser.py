"""The page in a real browser, where there is one: its script runs without complaint and does what people ask of it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websocket import WebSocket, create_connection

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,2000",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


class Tab:
    """A page in a browser, spoken to in the DevTools protocol."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.number = 0
        self.session = ""
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        session = {"sessionId": self.session} if self.session else {}
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters, **session}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
                self.complaints.append(str(message["params"]))

    def open(self, address: str) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        # resolves when the page has loaded; the script ran before
        loaded = "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))"
        self.call("Runtime.evaluate", expression=loaded, awaitPromise=True)

    def ask(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def place(self, selector: str, share: float = 0.5) -> tuple[float, float]:
        """A point of an element, which is scrolled into view first."""
        box = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{box}.scrollIntoView({{block: 'center'}})")
        found = self.ask(f"(b => [b.left, b.width, b.top, b.height])({box}.getBoundingClientRect())")
        left, width, top, height = found
        return left + width * share, top + height / 2


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = next(line.split()[-1] for line in process.stderr if line.startswith("DevTools listening on"))
        socket = create_connection(address, timeout=60, suppress_origin=True)
        yield Tab(socket)
        socket.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def tab(example, tmp_path_factory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        tab.open(f"{(example.run.path / 'report.html').as_uri()}#t=45")
        yield tab


def test_a_link_to_a_moment_draws_the_crosshair_through_every_chart(tab):
    assert tab.ask("document.documentElement.dataset.script") == "ready"
    places = tab.ask("[...document.querySelectorAll('.crosshair.pinned')].map(line => line.getAttribute('x1'))")
    assert len(places) == tab.ask("document.querySelectorAll('svg.wide, svg.narrow').length") == 18
    assert float(places[0]) == pytest.approx(52 + 55 / 194 * 892, abs=0.1)
    assert tab.ask("document.getElementById('moment').textContent") == "0:45 (08:00:45 UTC)"
    shown = tab.ask("[...document.querySelectorAll('output')].map(output => output.textContent)")
    assert "50" in shown
    assert sum(text.endswith(" ms") for text in shown) == 5


def test_the_tooltip_tells_the_values_under_the_pointer_and_names_the_fault(tab):
    tab.mouse("mouseMoved", *tab.place("#panel-latency svg.wide", (52 + 110 / 194 * 892) / 1024))
    first, *values = tab.ask("document.querySelector('.tooltip').textContent").splitlines()
    assert first == "1:40 (08:01:40 UTC) · F2 throttle-redis"
    assert [re.sub(r"[\d.,]+", "n", value) for value in values] == ["pn n ms"] * 3


def test_a_gap_reads_as_no_data(tab):
    tab.mouse("mouseMoved", *tab.place("#panel-rate svg.wide", (52 + 133 / 194 * 892) / 1024))
    assert tab.ask("document.querySelector('.tooltip').textContent").splitlines()[1:] == ["sent no data", "ok no data"]


def test_a_click_into_a_chart_is_a_link_to_that_moment(tab):
    tab.click(*tab.place("#panel-rate svg.wide", (52 + 90 / 194 * 892) / 1024))
    assert float(tab.ask("location.hash").removeprefix("#t=")) == pytest.approx(80, abs=0.3)


def test_a_series_is_switched_off_and_on_by_its_name(tab):
    hidden = "getComputedStyle(document.querySelector('#panel-latency svg.wide .p95_marks')).display"
    for state in ("none", "inline"):
        tab.click(*tab.place("#panel-latency button[data-series=p95]"))
        assert tab.ask(hidden) == state
    assert tab.ask("document.querySelector('#panel-latency button[data-series=p95]').ariaPressed") == "true"


def test_a_link_to_a_folded_row_unfolds_it(tab):
    tab.ask("location.hash = '#' + document.querySelector('details.more tbody tr').id")
    is_open = "document.querySelector('details.more').open"
    look = f"{is_open} ? done(true) : tries ? setTimeout(look, 20, tries - 1) : done(false)"
    opened = f"new Promise(done => {{ const look = tries => {look}; look(500); }})"
    answer = tab.call("Runtime.evaluate", expression=opened, awaitPromise=True, returnByValue=True)
    assert answer["result"]["value"] is True


def test_on_a_telephone_nothing_is_wider_than_the_screen_and_no_two_numbers_touch(tab):
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=False)
    try:
        assert tab.ask("document.documentElement.scrollWidth") <= 390
        gap = "interval.getBoundingClientRect().left - range.getBoundingClientRect().right"
        before = "const range = document.createRange(); range.selectNode(interval.closest('td').firstChild)"
        gaps = f"[...document.querySelectorAll('.endpoints .interval')].map(interval => {{ {before}; return {gap}; }})"
        assert min(tab.ask(gaps)) > 4
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")


def test_the_browser_has_nothing_to_complain_about(tab):
    assert tab.complaints == []


def test_the_page_prints_its_first_four_sections_on_two_pages(example, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    pdf = tmp_path / "report.pdf"
    options = ("--no-pdf-header-footer", f"--print-to-pdf={pdf}", f"--user-data-dir={tmp_path / 'profile'}")
    command = [CHROMIUM, *FLAGS, *options, (example.run.path / "report.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=90, check=True)
    pages = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout.split("\f")
    assert [number for number, page in enumerate(pages) if "What decides" in page] == [0]
    assert [number for number, page in enumerate(pages) if "Endpoints and workflows" in page] == [2]
