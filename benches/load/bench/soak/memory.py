"""The memory of the server's process, and its growth."""

import os
import statistics
from pathlib import Path

WARM_UP = 0.25  # of the run, which does not count
# A server that loses 100 bytes of each of forty connections a second grows by 234 KiB a minute.
MOST_KIB_A_MINUTE = 64
MOST_DRIFT = 0.05  # of the last quarter's median, from that of the second


def sampled(pid, second):
    """Resident and private dirty KiB, and CPU seconds."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        fields[name.rstrip(":")] = int(value)
    times = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    cpu = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    return {"second": second, "rss": fields["Rss"], "dirty": fields["Private_Dirty"], "cpu": cpu}


def slope(samples, name="rss"):
    """Slope of the best-fitting line, in KiB per minute."""
    seconds = [sample["second"] for sample in samples]
    fitted = statistics.linear_regression(seconds, [sample[name] for sample in samples])
    return fitted.slope * 60


def quarter(samples, number):
    """The samples of one quarter of the time, of four."""
    end = samples[-1]["second"]
    return [s for s in samples if end * (number - 1) / 4 <= s["second"] <= end * number / 4]


def median(samples, name="rss"):
    return statistics.median(sample[name] for sample in samples)


def judged(samples):
    """Figures, and one sentence per fault."""
    if len(samples) < 16:
        return {}, ["too few samples to judge the memory by"]
    end = samples[-1]["second"]
    rest = [sample for sample in samples if sample["second"] >= end * WARM_UP]
    at = {f"{part} %": min(samples, key=lambda s: abs(s["second"] - end * part / 100)) for part in (25, 50, 75, 100)}
    second, last = median(quarter(samples, 2)), median(quarter(samples, 4))
    figures = {
        "rss_kib": {when: sample["rss"] for when, sample in at.items()},
        "private_dirty_kib": {when: sample["dirty"] for when, sample in at.items()},
        "slope_kib_per_minute": round(slope(rest), 1),
        "dirty_slope_kib_per_minute": round(slope(rest, "dirty"), 1),
        "drift": round(last / second - 1, 4),
        "cpu": round((samples[-1]["cpu"] - samples[0]["cpu"]) / (end - samples[0]["second"]), 3),
    }
    wrong = []
    if figures["slope_kib_per_minute"] > MOST_KIB_A_MINUTE:
        wrong.append(f"it grows by more than {MOST_KIB_A_MINUTE} KiB a minute")
    if abs(figures["drift"]) > MOST_DRIFT:
        wrong.append(f"the last quarter is not within {MOST_DRIFT:.0%} of the second")
    return figures, wrong
