"""Start of `python -m target`: makes SIGTERM and SIGINT polite first, since the rest takes a while to load."""

import signal
import sys


def main() -> int:
    """Run the command; returns its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):  # until the supervisor takes them over
        signal.signal(number, lambda *_: sys.exit(0))
    from target import command  # noqa: PLC0415 - see above

    return command.main()


if __name__ == "__main__":
    sys.exit(main())
