"""The nodes of a cluster and their Redis, as one measured server."""

import shutil
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, replace

from .errors import Failed, Skipped
from .process import Process
from .redis import slowest_command
from .targets import Redis, Rival, Server

JOIN_SECONDS = 30  # for all nodes to be ready


@dataclass(frozen=True)
class Cluster:
    nodes: int = 2
    node: Server | Rival = Server()

    @property
    def label(self):
        return self.node.label

    @property
    def tls(self):
        return False

    def cpus(self, bench):
        return {cpu for place in range(self.nodes + 1) for cpu in Redis(place).cpus(bench)}

    def process(self, bench):
        return Nodes(bench, self)


class Nodes:
    """Redis and the nodes, for as long as the `with` lasts."""

    def __init__(self, bench, target):
        self.bench, self.target = bench, target

    def __enter__(self):
        with ExitStack() as stack:
            # After the nodes, as the place: it shares a processor only if there are too few.
            self.redis = stack.enter_context(Process(self.bench, Redis(self.target.nodes)))
            self.nodes = []
            for place in range(self.target.nodes):
                node = replace(self.target.node, redis=self.redis.port, place=place)
                self.nodes.append(stack.enter_context(Process(self.bench, node)))
            self.operations = None
            if isinstance(self.target.node, Server):
                self.until_ready()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def until_ready(self):
        ports = [node.read_port("operations") for node in self.nodes]
        self.operations = ports[0]
        end = time.monotonic() + JOIN_SECONDS
        for node, port in zip(self.nodes, ports, strict=True):
            while not is_ready(port):
                if time.monotonic() > end or node.ended() is not None:
                    raise Failed(f"a node did not join its cluster: {node.complaint()}")
                time.sleep(0.05)

    def arguments(self):
        first, *others = self.nodes
        arguments = [*first.arguments(), "--redis", f"{self.redis.port}:{self.redis.process.pid}"]
        for node in others:
            arguments += ["--peer", f"{node.port}:{node.process.pid}"]
        return arguments

    def completed(self, arguments):
        name, *more = arguments
        return [name, "--operations", self.operations, *more] if name == "comeback" else arguments

    def ended(self):
        return next((said for said in (each.ended() for each in (*self.nodes, self.redis)) if said), None)

    def figures(self):
        return {"redis_slowest": slowest_command(self.redis.port)}


def is_ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


def need_redis():
    """Raises `Skipped` without a Redis."""
    if shutil.which("redis-server") is None:
        raise Skipped("needs redis-server 7 (Debian package redis-server)")
