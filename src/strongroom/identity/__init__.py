"""Entities, tokens, and policy as data that can be enumerated."""
