"""Builds what is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .measure import say
from .paths import FLOOR, HERE, LOADGEN, ROOT


def build(options):
    crates = [HERE / "floor", HERE / "loadgen"]
    if options.server is None:
        crates.append(ROOT)
    if shutil.which("cargo") is None:
        sys.exit("run: cargo is not there; it is needed to build the floor and the load generator")
    for crate in crates:
        say(f"building {crate.name}")
        command = ["cargo", "build", "--release", "--locked", "--quiet"]
        if crate != ROOT:
            command += ["--target-dir", "target"]
        if subprocess.run(command, cwd=crate, stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"run: cargo could not build {crate}")
    if options.server is None:
        directory = os.environ.get("CARGO_TARGET_DIR", "target")
        options.server = ROOT / directory / "release/sealcast"
    options.server = Path(options.server).resolve()
    for program in (FLOOR, LOADGEN, options.server):
        if not os.access(program, os.X_OK):
            sys.exit(f"run: {program} is not there, or not a program")
