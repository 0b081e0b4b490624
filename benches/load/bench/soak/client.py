"""A client of the protocol: a WebSocket with the verbs that pages have."""

import asyncio
import base64
import json
import os
import socket
import struct
from urllib.parse import urlencode

from .secretbox import opened

DEADLINE = 15
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SUCCEEDED, REFUSED = "pusher_internal:subscription_succeeded", "pusher:subscription_error"


class Gone(Exception):
    """The server has closed the connection, with this code."""


class Client(asyncio.Protocol):
    def __init__(self, world):
        self.world = world
        self.buffer = bytearray()
        self.upgraded = False
        self.socket_id = None
        self.code = None
        self.waiting = {}
        self.secrets = {}
        self.closed = asyncio.get_running_loop().create_future()
        # Callback for channel events: name, channel, text.
        self.on_event = lambda name, channel, data: None

    @classmethod
    async def open(cls, world, key=None, receive_buffer=None):
        """Connected, with its socket id; or `Gone`."""
        client = cls(world)
        loop = asyncio.get_running_loop()
        plug = socket.socket()
        plug.setblocking(False)
        if receive_buffer:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        async with asyncio.timeout(DEADLINE):
            try:
                await loop.sock_connect(plug, (world.host, world.port))
                established = client.wait("pusher:connection_established", None)
                await loop.create_connection(lambda: client, sock=plug)
            except BaseException:
                plug.close()
                raise
            path = f"/app/{key or world.app.key}?protocol=7&client=soak&version=1"
            client.transport.write(
                f"GET {path} HTTP/1.1\r\nHost: {world.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            client.socket_id = json.loads((await established)["data"])["socket_id"]
        return client

    # The transport.

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        if not self.upgraded:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 101"):
                self.world.tally.wrong("upgrade", bytes(self.buffer[:100]))
                return self.transport.abort()
            del self.buffer[: end + 4]
            self.upgraded = True
        while frame := self.take_frame():
            self.on_frame(*frame)

    def take_frame(self):
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1], 2
        if length == 126:
            at = 4
            length = int.from_bytes(buffer[2:4], "big")
        elif length == 127:
            at = 10
            length = int.from_bytes(buffer[2:10], "big")
        if len(buffer) < at + length:
            return None
        frame = buffer[0] & 15, bytes(buffer[at : at + length])
        del buffer[: at + length]
        return frame

    def on_frame(self, opcode, payload):
        if opcode == TEXT:
            self.on_message(json.loads(payload))
        elif opcode == PING:
            self.write(PONG, payload)
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.write(CLOSE, payload[:2])
            self.transport.close()

    def connection_lost(self, error):
        gone = Gone(self.code)
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(gone)
                future.exception()  # nobody may be waiting any more
        self.waiting.clear()
        if not self.closed.done():
            self.closed.set_result(self.code)

    def write(self, opcode, payload):
        mask = os.urandom(4)
        if len(payload) < 126:
            head = struct.pack("!BB", 128 | opcode, 128 | len(payload))
        else:
            head = struct.pack("!BBH", 128 | opcode, 254, len(payload))
        key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
        self.transport.write(head + mask + masked)

    # Messages.

    def send(self, event, data, **more):
        if self.transport.is_closing():
            raise Gone(self.code)
        self.write(TEXT, json.dumps({"event": event, "data": data, **more}).encode())

    def wait(self, event, channel):
        future = asyncio.get_running_loop().create_future()
        self.waiting[event, channel] = future
        return future

    def on_message(self, message):
        event, channel = message["event"], message.get("channel")
        future = self.waiting.pop((REFUSED if event == SUCCEEDED else event, channel), None)
        if future is not None and not future.done():
            future.set_result(message)
        if channel is None or event.startswith("pusher"):
            return
        self.world.tally.add("deliveries")
        if channel in self.secrets:
            self.world.spawn(self.read_sealed(event, channel, message["data"]))
        else:
            self.on_event(event, channel, message["data"])

    async def read_sealed(self, event, channel, data):
        """As pusher-js: an unreadable event is tried once more with a new secret. In order, since
        later events wait."""
        secrets = self.secrets[channel]
        envelope = json.loads(data)
        nonce, sealed = (base64.b64decode(envelope[name]) for name in ("nonce", "ciphertext"))
        async with secrets.turn:
            text = opened(secrets.secret, nonce, sealed)
            if text is None and not self.closed.done():
                self.world.tally.add("asked again")
                await self.authorize(channel)
                text = opened(secrets.secret, nonce, sealed)
        if text is not None:
            self.on_event(event, channel, text.decode())
        elif not self.closed.done():
            self.world.tally.wrong("an event that does not open", f"{event} on {channel}")

    # Actions of pages.

    async def authorize(self, channel, **more):
        """Fetches an authorization; keeps the secret if there is one."""
        fields = urlencode({"socket_id": self.socket_id, "channel_name": channel, **more}).encode()
        form = "application/x-www-form-urlencoded"
        path = f"/apps/{self.world.app.id}/auth/channel"
        status, body = await self.world.lines.send("POST", path, fields, form)
        self.world.tally.add("authorizations")
        if status != 200:
            # The socket may already have the close frame.
            await asyncio.wait([self.closed], timeout=1)
        if self.closed.done():
            raise Gone(self.code)
        if status != 200:
            raise ValueError(f"the auth endpoint answers {status} {body[:200]!r}")
        answer = json.loads(body)
        if "shared_secret" in answer:
            secret = base64.b64decode(answer.pop("shared_secret"))
            self.secrets.setdefault(channel, Secret()).secret = secret
        return answer

    async def subscribe(self, channel, **shown):
        """The answer's data, or `None` for a refusal."""
        # Refusals and successes are both the answer to a subscription.
        answer = self.wait(REFUSED, channel)
        self.send("pusher:subscribe", {"channel": channel, **shown})
        async with asyncio.timeout(DEADLINE):
            message = await answer
        granted = message["event"] == SUCCEEDED
        self.world.tally.add("subscriptions" if granted else "refused subscriptions")
        return message["data"] if granted else None

    def unsubscribe(self, channel):
        self.secrets.pop(channel, None)
        self.send("pusher:unsubscribe", {"channel": channel})

    async def sign_in(self, user, watchlist=()):
        data = json.dumps({"id": user, "watchlist": list(watchlist)})
        answer = self.wait("pusher:signin_success", None)
        auth = self.world.app.user_auth(self.socket_id, data)
        self.send("pusher:signin", {"auth": auth, "user_data": data})
        async with asyncio.timeout(DEADLINE):
            await answer
        self.world.tally.add("sign-ins")

    async def close(self):
        """Sends a close frame and waits until the server has closed."""
        if not self.closed.done():
            self.write(CLOSE, (1000).to_bytes(2, "big"))
            async with asyncio.timeout(DEADLINE):
                await self.closed

    def hang_up(self, reset=False):
        """Ends the connection without a close frame, possibly at once."""
        if reset:
            plug = self.transport.get_extra_info("socket")
            if plug is not None:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def fall_silent(self):
        """Stops reading, and so never answers."""
        self.transport.pause_reading()


class Secret:
    def __init__(self):
        self.secret = b""
        self.turn = asyncio.Lock()
