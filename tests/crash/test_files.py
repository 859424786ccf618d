# SPDX-License-Identifier: Apache-2.0
"""files: the disk fails, file by file and error by error (`faults.c`), under the unchanged daemon.
Of each file that it writes: what it does then, what it says (journal, `pledge status`, the answer to
a client, exit code), that it goes on by itself when the disk is well again, and that what it
acknowledged is there.

    PLEDGED_BIN_DIR=... FAULTS_LAYER=.../faults.so test_files.py
"""
import contextlib
import errno
import http.client
import itertools
import os
import pathlib
import re
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import BIN, Home, Refused, check_ledger, command, given_time, patience, pb, run  # noqa: E402
from test_admin import ask, values  # noqa: E402

LAYER = os.environ.get("FAULTS_LAYER", "")
NUMBERS = itertools.count(1)

FULL = ("NO_SPACE", "the disk is full", "the daemon's disk is full", "le disque du serveur est plein")
FIXED = ("UNAVAILABLE", "the disk is read-only", "the daemon's disk is read-only",
         "le disque du serveur est en lecture seule")
OPEN = ("UNAVAILABLE", "too many files are open", "the daemon has too many files open",
        "trop de fichiers sont ouverts sur le serveur")
DENIED = ("UNAVAILABLE", "the server may not write to its directory",
          "the daemon may not write to its data directory",
          "le serveur ne peut pas écrire dans son répertoire de données")
BROKEN = ("UNAVAILABLE", "the disk does not work", "the daemon's disk does not work",
          "le disque du serveur ne fonctionne pas")


def contributor():
    """Another one each time."""
    return command(add_contributor=pb.AddContributor(name=f"{next(NUMBERS)} " + "z" * 150, kind=1))


def fault(call, part, number):
    return f"{call} {part} {number}\n"


def number_of(rule):
    return int(rule.split()[-1])


