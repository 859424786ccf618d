# SPDX-License-Identifier: Apache-2.0
"""linear: what many connections saw of a tier's places, at the real daemon, can be put into one
order that explains every answer: holds, refusals, releases, expiries and reads. The checker does
not share a line with the daemon, and histories that were tampered with do not pass.

    LINEAR_ROUNDS=100 PLEDGED_BIN_DIR=... test_linear.py Daemon    longer
"""
import os
import pathlib
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from checker import Op, linearizable  # noqa: E402
from harness import SCALE, Client, Refused, command, opened, pb  # noqa: E402

ROUNDS = int(os.environ.get("LINEAR_ROUNDS", "4"))
SEED = int(os.environ.get("LINEAR_SEED", "1"))
PLACES = {"diamant": 1, "platine": 2}
HOLD_S = 1
# An expiry happens when the daemon's clock says so; it may look at its clock a little before it
# takes a command up, and it may have to wait for the processor in between.
SLACK_S = 0.4 * SCALE


class Known(unittest.TestCase):
    """The checker itself, on histories whose verdict is known."""

    def fits(self, places, *ops):
        return linearizable([Op(*op[:3], **op[3]) for op in ops], places)

    def test_good_ones(self):
        self.assertTrue(self.fits(1))
        self.assertTrue(self.fits(1, ("hold", 0, 1, dict(pledge="a")), ("read", 2, 3, dict(left=0))))
        self.assertTrue(self.fits(1, ("hold", 0, 5, dict(pledge="a")), ("read", 1, 2, dict(left=1)),
                                  ("read", 3, 4, dict(left=0))))
        self.assertTrue(self.fits(1, ("hold", 0, 3, dict(pledge="a")), ("hold", 0, 3, dict(ok=False))))
        self.assertTrue(self.fits(1, ("hold", 0, 1, dict(pledge="a")),
                                  ("expire", 2, 4, dict(pledge="a")), ("hold", 3, 5, dict(pledge="b"))))

    def test_bad_ones(self):
        one = ("hold", 0, 1, dict(pledge="a"))
        self.assertFalse(self.fits(1, one, ("hold", 0, 1, dict(pledge="b"))), "sold twice")
        self.assertFalse(self.fits(1, one, ("read", 2, 3, dict(left=1))), "a stale read")
        self.assertFalse(self.fits(1, ("hold", 0, 9, dict(pledge="a")), ("read", 1, 2, dict(left=0)),
                                   ("read", 3, 4, dict(left=1))), "a place comes and goes")
        self.assertFalse(self.fits(2, one, ("hold", 2, 3, dict(ok=False))), "refused with a place free")
        self.assertFalse(self.fits(1, one, ("release", 2, 3, dict(pledge="a")),
                                   ("read", 4, 5, dict(left=0))), "released and still gone")
        self.assertFalse(self.fits(1, one, ("expire", 5, 6, dict(pledge="a")),
                                   ("hold", 2, 3, dict(pledge="b"))), "given away before it was over")
        self.assertFalse(self.fits(1, one, ("expire", 2, 3, dict(pledge="a")),
                                   ("hold", 4, 5, dict(ok=False))), "falsely sold out after its end")
        self.assertFalse(self.fits(1, one, ("release", 2, 3, dict(pledge="a", ok=False))))


