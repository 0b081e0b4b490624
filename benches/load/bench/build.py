"""Builds missing programs."""

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
    compile_all(crates, "run", "the floor and the load generator")
    find_server(options)
    for program in (FLOOR, LOADGEN, options.server):
        if not os.access(program, os.X_OK):
            sys.exit(f"run: {program} is not there, or not a program")


def build_server(options):
    """The server alone, for `soak`."""
    if options.server is None:
        compile_all([ROOT], "soak", "the server")
    find_server(options)
    if not os.access(options.server, os.X_OK):
        sys.exit(f"soak: {options.server} is not there, or not a program")


def compile_all(crates, command, what):
    if shutil.which("cargo") is None:
        sys.exit(f"{command}: cargo is not there; it is needed to build {what}")
    for crate in crates:
        say(f"building {crate.name}")
        cargo = ["cargo", "build", "--release", "--locked", "--quiet"]
        if crate != ROOT:
            cargo += ["--target-dir", "target"]
        if subprocess.run(cargo, cwd=crate, stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"{command}: cargo could not build {crate}")


def find_server(options):
    if options.server is None:
        directory = os.environ.get("CARGO_TARGET_DIR", "target")
        options.server = ROOT / directory / "release/sealcast"
    options.server = Path(options.server).resolve()
