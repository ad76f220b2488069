"""Periods, control runs, populations, packs, and their offline verification."""
