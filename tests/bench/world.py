# SPDX-License-Identifier: Apache-2.0
"""world: pledged and its peers for the scenarios; whatever is asked for is started then, and ended with
the world. Figures of different programs are taken in turns, so that a neighbour's noise hits all."""
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import peers  # noqa: E402
from harness import BIN, Home, command, pb, shipped_catalogue  # noqa: E402

CONTRIBUTORS = 1000
# what the shipped configuration says, where the tests' differs
SETTINGS = {"store": {"segment_bytes": 64 << 20}, "daemon": {"log_level": "warning", "workers": 0}}


class BenchFailed(Exception):
    pass


def generate(words, port=None, pki=None, person="clerk", may_fail=(), processor=None):
    """Runs pledge-bench, if asked to on one processor; anything but good answers is an error, unless its outcome
    is in may_fail."""
    args = [] if processor is None else ["taskset", "-c", processor]
    args += [BIN / "pledge-bench", *words]
    if port is not None:
        args += ["--port", port, "--ca", pki.ca, "--cert", pki.cert(person), "--key", pki.key(person)]
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=1800)
    if done.returncode not in (0, 1):
        raise BenchFailed(f"{words}: exit {done.returncode} {done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    bad = {k: n for k, n in result["ended"].items() if k != "ok" and k not in may_fail}
    if bad or result["units"] == 0:
        raise BenchFailed(f"{words}: {bad or 'nothing was answered'}")
    result.update(result["good"])
    return result


def new_home(settings=None):
    """A daemon with room for any number of pledges in the tier `or`, and contributors."""
    merged = {section: dict(keys) for section, keys in SETTINGS.items()}
    for section, keys in (settings or {}).items():
        merged.setdefault(section, {}).update(keys)
    home = Home(settings=merged)
    home.init()
    home.start()
    catalogue = shipped_catalogue()
    catalogue.policy.many_slots_per_contributor = True
    home.adopt(catalogue)
    home.client("clerk").batch([command(add_contributor=pb.AddContributor(
        name=f"Organisation {i:07d}", kind=1 + i % 5, country="CH")) for i in range(CONTRIBUTORS)])
    home.drop_clients()
    return home


def resident_bytes(home):
    with open(f"/proc/{home.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024


def keep_on(home, processor):
    """The daemon, all its threads, on this processor."""
    subprocess.run(["taskset", "-a", "-c", "-p", str(processor), str(home.process.pid)], check=True,
                   stdout=subprocess.DEVNULL)


def processor_seconds(home):
    """Of the daemon and of those of its children that have ended (snapshots)."""
    with open(f"/proc/{home.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(n) for n in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def opening(home):
    """What the daemon's log says of its last start: {"ms": ..., "replayed": ..., ...}."""
    found = re.findall(r"ledger is open.*", home.log_file.read_text(encoding="utf-8"))[-1]
    return {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", found)}


def timed(what):
    begin = time.monotonic()
    what()
    return time.monotonic() - begin


@contextlib.contextmanager
def held(home, connections, person="clerk"):
    """So many idle connections, open while the block runs."""
    args = [BIN / "pledge-bench", "idle", "--connections", connections, "--port", home.port, "--ca", home.pki.ca,
            "--cert", home.pki.cert(person), "--key", home.pki.key(person)]
    holder = subprocess.Popen([str(a) for a in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        opened = json.loads(holder.stdout.readline())["open"]
        if opened != connections:
            raise BenchFailed(f"{opened} of {connections} connections could be opened")
        yield
        holder.stdin.close()
        result = json.loads(holder.stdout.readline())
        if result["ended"] != {"ok": connections}:
            raise BenchFailed(f"idle connections: {result['ended']}")
    finally:
        if holder.poll() is None:
            holder.terminate()
        holder.wait()


def load_pledges(home, count, batch=2000, connections=8):
    """Durable pledges by batch calls, up to the next whole batch."""
    requests = -(-count // batch)
    return generate(["batch", "--batch", batch, "--requests", requests, "--connections", connections,
                     "--contributors", CONTRIBUTORS], home.port, home.pki)


class World:
    def __init__(self, options):
        self.options = options
        self.rounds, self.seconds = options.rounds, options.seconds
        self.with_peers = options.peers
        self.scratch = tempfile.mkdtemp(prefix="pledge-bench-")
        self._home = None
        self._peers = {}
        self.plots = {}

    @property
    def home(self):
        """The daemon that scenarios share."""
        if self._home is None:
            self._home = new_home()
        return self._home

    def peer(self, kind):
        if kind not in self._peers:
            self._peers[kind] = kind(self.home.pki, self.scratch)
        return self._peers[kind]

    def full_home(self, count):
        """The same with at least so many entries."""
        reader = self.home.client("reader")
        there = reader.GetStatus().size
        self.home.drop_clients()
        if there < count:
            load_pledges(self.home, count - there)
        return self.home

    def drop_home(self):
        """A scenario that wants an empty ledger, or much memory, begins with this."""
        if self._home is not None:
            self._home.close()
            self._home = None

    def drop_peer(self, kind):
        if kind in self._peers:
            self._peers.pop(kind).close()

    def ask(self, *words, person="clerk", home=None, may_fail=(), processor=None):
        home = home or self.home
        return generate([*words, "--contributors", CONTRIBUTORS], home.port, home.pki, person, may_fail, processor)

    def get(self, kind, *words, person="clerk"):
        """The same generator against a peer's small file."""
        peer = self.peer(kind)
        return generate(["get", "--path", "/answer", *words], peer.port, peer.pki, person)

    def disk(self):
        """fdatasync of 4 KiB where the data of all programs are."""
        return generate(["disk", "--path", self.home.path, "--requests", 2000])

    def close(self):
        try:
            for kind in list(self._peers):
                self.drop_peer(kind)
        finally:
            self.drop_home()
            pathlib.Path(self.scratch).rmdir()


def in_turns(rounds, **what):
    """{name: [figure, ...]}: every function once a round, first one, then the other, first."""
    figures = {name: [] for name in what}
    for turn in range(rounds):
        for name in (list(what) if turn % 2 == 0 else reversed(what)):
            figures[name].append(what[name]())
    return figures


def ratio(ours, theirs):
    """Median of the rounds' ratios, with the lowest and the highest."""
    each = [a / b for a, b in zip(ours, theirs)]
    return statistics.median(each), min(each), max(each)


__all__ = ["BIN", "BenchFailed", "CONTRIBUTORS", "World", "generate", "held", "in_turns", "load_pledges",
           "keep_on", "new_home", "opening", "pb", "peers", "processor_seconds", "ratio", "resident_bytes", "timed"]
