# SPDX-License-Identifier: Apache-2.0
"""scenarios: what is measured. Each is a function of a World that yields Rows; its name is what run.sh
takes, its first line what run.sh --list says."""
import dataclasses
import statistics

from world import in_turns, peers, ratio


@dataclasses.dataclass
class Row:
    what: str
    ours: float
    unit: str
    against: str = ""
    theirs: float = 0.0
    times: tuple = ()      # median, lowest, highest ratio
    target: float = 0.0    # of the median
    below: bool = False    # the target is a ceiling

    @property
    def met(self):
        if not self.target:
            return ""
        median = self.times[0]
        return "yes" if (median <= self.target if self.below else median >= self.target) else "NO"


def rows(what, unit, figures, key, targets, below=False):
    """One row for each peer; a scenario without peers has one of its own."""
    ours = [f[key] for f in figures["pledged"]]
    mine = statistics.median(ours)
    if len(figures) == 1:
        yield Row(what, mine, unit)
    for peer, target in targets.items():
        if peer in figures:
            theirs = [f[key] for f in figures[peer]]
            yield Row(what, mine, unit, peer, statistics.median(theirs), ratio(ours, theirs), target, below)


def reserve(world, connections, streams):
    """Functions that take slots of the hot tier, for in_turns."""
    s = world.seconds
    what = {"pledged": lambda: world.ask("submit", "--connections", connections, "--streams", streams,
                                         "--seconds", s, "--warmup", 0.3)}
    if world.with_peers:
        redis, guess = world.peer(peers.Redis), {"rate": 3000.0 * min(connections, 10) * min(streams, 4)}

        def ask_redis():
            guess.update(redis.reserve(connections, streams, max(500, int(guess["rate"] * s))))
            return dict(guess)
        ask_redis()  # how many requests last as long as ours
        what["Redis"] = ask_redis
        if streams == 1:  # PostgreSQL's clients wait for each answer
            what["PostgreSQL"] = lambda: world.peer(peers.Postgres).reserve(connections, max(1, round(s)))
    return what


def hot64(world):
    """durable pledges on one hot tier, 64 clients, one in flight each"""
    figures = in_turns(world.rounds, **reserve(world, 64, 1))
    yield from rows("hot tier, 64 clients x 1", "pledges/s", figures, "rate", {"PostgreSQL": 25, "Redis": 1.5})


def hot16x64(world):
    """durable pledges on one hot tier, 16 clients, 64 in flight each"""
    figures = in_turns(world.rounds, **reserve(world, 16, 64))
    yield from rows("hot tier, 16 clients x 64", "pledges/s", figures, "rate", {"Redis": 1.0})


def hot1(world):
    """durable pledges, one client: half of the answers are there within"""
    what = reserve(world, 1, 1)
    what["fdatasync"] = lambda: world.disk()
    figures = in_turns(world.rounds, **what)
    limits = [{"p50_us": f["p50_us"] + 60} for f in figures.pop("fdatasync")]
    figures["fdatasync + 60 us"] = limits
    yield from rows("hot tier, 1 client, p50", "us", figures, "p50_us",
                    {"fdatasync + 60 us": 1.0, "PostgreSQL": 1.0, "Redis": 1.0}, below=True)


def slots(world):
    """`slots` queries, 16 connections x 32 streams"""
    shape = ["--connections", 16, "--streams", 32, "--seconds", world.seconds, "--warmup", 0.3]
    what = {"pledged": lambda: world.ask("tier", *shape, person="reader")}
    if world.with_peers:
        what["nghttpd"] = lambda: world.get(peers.Nghttpd, *shape)
        what["nginx"] = lambda: world.get(peers.Nginx, *shape)
    figures = in_turns(world.rounds, **what)
    yield from rows("slots, 16 connections x 32", "queries/s", figures, "rate", {"nghttpd": 0.4, "nginx": 1.0})


def fresh(world):
    """a new connection with mutual TLS and one query"""
    shape = ["--fresh", "--connections", 8, "--seconds", world.seconds, "--warmup", 0.3]
    what = {"pledged": lambda: world.ask("tier", *shape, person="reader")}
    if world.with_peers:
        what["nginx"] = lambda: world.get(peers.NginxMutual, *shape)
    figures = in_turns(world.rounds, **what)
    yield from rows("new connection + mutual TLS + 1 query", "queries/s", figures, "rate", {"nginx": 1.0})


ALL = {f.__name__: f for f in (hot64, hot16x64, hot1, slots, fresh)}
