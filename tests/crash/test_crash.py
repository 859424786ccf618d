# SPDX-License-Identifier: Apache-2.0
"""crash: the unchanged daemon is ended at named places and at random, as kill -9 does it and as a
power loss does it (what was not synced is gone, all of it or some), under load from many clients.
Afterwards every acknowledged command is there once, as it was told, no tier has more holders than
places after any entry, and what nobody knows the outcome of is settled by its request id.

    PLEDGED_BIN_DIR=... CRASH_LAYER=.../layer.so test_crash.py            about a minute
    CRASH_ROUNDS=500 ... test_crash.py Random                            as many rounds as wanted
"""
import os
import pathlib
import random
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import (Client, Home, Load, Refused, attempt, check_ledger, command, patience,  # noqa: E402
                     pb, same_outcome)

LAYER = os.environ.get("CRASH_LAYER", "")
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "12"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
FATES = ("", "all", "some")  # what is unsynced: stays (kill -9), goes, goes in part

# call, part of the path, when, up to which occurrence
LOG = [("pwrite", ".seg", "before", 30), ("pwrite", ".seg", "half", 30),
       ("pwrite", ".seg", "after", 30), ("fdatasync", ".seg", "before", 30),
       ("fdatasync", ".seg", "after", 30), ("send", "socket", "before", 60), ("send", "socket", "after", 60)]
ROLL = [("pwrite", "next-", "half", 2), ("fsync", "next-", "before", 1),
        ("fsync", "next-", "after", 1), ("rename", ".seg", "before", 1),
        ("rename", ".seg", "after", 1), ("fsyncdir", "log", "before", 1),
        ("fsyncdir", "log", "after", 1)]
NOTARY = [("pwrite", "tiles", "half", 4), ("pwrite", "tiles", "after", 4),
          ("pwrite", ".signed", "half", 2), ("fsync", ".signed", "before", 2),
          ("rename", ".signed", "before", 2), ("rename", ".signed", "after", 2),
          ("rename", "checkpoint", "before", 2), ("rename", "checkpoint", "after", 2)]
SNAPSHOT = [("pwrite", "snapshot", "half", 1), ("fsync", "snapshot", "before", 1),
            ("rename", "snapshot", "before", 1), ("rename", "snapshot", "after", 1)]


class Bulk:
    """Fills segments, so that new ones begin."""

    def __init__(self, home, size):
        self.sent, self.acked, self.stop = {}, {}, threading.Event()
        self.home, self.size = home, size
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        client = Client(self.home.port, self.home.pki, "clerk2")
        number = 0
        while not self.stop.is_set():
            commands = [command(add_contributor=pb.AddContributor(name=f"Bulk {number} {n}", kind=1),
                                reason="x" * 900) for n in range(self.size)]
            number += 1
            self.sent.update((bytes(c.request_id), c) for c in commands)
            try:
                for one, result in zip(commands, client.batch(commands)):
                    if result.HasField("receipt"):
                        self.acked[bytes(one.request_id)] = result.receipt
            except Refused:
                break
        client.close()


@unittest.skipUnless(LAYER, "CRASH_LAYER is not set: built without it (sanitizers come first)")
class Crash(unittest.TestCase):
    def setUp(self):
        self.home = Home(settings={"store": {"segment_bytes": 2 << 20, "snapshot_entries": 200}})
        self.addCleanup(self.home.close)
        self.home.init()
        self.home.start()
        self.home.adopt()
        self.sent, self.acked = {}, {}
        self.reached = {}
        self.dice = random.Random(SEED)
        self.fifo = self.home.path / "fifo"
        os.mkfifo(self.fifo)

    def arm(self, point=None, lose="", inside=None):
        home = self.home
        home.drop_clients()
        home.terminate()
        home.variables = {"LD_PRELOAD": LAYER, "CRASH_DIR": home.data, "CRASH_FIFO": self.fifo,
                          "CRASH_SEED": self.dice.getrandbits(32)}
        if point:
            home.variables["CRASH_POINT"] = ":".join(map(str, point))
        if lose:
            home.variables["CRASH_LOSE"] = lose
        if inside:
            home.variables["CRASH_IN"] = inside
        home.spawn()  # it may end before it is ready
        self.ready()

    def ready(self):
        home, home.port = self.home, None
        deadline = time.monotonic() + patience(30)
        while home.process.poll() is None and time.monotonic() < deadline:
            try:
                home.port = int(home.port_file.read_text().strip().rsplit(":", 1)[-1])
                return
            except (FileNotFoundError, ValueError):
                time.sleep(0.005)

    def end_by_fifo(self, word):
        fd = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, word)
        os.close(fd)

    def crash_under_load(self, seconds, end, bulk=0):
        """Load until the daemon ends; it is ended by `end` if it does not by itself."""
        home = self.home
        load, filler = None, None
        if home.port is not None:
            load = Load(home, threads=5, seed=self.dice.getrandbits(30)).start()
            filler = Bulk(home, bulk) if bulk else None
            if filler:
                filler.thread.start()
        try:
            home.process.wait(seconds)
            by_itself = True
        except Exception:
            by_itself = False
            end()
        self.assertEqual(home.wait(), -signal.SIGKILL, home.log())
        home.process = None
        if load:
            load.join()
            self.sent.update(load.sent)
            self.acked.update(load.acked)
        if filler:
            filler.stop.set()
            filler.thread.join(patience(30))
            self.sent.update(filler.sent)
            self.acked.update(filler.acked)
        home.drop_clients()
        home.variables = {}
        home.start()
        self.verify()
        return by_itself

    def verify(self):
        home = self.home
        oracle = check_ledger(home.client("auditor").dump())
        for key, answer in self.acked.items():
            seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
            self.assertEqual(oracle.first_of.get(key), seq, f"acknowledged and gone: {answer}")
        unknown = sorted(set(self.sent) - set(self.acked))
        clerks = {"clerk": home.client("clerk"), "clerk2": home.client("clerk2")}
        for key in self.dice.sample(unknown, min(60, len(unknown))):
            sent = self.sent[key]
            clerk = clerks["clerk2" if sent.reason.startswith("xxx") else "clerk"]
            again = attempt(clerk, sent)
            known = key in oracle.first_of
            if isinstance(again, pb.Receipt):
                self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY if known
                                 else pb.RECEIPT_KIND_NEW)
            else:
                self.assertEqual(again.refusal.replay, known, again)
            self.acked[key] = again
            if known:
                seq = again.seq if isinstance(again, pb.Receipt) else again.refusal.seq
                self.assertEqual(oracle.first_of[key], seq)
        for key in set(unknown) - set(self.acked):
            del self.sent[key]  # looked at by chance; the rest stays unknown for good
        for key in self.dice.sample(sorted(self.acked), min(20, len(self.acked))):
            sent = self.sent[key]
            clerk = clerks["clerk2" if sent.reason.startswith("xxx") else "clerk"]
            same_outcome(self, attempt(clerk, sent), self.acked[key])
        check_ledger(home.client("auditor").dump())
        checkpoint = home.client("auditor").GetCheckpoint()
        self.assertLessEqual(checkpoint.size, home.client("reader").GetStatus().size)

    def places(self, places, bulk=0, inside=None, seconds=3):
        for call, part, when, most in places:
            fate = self.dice.choice(FATES)
            nth = self.dice.randint(1, most)
            name = f"{call} {part} {when}"
            with self.subTest(place=name, nth=nth, fate=fate or "kill -9", seed=SEED):
                self.arm((call, part, when, nth), fate, inside)
                reached = self.crash_under_load(seconds, self.end, bulk)
                self.reached[name] = reached or self.reached.get(name, False)

    def end(self):
        if "CRASH_IN" in self.home.variables:  # it is the other program that ends at the place
            self.home.process.kill()
        else:
            self.end_by_fifo(b"k")

    def assert_reached(self, most_missed):
        missed = [name for name, reached in self.reached.items() if not reached]
        self.assertLessEqual(len(missed), most_missed, f"places that were never reached: {missed}")


