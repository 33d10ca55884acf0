"""Structured reports: ask for one, watch it, fetch it when it is completed."""

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from target import task_answers
from target.auth import SignedIn
from target.services import Injected
from target.tasks import Results, Status

router = APIRouter(prefix="/reports", tags=["reports"])


class NewReport(BaseModel):
    """What the report is about."""

    topic: str = Field(min_length=1, max_length=1000)
    sections: Annotated[list[str], Field(max_length=50)] = []


class ReportStatus(BaseModel):
    """How far a report is."""

    report_id: str
    status: Status = "processing"


class ReportResults(ReportStatus):
    """A report that is completed."""

    results: Results


@router.post("/structured", status_code=202)
async def ask_for_report(new: NewReport, caller: SignedIn, services: Injected) -> ReportStatus:
    """Accept a report."""
    report_id, _ = await task_answers.submit(services, caller, "report", new)
    return ReportStatus(report_id=report_id)


@router.get("/{report_id}/status")
async def report_status(report_id: str, caller: SignedIn, services: Injected) -> ReportStatus:
    """How far a report is."""
    task = await task_answers.readable(services, caller, report_id, "report")
    return ReportStatus(report_id=report_id, status=task.status)


@router.get("/{report_id}/results")
async def report_results(report_id: str, caller: SignedIn, services: Injected) -> ReportResults:
    """The report; 400 when it is not completed."""
    task = await task_answers.readable(services, caller, report_id, "report")
    if task.results is None:
        raise HTTPException(400, "the report is not completed yet")
    return ReportResults(report_id=report_id, status=task.status, results=task.results)
