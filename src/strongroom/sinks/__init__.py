"""Sinks that follow the log, a folder each."""
