"""Journeys that a profile describes, as Locust users."""
