"""Scenarios that are more than one run each for two targets."""

from .errors import Skipped
from .runner import SPARE_FILES
from .scenario import CPU, Row, Scenario, at

IDLE = 10_000
IDLE_LEAST = 9_000


class Idle(Scenario):
    def prepare(self, bench):
        number = min(IDLE, bench.open_files - SPARE_FILES)
        if number < IDLE_LEAST:
            raise Skipped(
                f"needs {IDLE_LEAST + SPARE_FILES:,} open files, the limit is {bench.open_files:,}"
            )
        self.arguments = ("idle", "--connections", number)
        if number < IDLE:
            self.notes.append(f"idle: {number:,} sockets, as the limit on open files is {bench.open_files:,}")


class Crowd(Scenario):
    def prepare(self, bench):
        if bench.open_files < bench.sockets + SPARE_FILES:
            raise Skipped(
                f"needs {bench.sockets + SPARE_FILES:,} open files, the limit is {bench.open_files:,}"
                " (raise it with ulimit -n, or choose --sockets)"
            )
        self.arguments = ("crowd", "--connections", bench.sockets)
        title = f"{bench.sockets:,} sockets"
        self.rows = [
            Row(f"{title}: resident memory per socket", "B", at("resident_bytes_each")),
            Row(f"{title}: time to connect and subscribe all", "s", at("seconds")),
            Row(f"{title}: CPU per connect", "us", CPU),
            Row(f"{title}: one event to all, median", "us", at("reached_all.p50_us")),
        ]


class Workers(Scenario):
    def prepare(self, bench):
        title = "two workers against one, 1,000 subscribers"
        self.rows = [Row(f"{title}: CPU per delivery", "us", CPU)]
        if len(bench.server_cpus) >= 2:
            self.rows.append(Row(f"{title}: deliveries", "/s", at("deliveries_per_s")))
        else:
            self.notes.append(
                "two-workers: both on one core, which shows what a second worker costs and not what"
                " it brings; for that the machine needs three processors"
            )


class Sealing(Scenario):
    """What 8 KiB cost more than a little, sealed, against the same in clear."""

    SMALL, LARGE = 128, 8192

    def pair(self, bench):
        clear = [self.run(bench, size) for size in (self.SMALL, self.LARGE)]
        sealed = [self.run(bench, size, "--sealed") for size in (self.SMALL, self.LARGE)]
        return self.per_kib(*clear), self.per_kib(*sealed)

    def run(self, bench, size, *more):
        return bench.load(self.other, *self.arguments, "--payload", size, *more, seconds=self.seconds)

    def per_kib(self, small, large):
        return {
            "us_per_kib": (CPU(large) - CPU(small)) * 1024 / (self.LARGE - self.SMALL),
            "small_us": CPU(small),
            "lost": self.lost(small, large),
        }


class Steps(Scenario):
    """Latency at shares of what the server has just been measured to be capable of."""

    SHARES = (10, 50, 80)
    SECONDS = 4
    SUBSCRIBERS = 1000

    def prepare(self, bench):
        self.rows = [
            Row(f"latency at {share} % of capacity: {name}", "us", at(f"{share}.latency.{key}"))
            for share in self.SHARES
            for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))
        ]

    def pair(self, bench):
        who = ("--subscribers", self.SUBSCRIBERS)
        capacity = bench.load(self.other, "saturate", *who, "--seconds", 3, seconds=self.seconds)
        lost = self.lost(capacity)
        base, other = {}, {}
        for share in self.SHARES:
            rate = capacity["deliveries_per_s"] / self.SUBSCRIBERS * share / 100
            load = ("fanout", *who, "--rate", f"{rate:.2f}", "--events", max(20, int(rate * self.SECONDS)))
            base[str(share)] = bench.load(self.base, *load, seconds=self.seconds)
            other[str(share)] = bench.load(self.other, *load, seconds=self.seconds)
            lost += self.lost(base[str(share)], other[str(share)])
        other["lost"] = lost
        return base, other


class Slow(Scenario):
    def pair(self, bench):
        base, other = super().pair(bench)
        if not other["slow_closed"]:
            self.notes = ["slow-readers: none was closed: the server has not kept much for any"]
        return base, other
