"""What a target looks like: where it is, which hosts may be hit, its limits, how faults reach it; no secrets."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Len

from journal.plan import FORBID_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """How to start the reference AIA that comes with the harness; None as base URL of a profile means this one."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    replicas: Annotated[int, Ge(1)] = 3
    workers: Annotated[int, Ge(1)] = 2
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the target allows; a plan that would cross it is refused before the start."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    requests_per_hour_per_user: Annotated[int, Gt(0)] = 36_000
    max_users: Annotated[int, Gt(0)] = 10_000


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The names of the environment variables that hold the client credentials, never their values."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    client_id_env: str = "AIA_CLIENT_ID"
    client_secret_env: str = "AIA_CLIENT_SECRET"  # noqa: S105  # the name of a variable


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where faults act: the processes listed in a target's state file."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    kind: Literal["local", "none"] = "local"
    state_file: str = ""
    environment: str = "embedded"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a target looks like. `base_url` None: start the embedded target for the run and end it afterwards."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    name: Annotated[str, Len(1)]
    base_url: str | None = None
    allowed_hosts: Annotated[tuple[str, ...], Len(1)] = ("127.0.0.1", "localhost")
    verify_tls: bool = True
    request_timeout_s: Annotated[float, Gt(0)] = 10.0
    task_timeout_s: Annotated[float, Gt(0)] = 15.0
    embedded: Embedded = field(default_factory=Embedded)
    limits: Limits = field(default_factory=Limits)
    credentials: Credentials = field(default_factory=Credentials)
    platform: Platform = field(default_factory=Platform)
    paths: dict[str, str] = field(default_factory=dict)
