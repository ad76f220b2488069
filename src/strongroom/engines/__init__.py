"""Secrets engines, a folder each."""
