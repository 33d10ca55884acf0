"""What a run does: load, faults, objectives, gates and seed, as frozen records with each field's limits beside it."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Interval, Len

from journal.plan_shapes import Curve, Shape, segments_of, shape_words
from journal.plan_storms import Storm
from journal.recorded_arrivals import offsets_s_of

Share = Annotated[float, Interval(ge=0.0, le=1.0)]
Seconds = Annotated[float, Ge(0.0)]
FORBID_UNKNOWN = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of load: so many users, or as its shape says, reached at so many a second, for `duration_s`."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    users: Annotated[int, Ge(1)]
    spawn_rate_per_s: Annotated[float, Gt(0)] = 10.0
    duration_s: Annotated[float, Gt(0)]
    shape: Shape = field(default_factory=Shape)

    @cached_property
    def curve(self) -> Curve:
        """The wanted users over the time of the stage."""
        return Curve(segments_of(self.users, self.shape, self.duration_s))


@dataclass(frozen=True, kw_only=True)
class ArrivalStage:
    """A stretch of arrivals: so many a second, or as its shape says, for `duration_s`; 0 is a pause."""

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    rate_per_s: Annotated[float, Ge(0)]
    duration_s: Annotated[float, Gt(0)]
    shape: Shape = field(default_factory=Shape)


ArrivalProcess = Literal["constant", "poisson", "recorded"]


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """An open model: passes of journeys begin at moments that no answer of the target can shift.

    `file` names a recording, relative to the plan; its content travels in `recording`. At most `max_in_flight` passes
    run at a time, each by a user of its own, who signed up before the load; one that finds no user free is dropped. A
    pass that begins `late_ms` or more after its moment counts as late.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    process: ArrivalProcess
    stages: tuple[ArrivalStage, ...] = ()
    file: str = ""
    recording: str = field(default="", repr=False)
    max_in_flight: Annotated[int, Ge(1)] = 100
    spawn_rate_per_s: Annotated[float, Gt(0)] = 10.0
    late_ms: Annotated[float, Gt(0)] = 20.0

    @cached_property
    def curve(self) -> Curve:
        """The rate over time; of a recording its mean rate, since only its moments are known."""
        if self.process == "recorded":
            offsets_s = offsets_s_of(self.recording)
            duration_s = math.floor(offsets_s[-1]) + 1.0 if offsets_s.size else 1.0
            return Curve(segments_of(offsets_s.size / duration_s, Shape(), duration_s))
        return Curve(
            segment for stage in self.stages for segment in segments_of(stage.rate_per_s, stage.shape, stage.duration_s)
        )

    @property
    def ready_within_s(self) -> float:
        """How long it takes until all its users have come."""
        return self.max_in_flight / self.spawn_rate_per_s


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
    """Who calls the target, how often, and for how long; the warm-up is the beginning of the load.

    Either `stages` of users, of whom each waits for its answers (the closed model), or `arrivals` (the open one).
    Before it each worker finds out for `calibration_s` what it can do at most; 0 leaves that out.
    """

    __pydantic_config__: ClassVar = FORBID_UNKNOWN

    stages: tuple[Stage, ...] = ()
    arrivals: Arrivals | None = None
    calibration_s: Annotated[float, Interval(ge=0.0, le=30.0)] = 1.0
    warm_up_s: Seconds = 10.0
    drain_s: Seconds = 10.0
    workers: Annotated[int, Ge(1)] = 2
    think_time: ThinkTime = field(default_factory=ThinkTime)
    mix: dict[str, Annotated[int, Ge(0)]] = field(default_factory=dict)
    storms: tuple[Storm, ...] = ()

    @cached_property
    def curve(self) -> Curve:
        """The wanted users, or the arrivals per second, over the time of the load."""
        if self.arrivals is not None:
            return self.arrivals.curve
        return Curve(segment for stage in self.stages for segment in stage.curve.segments)

    @property
    def duration_s(self) -> float:
        """The length of all stages together, warm-up included."""
        return self.curve.duration_s

    @property
    def peak_users(self) -> int:
        """The most users there are at a time."""
        return math.ceil(self.curve.highest) if self.arrivals is None else self.arrivals.max_in_flight

    @property
    def ready_within_s(self) -> float:
        """How long the users of an open model take to come before the load begins."""
        return 0.0 if self.arrivals is None else self.arrivals.ready_within_s

    @property
    def size(self) -> str:
        """The most of it, in words: "50 users", "120 arrivals/s"."""
        if self.arrivals is None:
            return f"{self.peak_users} users"
        return f"{self.curve.highest:.4g} arrivals/s"

    @property
    def words(self) -> str:
        """All of it, in words: "50 users for 60 s, 50 to 80 users for 30 s"."""
        if self.arrivals is None:
            stages = [(shape_words(s.users, s.shape, "users"), s.duration_s) for s in self.stages]
        elif self.arrivals.process == "recorded":
            return f"{round(self.curve.total):,} recorded arrivals in {self.duration_s:g} s"
        else:
            unit = f"{self.arrivals.process} arrivals/s"
            stages = [(shape_words(s.rate_per_s, s.shape, unit), s.duration_s) for s in self.arrivals.stages]
        return ", ".join(f"{what} for {duration_s:g} s" for what, duration_s in stages)


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

    An endpoint with fewer than `min_samples` requests, none of them bad, informs too instead of keeping the run open,
    unless all have fewer.
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

    @property
    def disturbances(self) -> tuple[PlannedFault, ...]:
        """The faults, and the storms as the judgement sees them: each disturbs users, who must be well again after."""
        storms = (
            PlannedFault(
                id=storm.id,
                experiment=storm.name,
                at_s=storm.at_s,
                recovery_s=storm.recovery_s,
                max_budget_share=storm.max_budget_share,
                configuration={"duration_s": storm.spread_s},
            )
            for storm in self.load.storms
        )
        return (*self.faults, *storms)
