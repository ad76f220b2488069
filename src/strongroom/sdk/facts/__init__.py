"""What a control test can ask: facts of the log, the storage, access, identities, and probes."""
