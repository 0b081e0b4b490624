"""A scenario: the same load for two targets in turn, and rows of the table."""

from dataclasses import dataclass, field

from .errors import Failed
from .runner import RUN_SECONDS
from .targets import Floor, Server


def at(path):
    """Takes `latency.p99_us` out of a run's figures."""

    def get(figures):
        for name in path.split("."):
            figures = figures[name]
        return float(figures)

    return get


CPU = at("server_cpu_us_each")
P99 = at("latency.p99_us")


@dataclass(frozen=True)
class Row:
    title: str
    unit: str
    value: object
    most: float | None = None  # aims: of the ratio ...
    least: float | None = None
    most_value: float | None = None  # ... or of the server's own value
    least_value: float | None = None

    def aim(self):
        if self.most is not None:
            return f"<= {self.most:g} x"
        if self.least is not None:
            return f">= {self.least:g} x"
        if self.most_value is not None:
            return f"<= {self.most_value:,g}"
        if self.least_value is not None:
            return f">= {self.least_value:,g}"
        return ""

    def met(self, ratio, value):
        if self.most is not None:
            return ratio <= self.most
        if self.least is not None:
            return ratio >= self.least
        if self.most_value is not None:
            return value <= self.most_value
        if self.least_value is not None:
            return value >= self.least_value
        return None


@dataclass
class Pair:
    """The figures of consecutive runs."""

    base: dict
    server: dict
    rivals: dict = field(default_factory=dict)  # for each by name its base's and its own


@dataclass
class Scenario:
    """The same load for two targets in turn, and for each rival."""

    name: str
    arguments: tuple
    rows: list
    base: object = Floor()
    other: object = Server()
    base_arguments: tuple | None = None
    seconds: int = RUN_SECONDS
    own: bool = False  # the base is the server itself
    closed_loop: bool = False  # a busy load generator would be what is measured
    notes: list = field(default_factory=list)
    failed_rivals: dict = field(default_factory=dict)  # why, by name

    def prepare(self, bench):
        """Raises `Skipped` where the machine does not allow it."""

    def pair(self, bench):
        """Runs both once, and each rival; returns the figures for the rows."""
        first = self.arguments if self.base_arguments is None else self.base_arguments
        base = bench.load(self.base, *first, seconds=self.seconds)
        other = bench.load(self.other, *self.arguments, seconds=self.seconds)
        return Pair(base, other, self.each_rival(bench, lambda rival: self.rival(bench, rival, base)))

    def rival(self, bench, rival, base):
        """The figures of the rival's base and its own; `None` if it does not take part."""
        if self.own:
            return None
        return base, bench.load(rival, *self.arguments, seconds=self.seconds)

    def each_rival(self, bench, run):
        """Runs the rivals without a failure so far; a rival's failure does not fail the scenario."""
        ran = {}
        for rival in bench.rivals:
            if rival.label in self.failed_rivals:
                continue
            try:
                figures = run(rival)
            except Failed as why:
                self.failed_rivals[rival.label] = str(why)
                continue
            if figures is not None:
                ran[rival.label] = figures
        return ran

    @staticmethod
    def lost(*figures):
        return sum(max(0, int(f.get("lost", 0))) for f in figures)
