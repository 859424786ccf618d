# SPDX-License-Identifier: Apache-2.0
"""disk_full: a full disk is a clear refusal that heals by itself; reads go on; nothing that was
acknowledged is lost. The data directory stands on a small tmpfs, so root and mount are needed;
without them the tests are skipped and say so."""
import os
import pathlib
import subprocess
import time
import unittest

import grpc

import harness
from test_import import ACCOUNTS, large
from harness import Refused, check_ledger, command, given_time, opened, patience, pb


def mounted(size):
    """A tmpfs of that size, or None with the reason."""
    place = pathlib.Path(harness.tempfile.mkdtemp(prefix="disk-", dir=harness.SCRATCH))
    if os.geteuid() != 0:
        return None, "mounting a small file system needs root"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "pledged-test", place],
                          capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        return None, f"mount is not possible here: {done.stderr.strip()}"
    return place, None


def unmount(place):
    subprocess.run(["umount", str(place)], check=False, timeout=30)


class DiskFull(unittest.TestCase):
    def setUp(self):
        self.disk, why = mounted("64m")
        if self.disk is None:
            self.skipTest(why)
        self.addCleanup(unmount, self.disk)
        self.home = opened(data=self.disk / "data", settings=ACCOUNTS)
        self.addCleanup(self.home.close)
        self.clerk = self.home.client("clerk")
        self.ballast = self.disk / "ballast"

    def fill_disk(self):
        with open(self.ballast, "wb", buffering=0) as f:  # nothing is left to write at its end
            while True:
                try:
                    f.write(b"\0" * 65536)
                except OSError:
                    return

    def write_until_full(self):
        """Batches until one is refused for want of space; what was acknowledged, the first that
        was refused, and its refusal."""
        acked, turn = [], 0
        while turn < 200:
            turn += 1
            commands = [command(add_contributor=pb.AddContributor(
                name=f"{turn} {n} " + "z" * 150, kind=1)) for n in range(400)]
            try:
                results = self.clerk.batch(commands)
            except Refused as refused:
                return acked, commands, refused
            for sent, result in zip(commands, results):
                if result.HasField("receipt"):
                    acked.append((sent, result.receipt))
                else:
                    return acked, commands, result.refusal
        self.fail("the disk never became full")

    def test_full_is_refused_reads_go_on_and_it_heals(self):
        self.fill_disk()
        acked, commands, refused = self.write_until_full()
        if isinstance(refused, Refused):
            self.assertEqual(refused.code, grpc.StatusCode.UNAVAILABLE)
            refused = refused.refusal
        self.assertEqual(refused.reason, pb.REASON_NO_SPACE)
        self.assertTrue(refused.retryable)
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(command(add_contributor=pb.AddContributor(name="One", kind=1)))
        self.assertEqual(caught.exception.reason, "NO_SPACE")
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        # the client says so in words and with the exit code of a service that is not there
        ran = given_time(
            lambda seconds: self.home.pledge(
                "clerk", "contributor", "add", "--name", "Two", "--kind", "government",
                format="json", options=["--timeout", f"{seconds}s"], timeout=120),
            lambda ran: ran.error["reason"] == "NO_SPACE")
        self.assertIn(ran.code, (69, 75), ran)
        self.assertEqual(ran.out, "")
        self.assertEqual(ran.error["reason"], "NO_SPACE")
        # reads
        status = self.clerk.GetStatus()
        self.assertFalse(status.writable)
        self.assertNotEqual(status.why_not_writable, "")
        self.assertEqual(self.clerk.remaining("platine"), 2)
        before = self.home.client("auditor").dump_bytes()[0]
        first = check_ledger(map(pb.Entry.FromString, before)).first_of
        for sent, receipt in acked:
            self.assertEqual(first.get(bytes(sent.request_id)), receipt.seq)
        # space is back: the same request ids go through, without a restart
        self.ballast.unlink()
        deadline = time.monotonic() + patience(15)
        while True:
            try:
                results = self.clerk.batch(commands)
                if all(r.HasField("receipt") for r in results):
                    break
            except Refused as error:
                self.assertEqual(error.reason, "NO_SPACE")
            self.assertLess(time.monotonic(), deadline, "it does not heal")
            time.sleep(0.05)
        self.assertTrue(self.clerk.GetStatus().writable)
        now = self.home.client("auditor").dump_bytes()[0]
        self.assertEqual(now[:len(before)], before)
        check_ledger(map(pb.Entry.FromString, now))
        self.home.restart()
        self.assertEqual(self.home.client("auditor").dump_bytes()[0], now)

    def test_an_import_that_meets_a_full_disk_half_way(self):
        """Many statements in one go: the disk is full behind some of them."""
        count, files, sums = 700, [], {}
        for n in range(40):
            text, total = large(count, first=n * count, names=False)
            path = self.home.path / f"statement-{n:02}.xml"
            path.write_text(text)
            files.append(path)
            sums[f"STM-LARGE-{n * count}"] = total
        self.fill_disk()
        with open(self.ballast, "r+b") as f:  # room for some of them, and no more
            f.truncate(self.ballast.stat().st_size - (9 << 20))
        runs = [files[at:at + 5] for at in range(0, len(files), 5)]
        for run in runs:
            ran = self.imported(run)
            if ran.code != 0:
                break
        self.assertIn(ran.code, (69, 75), ran)
        self.assertEqual(ran.error["reason"], "NO_SPACE")
        before = self.home.client("auditor").dump()
        check_ledger(before)
        self.assertFalse(self.clerk.GetStatus().writable)
        booked = self.booked(before)
        self.assertTrue(0 < len(booked) < len(files), booked)
        for name, minor in booked.items():
            self.assertEqual(minor, sums[name], "a statement is there whole, or not at all")
        self.ballast.unlink()
        self.heals()
        rows = []
        for run in runs:
            ran = self.home.pledge("clerk", "import", *run, format="json", timeout=120)
            self.assertEqual(ran.code, 0, ran)
            rows += ran.json["statements"]
        self.assertEqual([r["already_in"] for r in rows].count(True), len(booked))
        self.assertEqual(sum(r["recorded"] for r in rows), count * (len(files) - len(booked)))
        now = self.home.client("auditor").dump()
        self.assertEqual([e.seq for e in now[:len(before)]], [e.seq for e in before])
        self.assertEqual(self.booked(now), sums)  # each movement once
        check_ledger(now)
        self.home.restart()
        self.assertEqual(self.booked(self.home.client("auditor").dump()), sums)

    def imported(self, run):
        """By a client that soon gives up. Its time may be over before there is an answer: then
        nothing is known, and it asks again, which books nothing twice."""
        options = ["--timeout", f"{round(patience(4))}s"]
        deadline = time.monotonic() + patience(120)
        while True:
            ran = self.home.pledge("clerk", "import", *run, format="json", timeout=120,
                                   options=options)
            if ran.code != 75 or ran.error["reason"] != "TIMEOUT":
                return ran
            self.assertLess(time.monotonic(), deadline, ran)

    def booked(self, entries):
        """What each statement brought, by its own number."""
        found, of = {}, {}
        for e in entries:
            if e.HasField("statement_imported"):
                of[e.request_id] = e.statement_imported.id
                found[e.statement_imported.id] = 0
            if e.HasField("bank_entry_recorded"):
                movement = e.bank_entry_recorded.movement
                found[of[e.request_id]] += movement.minor
        return found

    def heals(self):
        deadline = time.monotonic() + patience(15)
        while not self.clerk.GetStatus().writable:
            self.assertLess(time.monotonic(), deadline, "it does not heal")
            time.sleep(0.05)

    def test_kill_9_and_restart_on_a_full_disk_loses_nothing(self):
        self.fill_disk()
        acked, _, _ = self.write_until_full()
        self.home.kill()
        self.home.drop_clients()
        self.home.spawn()
        deadline = time.monotonic() + patience(10)
        # It either serves reads on the full disk or says why it cannot start; both are honest.
        while time.monotonic() < deadline and self.home.process.poll() is None:
            if self.home.port_file.exists() and self.home.port_file.stat().st_size:
                break
            time.sleep(0.02)
        if self.home.process.poll() is not None:
            said = [l for l in self.home.log().splitlines() if l.startswith("pledged:")]
            self.assertRegex(said[-1] if said else "", r"(?i)space|full")
            self.home.process = None
        else:
            self.home.kill()
        self.ballast.unlink()
        self.home.start()
        first = check_ledger(self.home.client("auditor").dump()).first_of
        for sent, receipt in acked:
            self.assertEqual(first.get(bytes(sent.request_id)), receipt.seq)


if __name__ == "__main__":
    unittest.main()
