# SPDX-License-Identifier: Apache-2.0
"""backup and restore: whole copies beside a running daemon, and back, and nothing that forks."""
import os
import shutil
import subprocess
import threading
import time
import unittest

from harness import (Client, Home, Load, Refused, attempt, check_ledger, command, given_time, opened, patience, pb,
                     same_outcome)


def entries_of(home):
    return home.client("auditor").dump_bytes()[0]


class BackupTest(unittest.TestCase):
    def opened(self, **fields):
        home = opened(**fields)
        self.addCleanup(home.close)
        return home

    def backup(self, home, name="backup", *options, code=0):
        target = home.path / name
        ran = home.pledged("backup", target, *options, timeout=120)
        self.assertEqual(ran.code, code, ran)
        self.last = ran
        return target

    def other(self, **fields):
        """A place without a ledger."""
        home = Home(**fields)
        self.addCleanup(home.close)
        return home

    def restore(self, home, target, *options, code=0):
        ran = home.pledged("restore", target, *options, timeout=120)
        self.assertEqual(ran.code, code, ran)
        return ran

    def fill(self, home, count, start=0):
        clerk = home.client("clerk")
        for first in range(start, start + count, 500):
            results = clerk.batch([command(add_contributor=pb.AddContributor(
                name=f"Backed up {n} " + "x" * 150, kind=1))
                for n in range(first, min(first + 500, start + count))])
            self.assertTrue(all(r.HasField("receipt") for r in results))

    def fsck(self, home):
        ran = home.pledged("fsck", timeout=120)
        self.assertEqual(ran.code, 0, ran)
        # a backup has not all that the live directory keeps of what was signed
        return [line for line in ran.out.split(": ", 1)[1].splitlines() if not line.startswith("signed: ")]


