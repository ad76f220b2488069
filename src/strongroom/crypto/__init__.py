"""Pure functions: AEAD, key derivation, Shamir, passwords, the Merkle tree, tiles, signed notes."""
