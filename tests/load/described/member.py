"""A described journey whose users sign up and keep a login, and runs of one."""

from dataclasses import replace
from typing import Any

from journal.manifest import write_manifest
from journal.profile_journeys import Extraction, Login, ProfileJourney, RequestStep
from journal.run_directory import RunDirectory

_CREDENTIALS = {"email": "${user.worker}-${random.uuid}@example.com", "password": "long-enough"}
_REGISTER = RequestStep(
    method="POST", path="/auth/register", json=_CREDENTIALS, extract={"email": Extraction(json="/email")}
)
_LOGIN = RequestStep(
    method="POST",
    path="/auth/login",
    json={**_CREDENTIALS, "email": "${email}"},
    extract={"token": Extraction(json="/access_token")},
)


def member(*steps: RequestStep, **more: Any) -> ProfileJourney:
    """The journey of these steps, each with the user's token."""
    on_start = Login(steps=(_REGISTER, _LOGIN), tokens=("token",))
    return ProfileJourney(headers={"Authorization": "Bearer ${token}"}, on_start=on_start, steps=steps, **more)


def give_journey(run: RunDirectory, name: str, journey: ProfileJourney) -> None:
    """Has the run's profile describe this one journey."""
    manifest = run.read_manifest()
    run.manifest.unlink()
    write_manifest(run.manifest, replace(manifest, profile=replace(manifest.profile, journeys={name: journey})))
