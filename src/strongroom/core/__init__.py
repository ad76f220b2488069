"""Seal, mounts, router, leases, and the one pipeline of a request."""
