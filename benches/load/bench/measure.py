"""Runs a scenario and takes the medians."""

import statistics
import sys

from .errors import Failed, Skipped


def measure(bench, scenario, runs):
    """Runs one scenario and returns what there is to print of it."""
    result = {"name": scenario.name, "own": scenario.own, "rows": []}
    pairs = []
    earlier = len(bench.runs)
    try:
        scenario.prepare(bench)
        for number in range(1, runs + 1):
            say(f"{scenario.name}: {number} of {runs}")
            pairs.append(scenario.pair(bench))
    except Skipped as why:
        result["skipped"] = str(why)
        return result
    except Failed as why:
        result["failed"] = str(why)
        return result
    lost = sum(scenario.lost(*pair) for pair in pairs)
    for row in scenario.rows:
        values = [(row.value(base), row.value(other)) for base, other in pairs]
        ratios = [other / base for base, other in values if base > 0]
        ratio = statistics.median(ratios) if len(ratios) == len(values) else None
        value = statistics.median(other for _, other in values)
        met = None if row.most is None and row.least is None else False
        if ratio is not None or met is None:
            met = row.met(ratio, value)
        result["rows"].append(
            {
                "title": row.title,
                "unit": row.unit,
                "base": statistics.median(base for base, _ in values),
                "server": value,
                "ratio": ratio,
                "ratios": [round(r, 4) for r in ratios],
                "aim": row.aim(),
                "ok": met if lost == 0 else False,
                "lost": lost,
            }
        )
    if scenario.closed_loop:
        busy = max(f["loadgen_busy"] for pair in pairs for f in pair)
        if busy > 0.95:
            scenario.notes.append(
                f"{scenario.name}: the load generator was {busy:.0%} busy; rates may be its own,"
                " CPU of the server is not"
            )
    result["notes"] = scenario.notes
    result["others"] = max(run["others_busy"] for run in bench.runs[earlier:])
    return result


def say(text):
    print(text, file=sys.stderr, flush=True)
