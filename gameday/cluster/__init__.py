"""Game days in a cluster: puts the harness there for one run, follows it, brings the run directory home, cleans up."""
