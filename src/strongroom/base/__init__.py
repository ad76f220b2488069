"""Errors, secrets, identifiers, time and durations; no third-party import."""
