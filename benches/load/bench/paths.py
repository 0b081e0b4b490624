"""Paths of programs and results."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
FLOOR = HERE / "floor/target/release/floor"
LOADGEN = HERE / "loadgen/target/release/loadgen"


def target_directory():
    """Where cargo puts what it builds of the server."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
