# SPDX-License-Identifier: Apache-2.0
"""scenarios: what is measured. Each is a function of a World that yields Rows; its name is what run.sh
takes, its first line what run.sh --list says."""
import dataclasses
import functools
import resource
import statistics
from concurrent.futures import ThreadPoolExecutor

from world import (CONTRIBUTORS, held, in_turns, keep_on, load_pledges, new_home, opening, pb, peers, processor_seconds,
                   ratio, resident_bytes, timed)


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


ANSWERS_ONLY = "nghttpd, which keeps nothing"


def answers_only(world, connections):
    """What the same generator gets from a server that only answers: no durable answer comes sooner."""
    if not world.with_peers:
        return {}
    return {ANSWERS_ONLY: lambda: world.get(peers.Nghttpd, "--connections", connections, "--seconds", world.seconds,
                                            "--warmup", 0.3)}


def hot64(world):
    """durable pledges on one hot tier, 64 clients, one in flight each"""
    figures = in_turns(world.rounds, **reserve(world, 64, 1), **answers_only(world, 64))
    yield from rows("hot tier, 64 clients x 1", "pledges/s", figures, "rate",
                    {"PostgreSQL": 25, "Redis": 1.5, ANSWERS_ONLY: 0})


def hot16x64(world):
    """durable pledges on one hot tier, 16 clients, 64 in flight each"""
    figures = in_turns(world.rounds, **reserve(world, 16, 64))
    yield from rows("hot tier, 16 clients x 64", "pledges/s", figures, "rate", {"Redis": 1.0})


def hot1(world):
    """durable pledges, one client: half of the answers are there within"""
    what = reserve(world, 1, 1) | answers_only(world, 1)
    what["fdatasync"] = lambda: world.disk()
    figures = in_turns(world.rounds, **what)
    sync = [f["p50_us"] for f in figures.pop("fdatasync")]
    figures["fdatasync + 60 us"] = [{"p50_us": us + 60} for us in sync]
    if world.with_peers:
        figures["fdatasync + an answer of nghttpd"] = [{"p50_us": us + f["p50_us"]}
                                                       for us, f in zip(sync, figures.pop(ANSWERS_ONLY))]
    yield from rows("hot tier, 1 client, p50", "us", figures, "p50_us",
                    {"fdatasync + 60 us": 1.0, "PostgreSQL": 1.0, "Redis": 1.0, "fdatasync + an answer of nghttpd": 0},
                    below=True)


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
    # a handshake costs the client as much as the server: one thread would be the limit of both
    shape = ["--fresh", "--connections", 8, "--threads", 2, "--seconds", world.seconds, "--warmup", 0.3]
    what = {"pledged": lambda: world.ask("tier", *shape, person="reader")}
    if world.with_peers:
        what["nginx"] = lambda: world.get(peers.NginxMutual, *shape)
    figures = in_turns(world.rounds, **what)
    yield from rows("new connection + mutual TLS + 1 query", "queries/s", figures, "rate", {"nginx": 1.0})


def bulk(world):
    """bulk load by batch calls, durable, against COPY FROM of the same rows"""
    count = world.options.entries

    def ours():
        home = new_home()
        try:
            return load_pledges(home, count)
        finally:
            home.close()
    what = {"pledged": ours}
    world.drop_home()
    if world.with_peers:
        postgres = world.peer(peers.Postgres)
        postgres.write_rows(count)
        what["COPY FROM"] = lambda: {"rate": count / postgres.copy_in("primary key")}
        what["COPY FROM, key built after"] = lambda: {"rate": count / postgres.copy_in("")}
    figures = in_turns(world.rounds, **what)
    yield from rows(f"bulk load of {count:,} pledges", "rows/s", figures, "rate",
                    {"COPY FROM": 2.0, "COPY FROM, key built after": 1.0})


def dump(world):
    """dump over TLS, against COPY TO of the same rows"""
    count = world.options.entries
    home = world.full_home(count)
    out = home.path / "out"

    def ours():
        ran = home.pledge("auditor", "dump", "-o", out, timeout=600)
        assert ran.code == 0, ran
    what = {"pledged": lambda: {"rate": count / timed(ours)}}
    if world.with_peers:
        postgres = world.peer(peers.Postgres)
        postgres.load_entries(home.client("auditor").dump_bytes()[0], pb.Entry)
        home.drop_clients()
        for form in ("text", "binary"):
            what[f"COPY TO, {form}"] = lambda form=form: {"rate": count / postgres.copy_out(form)}
    figures = in_turns(world.rounds, **what)
    yield from rows(f"dump of {count:,} entries", "rows/s", figures, "rate", {"COPY TO, text": 1.5, "COPY TO, binary": 0})


