"""A slow oracle: simulates the users of the journey `model_control` before a planted semaphore, event by event.

It shares no code with the harness or the target. Users pause and call in turn; SIZE servers serve the calls first come,
first served, each for the same time. Nothing else takes time: a real run is later by what HTTP costs.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

POST, STATUS = "POST", "GET"
Step = tuple[str, float]


@dataclass(frozen=True)
class Knee:
    """The planted semaphore, the users' think time, and the promise."""

    size: int = 3
    service_s: float = 0.030
    think_s: tuple[float, float] = (0.05, 0.15)
    work_s: tuple[float, float] = (0.010, 0.040)
    threshold_s: float = 0.200
    good_share: float = 0.95

    @property
    def ceiling_per_s(self) -> float:
        return self.size / self.service_s


def user(knee: Knee, rng: random.Random, clock: list[float]) -> Iterator[Step]:
    """What one user does: ("pause", seconds) or a call; `clock` holds the time at which the last step ended."""

    def think() -> Step:
        return "pause", rng.uniform(*knee.think_s)

    while True:
        bag = [True] * 4 + [False]
        rng.shuffle(bag)
        for report in bag:
            if report:
                yield think()
                yield POST, 0.0
                done_s = clock[0] + rng.uniform(*knee.work_s)
                pause_s = 0.05
                while True:
                    yield "pause", pause_s
                    asked_s = clock[0]
                    yield STATUS, 0.0
                    pause_s = min(1.5 * pause_s, 1.0)
                    if max(asked_s, clock[0]) >= done_s:
                        break
            else:
                yield STATUS, 0.0
            yield think()
            yield STATUS, 0.0
            yield think()


def bad_shares(knee: Knee, users: int, *, seconds: float, seed: int) -> dict[str, float]:
    """The share of calls at or above the threshold, by endpoint, after a tenth of the time for warming up."""
    rng = random.Random(seed)
    clocks = [[0.0] for _ in range(users)]
    steps = [user(knee, random.Random(rng.random()), clocks[i]) for i in range(users)]
    agenda = [(rng.uniform(0, 0.5), i) for i in range(users)]
    heapq.heapify(agenda)
    free_s = [0.0] * knee.size
    count: dict[str, int] = defaultdict(int)
    bad: dict[str, int] = defaultdict(int)
    while True:
        now_s, i = heapq.heappop(agenda)
        if now_s > seconds:
            return {name: bad[name] / count[name] for name in count}
        clocks[i][0] = now_s
        kind, pause_s = next(steps[i])
        if kind == "pause":
            heapq.heappush(agenda, (now_s + pause_s, i))
            continue
        end_s = max(now_s, heapq.heappop(free_s)) + knee.service_s
        heapq.heappush(free_s, end_s)
        heapq.heappush(agenda, (end_s, i))
        if now_s > seconds / 10:
            count[kind] += 1
            bad[kind] += end_s - now_s >= knee.threshold_s


def most_users(knee: Knee, *, seconds: float = 1000.0, seed: int = 1) -> int:
    """The largest number of users at which every endpoint keeps the promise, as every smaller number does."""
    low, high = 0, 1
    while _keeps(knee, high, seconds, seed):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _keeps(knee, middle, seconds, seed) else (low, middle)
    return low


def _keeps(knee: Knee, users: int, seconds: float, seed: int) -> bool:
    return max(bad_shares(knee, users, seconds=seconds, seed=seed).values()) <= 1 - knee.good_share
