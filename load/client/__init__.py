"""The HTTP client of the generator: truth in latency first, then speed. Nothing here knows of journeys or runs."""
