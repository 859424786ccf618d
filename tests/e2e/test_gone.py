# SPDX-License-Identifier: Apache-2.0
"""gone: the data directory is moved, deleted, or another one takes its place under the running
daemon. From that moment on nothing is acknowledged; reads and dumps go on, all of the ledger can be
had from the daemon, and a directory that is put back is gone on with."""
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

from harness import Refused, check_ledger, command, given_time, opened, patience, pb
from test_admin import ask, values

WORDS = {"en": "data directory was moved or removed",
         "fr": "le répertoire de données du serveur a été déplacé ou supprimé"}
# What was under way at that moment may be in a file that comes back.
EITHER = ("DATA_GONE", "OUTCOME_UNKNOWN")


NUMBERS = itertools.count(1)


def contributor(name=None):
    """Another one each time."""
    name = name or f"Organisation {next(NUMBERS)}"
    return command(add_contributor=pb.AddContributor(name=name, kind=2))


def contents(directory):
    return {str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*") if path.is_file()}


class Gone(unittest.TestCase):
    def setUp(self):
        self.home = opened(settings={"admin": {"listen": "127.0.0.1:0"},
                                     "store": {"segment_bytes": 2 << 20}})
        self.addCleanup(self.home.close)
        self.clerk = self.home.client("clerk")
        self.auditor = self.home.client("auditor")
        self.away = self.home.path / "away"

    def heard(self, words):
        deadline = time.monotonic() + patience(30)
        while words not in self.home.log_file.read_text():
            self.assertLess(time.monotonic(), deadline, self.home.log())
            time.sleep(0.05)

    def delete(self):
        for _ in range(100):  # a checkpoint may be written meanwhile
            shutil.rmtree(self.home.data, ignore_errors=True)
        self.assertFalse(self.home.data.exists())

    def is_refused(self, sent, reasons=("DATA_GONE",)):
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(sent)
        self.assertIn(caught.exception.reason, reasons)
        self.assertTrue(caught.exception.refusal.retryable)

    def reads_go_on(self, dumped):
        self.assertEqual(self.clerk.remaining("platine"), 2)
        self.clerk.GetTotals()
        self.assertEqual(self.auditor.dump_bytes()[0], dumped)
        status = self.clerk.GetStatus()
        self.assertEqual(status.size, len(dumped))
        self.assertFalse(status.writable)
        self.assertEqual(status.why_not_writable, "the " + WORDS["en"])
        for lang, words in WORDS.items():  # people read their language, programs the daemon's words
            self.assertIn(words, self.home.pledge("auditor", "status", format="table", lang=lang).out)
        asked = self.home.pledge("auditor", "status", format="json", lang="fr")
        self.assertEqual(json.loads(asked.out)["why_not_writable"], status.why_not_writable)

    def told(self, writable):
        """What monitors see: health of the whole and of what records, readiness, metrics."""
        port = int((self.home.path / "admin-port").read_text())
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(20))
        self.addCleanup(page.close)
        status, _, text = ask(page, "/readyz")
        self.assertEqual(status, 200 if writable else 503, text)
        self.assertEqual(WORDS["en"] in text, not writable)
        self.assertEqual(values(ask(page, "/metrics")[2])["pledged_writable"], writable)
        check = self.auditor.channel.unary_unary("/grpc.health.v1.Health/Check")
        whole, service = (check(asked, timeout=patience(20))
                          for asked in (b"", b"\x0a\x18pledged.v1.LedgerService"))
        self.assertEqual(whole, b"\x08\x01")
        self.assertEqual(service, b"\x08\x01" if writable else b"\x08\x02")

    def test_nothing_is_recorded_while_it_is_away(self):
        size = self.clerk.GetStatus().size
        dumped = self.auditor.dump_bytes()[0]
        sent = contributor()
        self.told(True)
        self.home.data.rename(self.away)
        self.heard(WORDS["en"])  # nothing is under way: all that is known is in the log
        self.told(False)
        self.reads_go_on(dumped)
        self.assertEqual(len(self.clerk.ListContributors().contributor), 0)
        for _ in range(20):
            self.is_refused(contributor())
        self.is_refused(sent)
        for lang, words in WORDS.items():
            ran = given_time(lambda seconds: self.home.pledge(
                "clerk", "contributor", "add", "--name", "Two", "--kind", "government", lang=lang,
                options=["--timeout", f"{seconds}s"], timeout=120), lambda ran: words in ran.err)
            self.assertEqual((ran.code, ran.out), (69, ""), ran)
            self.assertIn(words, ran.err)
        self.away.rename(self.home.data)
        self.heard("the data directory is back")
        self.assertEqual(self.clerk.execute(sent).seq, size + 1)
        self.told(True)
        self.home.restart(kill=True)
        self.assertEqual(self.home.client("auditor").dump_bytes()[0][:-1], dumped)

    def test_not_even_the_first_command_is_lost(self):
        """Nobody has to have looked: what is written is looked at before it is acknowledged."""
        for turn in range(10):
            sent, size = contributor(f"Number {turn}"), self.clerk.GetStatus().size
            self.home.data.rename(self.away)
            self.is_refused(sent, EITHER)
            for _ in range(5):
                self.is_refused(contributor(), EITHER)
            self.is_refused(sent, EITHER)
            self.away.rename(self.home.data)
            deadline = time.monotonic() + patience(30)
            while True:  # it heals, and whatever became of the first try, there is one effect
                try:
                    self.assertGreater(self.clerk.execute(sent).seq, size)
                    break
                except Refused as refused:
                    self.assertIn(refused.reason, EITHER)
                    self.assertLess(time.monotonic(), deadline)
        names = [e.contributor_added.name for e in self.auditor.dump()
                 if e.HasField("contributor_added")]
        for turn in range(10):
            self.assertEqual(names.count(f"Number {turn}"), 1)
        self.home.restart()
        check_ledger(self.home.client("auditor").dump())

    def test_under_load_what_is_acknowledged_is_there(self):
        """Many at once, while it is moved: nothing sent later is acknowledged; a start in the
        directory that was moved finds all that was."""
        gone, acked, wrong = threading.Event(), [], []

        def send(client):
            while True:
                late, sent = gone.is_set(), contributor()
                try:
                    acked.append((sent.request_id, client.execute(sent).seq))
                    if late:
                        wrong.append(sent)
                except Refused as refused:
                    if refused.reason not in EITHER:
                        wrong.append(refused)
                    if late:
                        return

        threads = [threading.Thread(target=send, args=(self.home.client("clerk"),))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + patience(30)
        while len(acked) < 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.home.data.rename(self.away)
        gone.set()
        for thread in threads:
            thread.join(patience(60))
            self.assertFalse(thread.is_alive())
        self.assertEqual(wrong, [])
        self.assertEqual(self.clerk.remaining("platine"), 2)
        status = self.clerk.GetStatus()
        self.assertFalse(status.writable)
        self.assertGreaterEqual(status.size, max(seq for _, seq in acked))
        self.home.drop_clients()
        self.home.terminate()  # what is held back is waited for by nobody
        self.away.rename(self.home.data)
        self.home.start()
        first = check_ledger(self.home.client("auditor").dump()).first_of
        for request_id, seq in acked:
            self.assertEqual(first.get(bytes(request_id)), seq)

    def test_all_of_a_deleted_ledger_can_be_had(self):
        """By dump, and file by file from the daemon's descriptors, as the runbook says."""
        backup = self.home.path / "backup"
        self.assertEqual(self.home.pledged("backup", backup).code, 0)
        while len(self.home.segments()) < 3:
            self.clerk.batch([contributor() for _ in range(2000)])
        self.assertEqual(self.home.pledged("backup", backup).code, 0)
        self.clerk.contributor("Somebody else")
        dumped = self.auditor.dump_bytes()[0]
        self.delete()
        for _ in range(5):
            self.is_refused(contributor(), EITHER)
        self.reads_go_on(dumped)
        out = self.home.path / "ledger.bin"
        ran = self.home.pledge("auditor", "dump", "-o", out, timeout=120)
        self.assertEqual(ran.code, 0, ran)
        saved = self.by_the_runbook(self.home.path / "saved")
        self.assertGreaterEqual(len(saved), 3)
        self.home.drop_clients()
        self.home.terminate()
        self.assertEqual(self.home.pledged("restore", backup).code, 0)
        for name, bytes_ in saved.items():
            (self.home.data / "log" / name).write_bytes(bytes_)
        ran = self.home.pledged("fsck")
        found = int(re.search(r": fine, (\d+) entries", ran.out)[1])
        self.assertIn(found, (len(dumped), len(dumped) + 1))  # one may have been written, untold
        for segment in (self.home.data / "log").iterdir():
            self.assertIn(segment.name, saved)

    def by_the_runbook(self, place):
        """Name -> bytes of what its lines copy to /root/log."""
        book = (pathlib.Path(__file__).parents[2] / "deploy" / "RUNBOOK.md").read_text()
        lines = re.findall(r"^# (.*/root/log.*)$", book, re.MULTILINE)
        self.assertEqual(len(lines), 2)
        script = "\n".join(lines).replace("/root/log", str(place))
        subprocess.run(["sh", "-euc", script], check=True, timeout=patience(60),
                       env={"PATH": os.environ["PATH"], "PID": str(self.home.process.pid)})
        return {path.name: path.read_bytes() for path in place.iterdir()}

    def test_a_directory_in_its_place_is_somebody_elses(self):
        """It is neither read nor written, at the end neither; its own daemon may run there."""
        self.clerk.contributor("Before")
        ran = self.home.pledge("clerk", "contact", "add", "C000001", "--name",
                               "Somebody Known", "--function", "signatory", "--email",
                               "known@example.org")
        self.assertEqual(ran.code, 0, ran)
        copy = self.home.path / "copy"
        self.assertEqual(self.home.pledged("backup", copy, "--with-keys").code, 0)
        dumped = self.auditor.dump_bytes()[0]
        self.home.data.rename(self.away)
        self.heard(WORDS["en"])
        ran = self.home.pledged("restore", copy, "--confirm-latest")
        self.assertEqual(ran.code, 0, ran)
        (self.home.data / "persons.db-wal").write_bytes(b"theirs")
        before = contents(self.home.data)
        for _ in range(20):
            self.is_refused(contributor())
        self.reads_go_on(dumped)
        self.home.drop_clients()
        self.home.terminate()
        self.assertEqual(contents(self.home.data), before)
        (self.home.data / "persons.db-wal").unlink()
        self.home.start()
        self.assertEqual(self.home.client("auditor").dump_bytes()[0][:len(dumped)], dumped)

    def test_no_snapshot_is_made_of_another_ledger(self):
        """One that is due is made when the directory is back."""
        copy, snapshots = self.home.path / "copy", self.home.data / "snapshot"
        shutil.copytree(self.home.data, copy)
        self.clerk.batch([contributor() for _ in range(300)])
        self.home.data.rename(self.away)
        copy.rename(self.home.data)
        self.heard(WORDS["en"])
        self.home.settings["store"]["snapshot_entries"] = 100  # so that one is due
        self.home.write_config()
        self.home.process.send_signal(signal.SIGHUP)
        self.heard("message=reloaded")
        time.sleep(2.5)  # it would be begun within a second
        self.assertEqual(list(snapshots.glob("*")), [])
        self.home.data.rename(copy)
        self.away.rename(self.home.data)
        self.heard("the data directory is back")
        deadline = time.monotonic() + patience(30)
        while not list(snapshots.glob("*.snap")):
            self.assertLess(time.monotonic(), deadline, self.home.log())
            time.sleep(0.05)

    def test_a_directory_behind_a_link(self):
        """The ledger may be on another disk, and so may its backups; the link is the directory."""
        self.home.drop_clients()
        self.home.terminate()
        self.home.data.rename(self.away)
        self.home.data.symlink_to(self.away)
        self.home.start()
        self.clerk = self.home.client("clerk")
        self.clerk.contributor("Here")
        ran = self.home.pledge("clerk", "contact", "add", "C000001", "--name", "Somebody Known",
                               "--function", "signatory", "--email", "known@example.org")
        self.assertEqual(ran.code, 0, ran)
        (self.home.path / "disk").mkdir()
        disk = self.home.path / "backups"
        disk.symlink_to(self.home.path / "disk")
        ran = self.home.pledged("backup", disk / "today", "--with-keys")
        self.assertEqual(ran.code, 0, ran)
        other, link = self.home.path / "other", self.home.path / "link"
        shutil.copytree(self.away, other)
        before = contents(other)
        link.symlink_to(other)
        link.rename(self.home.data)
        self.is_refused(contributor(), EITHER)
        self.assertEqual(contents(other), before)
        link.symlink_to(self.away)
        link.rename(self.home.data)
        self.heard("the data directory is back")
        self.clerk.contributor("There")

    def test_nor_in_the_first_moment(self):
        """Before anybody has noticed, what is written by name is not written there."""
        other = self.home.path / "other"
        names = ("checkpoint", "ledger.key.signed", "clock.seen", "tiles/synced", "tiles/0",
                 "persons.db-wal")
        for turn in range(3):
            (other / "tiles").mkdir(parents=True)
            for name in names:
                (other / name).write_bytes(b"theirs")
            for _ in range(5):
                self.clerk.execute(contributor())
            self.home.data.rename(self.away)  # its checkpoint is not signed yet
            other.rename(self.home.data)
            time.sleep(1.5)
            self.is_refused(contributor())
            before = {name: (self.home.data / name).read_bytes() for name in names}
            self.assertEqual(before, dict.fromkeys(names, b"theirs"))
            self.assertEqual(set(contents(self.home.data)), set(names))
            if turn == 2:
                self.home.drop_clients()
                self.home.terminate()
                self.assertEqual(set(contents(self.home.data)), set(names))
                self.assertEqual((self.home.data / "clock.seen").read_bytes(), b"theirs")
            shutil.rmtree(self.home.data)
            self.away.rename(self.home.data)
            if turn != 2:
                self.heard("the data directory is back")
                deadline = time.monotonic() + patience(30)
                while not self.clerk.GetStatus().writable:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.02)

    def test_an_older_segment_is_missed(self):
        """Whoever tidies up takes one that is written no more. No start would find the ledger."""
        while len(self.home.segments()) < 3:
            self.clerk.batch([contributor() for _ in range(2000)])
        dumped = self.auditor.dump_bytes()[0]
        oldest = self.home.segments()[0]
        aside = self.home.path / oldest.name
        oldest.rename(aside)
        self.heard(WORDS["en"])
        self.is_refused(contributor())
        self.reads_go_on(dumped)
        aside.rename(oldest)
        self.heard("the data directory is back")
        self.clerk.contributor("Goes on")
        self.home.restart()
        self.assertEqual(self.home.client("auditor").dump_bytes()[0][:-1], dumped)

    def test_a_lock_file_that_was_removed_lets_nobody_in(self):
        (self.home.data / "lock").unlink()
        ran = self.home.pledged(timeout=20)
        self.assertEqual(ran.code, 69, ran)
        self.assertIn("its lock file was removed", ran.err)
        self.clerk.contributor("Goes on")


if __name__ == "__main__":
    unittest.main()
