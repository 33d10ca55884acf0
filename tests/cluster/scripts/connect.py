"""In a pod: tries to connect to each HOST:PORT given, and prints which answer, as a JSON object."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except OSError:
        return False


addresses = sys.argv[1:]
with ThreadPoolExecutor() as threads:
    print(json.dumps(dict(zip(addresses, threads.map(connects, addresses), strict=True))))
