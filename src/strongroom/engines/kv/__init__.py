"""Secrets under paths: version 2 keeps versions of each, version 1 a value."""
