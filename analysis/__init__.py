"""Judges a run directory: evidence in, verdict and report out; no network, no clock."""
