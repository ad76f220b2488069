"""The paths of access requests, approval rules and grants."""
