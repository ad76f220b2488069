"""One transaction type over SQLite and PostgreSQL, the encrypting barrier, and migrations."""
