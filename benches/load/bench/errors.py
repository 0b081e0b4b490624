"""Why there are no figures."""


class Failed(Exception):
    """A run that gave no figures; says why."""


class Skipped(Exception):
    """A scenario that this machine cannot run; says why."""
