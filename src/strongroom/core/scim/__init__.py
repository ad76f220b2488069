"""SCIM 2.0: what a directory asks and is told, apart from the rows behind it."""
