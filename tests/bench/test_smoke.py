# SPDX-License-Identifier: Apache-2.0
"""smoke: pledge-bench counts what happened, against a real daemon: the ledger is asked afterwards
whether it agrees. Nothing here looks at how long anything took."""
import json
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import BIN, Pki, check_ledger, command, opened, patience, pb, shipped_catalogue  # noqa: E402

import plot  # noqa: E402

CONTRIBUTORS = 50


def start(home, *words, person="clerk", pki=None, **pipes):
    pki = pki or home.pki
    args = [BIN / "pledge-bench", *words, "--port", home.port, "--ca", home.pki.ca, "--cert",
            pki.cert(pki.person(person)), "--key", pki.key(person), "--contributors", CONTRIBUTORS]
    return subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **pipes)


def finish(process):
    out, err = process.communicate(timeout=patience(120))
    return process.returncode, json.loads(out.splitlines()[-1]) if out else None, err


def bench(home, *words, **fields):
    return finish(start(home, *words, **fields))


class Smoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        catalogue = shipped_catalogue()
        catalogue.policy.many_slots_per_contributor = True
        cls.home = opened(catalogue=catalogue, settings={"limits": {"inbox": 16}})
        cls.home.client("clerk").batch([command(add_contributor=pb.AddContributor(
            name=f"Organisation {i}", kind=2)) for i in range(CONTRIBUTORS)])

    @classmethod
    def tearDownClass(cls):
        cls.home.close()

    def submitted(self):
        """{tier: pledges} by the ledger itself, which is checked from its first entry."""
        entries = self.home.client("auditor").dump()
        check_ledger(entries)
        count = {}
        for entry in entries:
            if entry.WhichOneof("fact") == "pledge_made":
                tier = entry.pledge_made.tier
                count[tier] = count.get(tier, 0) + 1
        return count

    def test_good_answers(self):
        code, result, err = bench(self.home, "tier", "--requests", 300, "--connections", 3, "--streams", 7,
                                  person="reader")
        self.assertEqual((code, result["ended"], result["connected"]), (0, {"ok": 300}, 3), err)
        self.assertEqual(result["good"]["count"], 300)
        self.assertGreater(result["good"]["p50_us"], 0)
        self.assertLessEqual(result["good"]["p50_us"], result["good"]["p99_us"])
        self.assertLessEqual(result["good"]["p99_us"], result["good"]["max_us"])

    def test_every_pledge_is_a_new_one(self):
        before = self.submitted().get("or", 0)
        for shape in (["submit", "--requests", 60, "--connections", 4, "--streams", 4],
                      ["submit", "--requests", 20, "--rate", 1000],
                      ["submit", "--requests", 61, "--connections", 5, "--threads", 3],
                      ["submit", "--requests", 2, "--connections", 5, "--threads", 4],
                      ["submit", "--requests", 21, "--connections", 5, "--threads", 2, "--rate", 1000],
                      ["submit", "--requests", 20, "--fresh", "--connections", 2],
                      ["submit", "--requests", 21, "--fresh", "--connections", 8, "--threads", 2],
                      ["batch", "--batch", 50, "--requests", 4, "--connections", 2]):
            code, result, err = bench(self.home, *shape)
            self.assertEqual(code, 0, (result, err))
            before += result["units"]
            self.assertIn(result["units"], (shape[shape.index("--requests") + 1], 200))
            self.assertEqual(self.submitted()["or"], before, shape)

    def test_sold_out(self):
        code, result, _ = bench(self.home, "submit", "--tier", "platine", "--requests", 40)
        self.assertEqual((code, result["ended"]), (1, {"ok": 2, "FAILED_PRECONDITION": 38}))
        self.assertEqual(self.submitted()["platine"], 2)
        code, result, _ = bench(self.home, "batch", "--tier", "diamant", "--requests", 1, "--batch", 10)
        self.assertEqual((code, result["ended"], result["units"]), (1, {"wrong": 1}, 0))
        self.assertEqual(self.submitted()["diamant"], 1)

    def test_who_may_not(self):
        code, result, _ = bench(self.home, "submit", "--requests", 10, person="reader")
        self.assertEqual((code, result["ended"]), (1, {"PERMISSION_DENIED": 10}))

    def test_a_certificate_of_somebody_else(self):
        code, result, _ = bench(self.home, "tier", "--requests", 10, "--connections", 2, pki=Pki.shared("other"))
        self.assertEqual((code, result["ended"], result["connected"]), (69, {"connect": 2}, 0))
        code, result, _ = bench(self.home, "tier", "--seconds", patience(0.2), "--fresh",
                                pki=Pki.shared("other"))
        self.assertLessEqual(set(result["ended"]), {"connect", "lost"})
        self.assertGreater(sum(result["ended"].values()), 0)
        self.assertNotEqual(code, 0)

    def test_overload(self):
        before = self.submitted().get("or", 0)
        code, result, _ = bench(self.home, "submit", "--requests", 4000, "--connections", 4, "--streams", 200)
        self.assertEqual(code, 1, result)
        self.assertEqual(set(result["ended"]), {"ok", "RESOURCE_EXHAUSTED"})
        self.assertEqual(sum(result["ended"].values()), 4000)
        self.assertEqual(result["busy"]["count"], result["ended"]["RESOURCE_EXHAUSTED"])
        self.assertEqual(self.submitted()["or"], before + result["ended"]["ok"])

    def test_threads(self):
        seconds = patience(0.2)
        code, result, err = bench(self.home, "tier", "--seconds", seconds, "--connections", 7, "--streams", 3,
                                  "--threads", 3, person="reader")
        self.assertEqual((code, result["connected"], result["seconds"]), (0, 7, seconds), err)
        self.assertEqual(result["good"]["count"], result["ended"]["ok"])
        code, result, _ = bench(self.home, "tier", "--requests", 10, "--connections", 4, "--threads", 2,
                                pki=Pki.shared("other"))
        self.assertEqual((code, result["ended"], result["connected"]), (69, {"connect": 4}, 0))
        code, result, err = bench(self.home, "tier", "--requests", 10, "--threads", 2)
        self.assertEqual((code, result), (64, None))
        self.assertIn("--threads: no more than --connections", err)

    def test_idle(self):
        holder = start(self.home, "idle", "--connections", 5, stdin=subprocess.PIPE)
        self.assertEqual(json.loads(holder.stdout.readline()), {"open": 5})
        code, result, err = finish(holder)
        self.assertEqual((code, result["ended"]), (0, {"ok": 5}), err)

    def test_misuse(self):
        for words in (["tier"], ["nothing"], ["tier", "--seconds", "x"], ["tier", "--seconds", "1", "--requests", "1"],
                      ["tier", "--requests", "1", "--streams", "0"]):
            code, result, err = bench(self.home, *words)
            self.assertEqual((code, result), (64, None), words)
            self.assertIn("pledge-bench", err)


