"""Counts of all happenings so far."""

from collections import Counter

SHOWN = 10  # kinds of what was unexpected


class Tally:
    def __init__(self):
        self.counts = Counter()
        self.unexpected = Counter()
        self.examples = {}

    def add(self, what, count=1):
        self.counts[what] += count

    def wrong(self, kind, example=""):
        """Counts a fault, and keeps the text of the first of its kind."""
        self.unexpected[kind] += 1
        self.examples.setdefault(kind, str(example)[:300])

    def complaints(self):
        return [
            f"{count} x {kind}: {self.examples[kind]}" for kind, count in self.unexpected.most_common(SHOWN)
        ]
