"""Writes the three reports of a verdict into its run directory."""

from analysis.evidence import Evidence
from analysis.report.junit import junit_xml
from analysis.report.markdown import markdown_report
from analysis.report.page import html_page
from analysis.verdict import Verdict
from journal.run_directory import RunDirectory, write_whole


def write_reports(run: RunDirectory, evidence: Evidence, verdict: Verdict) -> None:
    """Writes report.html, report.md and junit.xml, each whole or not at all.

    Raises:
        RunDirectoryError: the run directory cannot be written.
    """
    reports = {
        "report.html": html_page(evidence, verdict).encode(),
        "report.md": markdown_report(evidence, verdict).encode(),
        "junit.xml": junit_xml(verdict, evidence.manifest.plan.name),
    }
    for name, content in reports.items():
        write_whole(run.path / name, content)
