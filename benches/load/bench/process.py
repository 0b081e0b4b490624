"""The process that is measured."""

import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

from .errors import Failed
from .machine import pinned

START_SECONDS = 10  # for a process to say where it listens
STOP_SECONDS = 5  # for it to end when asked to


class Process:
    """A floor or a server, for as long as the `with` lasts."""

    def __init__(self, bench, target):
        self.bench, self.target = bench, target

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="load-")
        self.errors = open(Path(self.directory.name) / "errors", "w+b")
        self.process = None
        try:
            self.process = subprocess.Popen(
                self.target.command(self.bench, self.directory.name),
                stdout=subprocess.PIPE,
                stderr=self.errors,
                stdin=subprocess.DEVNULL,
                cwd=self.directory.name,
                env={k: v for k, v in os.environ.items() if not k.startswith("SEALCAST_")},
                preexec_fn=pinned(self.target.cpus(self.bench)),
            )
            self.port = self.read_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def read_port(self):
        end = time.monotonic() + START_SECONDS
        out, said = self.process.stdout.fileno(), b""
        while time.monotonic() < end:
            if select.select([out], [], [], 0.1)[0]:
                more = os.read(out, 4096)
                if not more:
                    break
                said += more
            for line in said.decode(errors="replace").splitlines():
                if line.startswith("listening on http://"):
                    return int(line.strip().rsplit(":", 1)[1])
        raise Failed(f"the {self.target.label} did not start: {self.complaint()}")

    def complaint(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
        self.errors.close()
        self.directory.cleanup()
