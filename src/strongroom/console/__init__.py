"""The console: pages for people, which ask the pipeline as anybody else does."""
