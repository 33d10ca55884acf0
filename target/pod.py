"""Start of `python -m target.pod api|worker|redis`: one part of AIA as the first process of a pod.

Makes SIGTERM end it from the first moment on: the kernel ignores what a first process has no handler for.
"""

import signal
import sys


def main() -> int:
    """Be the part that the only argument names; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):  # until the part takes them over
        signal.signal(number, lambda *_: sys.exit(0))
    from target import pod_parts  # noqa: PLC0415 - takes a while to load, see above

    return pod_parts.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
