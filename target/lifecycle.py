"""How far a replica has come in its life, for those of its parts that answer differently then."""

from typing import Literal

Phase = Literal["starting", "ready", "leaving"]


class Lifecycle:
    """Starting until all parts work, then ready; leaving once it was told to end, while it still serves."""

    def __init__(self) -> None:
        self.phase: Phase = "starting"
