"""The command `plot`."""

import argparse
import json
import sys
import textwrap
from pathlib import Path

from .bars import ratios
from .canvas import MARGIN, Canvas
from .latencies import latencies
from .report import notes


def draw(data):
    """The whole picture, as text."""
    about, results = data["about"], data["results"]
    rivals = list(about.get("against", {}))
    canvas = Canvas()
    title = f"{about['server']}: what it costs against the floor"
    canvas.text(MARGIN, canvas.down(34), title, "title")
    facts = f"{about['processor']}, Linux {about['kernel']}, {about['time'][:10]}; medians of {pairs(results)}"
    paragraph(canvas, [facts, *commands(about)])

    bars = [result for result in results if result["name"] != "latency"]
    for own, heading, base in (
        (False, "Ratio to the floor", "floor"),
        (True, "Ratio to the server itself, without what is measured", "base"),
    ):
        ratios(canvas, [result for result in bars if result["own"] == own], heading, base, rivals)
    latencies(canvas, results, rivals)
    said = [*notes(results), *(left_out(result) for result in results if not result["rows"])]
    if said:
        canvas.down(8)
        paragraph(canvas, said)
    canvas.down(MARGIN)
    return canvas.write(title, " ".join([facts, *(f"{n}: {c}" for n, c in about.get("against", {}).items())]))


def pairs(results):
    number = max((len(row["ratios"]) for result in results for row in result["rows"]), default=0)
    return "1 pair" if number == 1 else f"{number} pairs"


def commands(about):
    """The commands of the other servers; longer ones are in the picture's description."""
    return [
        textwrap.shorten(f"{name}: {command}", 150, placeholder=" ...")
        for name, command in about.get("against", {}).items()
    ]


def left_out(result):
    state = "skipped" if "skipped" in result else "failed"
    return f"{result['name']} {state}: {result.get(state, 'no figures')}"


def paragraph(canvas, lines):
    for line in lines:
        for part in textwrap.wrap(line, 150):
            canvas.text(MARGIN, canvas.down(16), part, "small fill-quiet")


def main(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("figures", metavar="FILE.json", type=Path, help="what `run --json` has written")
    parser.add_argument("picture", metavar="OUT.svg", type=Path)
    options = parser.parse_args()
    try:
        data = json.loads(options.figures.read_text())
        picture = draw(data)
    except OSError as error:
        sys.exit(f"plot: {options.figures} cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"plot: {options.figures} is not what run --json writes: {error!r}")
    if not any(result["rows"] for result in data["results"]):
        sys.exit(f"plot: {options.figures} has no figures")
    try:
        options.picture.write_text(picture)
    except OSError as error:
        sys.exit(f"plot: {options.picture} cannot be written: {error.strerror}")
    return 0
