"""Short-lived clients with random actions and ways to leave."""

import asyncio
import json
import random

from .client import DEADLINE, Client, Gone
from .signing import fresh

HOT = 10  # public channels that many are on
ROOMS = 5  # presence channels that many are on
USERS = 60  # who come again and again
RIGHTLY = (4100, 4200, 4201)  # closes by the server that a visitor may meet
LIFE = (1, 12)  # seconds
SILENCE = 60  # seconds in which the server must have closed who says nothing


async def visit(world):
    client = None
    try:
        client = await Client.open(world)
        world.tally.add("connects")
        await Visit(world, client).run()
    except Gone as gone:
        if gone.args[0] not in RIGHTLY:
            world.tally.wrong("closed by the server", gone.args[0])
    except (OSError, TimeoutError, ValueError) as error:
        world.tally.wrong("a visit that failed", repr(error))
    finally:
        if client is not None:
            client.hang_up()


class Visit:
    def __init__(self, world, client):
        self.world, self.client = world, client
        self.user = None
        self.joined = []
        self.expected = {}
        client.on_event = self.on_event

    async def run(self):
        end = asyncio.get_running_loop().time() + random.uniform(*LIFE)
        if random.random() < 0.3:
            await self.sign_in()
        kinds = [self.public, self.private, self.presence, self.encrypted, self.cached, self.hot, self.room]
        for join in random.choices(kinds, k=random.randint(2, 6)):
            await join()
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, random.uniform(0.2, 2)))
            if self.client.closed.done():
                raise Gone(self.client.code)
            await random.choice([self.client_event, self.come_back, self.ping, self.be_refused])()
        await random.choices([self.goodbye, self.vanish, self.reset, self.silence], [50, 25, 15, 10])[0]()

    def on_event(self, name, channel, data):
        future = self.expected.get((channel, data))
        if future is not None and not future.done():
            future.set_result(None)

    async def sign_in(self):
        self.user = f"user-{random.randrange(USERS)}" if random.random() < 0.7 else fresh("user-new-")
        await self.client.sign_in(self.user, (f"user-{random.randrange(USERS)}" for _ in range(3)))

    # Channels. A visitor publishes an event on its own channel and waits for it.

    async def public(self):
        channel = fresh("news-")
        await self.join(channel)
        await self.hear(channel)

    async def private(self):
        channel = fresh("private-desk-")
        if random.random() < 0.5:
            shown = await self.client.authorize(channel)
        else:
            shown = {"auth": self.world.app.channel_auth(self.client.socket_id, channel)}
        await self.join(channel, **shown)
        await self.hear(channel)

    async def presence(self):
        await self.hear(await self.enter(fresh("presence-table-")))

    async def encrypted(self):
        channel = fresh("private-encrypted-safe-")
        await self.join(channel, **await self.client.authorize(channel))
        await self.hear(channel)

    async def cached(self):
        """Events must arrive in the order of publishing."""
        channel = fresh(random.choice(["cache-page-", "private-cache-page-", "private-encrypted-cache-page-"]))
        shown = {} if channel.startswith("cache-") else await self.client.authorize(channel)
        if random.random() < 0.3:
            return await self.join(channel, **shown)
        came = self.expect(channel, token := fresh("cached-"))
        await self.world.publish([channel], token)
        await self.join(channel, **shown)
        await self.arrived(came, channel)

    async def hot(self):
        channel = f"hot-{random.randrange(HOT)}"
        if channel not in self.joined:
            await self.join(channel)

    async def room(self):
        channel = f"presence-room-{random.randrange(ROOMS)}"
        if channel not in self.joined:
            await self.enter(channel)

    async def enter(self, channel):
        user = self.user or f"user-{random.randrange(USERS)}"
        data = json.dumps({"user_id": user, "user_info": {"name": "x" * random.randrange(100)}})
        auth = self.world.app.channel_auth(self.client.socket_id, channel, data)
        await self.join(channel, auth=auth, channel_data=data)
        return channel

    async def join(self, channel, **shown):
        if await self.client.subscribe(channel, **shown) is None:
            raise ValueError(f"the subscription to {channel} is refused")
        self.joined.append(channel)

    def expect(self, channel, token):
        future = asyncio.get_running_loop().create_future()
        self.expected[channel, token] = future
        return future

    async def hear(self, channel):
        came = self.expect(channel, token := fresh("token-"))
        await self.world.publish([channel], token)
        await self.arrived(came, channel)

    async def arrived(self, came, channel):
        done, _ = await asyncio.wait([came, self.client.closed], timeout=DEADLINE, return_when="FIRST_COMPLETED")
        if self.client.closed in done:
            raise Gone(self.client.code)
        if came not in done:
            self.world.tally.wrong("an event that was lost", channel)

    # Actions of a connected visitor.

    async def client_event(self):
        may = [c for c in self.joined if c.startswith(("private-", "presence-")) and "encrypted" not in c]
        if may:
            self.client.send("client-note", "x" * random.randrange(500), channel=random.choice(may))
            self.world.tally.add("client events")

    async def come_back(self):
        """Leaves a channel and joins it again."""
        may = [c for c in self.joined if c.startswith(("news-", "presence-"))]
        if may:
            channel = random.choice(may)
            self.joined.remove(channel)
            self.client.unsubscribe(channel)
            await (self.enter(channel) if channel.startswith("presence-") else self.join(channel))

    async def ping(self):
        self.client.send("pusher:ping", {})

    async def be_refused(self):
        channel = random.choice(["no name", fresh("private-")])
        auth = random.choice(["", "wrong:" + "0" * 64])
        if await self.client.subscribe(channel, auth=auth) is not None:
            self.world.tally.wrong("a subscription that must be refused", channel)

    # Ways to leave.

    async def goodbye(self):
        self.world.tally.add("left with a close frame")
        await self.client.close()

    async def vanish(self):
        self.world.tally.add("left without")

    async def reset(self):
        self.world.tally.add("left by a reset")
        self.client.hang_up(reset=True)

    async def silence(self):
        """The client falls silent, and the server must notice."""
        self.world.tally.add("fell silent")
        before = self.client.transport
        self.client.fall_silent()
        await asyncio.sleep(self.world.silence)
        before.resume_reading()
        async with asyncio.timeout(SILENCE):
            await self.client.closed
        if self.client.code != 4201:
            self.world.tally.wrong("a silent client that was not closed with 4201", self.client.code)


async def read_slowly(world):
    """Joins a busy channel and never reads."""
    client = None
    try:
        client = await Client.open(world, receive_buffer=16 * 1024)
        world.tally.add("connects")
        await client.subscribe("flood")
        client.fall_silent()
        await asyncio.sleep(world.slowness)
        client.transport.resume_reading()
        async with asyncio.timeout(SILENCE):
            await client.closed
        # Without a code if the client did not read the last frames; a ping may come first.
        if client.code not in (4100, 4201, None):
            world.tally.wrong("a slow reader that was not closed with 4100", client.code)
        world.tally.add("slow readers that were closed")
    except (OSError, Gone, TimeoutError) as error:
        world.tally.wrong("a slow reader that failed", repr(error))
    finally:
        if client is not None:
            client.hang_up()