class Places(Crash):
    def test_while_the_log_is_written_and_answers_leave(self):
        self.places(LOG, seconds=15)
        self.assert_reached(0)

    def test_while_a_segment_begins(self):
        self.places(ROLL, bulk=700, seconds=6)
        self.assert_reached(2)

    def test_while_checkpoints_are_signed(self):
        self.places(NOTARY, seconds=6)
        self.assert_reached(3)

    def test_while_a_snapshot_is_made(self):
        self.places(SNAPSHOT, bulk=100, inside="snapshot", seconds=patience(0.7))
        left = list(self.home.data.rglob("*.snap"))
        self.assertLess(len(left), 10)


class Random(Crash):
    def test_at_any_moment(self):
        acked = 0
        for turn in range(ROUNDS):
            fate = FATES[turn % 3]
            with self.subTest(turn=turn, fate=fate or "kill -9", seed=SEED):
                self.arm(None, fate)
                fills = turn % 4 == 1  # some of them so that segments begin meanwhile
                self.crash_under_load(0.15 + self.dice.random() * (2 if fills else 0.5),
                                      lambda: self.end_by_fifo(b"p" if fate else b"k"),
                                      bulk=700 if fills else 0)
                acked = len(self.acked)
        self.assertGreater(acked, 5 * ROUNDS, "hardly any load: nothing was proven")
        print(f"crash: {ROUNDS} rounds, {acked} acknowledged commands, all of them there")


class People(Crash):
    """`pledge` at the prompt, while the daemon dies again and again: who repeats a command with its
    request id until there is an answer has recorded it once."""

    COMMANDS = 80

    def record(self, codes, failures):
        port = self.home.port
        self.assertTrue(port)
        for number in range(self.COMMANDS):
            request_id = os.urandom(16)
            for _ in range(400):
                ran = self.home.pledge("clerk", "contributor", "add", "--name", f"Prompt {number}",
                                       "--kind", "academia", request_id=request_id, port=port)
                codes.append(ran.code)
                if ran.code not in (69, 75):
                    break
                time.sleep(0.02)
            if ran.code != 0:
                failures.append(ran)
                return

    def test_repeating_until_there_is_an_answer(self):
        codes, failures, deaths = [], [], 0
        self.home.settings["daemon"]["listen"] = f"127.0.0.1:{self.home.port}"  # it stays
        self.home.write_config()
        self.arm(None, "all")
        person = threading.Thread(target=self.record, args=(codes, failures), daemon=True)
        person.start()
        while person.is_alive() and deaths < 100:
            time.sleep(0.05 + self.dice.random() * 0.3)
            self.end_by_fifo(b"p")
            self.home.wait()
            deaths += 1
            self.home.spawn()
            self.ready()
        person.join(patience(60))
        self.assertFalse(person.is_alive() or failures, failures)
        self.home.drop_clients()
        oracle = check_ledger(self.home.client("auditor").dump())
        names = sorted(name for name in oracle.contributors.values() if name.startswith("Prompt "))
        self.assertEqual(names, sorted(f"Prompt {n}" for n in range(self.COMMANDS)))
        self.assertGreater(deaths, 3)
        print(f"crash: {len(codes)} runs of pledge, {deaths} power losses, "
              f"{len(codes) - codes.count(0)} times no answer")


if __name__ == "__main__":
    unittest.main()
