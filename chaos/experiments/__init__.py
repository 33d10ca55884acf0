"""Chaos Toolkit experiments, as package data."""
