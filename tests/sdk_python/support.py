"""The real server, real clients, and deadlines for each wait."""

import hashlib
import hmac
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from base64 import b64decode, b64encode
from pathlib import Path
from urllib.parse import urlsplit

import nacl.secret
import pusher
import pysher
import websocket
from pusher.http import POST, Request

HERE = Path(__file__).resolve().parent
BINARY = (HERE / os.environ.get("SEALCAST_BIN", "../../target/debug/sealcast")).resolve()
DEADLINE = 5
READY_DEADLINE = 15
LEAK_DEADLINE = 8

# Counters of the operations listener that must be zero without clients.
MUST_BE_ZERO = ("sockets", "subscriptions", "channels", "members", "users", "outbox_bytes", "mailbox_bytes")


def eventually(look, what, seconds=DEADLINE):
    """Polls `look` until it returns a truthy value, and returns that."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class App:
    """An app with random credentials, and history on disk for the channels of `logged`."""

    def __init__(self, app_id, logged=None, **settings):
        self.id = app_id
        self.logged = logged
        self.key = secrets.token_hex(10)
        self.secret = secrets.token_hex(20)
        self.settings = settings

    def section(self):
        values = {"key": self.key, "secret": self.secret, **self.settings}
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        if self.logged:
            history = 'history = { events = 10, bytes = "64KiB", ttl = "1m", store = "disk" }'
            lines += [f"[[apps.{self.id}.channels]]", f"pattern = {json.dumps(self.logged)}", history]
        return "\n".join([f"[apps.{self.id}]", *lines, ""])

    def sign(self, text):
        """The `auth` of a subscription, computed here and not by an SDK."""
        return f"{self.key}:{hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def a_master_key():
    """32 random bytes in the notation of the official SDKs."""
    return b64encode(secrets.token_bytes(32)).decode()


def opened(data, master_key, channel):
    """The plaintext of a sealed event, by PyNaCl and a key derived independently of the SDK."""
    envelope = json.loads(data)
    key = hashlib.sha256(channel.encode() + b64decode(master_key)).digest()
    box = nacl.secret.SecretBox(key)
    return box.decrypt(b64decode(envelope["ciphertext"]), b64decode(envelope["nonce"])).decode()


class Server:
    """The real binary with its own configuration file, on ports chosen by the system."""

    def __init__(self, *apps, sections=""):
        self._folder = tempfile.TemporaryDirectory(prefix="sealcast-")
        config = self.config = Path(self._folder.name, "sealcast.toml")
        config.touch(mode=0o600)
        top = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "log": "warn", "state_dir": self._folder.name}
        lines = [f"{name} = {json.dumps(value)}" for name, value in top.items()]
        config.write_text("\n".join(lines) + "\n\n" + "\n".join(app.section() for app in apps) + sections)
        self._errors = Path(self._folder.name, "stderr")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [BINARY, "serve", "--config", config],
                # Without variables that the server would take for settings.
                env={name: value for name, value in os.environ.items() if not name.startswith("SEALCAST_")},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._addresses = {}
        threading.Thread(target=self._read_addresses, daemon=True).start()
        try:
            eventually(self._is_ready, "both listeners", READY_DEADLINE)
        except AssertionError:
            self._clean_up()
            raise
        listening = urlsplit(self._addresses["listening"])
        self.host, self.port = listening.hostname, listening.port

    def _read_addresses(self):
        for line in self._process.stdout:
            found = re.match(r"(listening|operations) on (http://\S+)$", line)
            if found:
                self._addresses[found[1]] = found[2]

    def _is_ready(self):
        if self._process.poll() is not None:
            raise AssertionError(f"the server ended before it was ready: {self._errors.read_text()}")
        return len(self._addresses) == 2

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def stats(self):
        with urllib.request.urlopen(f"{self._addresses['operations']}/stats", timeout=DEADLINE) as response:
            return json.load(response)

    def settled(self):
        """The leak check: waits until the server has no trace of clients."""

        def nothing_is_left():
            stats = self.stats()
            self._last = stats
            return all(stats[counter] == 0 for counter in MUST_BE_ZERO)

        try:
            eventually(nothing_is_left, "every counter to be zero", LEAK_DEADLINE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._last}") from None

    def stop(self):
        """Stops the server and expects a clean end."""
        try:
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(10)
            if code != 0:
                raise AssertionError(f"the server ended with {code}: {self._errors.read_text()}")
        finally:
            self._clean_up()

    def _clean_up(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


class Inbox:
    """Arrived items in order. Each item is read once."""

    def __init__(self):
        self.all = []
        self._unread = queue.Queue()

    def put(self, item):
        self.all.append(item)
        self._unread.put(item)

    def next(self, what):
        try:
            return self._unread.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"waited {DEADLINE} s for {what}; received {self.all}") from None


class RawSocket:
    """A bare WebSocket: shows the frames as they are."""

    def __init__(self, server, app):
        self._app = app
        url = f"ws://{server.host}:{server.port}/app/{app.key}?protocol=7"
        self._socket = websocket.create_connection(url, timeout=DEADLINE)
        self.seen = []
        self.socket_id = json.loads(self.next("pusher:connection_established")["data"])["socket_id"]

    def send(self, event, data):
        self._socket.send(json.dumps({"event": event, "data": data}))

    def next(self, event):
        """The next frame of this event; those before it are skipped."""
        while True:
            frame = json.loads(self._socket.recv())
            self.seen.append(frame["event"])
            if frame["event"] == event:
                return frame

    def subscribe(self, channel, channel_data=None):
        parts = [self.socket_id, channel] + ([channel_data] if channel_data else [])
        auth = self._app.sign(":".join(parts))
        self.send("pusher:subscribe", {"channel": channel, "auth": auth, "channel_data": channel_data})
        return self.next("pusher_internal:subscription_succeeded")

    def sign_in(self, sdk, user):
        self.send("pusher:signin", sdk.authenticate_user(self.socket_id, user))
        return self.next("pusher:signin_success")

    def close(self):
        self._socket.close()


class PysherClient:
    """A connected pysher client."""

    def __init__(self, server, app, **options):
        self.pysher = pysher.Pusher(
            app.key, secure=False, custom_host=server.host, port=server.port, reconnect_interval=1, **options
        )
        self.errors = Inbox()
        self.pysher.connection.bind("pusher:error", self.errors.put)
        self.pysher.connect()
        eventually(lambda: self.state == "connected", "pysher to connect")

    @property
    def state(self):
        return self.pysher.connection.state

    def subscribe(self, channel, *events, auth=None):
        """Subscribes; returns one inbox per event name. pysher only has a channel once it has asked for it, so the
        events are collected where the frames come in."""
        inboxes = {event: Inbox() for event in events}
        handle = self.pysher.connection.event_handler

        def collect(event, data, name):
            if name == channel and event in inboxes:
                inboxes[event].put(data)
            handle(event, data, name)

        self.pysher.connection.event_handler = collect
        self.pysher.subscribe(channel, auth)
        return inboxes

    def subscribed(self, channel, *events):
        """Subscribes and waits for success."""
        success = "pusher_internal:subscription_succeeded"
        inboxes = self.subscribe(channel, success, *events)
        inboxes["success"] = inboxes[success].next(success)
        return inboxes

    def close(self):
        # Do not wait for its thread: it may still sleep on the closed socket.
        self.pysher.disconnect(timeout=0)


class ServerTest(unittest.TestCase):
    """One server per class. After each test all clients leave, and the server must have no trace of them."""

    apps = ()
    leaked = False

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.apps)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.addCleanup(self._nothing_is_left)

    def _nothing_is_left(self):
        """Fails the first test with leftovers; they would fail all later ones too."""
        cls = type(self)
        if not cls.leaked:
            cls.leaked = True
            self.server.settled()
            cls.leaked = False

    def sdk(self, app, **options):
        """The official server SDK."""
        options = {"secret": app.secret, **options}
        return pusher.Pusher(
            app.id, app.key, ssl=False, host=self.server.host, port=self.server.port, timeout=DEADLINE, **options
        )

    def raw(self, app):
        return self._leaving(RawSocket(self.server, app))

    def pysher(self, app, **options):
        return self._leaving(PysherClient(self.server, app, **options))

    def _leaving(self, client):
        self.addCleanup(client.close)
        return client


def publish_plaintext(sdk, channels, name, data, **more):
    """Publishes `data` unchanged. The SDK's own `trigger` never sends plaintext to an encrypted channel."""
    client = sdk._pusher_client
    body = {"name": name, "channels": channels, "data": data, **more}
    return client.http.send_request(Request(client, POST, f"/apps/{client.app_id}/events", body))