class RoundTrip(BackupTest):
    def test_what_comes_back_is_the_ledger_entry_by_entry(self):
        home = self.opened()
        clerk = home.client("clerk")
        contributor = clerk.contributor("Example Ministry")
        pledge = clerk.hold("platine", contributor, 86400).outcome.pledge
        clerk.submit_free(contributor, 12300)
        before = entries_of(home)
        target = self.backup(home)  # the daemon runs
        self.assertIn("head ", self.last.out)
        self.assertFalse((target / "ledger.key").exists(), "secret keys only when asked for")
        self.assertIn("ledger.key", self.last.out)
        for path in [target, *target.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        state = self.fsck(home)
        home.drop_clients()
        home.terminate()

        new = self.other()
        said = self.restore(new, target)
        self.assertIn("pledged confirm --size", said.out)
        self.assertIn("ledger.key", said.out)
        self.assertEqual(self.fsck(new), state)
        shutil.copy(home.data / "ledger.key", new.data / "ledger.key")
        new.start()
        self.assertEqual(entries_of(new), before)

        # read-only until somebody says that it is the newest
        status = new.client("clerk").GetStatus()
        self.assertFalse(status.writable)
        self.assertIn("confirm", status.why_not_writable)
        with self.assertRaises(Refused) as caught:
            new.client("clerk").contributor("Too early")
        self.assertEqual(caught.exception.reason, "UNAVAILABLE")
        self.assertIn("confirm", caught.exception.details)
        for lang, said in (("en", "restored from a backup, and the operator has not confirmed"),
                           ("fr", "lecture seule\u00a0: il a été restauré d’une sauvegarde")):
            ran = given_time(
                lambda seconds: new.pledge("clerk", "contributor", "add", "--name", "X", "--kind", "academia",
                                           lang=lang, timeout=120, options=["--timeout", f"{seconds}s"]),
                lambda ran: ran.code == 69)
            self.assertEqual(ran.code, 69, ran)
            self.assertIn(said, ran.err)
        self.assertEqual(new.client("clerk").GetPledge(pledge=pledge).pledge.pledge, pledge)
        ran = new.pledged("confirm", "--size", len(before))
        self.assertEqual(ran.code, 69, "the daemon runs: " + repr(ran))
        new.drop_clients()
        new.terminate()
        self.assertEqual(self.fsck(new), state, "nothing was written")
        self.assertEqual(new.pledged("confirm").code, 64)
        self.assertEqual(new.pledged("confirm", "--size", "many").code, 64)
        ran = new.pledged("confirm", "--size", len(before) + 1)
        self.assertEqual(ran.code, 10, ran)
        self.assertIn(str(len(before)), ran.err)
        ran = new.pledged("confirm", "--size", len(before))
        self.assertEqual(ran.code, 0, ran)
        new.start()
        self.assertTrue(new.client("clerk").GetStatus().writable)
        new.client("clerk").contributor("In time")
        self.assertEqual(entries_of(new)[:len(before)], before)
        check_ledger(new.client("auditor").dump())

    def test_keys_when_asked_for_and_confirmed_at_once(self):
        home = self.opened()
        target = self.backup(home, "with", "--with-keys")
        self.assertEqual((target / "ledger.key").read_bytes(),
                         (home.data / "ledger.key").read_bytes())
        home.drop_clients()
        home.terminate()
        new = self.other()
        said = self.restore(new, target, "--confirm-latest")
        self.assertNotIn("confirm", said.out)
        new.start()
        self.assertTrue(new.client("reader").GetStatus().writable)
        new.client("clerk").contributor("At once")
        # the same directory again, without keys: the key goes
        self.assertEqual(new.pledged("backup", target).code, 0)
        self.assertFalse((target / "ledger.key").exists())

    def test_an_empty_ledger_has_nothing_to_back_up(self):
        home = self.other()
        home.init()
        self.backup(home, code=66)


class Restless(Load):
    """Comes again at once over a connection of its own, where a channel waits for 20 seconds."""

    def send(self, client, cmd):
        result = super().send(client, cmd)
        if result is None:
            client.channel.close()
            client.channel = Client(self.home.port, self.home.pki, client.person).channel
        return result


class UnderLoad(BackupTest):
    def grows(self, home, beyond):
        reader = home.client("reader")
        deadline = time.monotonic() + patience(60)
        while reader.GetStatus().size < beyond + 200:
            self.assertFalse(self.failures)
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_backups_beside_a_writer_are_whole_and_grow(self):
        home = self.opened()
        stop = threading.Event()
        self.failures = []

        def write():
            client = home.client("clerk")
            n = 0
            while not stop.is_set():
                try:
                    client.batch([command(add_contributor=pb.AddContributor(
                        name=f"Load {n + i} " + "y" * 150, kind=1)) for i in range(100)])
                except Exception as error:  # shown by the test
                    self.failures.append(error)
                    return
                n += 100
        writer = threading.Thread(target=write)
        writer.start()
        try:
            target, heads = None, []
            for _ in range(4):
                self.grows(home, heads[-1] if heads else 0)
                target = self.backup(home, "live")
                heads.append(int(self.last.out.split("\n")[1].split()[0]))
            alone = self.backup(home, "alone")
        finally:
            stop.set()
            writer.join(patience(60))
        self.assertFalse(self.failures)
        self.assertEqual(heads, sorted(heads))
        self.assertLess(heads[0], heads[-1])
        segments = len(list((target / "log").iterdir()))
        self.assertEqual(len(list((target / "snapshot").iterdir())), 1)
        now = entries_of(home)
        home.drop_clients()
        home.terminate()
        for place in (target, alone):
            new = self.other()
            self.restore(new, place, "--confirm-latest")
            shutil.copy(home.data / "ledger.key", new.data / "ledger.key")
            new.start()
            restored = entries_of(new)
            self.assertEqual(restored, now[:len(restored)])
            self.assertGreaterEqual(len(restored), heads[-1])
            check_ledger(new.client("auditor").dump())
            new.drop_clients()
            new.terminate()
        print(f"{heads} entries, {segments} segments", flush=True)

    def checkpoint(self, home, name):
        """The newest that an auditor is given, in a file."""
        path = home.path / f"{name}.checkpoint"
        ran = home.pledge("auditor", "checkpoint", "-o", path)
        self.assertEqual(ran.code, 0, ran)
        return path

    def test_what_was_acknowledged_before_a_backup_is_in_it(self):
        home = self.opened()
        load = Load(home, threads=4, seed=11).start()
        try:
            load.reach(150)
            kept = self.checkpoint(home, "before")
            with load.lock:
                acked = dict(load.acked)
            target = self.backup(home, "live")
            size = int(self.last.out.split("\n")[1].split()[0])
            load.reach(len(acked) + 150)
        finally:
            load.join()
        whole = home.path / "whole.bin"
        self.assertEqual(home.pledge("auditor", "dump", "-o", whole).code, 0)
        vkey = (home.data / "ledger.vkey").read_text().strip()
        now = entries_of(home)
        home.drop_clients()
        home.terminate()
        new = self.other()
        self.restore(new, target, "--confirm-latest")
        shutil.copy(home.data / "ledger.key", new.data / "ledger.key")
        new.start()
        restored = entries_of(new)  # and what has expired since
        self.assertEqual(restored[:size], now[:size])
        self.assertLess(size, len(now))
        first = check_ledger(map(pb.Entry.FromString, restored)).first_of
        for key, answer in acked.items():
            seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
            self.assertEqual(first.get(key), seq)
        copy = new.path / "copy.bin"
        self.assertEqual(new.pledge("auditor", "dump", "-o", copy).code, 0)
        ran = new.pledge("auditor", "verify", copy, "--key", vkey, "--since", kept, timeout=120)
        self.assertEqual(ran.code, 0, ran)  # what was signed while the backup did not yet exist
        ran = new.pledge("auditor", "verify", copy, "--key", vkey, "--since",
                         str(whole) + ".checkpoint", timeout=120)
        self.assertEqual(ran.code, 15, ran)  # what came after the backup is missed

    def test_clients_that_never_stop_asking_while_a_ledger_is_restored(self):
        home = self.opened()
        load = Restless(home, threads=3, seed=12).start()
        try:
            load.reach(100)
            self.backup(home, "copy")
            load.reach(200)
            home.drop_clients()
            home.terminate()
            target = self.backup(home, "copy")  # of the rest, with nobody there to answer
            size = int(self.last.out.split("\n")[1].split()[0])
            new = self.other(settings={"daemon": {"listen": f"127.0.0.1:{home.port}"}})
            new.port = home.port
            self.restore(new, target)
            shutil.copy(home.data / "ledger.key", new.data / "ledger.key")
            new.start()  # read-only: nobody may get a receipt
            with load.lock:
                acked, unknown = dict(load.acked), len(load.unknown)
            self.assertEqual(new.client("reader").GetStatus().size, size)
            self.waits(lambda: len(load.unknown) > unknown + 20)
            self.assertEqual(load.acked_count(), len(acked))
            new.drop_clients()
            new.terminate()
            ran = new.pledged("confirm", "--size", size)
            self.assertEqual(ran.code, 0, ran)
            new.start()
            load.reach(len(acked) + 100)
        finally:
            load.join()
        clerk = new.client("clerk")
        entries = new.client("auditor").dump()
        first = check_ledger(entries).first_of
        for key, answer in load.acked.items():
            seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
            self.assertEqual(first.get(key), seq)
            same_outcome(self, attempt(clerk, load.sent[key]), answer)
        for key in load.unknown - set(load.acked):  # asked again: once, before or now
            answer = attempt(clerk, load.sent[key])
            seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
            self.assertEqual(first.get(key, seq), seq)
        check_ledger(new.client("auditor").dump())

    def waits(self, until):
        deadline = time.monotonic() + patience(60)
        while not until():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_several_segments_one_after_another(self):
        home = self.opened()
        sizes = []
        for turn in range(3):
            self.fill(home, 6000, start=6000 * turn)
            target = self.backup(home)
            sizes.append(len(list((target / "log").iterdir())))
        self.assertGreater(sizes[-1], sizes[0])
        before = entries_of(home)
        state = self.fsck(home)
        home.drop_clients()
        home.terminate()
        for segment in home.segments():
            copy = target / "log" / segment.name
            self.assertTrue(segment.read_bytes().startswith(copy.read_bytes()))
        new = self.other()
        self.restore(new, target, "--confirm-latest")
        self.assertEqual(self.fsck(new), state)
        for segment in home.segments():
            self.assertEqual((new.data / "log" / segment.name).read_bytes(), segment.read_bytes())
        shutil.copy(home.data / "ledger.key", new.data / "ledger.key")
        new.start()
        self.assertEqual(entries_of(new), before)


class Refusals(BackupTest):
    @classmethod
    def setUpClass(cls):
        cls.home = opened()
        cls.home.client("clerk").contributor("First")
        cls.first = cls.home.path / "first"
        ran = cls.home.pledged("backup", cls.first)
        assert ran.code == 0, ran
        cls.home.client("clerk").contributor("Second")
        cls.home.drop_clients()
        cls.home.terminate()

    @classmethod
    def tearDownClass(cls):
        cls.home.close()

    def copy(self):
        """A copy of the first backup that may be spoilt."""
        Refusals.number = getattr(Refusals, "number", 0) + 1
        target = self.home.path / f"copy-{Refusals.number}"
        shutil.copytree(self.first, target)
        return target

    def test_damage_is_named_and_nothing_is_made(self):
        files = [p.relative_to(self.first) for p in self.first.rglob("*")
                 if p.is_file() and p.name != "lock"]
        self.assertGreaterEqual(len(files), 5, files)
        for name in files:
            for kind in ("turned", "cut", "gone"):
                with self.subTest(file=str(name), kind=kind):
                    target = self.copy()
                    path = target / name
                    data = bytearray(path.read_bytes())
                    if kind == "gone":
                        path.unlink()
                    else:
                        data[len(data) // 2] ^= 1
                        path.write_bytes(data if kind == "turned" else data[:-1])
                    new = self.other()
                    ran = self.restore(new, target,
                                       code=66 if (kind, name.name) == ("gone", "MANIFEST") else 14)
                    self.assertIn(str(name), ran.err)
                    self.assertFalse(new.data.exists())

    def test_a_data_directory_that_is_not_empty_stays_as_it_is(self):
        new = self.other()
        new.data.mkdir()
        (new.data / "something").write_text("of somebody")
        ran = self.restore(new, self.first, code=64)
        self.assertIn("not empty", ran.err)
        self.assertEqual([p.name for p in new.data.iterdir()], ["something"])
        self.assertEqual(self.home.pledged("restore", self.first).code, 64)

    def test_an_empty_data_directory_is_used(self):
        new = self.other()
        new.data.mkdir(mode=0o700)
        self.restore(new, self.first)
        self.assertTrue((new.data / "ledger.id").exists())

    def test_another_origin_is_refused(self):
        new = self.other(settings={"ledger": {"origin": "other.example/fund"}})
        ran = self.restore(new, self.first, code=78)
        self.assertIn("test.example/fund", ran.err)

    def test_a_directory_of_others_is_left_alone(self):
        target = self.home.path / "photos"
        target.mkdir()
        (target / "cat.jpg").write_text("meow")
        ran = self.home.pledged("backup", target)
        self.assertEqual(ran.code, 64, ran)
        self.assertEqual([p.name for p in target.iterdir()], ["cat.jpg"])

    def test_a_backup_of_another_ledger_is_left_alone(self):
        other = self.other()
        other.init()
        other.start()
        target = self.copy()
        manifest = (target / "MANIFEST").read_bytes()
        ran = other.pledged("backup", target)
        self.assertEqual(ran.code, 64, ran)
        self.assertIn("another ledger", ran.err)
        self.assertEqual((target / "MANIFEST").read_bytes(), manifest)

    def test_an_older_ledger_does_not_replace_a_newer_backup(self):
        newer = self.copy()
        self.assertEqual(self.home.pledged("backup", newer).code, 0)
        old = self.other()
        self.restore(old, self.first, "--confirm-latest")
        ran = old.pledged("backup", newer)
        self.assertEqual(ran.code, 64, ran)
        self.assertIn("holds more", ran.err)

    def test_another_history_does_not_replace_a_backup(self):
        """Restored from an older backup and gone on: what the first ledger told is not lost."""
        newer = self.copy()
        self.assertEqual(self.home.pledged("backup", newer).code, 0)
        kept = {p: p.read_bytes() for p in newer.rglob("*") if p.is_file() and p.name != "lock"}
        fork = self.other()
        self.restore(fork, self.first, "--confirm-latest")
        shutil.copy(self.home.data / "ledger.key", fork.data / "ledger.key")
        fork.start()
        for n in range(50):
            fork.client("clerk").contributor(f"Another history {n}")
        ran = fork.pledged("backup", newer)
        self.assertEqual(ran.code, 64, ran)
        self.assertIn("another history", ran.err)
        self.assertEqual({p: p.read_bytes() for p in kept}, kept)

    def test_a_backup_that_was_cut_short_leaves_the_older_one(self):
        """New records behind what the manifest counts, a new file that it does not name."""
        target = self.copy()
        newest = sorted((target / "log").iterdir())[-1]
        with open(newest, "ab") as f:
            f.write(b"half of a record, and more")
        (target / "snapshot" / "00000000000000ff.snap").write_text("half")
        new = self.other()
        self.restore(new, target, "--confirm-latest")
        self.fsck(new)
        ran = self.home.pledged("backup", target)  # and the next run puts it right
        self.assertEqual(ran.code, 0, ran)
        again = self.other()
        self.restore(again, target, "--confirm-latest")
        self.assertEqual(self.fsck(again), self.fsck(self.home))

    def test_a_disk_that_takes_no_more_is_still_backed_up(self):
        """A disk that fails is made read-only by the kernel: now is when a backup is wanted."""
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        home = opened()
        self.addCleanup(home.close)
        home.client("clerk").contributor("Somebody")
        size = home.client("auditor").GetStatus().size
        home.drop_clients()
        home.terminate()
        def mount(*words):
            return subprocess.run(["mount", *words, str(home.data)], capture_output=True, timeout=30).returncode
        if mount("--bind", str(home.data)) != 0:
            self.skipTest("mounting is not possible here")
        self.addCleanup(subprocess.run, ["umount", str(home.data)], timeout=30)
        self.assertEqual(mount("-o", "remount,bind,ro"), 0)
        ran = home.pledged("fsck")
        self.assertEqual(ran.code, 0, ran)
        target = home.path / "rescued"
        ran = home.pledged("backup", target, "--with-keys")
        self.assertEqual(ran.code, 0, ran)
        ran = home.pledged(timeout=20)
        self.assertEqual(ran.code, 69, ran)
        self.assertIn("Read-only file system: mount the disk for writing", ran.err)
        ran = home.pledged("snapshot")
        self.assertEqual(ran.code, 74, ran)
        self.assertIn("Read-only file system", ran.err)
        new = Home()
        self.addCleanup(new.close)
        ran = new.pledged("restore", target, "--confirm-latest")
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(new.start().client("auditor").GetStatus().size, size)

    def test_a_damaged_ledger_is_not_backed_up(self):
        source = self.other()
        self.restore(source, self.first, "--confirm-latest")
        segment = source.segments()[0]
        data = bytearray(segment.read_bytes())
        data[4096 + 200] ^= 1
        segment.write_bytes(data)
        target = source.path / "never"
        ran = source.pledged("backup", target)
        self.assertEqual(ran.code, 14, ran)
        self.assertIn(segment.name, ran.err)
        self.assertFalse((target / "MANIFEST").exists())

    def test_usage(self):
        self.assertEqual(self.home.pledged("backup").code, 64)
        self.assertEqual(self.home.pledged("backup", "a", "b").code, 64)
        self.assertEqual(self.home.pledged("restore").code, 64)
        self.assertEqual(self.home.pledged("fsck", "a").code, 64)
        self.assertEqual(self.home.pledged("restore", self.home.path / "nowhere").code, 64)
        new = self.other()
        self.assertEqual(self.restore(new, self.home.path / "nowhere", code=66).code, 66)


if __name__ == "__main__":
    unittest.main()
