"""Clients that stay from start to end and expect each event once and in order, across key
rotations and any behaviour of the visitors."""

import asyncio
import json

from .client import Client

COUNT = 4
CHANNELS = ("steady", "private-steady", "presence-steady", "private-encrypted-steady")
TALK = "private-talk"
PERIOD = 0.2  # seconds between two events of a channel
PATIENCE = 15
NUDGE = "sealcast:rekey"  # what makes clients of quiet channels ask for the next secret


class Residents:
    def __init__(self, world):
        self.world = world
        self.people = []
        self.sent = dict.fromkeys([*CHANNELS, TALK, *(self.own(n) for n in range(COUNT))], 0)

    @staticmethod
    def own(number):
        return f"#server-to-user-resident-{number}"

    async def move_in(self):
        for number in range(COUNT):
            self.people.append(await Resident(self.world, number).move_in())

    async def publish(self):
        """Publishes numbered events until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            for channel in self.sent:
                if channel != TALK:
                    # An event in flight at the cancellation counts as sent.
                    await asyncio.shield(self.number(channel))
            self.people[0].client.send("client-talk", str(self.sent[TALK]), channel=TALK)
            self.sent[TALK] += 1

    async def number(self, channel):
        number, self.sent[channel] = self.sent[channel], self.sent[channel] + 1
        await self.world.publish([channel], str(number))

    async def check(self):
        """Expects all events at all residents. The sender of a client event does not receive it."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while self.missing() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.1)
        for what in self.missing():
            self.world.tally.wrong("events of residents that were lost", what)

    def missing(self):
        return [
            f"{person.seen[channel]} of {self.sent[channel]} on {channel}"
            for person in self.people
            for channel in person.seen
            if person.seen[channel] < self.sent[channel] and not (person.number == 0 and channel == TALK)
        ]

    async def move_out(self):
        for person in self.people:
            await person.client.close()


class Resident:
    def __init__(self, world, number):
        self.world, self.number = world, number
        self.seen = dict.fromkeys([*CHANNELS, TALK, Residents.own(number)], 0)

    async def move_in(self):
        self.client = client = await Client.open(self.world)
        client.on_event = self.on_event
        client.closed.add_done_callback(self.on_end)
        user = f"resident-{self.number}"
        await client.sign_in(user, ["user-1", "user-2"])
        for channel in [*CHANNELS, TALK]:
            shown = {}
            if channel.startswith("presence-"):
                data = json.dumps({"user_id": user})
                auth = self.world.app.channel_auth(client.socket_id, channel, data)
                shown = {"auth": auth, "channel_data": data}
            elif channel.startswith("private-"):
                shown = await client.authorize(channel)
            await client.subscribe(channel, **shown)
        return self

    def on_event(self, name, channel, data):
        if name == NUDGE:
            return
        if int(data) != self.seen[channel]:
            self.world.tally.wrong("an event out of order", f"{data} for {self.seen[channel]} on {channel}")
        self.seen[channel] = int(data) + 1

    def on_end(self, closed):
        if not self.world.ending:
            self.world.tally.wrong("a resident that was closed", closed.result())
