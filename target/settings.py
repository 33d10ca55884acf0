"""What the supervisor tells its children, in the environment, so that no secret is ever in argv."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_VARIABLE = "AIA_TARGET_SETTINGS"
_SECRETS_VARIABLE = "AIA_TARGET_SECRETS"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a replica or worker has to know that is no secret."""

    host: str
    port: int
    redis_port: int
    state_dir: Path
    redis_host: str = "127.0.0.1"
    defects: tuple[str, ...] = ()
    seed: int = 1
    rate_limit_per_hour: int = 36_000
    token_lifetime_s: int = 900
    scrypt_log2_n: int = 12
    work_ms: tuple[int, int] = (10, 40)
    task_retention_s: int = 3600
    listens_early: bool = False  # with 503 for all, until it is ready; only where nobody is sent to it before
    drain_s: float = 0.0  # how long a replica that was told to end serves on, until nobody is sent to it any more
    finish_s: int = 2  # how long it then takes at most to finish what is under way

    @property
    def url(self) -> str:
        """Where the API answers, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def counters_file(self, replica: str) -> Path:
        """The file that keeps what `replica` (such as `api-0`) counted."""
        return self.state_dir / "counters" / f"{replica}.bin"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Made afresh at each start of the target; `repr` shows none of them."""

    redis_password: str
    jwt_key: str
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        return "Secrets(…)"


def to_environment(settings: Settings, secrets: Secrets) -> dict[str, str]:
    """The two variables that `from_environment` reads back."""
    return {
        _VARIABLE: json.dumps(asdict(settings) | {"state_dir": str(settings.state_dir)}),
        _SECRETS_VARIABLE: json.dumps(asdict(secrets)),
    }


def from_environment(environment: Mapping[str, str] = os.environ) -> tuple[Settings, Secrets]:
    """The settings and secrets of this child process; KeyError when the supervisor did not start it."""
    values = json.loads(environment[_VARIABLE])
    values["state_dir"] = Path(values["state_dir"])
    values["work_ms"] = tuple(values["work_ms"])
    values["defects"] = tuple(values["defects"])
    assert values.keys() == {field.name for field in fields(Settings)}
    return Settings(**values), Secrets(**json.loads(environment[_SECRETS_VARIABLE]))
