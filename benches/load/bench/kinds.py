"""Scenarios with more than one run for each of two targets."""

from .errors import Skipped
from .runner import SPARE_FILES
from .scenario import CPU, P99, Pair, Row, Scenario, at

IDLE = 10_000
IDLE_LEAST = 9_000
CROWD_LEAST = 10_000


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


class IdleStreams(Idle):
    """Event streams against as many WebSockets."""

    def prepare(self, bench):
        super().prepare(bench)
        self.base_arguments = self.arguments
        self.arguments = (*self.arguments, "--streams")


class Crowd(Scenario):
    def prepare(self, bench):
        number = min(bench.sockets, bench.open_files - SPARE_FILES)
        if number < min(bench.sockets, CROWD_LEAST):
            raise Skipped(
                f"needs {CROWD_LEAST + SPARE_FILES:,} open files, the limit is {bench.open_files:,}"
                " (raise it with ulimit -n, or choose --sockets)"
            )
        if number < bench.sockets:
            self.notes.append(
                f"sockets: {number:,} of {bench.sockets:,}, as the limit on open files is"
                f" {bench.open_files:,} and may not be raised here"
            )
        self.arguments = ("crowd", "--connections", number)
        title = f"{number:,} sockets"
        self.rows = [
            Row(f"{title}: resident memory per socket", "B", at("resident_bytes_each")),
            Row(f"{title}: time to connect and subscribe all", "s", at("seconds")),
            Row(f"{title}: CPU per connect", "us", CPU),
            Row(f"{title}: one event to all, median", "us", at("reached_all.p50_us")),
            Row(f"{title}: one event, p50 of the sockets", "us", at("latency.p50_us")),
            Row(f"{title}: one event, p99 of the sockets", "us", P99),
        ]


class Workers(Scenario):
    def prepare(self, bench):
        title = "two workers against one, 1,000 subscribers"
        self.rows = [
            Row(f"{title}: CPU per delivery", "us", CPU),
            Row(f"{title}: deliveries", "/s", at("deliveries_per_s")),
        ]
        if len(bench.server_cpus) < 2:
            self.notes.append(
                "two-workers: both on one core, which shows what a second worker costs and not what"
                " it brings: the rates are those of one core. For that the machine needs three processors"
            )


class Tls(Scenario):
    def prepare(self, bench):
        bench.certificate()


class Sealing(Scenario):
    """The extra cost of 8 KiB over a small event, sealed against clear."""

    SMALL, LARGE = 128, 8192

    def pair(self, bench):
        clear = [self.run(bench, size) for size in (self.SMALL, self.LARGE)]
        sealed = [self.run(bench, size, "--sealed") for size in (self.SMALL, self.LARGE)]
        return Pair(self.per_kib(*clear), self.per_kib(*sealed))

    def run(self, bench, size, *more):
        return bench.load(self.other, *self.arguments, "--payload", size, *more, seconds=self.seconds)

    def per_kib(self, small, large):
        return {
            "us_per_kib": (CPU(large) - CPU(small)) * 1024 / (self.LARGE - self.SMALL),
            "small_us": CPU(small),
            "lost": self.lost(small, large),
        }


class Added(Scenario):
    """What a setting adds to the cost of one thing, as the base is the server without it."""

    def pair(self, bench):
        pair = super().pair(bench)
        pair.base["added_us"], pair.server["added_us"] = 0, CPU(pair.server) - CPU(pair.base)
        return pair


class Steps(Scenario):
    """Latency at shares of the server's capacity, measured just before."""

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
        base, other = {}, {"lost": self.lost(capacity)}
        rivals = {rival.label: {"lost": 0} for rival in bench.rivals}
        for share in self.SHARES:
            rate = capacity["deliveries_per_s"] / self.SUBSCRIBERS * share / 100
            load = ("fanout", *who, "--rate", f"{rate:.2f}", "--events", max(20, int(rate * self.SECONDS)))

            def run(target, load=load):
                return bench.load(target, *load, seconds=self.seconds)

            base[str(share)] = run(self.base)
            other[str(share)] = run(self.other)
            other["lost"] += self.lost(base[str(share)], other[str(share)])
            for label, figures in self.each_rival(bench, run).items():
                rivals[label][str(share)] = figures
                rivals[label]["lost"] += self.lost(figures)
        ran = {name: (base, own) for name, own in rivals.items() if name not in self.failed_rivals}
        return Pair(base, other, ran)


class Slow(Scenario):
    def pair(self, bench):
        pair = super().pair(bench)
        if not pair.server["slow_closed"]:
            self.notes = ["slow-readers: none was closed: the server has not kept much for any"]
        return pair

    def rival(self, bench, rival, base):
        """A rival, too, is compared with itself."""
        none_slow = bench.load(rival, *self.base_arguments, seconds=self.seconds)
        return none_slow, bench.load(rival, *self.arguments, seconds=self.seconds)
