"""One run: a fresh process and the load generator, each on a processor of its own."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time

from .certificate import self_signed
from .cluster import Cluster
from .errors import Failed
from .machine import adopt_orphans, busy_seconds, own_seconds, pinned, raise_open_files
from .process import Process

RUN_SECONDS = 90  # for one run of the load generator
SPARE_FILES = 300  # descriptors beside those of the measured sockets


class Bench:
    def __init__(self, options, floor, loadgen):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            sys.exit("run: needs two processors, one for the server and one for the load generator")
        self.load_cpu, self.server_cpus = cpus[-1], cpus[:-1]
        self.floor, self.loadgen, self.server = floor, loadgen, options.server
        self.rivals = options.against
        self.sockets = options.sockets
        self.master_key, self.cluster_key = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
        self.open_files = raise_open_files(self.sockets + SPARE_FILES)
        self.directory = tempfile.TemporaryDirectory(prefix="load-")
        self.certificate_paths = None
        self.runs = []
        adopt_orphans()

    def certificate(self):
        """The paths of a certificate and its key; raises `Skipped` if they cannot be made."""
        if self.certificate_paths is None:
            self.certificate_paths = self_signed(self.directory.name)
        return self.certificate_paths

    def load(self, target, *arguments, seconds=RUN_SECONDS):
        """One run of the load generator against a fresh process; returns its figures."""
        cpus = {self.load_cpu, *target.cpus(self)}
        start, busy, own = time.monotonic(), busy_seconds(cpus), own_seconds()
        figures = self.load_once(target, arguments, seconds)
        elapsed = time.monotonic() - start
        others = (busy_seconds(cpus) - busy) - (own_seconds() - own)
        figures["others_busy"] = round(max(0.0, others / elapsed / len(cpus)), 3)
        self.runs.append({"arguments": [str(a) for a in arguments], **figures})
        return figures

    def load_once(self, target, arguments, seconds):
        with running(self, target) as process:
            command = [self.loadgen, *map(str, process.arguments())]
            command += ["--tls"] if target.tls else []
            command += ["--label", target.label, *map(str, process.completed(arguments))]
            child = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                preexec_fn=pinned([self.load_cpu]),
            )
            try:
                out, errors = child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                raise Failed(f"{target.label}: not done after {seconds} s") from None
            finally:
                child.kill()
                child.wait()
            if child.returncode != 0:
                said = " ".join(errors.decode(errors="replace").split()) or "load generator died"
                if (last := process.ended()) is not None:
                    said += f"; the {target.label} ended: {last}"
                raise Failed(f"{target.label}: {said[:300]}")
            return {**json.loads(out), **process.figures()}


def running(bench, target):
    return target.process(bench) if isinstance(target, Cluster) else Process(bench, target)
