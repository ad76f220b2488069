"""The HTTP surface: server, wire formats, errors, OpenAPI."""