def start(world):
    """start-up with a large ledger: replay of everything, and from a snapshot"""
    count = world.options.most
    world.drop_home()
    home = new_home({"store": {"snapshot_entries": 0}, "daemon": {"log_level": "info"}})
    try:
        empty = resident_bytes(home)
        load_pledges(home, count)
        each = (resident_bytes(home) - empty) / count
        home.terminate()
        home.start(600)
        replay = opening(home)["replayed"] / opening(home)["ms"] * 1000
        home.terminate()
        assert home.pledged("snapshot", timeout=1800).code == 0
        home.start(600)
        work = opening(home)["ms"] / 1000
        yield Row(f"replay of {count:,} entries", replay, "entries/s", "1,000,000 entries/s", 1e6, (replay / 1e6,) * 3, 1.0)
        yield Row(f"start from a snapshot of {count:,} entries", work, "s", "1 s", 1.0, (work,) * 3, 1.0, True)
        yield Row(f"memory of a live pledge, {count:,} of them", each, "B", "160 B", 160, (each / 160,) * 3, 1.0, True)
    finally:
        home.close()


IDLE = {"limits": {"connections": 8192, "watchers": 1}}


def idle(world):
    """memory of an idle connection, and load beside 10,000 of them"""
    few, many = 1000, 10000
    world.drop_home()
    home = new_home(IDLE)
    try:
        before = resident_bytes(home)
        with held(home, few):
            each = (resident_bytes(home) - before) / few
        yield Row("memory of an idle connection", each / 1024, "KiB", "48 KiB", 48, (each / 48 / 1024,) * 3, 1.0, True)
        load = ["submit", "--connections", 64, "--seconds", world.seconds, "--warmup", 0.3]
        alone, beside = [], []
        for _ in range(world.rounds):
            alone.append(world.ask(*load, home=home)["p99_us"])
            with held(home, many):
                beside.append(world.ask(*load, home=home)["p99_us"])
        yield Row("p99 of 64 clients beside 10,000 idle connections", statistics.median(beside), "us", "the same alone",
                  statistics.median(alone), ratio(beside, alone), 1.5, True)
    finally:
        home.close()


def overload(world):
    """open loop at twice the rate that can be sustained"""
    seconds = max(world.seconds, 3)

    def flooded(processor):
        # no snapshot: its process would take from the one figure and not from the other
        home = new_home({"store": {"snapshot_entries": 0}})
        try:
            if processor is not None:
                keep_on(home, 1 - processor)
            peak = world.ask("submit", "--connections", 64, "--streams", 16, "--seconds", seconds, "--warmup", 0.3,
                             home=home, processor=processor)["rate"]
            flood = world.ask("submit", "--connections", 64, "--streams", 256, "--seconds", seconds, "--warmup", 1,
                              "--rate", 2 * peak, home=home, may_fail=("RESOURCE_EXHAUSTED",), processor=processor)
            return {"peak": peak, "good": flood["rate"], "busy": flood["busy"]["p99_us"], "slow": flood["p99_us"]}
        finally:
            home.close()
    figures = in_turns(world.rounds, **{"overload x 2": lambda: flooded(None),
                                        "overload x 2, a processor each": lambda: flooded(1)})
    for name, each in figures.items():
        good, peaks = [f["good"] for f in each], [f["peak"] for f in each]
        yield Row(f"{name}: goodput", statistics.median(good), "pledges/s", "peak", statistics.median(peaks),
                  ratio(good, peaks), 0.9)
        for key, what in {"slow": "p99 of accepted work", "busy": "p99 until \"busy\""}.items():
            yield Row(f"{name}: {what}", statistics.median(f[key] for f in each) / 1e3, "ms")


def imports(world):
    """one client's commands beside batch calls, and how soon too many of these are told so"""
    one = ["submit", "--connections", 1, "--streams", 1, "--seconds", world.seconds, "--warmup", 0.3]

    def beside(streams):
        home = new_home()
        try:
            flood = ["batch", "--batch", 2000, "--connections", 8, "--streams", streams, "--warmup", 0.3,
                     "--seconds", world.seconds + 1]
            with ThreadPoolExecutor(1) as pool:
                going_on = pool.submit(world.ask, *flood, home=home, may_fail=("RESOURCE_EXHAUSTED",))
                single = world.ask(*one, home=home)
                return {"single": single["p50_us"], "p99": single["p99_us"], "busy": going_on.result()["busy"]["p99_us"]}
        finally:
            home.close()
    figures = in_turns(world.rounds, **{"8 x 1": lambda: beside(1), "8 x 16": lambda: beside(16)})
    for shape, each in figures.items():
        for key, what in {"single": "p50 of a command", "p99": "p99 of a command", "busy": "p99 until \"busy\""}.items():
            if any(f[key] for f in each):
                yield Row(f"beside {shape} batches of 2,000: {what}", statistics.median(f[key] for f in each) / 1e3, "ms")


