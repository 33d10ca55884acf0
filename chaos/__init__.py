"""Breaks one thing at a time, and always undoes it."""
