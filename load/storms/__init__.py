"""Storms: the same thing happens to many users at once, by the master's clock, on all workers."""
