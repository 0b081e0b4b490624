"""The common parts of the picture's panels: columns and headings."""

from .svg import Svg

MARGIN = 24
WIDTH = 980
METRIC = 142  # where the name of a row begins, ...
LEFT, RIGHT = 366, 716  # ... where its bars are, ...
RATIOS, VALUES = 772, 862  # ... and where its figures end


class Canvas(Svg):
    """Grows downwards: `height` is how far it is drawn."""

    def __init__(self):
        super().__init__(WIDTH)

    def down(self, by):
        self.height += by
        return self.height

    def heading(self, title, *remarks):
        self.text(MARGIN, self.down(42), title, "heading")
        for remark in remarks:
            self.text(MARGIN, self.down(16), remark, "small fill-quiet")

    def legend(self, samples):
        """Each sample is a function that draws it at x and y, and the text beside it."""
        x, y = LEFT, self.down(24)
        for draw, text in samples:
            draw(x, y - 4)
            self.text(x + 22, y, text, "small")
            x += 40 + 6.2 * len(text)
        self.down(6)


def rival_colour(number):
    return f"rival{number % 3}"
