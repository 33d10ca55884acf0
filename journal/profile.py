"""What a target looks like: where it is, which hosts may be hit, its limits, how faults reach it; no secrets."""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Len

from journal.plan import FORBID_UNKNOWN, Plan
from journal.profile_journeys import DataSet, ProfileJourney

AIA_MIX = {"auth": 1, "model_control": 2, "agents": 2}

MODEL_CONTEXT_PATH = "/mcp"
"""Where the contract has the public Model Context Protocol, which a target need not offer."""


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
class RedisAddress:
    """Where the target's Redis is reached; `through_proxy` is its address behind Toxiproxy, "" when there is none."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    address: Annotated[str, Len(1)] = "aia-redis.aia-system.svc.cluster.local:6379"
    through_proxy: str = ""
    password_env: str = "AIA_REDIS_PASSWORD"  # noqa: S105  # the name of a variable


@dataclass(frozen=True, kw_only=True)
class Toxiproxy:
    """The proxy between API and Redis: its control address, and the name of the proxy that leads to Redis."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    url: str = ""
    proxy: str = "redis"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The target's pods: in which namespace, chosen by which labels; faults touch no namespace that is not allowed."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    namespace: Annotated[str, Len(1)] = "aia-system"
    allowed_namespaces: Annotated[tuple[str, ...], Len(1)] = ("aia-system",)
    api_selector: Annotated[str, Len(1)] = "app=aia-api"
    worker_selector: str = "app=aia-worker"
    redis_selector: Annotated[str, Len(1)] = "app=aia-redis"
    redis_container: Annotated[str, Len(1)] = "aia-redis"
    redis: RedisAddress = field(default_factory=RedisAddress)
    toxiproxy: Toxiproxy = field(default_factory=Toxiproxy)
    prometheus_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Where faults act: the processes listed in a target's state file, or the pods of a cluster.

    `environment` is the label that the target has to carry, so that nothing else is ever broken.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    kind: Literal["local", "kubernetes", "none"] = "local"
    state_file: str = ""
    environment: str = "embedded"
    cluster: Cluster = field(default_factory=Cluster)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a target looks like. `base_url` None: start the embedded target for the run and end it afterwards."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    name: Annotated[str, Len(1)]
    base_url: str | None = None
    allowed_hosts: Annotated[tuple[str, ...], Len(1)] = ("127.0.0.1", "localhost")
    verify_tls: bool = True
    ca_file: str = ""
    request_timeout_s: Annotated[float, Gt(0)] = 10.0
    task_timeout_s: Annotated[float, Gt(0)] = 15.0
    task_retention_s: Annotated[float, Gt(0)] = 1800.0
    embedded: Embedded = field(default_factory=Embedded)
    limits: Limits = field(default_factory=Limits)
    credentials: Credentials = field(default_factory=Credentials)
    platform: Platform = field(default_factory=Platform)
    paths: dict[str, str] = field(default_factory=dict)
    ready_path: str | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    data: dict[str, DataSet] = field(default_factory=dict)
    journeys: dict[str, ProfileJourney] = field(default_factory=dict)

    @property
    def readiness(self) -> str:
        """The path that answers 200 when the target is ready; empty: any answer at all will do."""
        if self.ready_path is None:
            return "" if self.journeys else "/ready"
        return self.ready_path

    def secret_variables(self) -> dict[str, str]:
        """The name of each secret in templates, and the environment variable that holds it."""
        return {f"secrets.{key.removesuffix('_env')}": variable for key, variable in self.secrets.items()}


def planned_mix(plan: Plan, profile: Profile) -> dict[str, int]:
    """Journey → weight: the plan's mix; without one that of the profile's journeys, else that of AIA's."""
    described = {name: journey.weight for name, journey in profile.journeys.items()}
    return plan.load.mix or described or AIA_MIX


def with_planned_mix(plan: Plan, profile: Profile) -> Plan:
    """The plan with its mix spelled out."""
    return replace(plan, load=replace(plan.load, mix=planned_mix(plan, profile)))
