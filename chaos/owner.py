"""Who answers for a record, named so that a reaper can tell whether that one still lives.

`PID@START` is a process of this machine, `host:MACHINE/PID@START` one of a machine that is named, and
`pod:NAMESPACE/NAME@UID` a pod, in which case the reaper asks the API server.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path

from chaos.platforms.process_handle import hold_process, own_incarnation

_POD, _HOST = "pod:", "host:"


class Standing(Enum):
    """What is known of an owner; one of whom nothing is known is taken to live until the record is overdue."""

    LIVES = "lives"
    GONE = "gone"
    UNKNOWN = "unknown"


def process_owner() -> str:
    """This process, for a reaper on the same machine."""
    return own_incarnation()


def owner_for_elsewhere(environment: Mapping[str, str]) -> str:
    """The pod around this process, else the process with its machine, for a reaper that may be anywhere."""
    namespace, name, uid = (environment.get(key) for key in ("NAMESPACE", "POD_NAME", "POD_UID"))
    if namespace and name and uid:
        return f"{_POD}{namespace}/{name}@{uid}"
    return f"{_HOST}{machine()}/{own_incarnation()}"


def standing_of(owner: str, standing_of_pod: Callable[[str, str, str], Standing]) -> Standing:
    """Whether the owner still lives; a pod is asked for by its namespace, name and UID."""
    if owner.startswith(_POD):
        namespace, _, incarnation = owner.removeprefix(_POD).partition("/")
        name, _, uid = incarnation.rpartition("@")
        return standing_of_pod(namespace, name, uid)
    if owner.startswith(_HOST):
        where, _, owner = owner.removeprefix(_HOST).rpartition("/")
        if where != machine():
            return Standing.UNKNOWN
    return _standing_of_process(owner)


def no_pods(namespace: str, name: str, uid: str) -> Standing:  # noqa: ARG001  # the signature of who does know
    """For a reaper that cannot ask a cluster."""
    return Standing.UNKNOWN


def _standing_of_process(name: str) -> Standing:
    try:
        handle = hold_process(name)
    except ValueError:
        return Standing.UNKNOWN  # of a form that this version does not know
    if handle is None:
        return Standing.GONE
    handle.close()
    return Standing.LIVES


@cache
def machine() -> str:
    """Where process ids mean what they mean here: this boot of this kernel, and this namespace of process ids."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
