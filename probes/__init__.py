"""Looks at the target and never touches it: readiness checks and resource readings."""
