"""Conducts a search for the capacity: orders level after level while the load runs."""
