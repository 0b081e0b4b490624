"""The harness behind `run` and `plot`, which stand beside this directory."""
