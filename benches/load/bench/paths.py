"""Paths of programs and results."""

from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
FLOOR = HERE / "floor/target/release/floor"
LOADGEN = HERE / "loadgen/target/release/loadgen"
