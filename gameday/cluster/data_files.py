"""Test data on its way into a cluster: it lies beside the profile, in the run's ConfigMap."""

import re
from pathlib import Path

from gameday.sources import folder_of
from journal.errors import Problem, ProfileError
from journal.profile import Profile

MOST_BYTES = 768 * 1024
"""A ConfigMap takes 1 MiB, and plan, profile and the list of the run's objects lie in it too."""


def data_files(name: str, profile: Profile) -> dict[str, str]:
    """The content of each file that the profile called `name` takes its data from.

    Raises:
        ProfileError: it could not lie beside the profile there, or is too large.
    """
    folder = folder_of(name, "profile").absolute()
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    for key, data in profile.data.items():
        if data.file:
            path = Path(data.file)
            if path.parent != folder or not re.fullmatch(r"[-._a-zA-Z0-9]{1,200}", path.name):
                what = f"{path} does not lie beside the profile"
                problems.append(Problem(f"profile: data.{key}", what, "in a cluster it has to"))
            else:
                texts[path.name] = path.read_text(encoding="utf-8")
    if sum(len(text.encode()) for text in texts.values()) > MOST_BYTES:
        what = f"has more than {MOST_BYTES >> 10} KiB, which is what can be brought into a cluster"
        problems.append(Problem("profile: data", what, "use fewer rows there"))
    if problems:
        raise ProfileError(problems)
    return texts