class Killed(unittest.TestCase):
    def test_a_daemon_that_dies(self):
        home = opened()
        try:
            load = start(home, "tier", "--seconds", 60, "--connections", 2, "--streams", 4)
            reader = home.client("reader")
            deadline = time.monotonic() + patience(20)
            while time.monotonic() < deadline and load.poll() is None:
                with open(f"/proc/{load.pid}/status", encoding="ascii") as file:
                    turns = [line for line in file if line.startswith("voluntary_ctxt")]
                if int(turns[0].split()[1]) > 500:  # it waits for answers: the load runs
                    break
                reader.GetTier(tier="or")
            home.drop_clients()
            home.kill()
            code, result, _ = finish(load)
            self.assertEqual(code, 1, result)
            ended = result["ended"]
            self.assertGreaterEqual(set(ended), {"ok", "lost"})
            self.assertLessEqual(set(ended), {"ok", "lost", "connect"})  # the other one came too late
            self.assertLessEqual(ended["lost"], 8)
        finally:
            home.close()


class Plots(unittest.TestCase):
    def test_curves_are_well_formed(self):
        from xml.etree import ElementTree
        text = plot.svg("a < b", "entries", "us", {"one & two": [(1e4, 12.5), (1e6, 13), (1e7, 12)]})
        root = ElementTree.fromstring(text)
        lines = root.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [3])


if __name__ == "__main__":
    unittest.main()
