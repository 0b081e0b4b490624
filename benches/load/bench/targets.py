"""What is measured: the floor, and the server as each scenario wants it."""

from dataclasses import dataclass
from pathlib import Path

from .paths import FLOOR

# No limit that a scenario would meet; everything else is as it is by default.
CONFIG = """\
listen = "127.0.0.1:0"
workers = {workers}
log = "warn"
[apps.app1]
key = "key1"
secret = "secret1"
master_key = "base64:{master_key}"
client_events = true
[apps.app1.limits]
client_events_per_second = 1000000
presence_members = 10000
"""


@dataclass(frozen=True)
class Floor:
    mode: str = ""
    label: str = "floor"

    def command(self, bench, directory):
        return [FLOOR, "0", "1", *self.mode.split()]

    def cpus(self, bench):
        return bench.server_cpus[:1]


@dataclass(frozen=True)
class Server:
    workers: int = 1
    label: str = "server"

    def command(self, bench, directory):
        config = Path(directory) / "load.toml"
        config.write_text(CONFIG.format(workers=self.workers, master_key=bench.master_key))
        return [bench.server, "serve", "--config", config]

    def cpus(self, bench):
        return bench.server_cpus[: self.workers]
