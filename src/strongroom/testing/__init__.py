"""Doubles, the movable clock and conformance suites, for tests of the project and of plugins."""
