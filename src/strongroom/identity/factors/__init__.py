"""Second factors: one-time codes, security keys and passkeys, recovery codes."""