@unittest.skipUnless(LAYER, "FAULTS_LAYER is not set: built without it (sanitizers come first)")
class Files(unittest.TestCase):
    settings = {}

    def setUp(self):
        self.home = Home(settings={"admin": {"listen": "127.0.0.1:0"},
                                   "store": {"segment_bytes": 2 << 20},
                                   "checkpoint": {"interval_ms": 50}, **self.settings})
        self.addCleanup(self.home.close)
        self.home.init()
        self.rules = self.home.path / "faults"
        self.home.variables = {"LD_PRELOAD": LAYER, "FAULTS_FILE": self.rules}
        self.acked = {}
        self.begin()
        self.home.adopt()

    def begin(self):
        self.home.drop_clients()
        self.home.start()
        self.clerk = self.home.client("clerk")
        self.auditor = self.home.client("auditor")

    def make_sick(self, *faults):
        new = self.rules.with_suffix(".new")
        new.write_text("".join(faults))
        new.rename(self.rules)

    @contextlib.contextmanager
    def sick(self, *faults):
        self.make_sick(*faults)
        try:
            yield self.here()
        finally:
            self.rules.unlink()

    # what is said
    def eventually(self, what):
        deadline = time.monotonic() + patience(30)
        while not what():
            self.assertLess(time.monotonic(), deadline, self.home.log())
            time.sleep(0.02)

    def heard(self, *words, since=0):
        """A line of the journal with all of these words."""
        self.eventually(lambda: any(all(word in line for word in words) for line in
                                    self.home.log_file.read_text()[since:].splitlines()))

    def here(self):
        return len(self.home.log_file.read_text())

    def page(self, path):
        page = http.client.HTTPConnection(
            "127.0.0.1", int((self.home.path / "admin-port").read_text()), timeout=patience(20))
        try:
            return ask(page, path)
        finally:
            page.close()

    # what is done
    def record(self, sent=None):
        sent = sent or contributor()
        self.acked[bytes(sent.request_id)] = self.clerk.execute(sent).seq

    def record_many(self):
        commands = [contributor() for _ in range(400)]
        for sent, result in zip(commands, self.clerk.batch(commands)):
            self.acked[bytes(sent.request_id)] = result.receipt.seq

    def fill(self):
        """Batches until one is refused."""
        for _ in range(60):
            commands = [contributor() for _ in range(400)]
            try:
                results = self.clerk.batch(commands)
            except Refused as refused:  # all of it
                if refused.refusal is None:
                    raise
                return commands[0], refused.refusal
            for sent, result in zip(commands, results):
                if not result.HasField("receipt"):
                    return sent, result.refusal
                self.acked[bytes(sent.request_id)] = result.receipt.seq
        return self.fail("nothing was refused")

    def all_is_there(self):
        """Now, and for the next start."""
        for again in (False, True):
            if again:
                self.home.terminate()
                self.begin()
            first = check_ledger(self.auditor.dump()).first_of
            for request_id, seq in self.acked.items():
                self.assertEqual(first.get(request_id), seq)

    # the log
    def begin_segment(self):
        """Now one has begun, and the one behind it is not asked for yet."""
        before = len(self.home.segments())
        while len(self.home.segments()) == before:
            self.record_many()

    def cannot_grow(self, told, rule, in_words=True):
        reason, why, en, fr = told
        self.begin_segment()
        with self.sick(rule) as since:
            sent, refusal = self.fill()
            self.assertEqual(pb.Reason.Name(refusal.reason), f"REASON_{reason}")
            self.assertTrue(refusal.retryable)
            with self.assertRaises(Refused) as caught:
                self.clerk.execute(contributor())
            self.assertEqual(caught.exception.reason, reason)
            self.assertIn("nothing was recorded", caught.exception.refusal.message)
            status = self.clerk.GetStatus()
            self.assertEqual((status.writable, status.why_not_writable), (False, why))
            self.assertEqual(self.clerk.remaining("platine"), 2)  # reads go on
            self.assertIn(why, self.page("/readyz")[2])
            for lang, words in (("en", en), ("fr", fr)) if in_words else ():
                ran = self.home.pledge("auditor", "status", format="table", lang=lang)
                self.assertIn(words, ran.out)
                ran = given_time(lambda seconds: self.home.pledge(
                    "clerk", "contributor", "add", "--name", "Two", "--kind", "government", lang=lang,
                    options=["--timeout", f"{seconds}s"], timeout=120), lambda ran: words in ran.err)
                self.assertEqual((ran.code, ran.out), (69, ""), ran)
                self.assertIn(words, ran.err)
            self.heard("writes are refused", "level=error", os.strerror(number_of(rule)),
                       since=since)
        self.heard("writes go on", since=since)
        self.record(sent)
        self.assertTrue(self.clerk.GetStatus().writable)

    def test_the_next_segment_cannot_be_made(self):
        for told, number in ((FIXED, errno.EROFS), (BROKEN, errno.EIO), (DENIED, errno.EACCES),
                             (OPEN, errno.EMFILE), (OPEN, errno.ENFILE), (FULL, errno.ENOSPC),
                             (FULL, errno.EDQUOT)):
            self.cannot_grow(told, fault("change", "/next-", number))
        for call in ("write", "sync"):
            for told, number in ((BROKEN, errno.EIO), (FULL, errno.EDQUOT)):
                self.cannot_grow(told, fault(call, "/next-", number), in_words=False)
        self.all_is_there()

    def test_no_room_inside_a_segment(self):
        """A disk that copies what is overwritten (or a quota on it) is full where space was made
        ahead: refused by name, read on, healed, and what was half written is nowhere."""
        for call, part, number in (("copy", "/log/", errno.ENOSPC), ("copy", ".seg", errno.EDQUOT),
                                   ("write", ".seg", errno.ENOSPC)):
            with self.subTest(call=call, part=part, number=number):
                self.cannot_grow(FULL, fault(call, part, number), in_words=number == errno.EDQUOT)
        self.crash_and_look()
        self.all_is_there()

    def crash_and_look(self):
        """Killed while it is full, and while it is well again."""
        sent = contributor()
        with self.sick(fault("copy", "/log/", errno.ENOSPC)):
            _, refusal = self.fill()
            self.assertEqual(pb.Reason.Name(refusal.reason), "REASON_NO_SPACE")
            with self.assertRaises(Refused):
                self.clerk.execute(sent)
            self.home.kill()
        self.begin()
        self.assertNotIn(bytes(sent.request_id), check_ledger(self.auditor.dump()).first_of)
        self.record(sent)
        self.assertEqual(list((self.home.data / "log").glob("*.broken")), [])

    def test_one_trouble_follows_another(self):
        """What is told is what it is now."""
        with self.sick(fault("change", "/next-", errno.ENOSPC)):
            self.fill()
            self.assertEqual(self.clerk.GetStatus().why_not_writable, FULL[1])
            self.make_sick(fault("change", "/next-", errno.EROFS))
            self.eventually(lambda: self.clerk.GetStatus().why_not_writable == FIXED[1])
            self.heard("writes are refused", os.strerror(errno.EROFS))
        self.heard("writes go on")
        self.all_is_there()

    def test_a_write_that_fails_ends_it(self):
        """Nobody knows what is on the disk then. The next start reads it."""
        for call, part, number in (("write", ".seg", errno.EIO), ("write", ".seg", errno.EROFS),
                                   ("sync", ".seg", errno.EIO), ("sync", ".seg", errno.ENOSPC),
                                   ("rename", ".seg", errno.EROFS),
                                   ("sync-dir", "/log$", errno.EIO)):
            with self.subTest(call=call, part=part, number=number):
                sent = contributor()
                self.record()
                with self.sick(fault(call, part, number)) as since:
                    with self.assertRaises(Refused):
                        self.clerk.execute(sent)
                        self.fill()  # to where a new segment begins
                    self.assertEqual(self.home.wait(), 74)
                    self.heard("the log cannot be written", os.strerror(number), "start again",
                               since=since)
                self.home.process = None
                self.begin()
                self.record(sent)  # whatever became of it, it has one effect
        self.all_is_there()

    def test_a_new_segment_needs_no_new_descriptor_of_the_directory(self):
        """That all descriptors are taken is no reason to end."""
        with self.sick(fault("open", "/log$", errno.EMFILE)):
            self.begin_segment()
            self.begin_segment()
        self.all_is_there()

    def test_the_log_cannot_be_read(self):
        """What needs it is refused, with a reason; the rest goes on."""
        self.record()
        for lang, words in (("en", "the log cannot be read now"),
                            ("fr", "le registre est illisible pour l’instant")):
            with self.sick(fault("read", ".seg", errno.EIO)) as since:
                ran = self.home.pledge("auditor", "dump", "-o", self.home.path / "dump", lang=lang)
                self.assertEqual((ran.code, ran.out), (69, ""), ran)
                self.assertIn(words, ran.err)
                self.assertFalse((self.home.path / "dump").exists())
                self.heard("cannot read the log", os.strerror(errno.EIO), since=since)
                self.record()
        self.assertEqual(self.home.pledge("auditor", "dump", "-o", self.home.path / "dump").code, 0)
        self.all_is_there()

    # what is made of the log
    def test_snapshots(self):
        """Their age is told as it is: there is none."""
        self.home.settings["store"]["snapshot_entries"] = 500
        self.home.write_config()
        self.home.terminate()
        self.begin()
        for call in ("change", "write", "sync", "rename"):
            with self.sick(fault(call, "/snapshot/", errno.EROFS)) as since:
                for _ in range(4):
                    self.record_many()
                self.heard("the snapshot program failed", "exit=74", since=since)
                self.heard("pledged: ", os.strerror(errno.EROFS), since=since)
                size = self.clerk.GetStatus().size
                told = values(self.page("/metrics")[2])["pledged_snapshot_age_entries"]
                self.assertEqual(told, size)
            self.home.terminate()  # that it waits a minute after a failure is not for a test
            self.begin()
            self.eventually(lambda: list((self.home.data / "snapshot").glob("*.snap")))
            self.eventually(lambda: values(self.page("/metrics")[2])
                            ["pledged_snapshot_age_entries"] < size)
            self.home.terminate()
            for snapshot in (self.home.data / "snapshot").glob("*.snap"):
                snapshot.unlink()
            self.begin()
        self.all_is_there()

    def test_checkpoints(self):
        """Who cannot sign says so, serves what it signed before, and signs again later."""
        self.record()
        for part, calls in (("/tiles/", ("write",)),
                            (".signed", ("change", "write", "sync", "rename")),
                            ("/checkpoint", ("change", "write", "sync", "rename")),
                            ("/data$", ("sync-dir", "open"))):
            for call, number in itertools.product(calls, (errno.EIO, errno.EROFS)):
                with self.subTest(part=part, call=call, number=number):
                    size = self.clerk.GetStatus().size
                    self.eventually(lambda: self.auditor.GetCheckpoint().size == size)
                    with self.sick(fault(call, part, number)) as since:
                        self.record()
                        self.heard("cannot sign checkpoints now", os.strerror(number), since=since)
                        self.assertEqual(self.auditor.GetCheckpoint().size, size)
                        self.assertTrue(self.clerk.GetStatus().writable)
                    self.heard("checkpoints are signed again", since=since)
                    self.eventually(lambda: self.auditor.GetCheckpoint().size == size + 1)
        self.all_is_there()

    def test_hashes_that_the_disk_did_not_take_are_made_again(self):
        """A second sync would not say what the first one lost."""
        self.record()
        with self.sick(fault("sync", "/tiles/", errno.EIO)):
            self.home.terminate()
            self.heard("the tree is made again at the next start", os.strerror(errno.EIO))
        self.begin()
        self.record()
        self.eventually(lambda: self.auditor.GetCheckpoint().size == self.clerk.GetStatus().size)
        self.all_is_there()

    def test_the_mark_of_the_clock(self):
        for call in ("change", "rename"):
            with self.sick(fault(call, "/clock.seen", errno.EROFS)) as since:
                self.home.terminate()
                self.heard("cannot note that the clock is right", os.strerror(errno.EROFS),
                           since=since)
            self.begin()
        self.all_is_there()

    # persons
    def contact(self, lang="en", **fields):
        return self.home.pledge("clerk", "contact", "add", "C000001", "--name", "Somebody Known",
                                "--function", "signatory", "--email", "known@example.org",
                                lang=lang, **fields)

    def test_persons(self):
        self.record()
        words = {"en": "the record cannot be kept now", "fr": "la fiche ne peut pas être gardée"}
        full = {"en": "the daemon's disk is full", "fr": "le disque du serveur est plein"}
        for call, number, said in (("write", errno.EIO, words), ("write", errno.EROFS, words),
                                   ("sync", errno.EIO, words), ("write", errno.ENOSPC, full),
                                   ("write", errno.EDQUOT, full)):
            with self.subTest(call=call, number=number):
                size = self.clerk.GetStatus().size
                with self.sick(fault(call, "/persons.db", number)) as since:
                    for lang in ("en", "fr"):
                        ran = given_time(lambda seconds: self.contact(
                            lang, options=["--timeout", f"{seconds}s"], timeout=120),
                            lambda ran: said[lang] in ran.err)
                        self.assertEqual((ran.code, ran.out), (69, ""), ran)
                        self.assertIn(said[lang], ran.err)
                    self.assertEqual(self.clerk.GetStatus().size, size)  # it is in neither place
                    self.record()  # what has no persons in it goes on
                    why = "code=NO_SPACE" if said is full else os.strerror(number)
                    self.heard("cannot keep records", why, since=since)
                    lines = self.home.log_file.read_text()[since:].count("cannot keep records")
                    self.assertEqual(lines, 1, "once, however often it is asked again")
                self.assertEqual(self.contact().code, 0)
                self.heard("records are kept again", since=since)
        self.all_is_there()

    # a start
    def test_a_start_on_a_disk_that_does_not_take_it(self):
        """It says which file and why, with an exit code, and changes nothing."""
        self.begin_segment()
        self.home.drop_clients()
        self.home.terminate()
        for call, part, number, code in (
                ("change", "/data/", errno.EROFS, 69), ("change", "/lock", errno.EACCES, 69),
                ("open", "/lock", errno.EMFILE, 69), ("open", ".seg", errno.EMFILE, 69),
                ("open", ".seg", errno.EACCES, 69), ("read", ".seg", errno.EIO, 69),
                ("open", "/log", errno.EIO, 69), ("write", ".seg", errno.EROFS, 74),
                ("change", "/persons.db", errno.EROFS, 69), ("change", "/tiles/", errno.EROFS, 69),
                ("open", "/ledger.key", errno.EACCES, 69)):
            with self.subTest(call=call, part=part, number=number):
                before = sorted(path.name for path in (self.home.data / "log").iterdir())
                with self.sick(fault(call, part, number)) as since:
                    self.home.spawn()
                    self.assertEqual(self.home.wait(), code, self.home.log())
                self.home.process = None
                said = [line for line in self.home.log_file.read_text()[since:].splitlines()
                        if line.startswith("pledged: ")]
                self.assertTrue(said, self.home.log())
                self.assertIn(os.strerror(number), said[-1])
                self.assertEqual(sorted(p.name for p in (self.home.data / "log").iterdir()), before)
        self.begin()
        self.all_is_there()

    # a copy
    def restored(self, copy):
        """What a start finds in a directory that is made from the copy: its number of entries."""
        place, config = self.home.path / "restored", self.home.path / "restored.conf"
        config.write_text(self.home.config.read_text().replace(str(self.home.data), str(place)))
        for words in (["restore", copy], ["fsck"]):
            ran = run([BIN / "pledged", *words, "--config", config], timeout=60,
                      env=self.home.environment())
            self.assertEqual(ran.code, 0, ran)
        shutil.rmtree(place)
        return int(re.search(r": fine, (\d+) entries", ran.out)[1])

    def test_backups(self):
        """One that was cut short by the disk says so; the older one stays whole, and the next goes
        through."""
        copy = self.home.path / "copy"
        env = self.home.environment(**self.home.variables)
        self.begin_segment()
        self.assertEqual(self.home.pledged("backup", copy).code, 0)
        size = self.clerk.GetStatus().size
        self.record()
        for call, part, number in itertools.chain(
                itertools.product(("change", "write", "sync"), ("/copy/log/", "/copy/snapshot/",
                                                                "/copy/MANIFEST"),
                                  (errno.ENOSPC, errno.EROFS, errno.EIO)),
                (("rename", "/copy/MANIFEST", errno.EIO), ("read", "/data/log/", errno.EIO),
                 ("open", "/data/log/", errno.EMFILE), ("open", "/data/ledger.id", errno.EACCES))):
            with self.subTest(call=call, part=part, number=number):
                with self.sick(fault(call, part, number)):
                    ran = self.home.pledged("backup", copy, env=env)
                self.assertIn(ran.code, (66, 69, 74), ran)
                self.assertIn(os.strerror(number), ran.err)
                self.assertEqual(self.restored(copy), size)
        self.record()
        self.assertEqual(self.home.pledged("backup", copy).code, 0)
        self.assertEqual(self.restored(copy), size + 2)
        self.all_is_there()


if __name__ == "__main__":
    unittest.main()
