"""The open model: arrivals on an absolute schedule, shared by the workers, each served by a user from a pool."""
