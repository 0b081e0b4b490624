"""The harness behind `run` and `plot` in the directory above."""
