"""Where faults happen: the same operations on local processes and, later, in a cluster."""
