"""The run directory: histograms, frames, timeline, manifest; errors and exit codes."""
