"""What a run does: load, faults, objectives, gates and seed, as frozen records with each field's limits beside it."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Len

Share = Annotated[float, Interval(ge=0.0, le=1.0)]
Seconds = Annotated[float, Ge(0.0)]
FORBID_UNKNOWN = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of constant load: so many users, reached at so many a second, held until `duration_s` has passed."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    users: Annotated[int, Ge(1)]
    spawn_rate_per_s: Annotated[float, Gt(0)] = 10.0
    duration_s: Annotated[float, Gt(0)]


@dataclass(frozen=True, kw_only=True)
class ThinkTime:
    """The pause of a user between two steps, drawn uniformly from [min_s, max_s]."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    min_s: Seconds = 0.1
    max_s: Seconds = 0.5

    @property
    def mean_s(self) -> float:
        """The mean pause in seconds."""
        return (self.min_s + self.max_s) / 2


@dataclass(frozen=True, kw_only=True)
class Load:
    """Who calls the target, how often, and for how long; the warm-up is the beginning of the first stage."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    stages: Annotated[tuple[Stage, ...], Len(1)]
    warm_up_s: Seconds = 10.0
    drain_s: Seconds = 10.0
    workers: Annotated[int, Ge(1)] = 2
    think_time: ThinkTime = field(default_factory=ThinkTime)
    mix: dict[str, Annotated[int, Ge(0)]] = field(default_factory=lambda: {"auth": 1, "model_control": 2, "agents": 2})

    @property
    def duration_s(self) -> float:
        """The length of all stages together, warm-up included."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def peak_users(self) -> int:
        """The most users of any stage."""
        return max(stage.users for stage in self.stages)


@dataclass(frozen=True, kw_only=True)
class PlannedFault:
    """One experiment, started `at_s` after the warm-up, and the windows in which its end is judged."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    id: Annotated[str, Len(1)]
    experiment: Annotated[str, Len(1)]
    at_s: Seconds
    recovery_s: Annotated[float, Gt(0)] = 15.0
    max_budget_share: Annotated[float, Ge(0.0)] = 1.0
    configuration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Slo:
    """What the target promises: this share of each endpoint's requests is good, this share of all is answered well.

    A request is good when it was answered properly in less than `threshold_ms`.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    threshold_ms: Annotated[float, Gt(0)] = 200.0
    good_share: Annotated[float, Interval(gt=0.0, lt=1.0)] = 0.95
    availability: Annotated[float, Interval(gt=0.0, lt=1.0)] = 0.999

    @property
    def threshold_us(self) -> int:
        """The threshold in whole µs."""
        return round(self.threshold_ms * 1000)


GateName = Literal["latency", "availability", "invariants", "faults", "memory"]


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Which gates decide the verdict; a gate that is not required informs.

    An endpoint with fewer than `min_samples` requests, none of them bad, informs too instead of keeping the run open.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    required: tuple[GateName, ...] = ("latency", "availability", "invariants", "faults")
    leak_tolerance_mib_per_h: Annotated[float, Gt(0)] = 5.0
    min_samples: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, kw_only=True)
class Guards:
    """When to stop a run that does harm: this share of bad answers, sustained for this long, outside the plan."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    max_bad_share: Share = 1.0
    for_s: Annotated[float, Gt(0)] = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    name: Annotated[str, Len(1)]
    description: str = ""
    seed: Annotated[int, Ge(0)] = 1
    load: Load
    faults: tuple[PlannedFault, ...] = ()
    slo: Slo = field(default_factory=Slo)
    gates: Gates = field(default_factory=Gates)
    guards: Guards = field(default_factory=Guards)
