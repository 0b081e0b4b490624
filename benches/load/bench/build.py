"""Builds missing programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .measure import say
from .paths import FLOOR, HERE, LOADGEN, ROOT, target_directory


def build(options):
    """Builds all programs of `run` and returns those of the floor and of the load generator."""
    crates = [HERE / "floor", HERE / "loadgen"]
    if options.smoke:
        # One directory for all: the server's dependencies are there already.
        compile_all(crates, "run", "the load bench", release=False)
        floor, loadgen = (target_directory() / "debug" / crate.name for crate in crates)
    else:
        if options.server is None:
            crates.append(ROOT)
        compile_all(crates, "run", "the floor and the load generator")
        floor, loadgen = FLOOR, LOADGEN
    find_server(options)
    for program in (floor, loadgen, options.server):
        if not os.access(program, os.X_OK):
            sys.exit(f"run: {program} is not there, or not a program")
    return floor, loadgen


def build_server(options):
    """The server alone, for `soak`."""
    if options.server is None:
        compile_all([ROOT], "soak", "the server")
    find_server(options)
    if not os.access(options.server, os.X_OK):
        sys.exit(f"soak: {options.server} is not there, or not a program")


def compile_all(crates, command, what, release=True):
    if shutil.which("cargo") is None:
        sys.exit(f"{command}: cargo is not there; it is needed to build {what}")
    for crate in crates:
        say(f"building {crate.name}")
        cargo = ["cargo", "build", "--locked", "--quiet"]
        cargo += ["--release"] if release else ["--target-dir", target_directory()]
        if release and crate != ROOT:
            cargo += ["--target-dir", "target"]
        if subprocess.run(cargo, cwd=crate, stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"{command}: cargo could not build {crate}")


def find_server(options):
    if options.server is None:
        options.server = target_directory() / "release/sealcast"
    options.server = Path(options.server).resolve()
