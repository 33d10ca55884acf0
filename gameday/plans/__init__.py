"""Plans that come with the harness, as package data."""
