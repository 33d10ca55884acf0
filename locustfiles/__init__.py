"""One file per journey, and nothing else."""
