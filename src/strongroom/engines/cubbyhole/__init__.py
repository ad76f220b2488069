"""A token's own values, which nobody else sees and which end with the token."""