class History:
    """Threads that hold, release and read, and write down what they saw and when."""

    def __init__(self, home, seed):
        self.home, self.seed = home, seed
        self.ops = {tier: [] for tier in PLACES}
        self.lock = threading.Lock()
        self.live = {tier: [] for tier in PLACES}  # pledges that somebody may release
        self.failures = []

    def record(self, tier, *ops):
        with self.lock:
            self.ops[tier].extend(ops)

    def hold(self, client, tier, contributor):
        begin = time.monotonic()
        try:
            receipt = client.hold(tier, contributor, seconds=HOLD_S)
        except Refused as refused:
            end = time.monotonic()
            assert refused.reason == "TIER_SOLD_OUT", refused
            self.record(tier, Op("hold", begin, end, ok=False))
            return
        end = time.monotonic()
        pledge = receipt.outcome.pledge
        self.record(tier, Op("hold", begin, end, pledge=pledge),
                    Op("expire", begin + HOLD_S - SLACK_S, end + HOLD_S + SLACK_S, pledge=pledge))
        with self.lock:
            self.live[tier].append(pledge)

    def release(self, client, tier, pledge):
        begin = time.monotonic()
        try:
            client.execute(command(withdraw=pb.Withdraw(pledge=pledge), reason="gives it back"))
            ok = True
        except Refused as refused:
            assert refused.refusal is not None and refused.refusal.seq != 0, refused
            ok = False
        self.record(tier, Op("release", begin, time.monotonic(), ok=ok, pledge=pledge))

    def read(self, client, tier):
        begin = time.monotonic()
        left = client.remaining(tier)
        self.record(tier, Op("read", begin, time.monotonic(), left=left))

    def work(self, number, contributors):
        dice = random.Random(self.seed * 100 + number)
        clerk = Client(self.home.port, self.home.pki, "clerk")
        try:
            clerk.ListTiers()
            for contributor in contributors:
                tier = dice.choice(list(PLACES))
                time.sleep(dice.random() * 0.12 * SCALE)  # so that holds end in the meantime
                what = dice.random()
                with self.lock:
                    pledge = self.live[tier].pop(0) if what < 0.25 and self.live[tier] else None
                if pledge is not None:
                    self.release(clerk, tier, pledge)
                elif what < 0.65:
                    self.hold(clerk, tier, contributor)
                else:
                    self.read(clerk, tier)
        except Exception as error:
            self.failures.append(error)
        finally:
            clerk.close()

    def run(self, threads, each):
        clerk = self.home.client("clerk")
        added = clerk.batch([command(add_contributor=pb.AddContributor(
            name=f"Linear {self.seed} {n}", kind=1)) for n in range(threads * each)])
        ids = [result.receipt.outcome.contributor for result in added]
        workers = [threading.Thread(target=self.work, args=(n, ids[n::threads]), daemon=True)
                   for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120 * SCALE)
        assert not self.failures, self.failures[0]
        return self


class Daemon(unittest.TestCase):
    def setUp(self):
        self.home = opened()
        self.addCleanup(self.home.close)

    def settle(self):
        """All holds are over: the next history begins with every place free."""
        clerk = self.home.client("clerk")
        deadline = time.monotonic() + 60 * SCALE
        while any(clerk.remaining(tier) != places for tier, places in PLACES.items()):
            assert time.monotonic() < deadline, "holds do not end"
            time.sleep(0.05)

    def test_every_history_has_an_order(self):
        seen = dict(hold=0, release=0, expire=0, read=0)
        refused = 0
        for turn in range(ROUNDS):
            self.settle()
            history = History(self.home, SEED * 1000 + turn).run(threads=6, each=30)
            for tier, ops in history.ops.items():
                with self.subTest(tier=tier, turn=turn, seed=SEED):
                    self.assertTrue(linearizable(ops, PLACES[tier]),
                                    "no order explains this:\n" +
                                    "\n".join(map(repr, sorted(ops, key=lambda op: op.begin))))
                for op in ops:
                    seen[op.kind] += 1
                    refused += op.kind == "hold" and not op.ok
                self.doctored(tier, ops)
        for kind in ("hold", "release", "read"):
            self.assertGreater(seen[kind], 5 * ROUNDS, seen)
        self.assertGreater(refused, ROUNDS, "nobody was refused: no race for places")
        print(f"linear: {seen}, {refused} refused")

    def doctored(self, tier, ops):
        """One answer changed so that no order can explain it: refused."""
        places = PLACES[tier]
        first = min((op for op in ops if op.kind == "hold" and op.ok), key=lambda op: op.begin)
        later = Op("read", first.end + 1e-6, first.end + 2e-6, left=places + 1)
        self.assertFalse(linearizable([*ops, later], places), "more places than there are")
        extra = [Op("hold", first.end + n * 1e-7, first.end + (n + 0.5) * 1e-7, pledge=f"X{n}")
                 for n in range(1, places + 1)]
        self.assertFalse(linearizable([*ops, *extra], places), "a place sold once too often")
        start = min(op.begin for op in ops) - 1
        early = Op("hold", start, start + 0.5, ok=False)
        self.assertFalse(linearizable([*ops, early], places), "sold out with every place free")


if __name__ == "__main__":
    unittest.main()
