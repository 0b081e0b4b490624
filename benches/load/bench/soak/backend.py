"""The continuous work of an application's backend, and invalid requests of backends and clients."""

import asyncio
import json
import random

from .client import Client, Gone
from .signing import App, fresh
from .visitors import HOT, ROOMS, USERS

FLOOD_BYTES = 10_000


async def every(seconds, action):
    """Repeats an action for ever. A slow one delays the next: they do not pile up."""
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5) * seconds)
        await action()


class Backend:
    def __init__(self, world):
        self.world, self.lines, self.app = world, world.lines, world.app

    def actions(self, scale):
        """The actions and their intervals."""
        return [
            (0.05 / scale, self.trigger),
            (0.2 / scale, self.batch),
            (0.25 / scale, self.cache),
            (0.25 / scale, self.ask),
            (0.1, self.flood),
            (1 / scale, self.to_user),
            (4, self.terminate),
            (1, self.be_refused),
            (2, self.be_unknown),
        ]

    async def wants(self, wanted, answer, what):
        status, body = await answer
        if status not in wanted:
            self.world.tally.wrong(f"{what} is answered {status}", body)

    async def publish(self, channels, data, name="note"):
        await self.wants([200], self.lines.post(self.app, "/events", event(name, channels, data)), "a trigger")
        self.world.tally.add("triggers")

    def someplace(self):
        return random.choice([f"hot-{random.randrange(HOT)}", f"presence-room-{random.randrange(ROOMS)}"])

    async def trigger(self):
        channels = {self.someplace() for _ in range(random.randint(1, 3))} | {fresh("nobody-")}
        await self.publish(sorted(channels), "x" * random.randrange(1000))

    async def batch(self):
        item = lambda: {"name": "note", "channel": self.someplace(), "data": "x" * random.randrange(1000)}
        batch = {"batch": [item() for _ in range(random.randint(1, 10))]}
        await self.wants([200], self.lines.post(self.app, "/batch_events", batch), "a batch")
        self.world.tally.add("batches")

    async def cache(self):
        """Events without subscribers, cached for their time."""
        channels = [fresh(prefix) for prefix in ("cache-news-", "private-cache-news-")]
        await self.publish(channels, "x" * random.randrange(2000))
        await self.publish([fresh("private-encrypted-cache-news-")], "x" * random.randrange(2000))

    async def ask(self):
        room = f"presence-room-{random.randrange(ROOMS)}"
        for path, parameters in [
            ("/channels", {"filter_by_prefix": "presence-room-", "info": "user_count"}),
            (f"/channels/{room}", {"info": "user_count"}),
            (f"/channels/{room}/users", {}),
        ]:
            await self.wants([200], self.lines.get(self.app, path, **parameters), path)
        self.world.tally.add("queries", 3)

    async def flood(self):
        await self.publish(["flood"], "x" * FLOOD_BYTES)

    async def to_user(self):
        await self.publish([f"#server-to-user-user-{random.randrange(USERS)}"], "1")

    async def terminate(self):
        path = f"/users/{fresh('nobody-')}/terminate_connections"
        await self.wants([200], self.lines.post(self.app, path, {}), "a termination")

    # Requests that must be refused.

    async def be_refused(self):
        liar = App(self.app.id, self.app.key, "another secret")
        stranger = App("no-such-app", self.app.key, self.app.secret)
        news = event("note", ["news"], "1")
        for wanted, answer, what in [
            ([401, 429], self.lines.post(liar, "/events", news), "a wrong signature"),
            ([404], self.lines.get(stranger, "/channels"), "an unknown app"),
            ([413], self.lines.post(self.app, "/events", event("note", ["news"], "x" * 10_241)), "too much"),
            ([400], self.lines.post(self.app, "/events", event("note", ["no name"], "1")), "a bad name"),
            ([200, 429], self.lines.post(self.world.tight, "/events", news), "a backend over its rate"),
            ([200, 429], self.lines.post(self.world.tight, "/events", news), "a backend over its rate"),
        ]:
            await self.wants(wanted, answer, what)
        form = b"socket_id=1.1&channel_name=private-x"
        path = f"/apps/{self.app.id}/auth/channel"
        answer = self.lines.send("POST", path, form, "application/x-www-form-urlencoded")
        await self.wants([403], answer, "a question for nobody")
        self.world.tally.add("refused requests", 7)

    async def be_unknown(self):
        try:
            await Client.open(self.world, key="no-such-key")
        except Gone as gone:
            if gone.args[0] != 4001:
                self.world.tally.wrong("an unknown key is closed", gone.args[0])
        else:
            self.world.tally.wrong("an unknown key is let in")
        self.world.tally.add("refused connections")


def event(name, channels, data):
    return {"name": name, "channels": channels, "data": data}


class Receiver:
    """A receiver of webhooks that answers 200."""

    def __init__(self, app):
        self.app = app
        self.told = {}
        self.wrong = 0

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields["content-length"]))
                if fields.get("x-pusher-signature") != self.app.digest(body.decode()):
                    self.wrong += 1
                for told in json.loads(body)["events"]:
                    self.told[told["name"]] = self.told.get(told["name"], 0) + 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it ends with the server, or with us
        finally:
            writer.close()

    def unbalanced(self):
        """Occupied channels and members without a webhook of their end."""
        pairs = [("channel_occupied", "channel_vacated"), ("member_added", "member_removed")]
        begun = {begin: self.told.get(begin, 0) - self.told.get(end, 0) for begin, end in pairs}
        return {f"webhooks of {begin}": count for begin, count in begun.items() if count}

    def stop(self):
        self.server.close()
