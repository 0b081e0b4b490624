"""All clients and backends of one server, from the first client to the last."""

import asyncio
import json
import random
import sys
import time

from .backend import Backend, every
from .client import Gone
from .http import Lines
from .memory import sampled
from .residents import Residents
from .server import ACTIVITY_SECONDS, APP, CACHE_SECONDS, PONG_SECONDS, TIGHT
from .tally import Tally
from .visitors import read_slowly, visit

LINES = 8  # HTTP connections of backend and pages
USUAL_RATE = 40  # connections a second at which the backend has its usual pace
MOST_VISITORS = 40  # for each connection a second: who would be more waits
SLOW_EACH = 5  # seconds between two slow readers
SWEEP_SECONDS = 30  # the server looks so often what has expired
LEAVE_SECONDS = 60  # for visitors to be through
NOTHING = (
    "sockets",
    "subscriptions",
    "channels",
    "members",
    "users",
    "cached_events",
    "outbox_bytes",
    "mailbox_bytes",
)


class World:
    # Longer than the server's timeouts.
    silence = ACTIVITY_SECONDS + PONG_SECONDS + 3
    slowness = 12

    def __init__(self, process, ops, rate, receiver, rotate):
        self.host, self.port, self.pid = "127.0.0.1", process.port, process.process.pid
        self.app, self.tight, self.rate = APP, TIGHT, rate
        self.receiver, self.rotate = receiver, rotate
        self.tally = Tally()
        self.lines = Lines(self.host, self.port, LINES)
        self.ops = Lines(self.host, ops, 1)
        self.backend = Backend(self)
        self.residents = Residents(self)
        self.tasks, self.visitors = set(), set()
        self.samples = []
        self.ending = False

    async def publish(self, channels, data):
        await self.backend.publish(channels, data)

    def spawn(self, action, kept=None):
        task = asyncio.get_running_loop().create_task(action)
        kept = self.tasks if kept is None else kept
        kept.add(task)
        task.add_done_callback(kept.discard)
        task.add_done_callback(self.on_done)
        return task

    def on_done(self, task):
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Gone):
            self.tally.wrong("a task that failed", repr(error))

    # One run.

    async def run(self, seconds, rotate_each):
        await self.residents.move_in()
        scale = self.rate / USUAL_RATE
        paced = self.backend.actions(scale)
        steady = [self.spawn(every(pause, action)) for pause, action in paced]
        steady.append(self.spawn(self.residents.publish()))
        steady.append(self.spawn(self.arrivals()))
        steady.append(self.spawn(every(SLOW_EACH, self.one_slow)))
        steady.append(self.spawn(self.rotations(rotate_each)))
        await self.watch(seconds)
        for task in steady:
            task.cancel()
        await asyncio.gather(*steady, return_exceptions=True)
        await self.leave()

    async def watch(self, seconds):
        start = time.monotonic()
        for second in range(int(seconds) + 1):
            await asyncio.sleep(max(0, start + second - time.monotonic()))
            self.samples.append(sampled(self.pid, second))
            if second and second % 60 == 0:
                rss, connects = self.samples[-1]["rss"], self.tally.counts["connects"]
                wrong = self.tally.unexpected.total()
                say(f"{second // 60} min: {rss:,} KiB, {connects:,} connects, {wrong} wrong")

    async def arrivals(self):
        """Starts visitors in turn, up to a number of concurrent ones."""
        start, arrived = time.monotonic(), 0
        while True:
            arrived += 1
            await asyncio.sleep(max(0, start + arrived / self.rate - time.monotonic()))
            if len(self.visitors) < MOST_VISITORS * self.rate:
                self.spawn(visit(self), self.visitors)
            else:
                self.tally.add("held back")

    async def one_slow(self):
        self.spawn(read_slowly(self), self.visitors)

    async def rotations(self, each):
        while True:
            await asyncio.sleep(each * random.uniform(0.9, 1.1))
            # Through the admin socket, as an operator does it.
            command = await asyncio.create_subprocess_exec(
                *self.rotate, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            self.tally.add("rotations")
            try:
                _, said = await command.communicate()
            finally:
                if command.returncode is None:
                    command.terminate()
            if command.returncode != 0:
                self.tally.wrong("a rotation that failed", said.decode(errors="replace").strip())

    async def leave(self):
        say("everybody leaves")
        await self.residents.check()
        self.ending = True
        if self.visitors:
            _, late = await asyncio.wait(self.visitors, timeout=LEAVE_SECONDS)
            for task in late:
                self.tally.wrong("a visit that does not end")
                task.cancel()
        await self.residents.move_out()
        self.lines.hang_up()

    async def stats(self):
        status, body = await self.ops.send("GET", "/stats")
        return json.loads(body)

    async def left(self):
        """Leftovers after all timeouts, by their name in /stats or as a sentence."""
        end = time.monotonic() + CACHE_SECONDS + SWEEP_SECONDS + 15
        while True:
            stats = await self.stats()
            left = {name: stats[name] for name in NOTHING if stats[name]}
            hooks = stats["webhooks"]
            left |= {f"webhooks.{name}": hooks[name] for name in ("queued", "dead_letters", "lost") if hooks[name]}
            left |= self.receiver.unbalanced()
            if not left or time.monotonic() > end:
                return left, stats
            await asyncio.sleep(0.5)


def say(text):
    print(text, file=sys.stderr, flush=True)
