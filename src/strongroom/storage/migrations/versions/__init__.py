"""One file a step. A landed step is never edited."""
