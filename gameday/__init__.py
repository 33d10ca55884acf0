"""Conducts a game day: plans, profiles, processes, live view and the command line."""
