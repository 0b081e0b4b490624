"""The command `run`."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

from .build import build
from .measure import measure, say
from .report import DISTURBED, table
from .runner import Bench
from .scenarios import scenarios

SOCKETS = 50_000


def about(bench):
    try:
        command = [bench.server, "--version"]
        version = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"run: the server does not tell its version: {error}")
    model = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "server": version.stdout.strip().split("\n")[0],
        "kernel": platform.release(),
        "processor": model[0] if model else platform.machine(),
        "processors": os.cpu_count(),
        "server_on": bench.server_cpus[:2],
        "load_generator_on": bench.load_cpu,
        "open_files": bench.open_files,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main(description):
    every = scenarios()
    names = [s.name for s in every]
    parser = argparse.ArgumentParser(description=description, epilog="Scenarios: " + ", ".join(names) + ".")
    parser.add_argument("--server", metavar="PATH", help="use this server and do not build one")
    parser.add_argument("--only", metavar="NAME,...", help="run these scenarios only")
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="pairs of each scenario (3)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures to a file, too")
    parser.add_argument(
        "--sockets", metavar="N", type=int, default=SOCKETS, help=f"for the scenario sockets ({SOCKETS})"
    )
    options = parser.parse_args()
    if not 1 <= options.runs <= 99:
        parser.error("--runs takes 1 to 99")
    if not 1 <= options.sockets <= 200_000:
        parser.error("--sockets takes 1 to 200000")
    if options.only is not None:
        chosen = options.only.split(",")
        for name in chosen:
            if name not in names:
                parser.error(f"there is no scenario {name!r}; there are {', '.join(names)}")
        every = [s for s in every if s.name in chosen]
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"{options.json.parent} is not a directory")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run: ended by a signal"))
    build(options)
    bench = Bench(options)
    against = about(bench)
    results = []
    try:
        for scenario in every:
            results.append(measure(bench, scenario, options.runs))
    except KeyboardInterrupt:
        say("run: interrupted; this is what there is")
    print(
        f"{against['server']}, {against['processor']}, Linux {against['kernel']};"
        f" medians of {options.runs}, ratio: median of the ratios of pairs"
    )
    for own, base in ((False, "floor"), (True, "base")):
        part = [r for r in results if r["own"] == own]
        if part:
            print()
            table(part, base)
    notes = [note for r in results for note in r.get("notes", [])]
    others = max((r.get("others", 0) for r in results), default=0)
    if others > DISTURBED:
        notes.append(
            f"?: other processes had more than {DISTURBED:.0%} of the two processors in a run of it"
            f" (up to {others:.0%}): do not trust it, repeat it"
        )
    if notes:
        print()
        for note in notes:
            print(note)
    if options.json is not None:
        text = json.dumps({"about": against, "results": results, "runs": bench.runs}, indent=1)
        options.json.write_text(text + "\n")
    bad = len(results) < len(every) or any(
        "failed" in r or any(row["lost"] for row in r["rows"]) for r in results
    )
    return 1 if bad else 0