def cost(world, server, connections, ask, *words):
    """Microseconds of the server's processors an operation: what growth may not change. How long it
    takes would depend on how busy the neighbours are. Making the connections is not part of it."""
    def spent(*until):
        before = processor_seconds(server)
        asked = ask(*words, "--connections", connections, *until)
        return processor_seconds(server) - before, asked["units"]
    each = []
    for _ in range(world.rounds):
        opening_s, opened = spent("--requests", connections)
        all_s, answered = spent("--seconds", world.seconds)
        each.append((all_s - opening_s) * 1e6 / max(1, answered - opened))
    return max(0.01, statistics.median(each))


def costs(world, home, connections, streams):
    shape = ["--streams", streams]
    yield "durable pledge", cost(world, home, connections, functools.partial(world.ask, home=home), "submit", *shape)
    yield "slots query", cost(world, home, connections, functools.partial(world.ask, home=home, person="reader"),
                              "tier", *shape)


def bare_costs(world, connections, streams):
    """The same of a server that only answers."""
    if world.with_peers:
        yield f"an answer of {ANSWERS_ONLY}", cost(world, world.peer(peers.Nghttpd), connections,
                                                   functools.partial(world.get, peers.Nghttpd), "--streams", streams)


def snapshot_seconds(home):
    """Processor time of the second of two: the first one has what was never in any."""
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert home.pledged("snapshot", timeout=1800).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rise(each):
    """How much dearer a point of a curve is than the cheapest one before it."""
    return max(later / min(each[:i]) for i, later in enumerate(each) if i > 0)


def growth(world):
    """processor time of an operation at 10^4 to 10^7 entries, and at 1 to 1,024 connections"""
    world.drop_home()
    by_size, one_each, shared = {}, {}, {}
    # when snapshots are made on their own their time falls to whoever is measured at that moment
    home = new_home({**IDLE, "store": {"snapshot_entries": 0}})
    try:
        size = CONTRIBUTORS
        for want in (10**4, 10**5, 10**6, 10**7):
            if want > world.options.most:
                break
            size += load_pledges(home, max(want - size, 1))["units"]
            for name, each in costs(world, home, 16, 64):
                by_size.setdefault(name, []).append((size, each))
            seconds = timed(lambda: home.pledge("auditor", "dump", "-o", home.path / "out", timeout=600))
            by_size.setdefault("entry dumped (elapsed)", []).append((size, seconds * 1e6 / size))
            by_size.setdefault("snapshot, an entry of the ledger", []).append((size, snapshot_seconds(home) * 1e6 / size))
            size = home.client("reader").GetStatus().size
            home.drop_clients()
    finally:
        home.close()
    home = new_home(IDLE)
    try:
        for connections in (1, 16, 64, 1024):
            for curves, streams in ((one_each, 1), (shared, min(256, 1024 // connections))):
                for name, each in (*costs(world, home, connections, streams), *bare_costs(world, connections, streams)):
                    curves.setdefault(name, []).append((connections, each))
    finally:
        home.close()
    for plot, what, x, curves in (
            ("entries", "entries", "entries in the ledger", by_size),
            ("connections", "connections of one request", "connections, one request in flight on each", one_each),
            ("shared", "connections sharing 1,024 requests",
             "connections, 1,024 requests in flight (256 on one)", shared)):
        world.plots[f"growth-{plot}"] = {"title": f"Cost of an operation and {what}", "x_title": x,
                                         "y_title": "microseconds an operation", "curves": curves}
        for name, curve in curves.items():
            each = [y for _, y in curve]
            target = 0 if ANSWERS_ONLY in name else 1.3
            yield Row(f"{name}, {curve[0][0]:,} to {curve[-1][0]:,} {what}", each[-1], "us", "cheapest before",
                      min(each[:-1] or each), (rise(each) if len(each) > 1 else 1.0,) * 3, target, True)


ALL = {f.__name__: f for f in (hot64, hot16x64, hot1, slots, fresh, bulk, dump, start, idle, overload, imports, growth)}
