"""Just enough SVG: shapes with classes, and colours for light and for dark."""

from html import escape

# Blue, orange, green and purple, distinct for red-green colour blindness as well.
LIGHT = {
    "paper": "#ffffff", "ink": "#1f2328", "quiet": "#59636e", "grid": "#d8dee4",
    "floor": "#8c959f", "server": "#0072b2",
    "rival0": "#d55e00", "rival1": "#00805f", "rival2": "#a6408a",
}  # fmt: skip
DARK = {
    "paper": "#0d1117", "ink": "#e6edf3", "quiet": "#9198a1", "grid": "#30363d",
    "floor": "#8c959f", "server": "#56b4e9",
    "rival0": "#f0883e", "rival1": "#3fb98f", "rival2": "#d982c0",
}  # fmt: skip

STYLE = """\
text {{ font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: {ink} }}
.title {{ font-size: 18px; font-weight: 600 }}
.heading {{ font-size: 14px; font-weight: 600 }}
.name {{ font-weight: 600 }}
.small {{ font-size: 11px }}
.end {{ text-anchor: end }}
.middle {{ text-anchor: middle }}
"""


def colours(palette):
    """Colour rules for these classes: `fill-` for shapes and text, `line-` for strokes."""
    return "\n".join(
        f".fill-{name}, text.fill-{name} {{ fill: {value} }} .line-{name} {{ stroke: {value} }}"
        for name, value in palette.items()
    )


class Svg:
    def __init__(self, width):
        self.width, self.height = width, 0
        self.shapes = []

    def add(self, element, content=None, **attributes):
        said = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{number(value)}"' for name, value in attributes.items()
        )
        closed = "/>" if content is None else f">{escape(content)}</{element}>"
        self.shapes.append(f"<{element}{said}{closed}")

    def text(self, x, y, content, class_=""):
        self.add("text", content, x=x, y=y, **({"class_": class_} if class_ else {}))

    def bar(self, x, y, width, height, colour):
        self.add("rect", x=x, y=y, width=max(width, 0.5), height=height, class_=f"fill-{colour}")

    def line(self, x1, y1, x2, y2, colour, width=1):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"line-{colour}", stroke_width=width)

    def shape(self, points, colour):
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self.add("polygon", points=path, class_=f"fill-{colour}")

    def dot(self, x, y, radius, colour):
        self.add("circle", cx=x, cy=y, r=radius, class_=f"fill-{colour}")

    def write(self, title, description):
        dark = colours(DARK) + f"\ntext {{ fill: {DARK['ink']} }}"
        # `text` comes before the classes, which have to win, in light and in dark.
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{self.width}"'
                f' height="{number(self.height)}" viewBox="0 0 {self.width} {number(self.height)}">',
                f"<title>{escape(title)}</title>",
                f"<desc>{escape(description)}</desc>",
                "<style>",
                STYLE.format(ink=LIGHT["ink"]) + colours(LIGHT),
                f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}",
                "</style>",
                '<rect width="100%" height="100%" class="fill-paper"/>',
                *self.shapes,
                "</svg>",
                "",
            ]
        )


def number(value):
    """At most one digit after the point, and none for whole numbers."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))
