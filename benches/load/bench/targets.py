"""The measured programs: the floor, the server as configured for each scenario, and other servers."""

from dataclasses import dataclass
from typing import ClassVar
from pathlib import Path

# The defaults of the load generator.
APP_ID, APP_KEY, APP_SECRET = "app1", "key1", "secret1"

# Limits out of reach for all scenarios; all other settings are defaults.
CONFIG = """\
listen = "127.0.0.1:0"
workers = {workers}
log = "warn"
{operations}
{tls}
[apps.{app_id}]
key = "{key}"
secret = "{secret}"
master_key = "base64:{master_key}"
client_events = true
[apps.{app_id}.limits]
client_events_per_second = 1000000
presence_members = 10000
connects_per_ip = 0
frames_per_second = 0
"""

REDIS_OPTIONS = (
    "--bind 127.0.0.1",
    '--save ""',
    "--appendonly no",
    "--maxmemory-policy noeviction",
    "--loglevel warning",
    "--slowlog-log-slower-than 1000",  # microseconds
    "--slowlog-max-len 100000",
)

# Of all channels; `memory` or `disk`.
HISTORY = """\
[[apps.{app_id}.channels]]
pattern = "*"
history = {{ store = "{store}" }}
"""

CLUSTER = """\
[cluster]
url = "redis://127.0.0.1:{redis}"
key = "base64:{key}"
"""

TLS = """\
tls_cert_file = "{certificate}"
tls_key_file = "{key}"
"""


@dataclass(frozen=True)
class Floor:
    told_port: ClassVar = False
    mode: str = ""
    label: str = "floor"
    tls: bool = False

    def command(self, bench, directory):
        return [bench.floor, "0", "1", *self.mode.split()]

    def cpus(self, bench):
        return bench.server_cpus[:1]


@dataclass(frozen=True)
class Server:
    told_port: ClassVar = False
    workers: int = 1
    tls: bool = False
    label: str = "server"
    history: str = ""  # the store of all channels' logs
    redis: int | None = None  # the port of a cluster's Redis
    place: int = 0  # among the nodes of a cluster

    def command(self, bench, directory):
        config = Path(directory) / "load.toml"
        config.write_text(self.config(bench))
        return [bench.server, "serve", "--config", config]

    def config(self, bench):
        tls = ""
        if self.tls:
            certificate, key = bench.certificate()
            tls = TLS.format(certificate=certificate, key=key)
        history = HISTORY.format(app_id=APP_ID, store=self.history) if self.history else ""
        settings = CONFIG.format(
            workers=self.workers,
            operations="" if self.redis is None else 'ops_listen = "127.0.0.1:0"',
            tls=tls,
            app_id=APP_ID,
            key=APP_KEY,
            secret=APP_SECRET,
            master_key=bench.master_key,
        )
        cluster = "" if self.redis is None else CLUSTER.format(redis=self.redis, key=bench.cluster_key)
        return settings + history + cluster

    def cpus(self, bench):
        own = turned(bench.server_cpus, self.place)
        return own[: self.workers]


@dataclass(frozen=True)
class Rival:
    """Any other server: a shell command that makes it listen on 127.0.0.1:$BENCH_PORT."""

    told_port: ClassVar = True
    label: str
    shell: str
    tls: bool = False
    redis: int | None = None
    place: int = 0

    def command(self, bench, directory):
        return ["/bin/sh", "-c", self.shell]

    def cpus(self, bench):
        return turned(bench.server_cpus, self.place)[:1]

    def environment(self, port):
        return {
            "BENCH_PORT": str(port),
            "BENCH_APP_ID": APP_ID,
            "BENCH_APP_KEY": APP_KEY,
            "BENCH_APP_SECRET": APP_SECRET,
            "BENCH_REDIS_PORT": "" if self.redis is None else str(self.redis),
        }


@dataclass(frozen=True)
class Redis:
    """Behind the nodes of a cluster. It keeps nothing on a disk."""

    told_port: ClassVar = True
    place: int
    label: str = "redis"
    tls: bool = False

    def command(self, bench, directory):
        return ["/bin/sh", "-c", 'exec redis-server --port "$BENCH_PORT" ' + " ".join(REDIS_OPTIONS)]

    def cpus(self, bench):
        return turned(bench.server_cpus, self.place)[:1]

    def environment(self, port):
        return {"BENCH_PORT": str(port)}


def turned(cpus, by):
    """The processors beginning with another one, so that a machine with enough has one for each."""
    by %= len(cpus)
    return [*cpus[by:], *cpus[:by]]
