"""`python -m benchmarks.network`: the bytes that a request costs on the network, both ways, all headers included.

In a network of its own (`unshare -rn`), where the kernel counts every byte and segment: requests one after the other
over one connection to a target that answers in 15 bytes of JSON. Written to benchmarks/README.md.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import tool
from benchmarks.readme import write_section
from journal.profile import Profile
from load.health.calibration import null_target
from load.http import RUN_HEADER, Client, Session
from load.logbook import Logbook
from load.recorder import Recorder

REQUESTS = 5_000
ETHERNET_BYTES = 14
COUNTED = (("netstat", "IpExt:", "OutOctets"), ("snmp", "Tcp:", "OutSegs"))
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "GET without a token": ("GET", {}),
    "GET with a token of 300 bytes": ("GET", {"token": "t" * 300}),
    "POST of 200 bytes of JSON with that token": ("POST", {"token": "t" * 300, "body": {"prompt": "x" * 186}}),
}


@dataclass(frozen=True)
class Traffic:
    """Of one request and its answer; a packet is counted with the header that it has on Ethernet."""

    bytes: float
    packets: float


def counters() -> list[int]:
    """Bytes of IP and segments of TCP that were sent in this network so far."""
    return [_counter(*where) for where in COUNTED]


def _counter(file: str, group: str, name: str) -> int:
    lines = (Path("/proc/net") / file).read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith(group))
    return int(values[names.index(name)])


def traffic(url: str, method: str, request: dict[str, Any]) -> Traffic:
    """Bytes and packets of one request and its answer, by the counters of the loopback device."""
    client = Client(url, Profile(name="network"), {RUN_HEADER: "0123abcd"})
    session = Session(client, Logbook(Recorder("worker-0", (200_000,))), "network")
    session.call(method, "/api/v1/mcp/status/0123456789", **request)  # the connection is there now
    before = counters()
    for _ in range(REQUESTS):
        assert session.call(method, "/api/v1/mcp/status/0123456789", **request).ok
    sent, packets = ((after - begun) / REQUESTS for begun, after in zip(before, counters(), strict=True))
    session.close()
    return Traffic(sent + ETHERNET_BYTES * packets, packets)


def measure() -> None:
    """Within the network of its own: a line for each call."""
    with null_target() as url:
        for name, (method, request) in CALLS.items():
            found = traffic(url, method, request)
            print(f"| {name} | {found.bytes:,.0f} | {found.packets:.2f} |", flush=True)


def main() -> None:
    """Makes the network, measures in it, and writes the section of the README."""
    inside = f"{tool('ip')} link set lo up && exec {sys.executable} -m benchmarks.network inside"
    command = [tool("unshare"), "-rn", "sh", "-c", inside]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip()
    table = "\n".join(
        (
            "A request of a journey and its answer of 15 bytes of JSON over a kept connection: all bytes in both "
            f"directions with the headers of HTTP, TCP, IP and Ethernet ({ETHERNET_BYTES} bytes), without TLS.",
            "",
            "| request | bytes | packets |",
            "| --- | ---: | ---: |",
            lines,
        )
    )
    print(table)
    write_section("network", "What a request costs on the network", table)


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["inside"] else main()
