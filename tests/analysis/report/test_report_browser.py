"""The page in a real browser, where there is one: its script runs without complaint and finds its charts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def browse(*options: str, profile: Path) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)


@pytest.fixture(scope="module")
def browsed(example, tmp_path_factory) -> subprocess.CompletedProcess[str]:
    address = f"{(example.run.path / 'report.html').as_uri()}#t=45"
    return browse("--dump-dom", "--window-size=1280,2000", address, profile=tmp_path_factory.mktemp("profile"))


def test_the_browser_has_nothing_to_complain_about(browsed):
    assert not [line for line in browsed.stderr.splitlines() if "CONSOLE" in line]


def test_a_link_to_a_moment_draws_the_crosshair_through_every_chart(browsed):
    assert 'data-script="ready"' in browsed.stdout
    charts = len(re.findall(r'<svg class="plot (?:phases )?(?:wide|narrow)"', browsed.stdout))
    crosshairs = re.findall(r'<line class="crosshair pinned"[^>]* x1="([\d.]+)"', browsed.stdout)
    assert charts == len(crosshairs) == 18
    assert float(crosshairs[0]) == pytest.approx(52 + 55 / 194 * 892, abs=0.1)


def test_the_values_at_that_moment_stand_in_the_legends(browsed):
    assert re.search(r'<p id="moment" class="moment">0:45 \(08:00:45 UTC\)</p>', browsed.stdout)
    shown = re.findall(r"<output>([^<]*)</output>", browsed.stdout)
    assert "50" in shown
    assert sum(value.endswith(" ms") for value in shown) == 5


def test_the_page_prints_its_first_four_sections_on_two_pages(example, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    pdf = tmp_path / "report.pdf"
    options = ("--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    browse(*options, (example.run.path / "report.html").as_uri(), profile=tmp_path / "profile")
    pages = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout.split("\f")
    begins = [
        next(number for number, page in enumerate(pages) if title in page) for title in ("What decides", "Endpoints")
    ]
    assert begins == [0, 2]
