"""The embedded reference AIA: a separate program that happens to live here."""
