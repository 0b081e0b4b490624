"""The panel of ratios: a bar for each row of the table, shorter is better."""

from dataclasses import dataclass

from .canvas import LEFT, MARGIN, METRIC, RATIOS, RIGHT, VALUES, rival_colour
from .report import DISTURBED, quantity

THICK = 9  # of a bar
WIDEST = 4  # the ratio at which bars are cut off


@dataclass
class Bar:
    colour: str
    ratio: float | None
    value: str  # or why there is none


def ratios(canvas, results, title, base, rivals):
    """Draws the rows of `results` relative to their `base`."""
    results = [result for result in results if result["rows"]]
    if not results:
        return
    canvas.heading(
        title,
        f"1 is the {base}; shorter is better. Rates, of which more is better, are inverted: {base} / measured."
        f" Bars end at {WIDEST} at most.",
    )
    canvas.legend(samples(canvas, results, rivals))
    rows = [(result, row) for result in results for row in result["rows"]]
    drawn = [(result, row, bars(result, row, rivals)) for result, row in rows]
    top = max((bar.ratio for _, _, group in drawn for bar in group if bar.ratio is not None), default=1)
    scale = Scale(min(WIDEST, max(1.5, top * 1.05)))
    scale.draw(canvas, sum(height(group) for _, _, group in drawn))
    for result, row, group in drawn:
        draw_row(canvas, scale, result, row, group)


class Scale:
    def __init__(self, top):
        self.top = top

    def x(self, ratio):
        return LEFT + (RIGHT - LEFT) * min(ratio, self.top) / self.top

    def draw(self, canvas, height):
        y = canvas.down(16)
        for half in range(int(self.top * 2) + 1):
            ratio = half / 2
            colour, width = ("ink", 1.5) if ratio == 1 else ("grid", 1)
            canvas.text(self.x(ratio), y, f"{ratio:g}", "small middle fill-quiet")
            canvas.line(self.x(ratio), y + 5, self.x(ratio), y + 10 + height, colour, width)
        canvas.down(10)


def samples(canvas, results, rivals):
    def bar(colour):
        return lambda x, y: canvas.bar(x, y - THICK / 2, 16, THICK, colour)

    drawn = [(bar("server"), "server")]
    drawn += [(bar(rival_colour(i)), name) for i, name in asked(results, rivals)]
    drawn.append((lambda x, y: mark(canvas, x + 8, y - 8, 16), "aim of the server"))
    return drawn


def asked(results, rivals):
    """Number and name of the servers with figures or failures here."""
    return [
        (i, name)
        for i, name in enumerate(rivals)
        if any(name in result.get("against_failed", {}) for result in results)
        or any(name in row.get("against", {}) for result in results for row in result["rows"])
    ]


def bars(result, row, rivals):
    """The server's bar, and one for each other server."""
    doubt = " ?" if result["others"] > DISTURBED else ""
    inverted = more_is_better(row)
    group = [bar("server", row["server"], row["ratio"], row, row["lost"], inverted, doubt)]
    for i, name in enumerate(rivals):
        figures = row.get("against", {}).get(name)
        if name in result.get("against_failed", {}):
            group.append(Bar(rival_colour(i), None, "failed"))
        elif figures is not None:
            value, ratio, lost = figures["value"], figures["ratio"], figures["lost"]
            group.append(bar(rival_colour(i), value, ratio, row, lost, inverted, doubt))
    return group


def bar(colour, value, ratio, row, lost, inverted, doubt):
    if lost:
        return Bar(colour, None, f"lost {lost}")
    value = quantity(value, row["unit"])
    if not ratio:
        return Bar(colour, None, value + doubt)
    ratio = 1 / ratio if inverted else ratio
    return Bar(colour, ratio, value + doubt)


def more_is_better(row):
    return row["unit"] == "/s"


def height(group):
    return 10 + max(len(group) * (THICK + 4), 14)


def draw_row(canvas, scale, result, row, group):
    y, whole = canvas.height, height(group)
    titles = [each["title"] for each in result["rows"]]
    if row["title"] == titles[0]:
        canvas.line(MARGIN, y, canvas.width - MARGIN, y, "grid")
        canvas.text(MARGIN, y + 17, result["name"], "name")
    inverted = " (inverted)" if more_is_better(row) else ""
    canvas.text(METRIC, y + 17, metric(row["title"], titles[0]) + inverted)
    at = y + 8
    for each in group:
        if each.ratio is not None:
            draw_bar(canvas, scale, each, at)
            canvas.text(RATIOS, at + THICK, f"{each.ratio:.2f} x", "end")
        canvas.text(VALUES, at + THICK, each.value, "end")
        at += THICK + 4
    aim = row["aim"]
    if row.get("aim_ratio"):
        ratio = 1 / row["aim_ratio"] if more_is_better(row) else row["aim_ratio"]
        aim = f"<= {round(ratio, 2):g} x"
        mark(canvas, scale.x(ratio), y + 4, whole - 8)
    if aim:
        canvas.text(canvas.width - MARGIN, y + 17, f"aim {aim}", "small end fill-quiet")
    canvas.down(whole)


def draw_bar(canvas, scale, bar, y):
    end = scale.x(bar.ratio)
    canvas.bar(LEFT, y, end - LEFT, THICK, bar.colour)
    if bar.ratio > scale.top:
        # A gap before the end marks a truncated bar.
        canvas.bar(end - 12, y - 1, 4, THICK + 2, "paper")


def mark(canvas, x, y, height):
    canvas.line(x, y, x, y + height, "ink", 2)
    canvas.shape([(x - 4, y - 1), (x + 4, y - 1), (x, y + 5)], "ink")


def metric(title, first):
    """The row's label without the words of its scenario's name."""
    head = first.rsplit(": ", 1)[0]
    if title == first or title.startswith(f"{head}: "):
        return title.rsplit(": ", 1)[-1]
    return title.removeprefix("the same").lstrip(":, ")
