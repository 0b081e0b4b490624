"""The command `run`."""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from .build import build
from .measure import measure, say
from .report import complete, report
from .runner import Bench
from .scenarios import scenarios, smoke
from .targets import Rival

SOCKETS = 50_000
OWN_NAMES = ("floor", "base", "server", "ratio")  # columns of the table


def rival(text):
    """`NAME=COMMAND` of the option `--against`."""
    name, _, command = text.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,19}", name) or not command.strip():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=COMMAND, with a name of up to 20 letters, digits and ._+-"
        )
    if name in OWN_NAMES:
        raise argparse.ArgumentTypeError(f"{name!r} is the name of another column")
    return Rival(name, command)


def parser(description, names):
    parser = argparse.ArgumentParser(description=description, epilog="Scenarios: " + ", ".join(names) + ".")
    parser.add_argument("--server", metavar="PATH", help="use this server and do not build one")
    parser.add_argument("--only", metavar="NAME,...", help="run these scenarios only")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="run everything once with a tiny load, without optimization: shows that it works, and measures"
        " nothing (needs --server)",
    )
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="pairs of each scenario (3)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures to a file, too")
    parser.add_argument(
        "--sockets", metavar="N", type=int, default=SOCKETS, help=f"for the scenario sockets ({SOCKETS})"
    )
    parser.add_argument(
        "--against",
        metavar="NAME=COMMAND",
        type=rival,
        action="append",
        default=[],
        help="measure this server, too: a shell command that makes it listen on 127.0.0.1:$BENCH_PORT"
        " (may be given more than once; see README.md)",
    )
    return parser


def parse(description, every):
    """The options, and the selected scenarios of `every`."""
    names = [s.name for s in every]
    command = parser(description, names)
    options = command.parse_args()
    if options.smoke:
        if options.server is None or options.only is not None:
            command.error("--smoke takes --server, and not --only")
        options.runs, every = 1, smoke()
    if not 1 <= options.runs <= 99:
        command.error("--runs takes 1 to 99")
    if not 1 <= options.sockets <= 200_000:
        command.error("--sockets takes 1 to 200000")
    if options.only is not None:
        chosen = options.only.split(",")
        for name in chosen:
            if name not in names:
                command.error(f"there is no scenario {name!r}; there are {', '.join(names)}")
        every = [s for s in every if s.name in chosen]
    if options.json is not None and not options.json.parent.is_dir():
        command.error(f"{options.json.parent} is not a directory")
    if len({r.label for r in options.against}) < len(options.against):
        command.error("--against has the same name twice")
    return options, every


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
        "against": {rival.label: rival.shell for rival in bench.rivals},
        "kernel": platform.release(),
        "processor": model[0] if model else platform.machine(),
        "processors": os.cpu_count(),
        "server_on": bench.server_cpus[:2],
        "load_generator_on": bench.load_cpu,
        "open_files": bench.open_files,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main(description):
    options, wanted = parse(description, scenarios())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run: ended by a signal"))
    bench = Bench(options, *build(options))
    facts = about(bench)
    results = []
    try:
        for scenario in wanted:
            results.append(measure(bench, scenario, options.runs))
    except KeyboardInterrupt:
        say("run: interrupted; this is what there is")
    report(facts, results, options.runs)
    if options.json is not None:
        text = json.dumps({"about": facts, "results": results, "runs": bench.runs}, indent=1)
        options.json.write_text(text + "\n")
    return 0 if complete(results, len(wanted)) else 1
