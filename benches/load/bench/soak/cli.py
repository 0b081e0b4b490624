"""The command `soak`."""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..build import build_server
from ..errors import Failed
from ..machine import adopt_orphans, busy_seconds, own_seconds, raise_open_files
from ..process import Process, free_port
from .backend import Receiver
from .memory import judged
from .report import table, verdict
from .server import APP, Soaked
from .world import World, say

FILES = 20_000
ROTATIONS = 8  # in one run, and no more often than each half minute


def parse(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=20, help="how long clients come and go (20)")
    parser.add_argument("--rate", type=float, default=40, help="connections a second (40)")
    parser.add_argument("--server", metavar="PATH", help="use this server and do not build one")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures and samples to a file, too")
    options = parser.parse_args()
    if not 0.5 <= options.minutes <= 24 * 60:
        parser.error("--minutes takes 0.5 to 1440")
    if not 1 <= options.rate <= 1000:
        parser.error("--rate takes 1 to 1000")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"{options.json.parent} is not a directory")
    return options


async def soak(options):
    """Runs the soak; returns the figures for `--json` and the faults found."""
    receiver = Receiver(APP)
    target = Soaked(options.server, free_port(), await receiver.start())
    cpus = os.sched_getaffinity(0)
    start, busy, own = time.monotonic(), busy_seconds(cpus), own_seconds()
    rotate_each = min(150, max(30, options.minutes * 60 / ROTATIONS))
    with Process(None, target) as process:
        state = target.state(process.directory.name)
        rotate = [options.server, "keys", "rotate", "--app", APP.id, "--state-dir", state]
        world = World(process, target.ops, options.rate, receiver, rotate)
        await world.run(options.minutes * 60, rotate_each)
        left, stats = await world.left()
        receiver.stop()
        world.ops.hang_up()
        died = process.process.poll() is not None
    # The server has ended: its CPU time is part of our children's.
    others = (busy_seconds(cpus) - busy) - (own_seconds() - own)
    others = max(0, others / (time.monotonic() - start) / len(cpus))
    counts = world.tally.counts
    counts["webhook events"] = sum(receiver.told.values())
    figures, wrong = judged(world.samples)
    figures["others_busy"] = round(others, 3)
    wrong += [f"left at the end: {name} = {value}" for name, value in left.items()]
    wrong += [f"{receiver.wrong} webhooks with a wrong signature"] if receiver.wrong else []
    wrong += world.tally.complaints()
    wrong += ["the server died"] if died else []
    found = {"counts": counts, "webhooks": receiver.told, "figures": figures, "left": left, "stats": stats}
    return {**found, "samples": world.samples}, wrong


def about(options):
    said = subprocess.run([options.server, "--version"], capture_output=True, text=True, timeout=10)
    return {
        "server": said.stdout.strip().split("\n")[0],
        "minutes": options.minutes,
        "rate": options.rate,
        "workers": len(os.sched_getaffinity(0)),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main(description):
    options = parse(description)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("soak: ended by a signal"))
    build_server(options)
    adopt_orphans()
    raise_open_files(FILES)
    facts = about(options)
    try:
        found, wrong = asyncio.run(soak(options))
    except (Failed, OSError, TimeoutError) as error:
        sys.exit(f"soak: {error or repr(error)}")
    except KeyboardInterrupt:
        sys.exit("soak: interrupted")
    table(facts, found["figures"], found["counts"])
    verdict(found["figures"], wrong)
    if options.json is not None:
        options.json.write_text(json.dumps({"about": facts, **found, "wrong": wrong}, indent=1) + "\n")
    return 1 if wrong else 0
