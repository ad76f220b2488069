"""The command line; speaks HTTP and imports nothing of the server."""
