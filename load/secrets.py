"""The secrets of a profile in this process: read from the environment, and taken out of everything that is said."""

import json
import os
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from journal.errors import Problem, ProfileError
from journal.profile import Profile

_HIDDEN = "***"


class Secrets:
    """Name in templates → value; a variable that is not set leaves an empty text, and `require` names it."""

    def __init__(self, profile: Profile, environment: Mapping[str, str] = os.environ) -> None:
        self._variables = profile.secret_variables()
        self.values = {name: environment.get(variable, "") for name, variable in self._variables.items()}
        spelled = {spelling for value in self.values.values() if value for spelling in _spellings(value)}
        self._spelled = sorted(spelled, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._variables)})"

    def require(self) -> None:
        """Raises ProfileError with the variables that are not set here."""
        unset = [self._variables[name] for name, value in self.values.items() if not value]
        if unset:
            remedy = "set them where the generator's workers run"
            raise ProfileError(Problem(f"profile: secrets: {name}", "is not set", remedy) for name in unset)

    def hide(self, text: str) -> str:
        """The text without the values of secrets, however they are written in it."""
        for spelling in self._spelled:
            text = text.replace(spelling, _HIDDEN)
        return text


def _spellings(value: str) -> set[str]:
    return {value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value)}
