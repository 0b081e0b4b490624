"""The server under test."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from .signing import App

APP = App("soak", "soak-key", "soak-secret-of-the-bench")
TIGHT = App("tight", "tight-key", "tight-secret-of-the-bench")

CACHE_SECONDS = 20
ACTIVITY_SECONDS, PONG_SECONDS = 5, 5
# Short timeouts and lifetimes, so that each passes many times in one run.
CONFIG = """\
listen = "127.0.0.1:0"
ops_listen = "127.0.0.1:{ops}"
log = "warn"
state_dir = "{state}"
activity_timeout_seconds = {activity}
pong_timeout_seconds = {pong}
outbox_bytes = 262144

[apps.{app.id}]
key = "{app.key}"
secret = "{app.secret}"
master_key = "base64:{master_key}"
client_events = true
subscription_count = true
watchlist = true
authorizer = "open"
rotation.grace_seconds = 15
limits.cache_ttl_seconds = {cache}
limits.presence_members = 1000
limits.auth_per_ip = 0
limits.frames_per_second = 0
limits.member_returns_per_minute = 0

[[apps.{app.id}.webhooks]]
url = "http://127.0.0.1:{receiver}/"
batch_events = 100
batch_delay_ms = 100

[apps.{tight.id}]
key = "{tight.key}"
secret = "{tight.secret}"
limits.events_per_second = 1
limits.channels_per_event = 1
limits.batch_events = 1
"""


@dataclass(frozen=True)
class Soaked:
    """A target for `process.Process`: the server with the options of the soak."""

    program: Path
    ops: int
    receiver: int
    label: str = "server"
    tls: bool = False

    def command(self, bench, directory):
        config = Path(directory) / "soak.toml"
        config.write_text(
            CONFIG.format(
                ops=self.ops,
                state=self.state(directory),
                activity=ACTIVITY_SECONDS,
                pong=PONG_SECONDS,
                app=APP,
                tight=TIGHT,
                master_key=base64.b64encode(os.urandom(32)).decode(),
                cache=CACHE_SECONDS,
                receiver=self.receiver,
            )
        )
        return [self.program, "serve", "--config", config]

    @staticmethod
    def state(directory):
        return Path(directory) / "state"

    def cpus(self, bench):
        return os.sched_getaffinity(0)
