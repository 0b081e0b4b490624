"""The panel of latencies at shares of the server's capacity."""

import math
import re

from .canvas import LEFT, MARGIN, METRIC, RIGHT, rival_colour
from .report import DISTURBED, quantity

TITLE = re.compile(r"latency at (\d+) % of capacity: (p[\d.]+)")
LINE = 20
LABEL = 46  # the room that a number of the scale needs
QUANTILES = ("p50", "p99", "p99.9")


def latencies(canvas, results, rivals):
    """Draws the scenario `latency` if it has results."""
    result = next((r for r in results if r["name"] == "latency" and r["rows"]), None)
    if result is None:
        return
    shares = by_share(result, rivals)
    values = [v for lines in shares.values() for _, _, quantiles in lines for v in quantiles.values()]
    canvas.heading(
        "Latency at shares of the server's capacity",
        "1,000 subscribers; capacity is what the server has just delivered as fast as it could, and all have the"
        " same rates. Logarithmic; further left is better.",
    )
    marks = [(lambda x, y, name=name: draw_mark(canvas, x + 8, y, name, "ink"), name) for name in QUANTILES]
    canvas.legend(marks)
    scale = Scale(min(values), max(values))
    scale.draw(canvas, sum(len(lines) * LINE + 10 for lines in shares.values()))
    doubt = " ?" if result["others"] > DISTURBED else ""
    for share, lines in shares.items():
        draw_share(canvas, scale, share, lines, doubt)


def by_share(result, rivals):
    """For each share the lines to draw: name, colour, and quantiles in microseconds."""
    shares = {}
    for row in result["rows"]:
        share, quantile = TITLE.fullmatch(row["title"]).groups()
        lines = shares.setdefault(share, {})
        lines.setdefault(("floor", "floor"), {})[quantile] = row["base"]
        lines.setdefault(("server", "server"), {})[quantile] = row["server"]
        for i, name in enumerate(rivals):
            if name in row.get("against", {}):
                lines.setdefault((name, rival_colour(i)), {})[quantile] = row["against"][name]["value"]
    return {
        share: [(name, colour, quantiles) for (name, colour), quantiles in lines.items()]
        for share, lines in shares.items()
    }


class Scale:
    """Logarithmic, with steps of 1, 2 and 5."""

    def __init__(self, least, most):
        steps = [digit * 10**power for power in range(-1, 9) for digit in (1, 2, 5)]
        least = max(least, steps[0])
        first = max((step for step in steps if step <= least), default=steps[0])
        last = min((step for step in steps if step >= most), default=steps[-1])
        self.steps = [step for step in steps if first <= step <= max(last, first * 2)]

    def x(self, value):
        first, last = self.steps[0], self.steps[-1]
        value = min(max(value, first), last)
        return LEFT + (RIGHT - LEFT) * math.log(value / first) / math.log(last / first)

    def draw(self, canvas, height):
        y = canvas.down(16)
        canvas.text(RIGHT + 24, y, " / ".join(QUANTILES), "small fill-quiet")
        free = LEFT - LABEL
        for step in self.steps:
            if self.x(step) - LABEL / 2 >= free:
                canvas.text(self.x(step), y, short(step), "small middle fill-quiet")
                free = self.x(step) + LABEL / 2
            canvas.line(self.x(step), y + 5, self.x(step), y + 10 + height, "grid")
        canvas.down(10)


def short(us):
    return f"{us / 1e6:g} s" if us >= 1e6 else f"{us / 1e3:g} ms" if us >= 1e3 else f"{us:g} us"


def draw_share(canvas, scale, share, lines, doubt):
    canvas.line(MARGIN, canvas.height, canvas.width - MARGIN, canvas.height, "grid")
    canvas.text(MARGIN, canvas.height + 19, f"at {share} %", "name")
    canvas.down(4)
    for name, colour, quantiles in lines:
        y = canvas.height + LINE / 2
        canvas.text(METRIC, y + 4, name)
        xs = [scale.x(value) for value in quantiles.values()]
        canvas.line(min(xs), y, max(xs), y, colour, 2)
        for quantile, value in quantiles.items():
            draw_mark(canvas, scale.x(value), y, quantile, colour)
        said = " / ".join(quantity(value, "us") for value in quantiles.values())
        canvas.text(RIGHT + 24, y + 4, said + doubt, "small")
        canvas.down(LINE)
    canvas.down(6)


def draw_mark(canvas, x, y, quantile, colour):
    """Distinct shapes, for readers who cannot tell the colours apart."""
    if quantile == "p50":
        canvas.dot(x, y, 5, colour)
    elif quantile == "p99":
        canvas.shape([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], colour)
    else:
        canvas.line(x, y - 7, x, y + 7, colour, 3)
