"""Runs a scenario and takes the medians."""

import statistics
import sys

from .errors import Failed, Skipped


def measure(bench, scenario, runs):
    """Runs one scenario and returns its rows for the report."""
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
    result["rows"] = [judged(scenario, row, pairs) for row in scenario.rows]
    if scenario.closed_loop:
        busy = max(f["loadgen_busy"] for pair in pairs for f in everybody(pair))
        if busy > 0.95:
            scenario.notes.append(
                f"{scenario.name}: the load generator was {busy:.0%} busy; rates may be its own,"
                " CPU of the server is not"
            )
    result["notes"] = scenario.notes
    result["against_failed"] = scenario.failed_rivals
    result["others"] = max(run["others_busy"] for run in bench.runs[earlier:])
    return result


def everybody(pair):
    """All figures of a pair."""
    return [pair.base, pair.server, *(figures for both in pair.rivals.values() for figures in both)]


def judged(scenario, row, pairs):
    """The printable results of one row."""
    lost = sum(scenario.lost(pair.base, pair.server) for pair in pairs)
    base, value, ratio, ratios = compared(row, [(pair.base, pair.server) for pair in pairs])
    met = None if row.most is None and row.least is None else False
    if ratio is not None or met is None:
        met = row.met(ratio, value)
    return {
        "title": row.title,
        "unit": row.unit,
        "base": base,
        "server": value,
        "ratio": ratio,
        "ratios": ratios,
        "aim": row.aim(),
        "aim_ratio": row.most if row.most is not None else row.least,
        "ok": met if lost == 0 else False,
        "lost": lost,
        "against": {name: rival(scenario, row, name, pairs) for name in measured(scenario, pairs)},
    }


def measured(scenario, pairs):
    """The rivals with figures in all pairs."""
    return [name for name in pairs[0].rivals if name not in scenario.failed_rivals]


def rival(scenario, row, name, pairs):
    both = [pair.rivals[name] for pair in pairs]
    base, value, ratio, ratios = compared(row, both)
    lost = sum(scenario.lost(own) for _, own in both)
    return {"base": base, "value": value, "ratio": ratio, "ratios": ratios, "lost": lost}


def compared(row, pairs):
    """Medians of the base and of the other, and the median and all of the ratios."""
    values = [(row.value(base), row.value(other)) for base, other in pairs]
    ratios = [other / base for base, other in values if base > 0]
    return (
        statistics.median(base for base, _ in values),
        statistics.median(other for _, other in values),
        statistics.median(ratios) if len(ratios) == len(values) else None,
        [round(ratio, 4) for ratio in ratios],
    )


def say(text):
    print(text, file=sys.stderr, flush=True)
