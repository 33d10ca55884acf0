"""In a pod: PINGs Redis at HOST PORT every 50 ms for a minute and a half, one JSON line each: when, and how long.

It speaks the protocol by itself, so that what it says of a fault does not rest on the code that makes the fault.
"""

import json
import os
import socket
import sys
import time

EVERY_S, FOR_S = 0.05, 90.0

host, port = sys.argv[1:]
password = os.environ["REDIS_PASSWORD"]
with socket.create_connection((host, int(port)), timeout=20) as connection:
    answers = connection.makefile("rb")
    connection.sendall(f"AUTH {password}\r\n".encode())
    assert answers.readline() == b"+OK\r\n"
    ends_s = time.monotonic() + FOR_S
    while time.monotonic() < ends_s:
        at_ns, began_s = time.time_ns(), time.perf_counter()
        connection.sendall(b"PING\r\n")
        assert answers.readline() == b"+PONG\r\n"
        took_s = time.perf_counter() - began_s
        print(json.dumps({"at_ns": at_ns, "ms": 1000 * took_s}), flush=True)
        time.sleep(max(0.0, EVERY_S - took_s))
