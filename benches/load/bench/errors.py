"""Errors of runs without figures."""


class Failed(Exception):
    """A run without figures, with the reason."""


class Skipped(Exception):
    """A scenario that this machine cannot run, with the reason."""
