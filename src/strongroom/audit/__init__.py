"""Entries, the transparency log, checkpoints, proofs, and the follower that feeds sinks."""
