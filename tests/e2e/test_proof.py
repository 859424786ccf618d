# SPDX-License-Identifier: Apache-2.0
"""The ledger can be proved without trusting the daemon: everything here is judged by tests/lib/tlog,
a verifier written from the specifications. And the daemon never signs two histories."""
import concurrent.futures
import contextlib
import http.client
import shutil
import ssl
import sys
import threading
import time
import unittest

import grpc

from harness import (ROOT, DaemonTest, Home, Refused, check_ledger, command, given_time, opened, patience,
                     pb)

sys.path.insert(0, str(ROOT / "tests" / "lib"))
import tlog  # noqa: E402

ORIGIN = "test.example/fund"


def keys_of(home):
    return [tlog.Key((home.data / "ledger.vkey").read_text().strip())]


def write_key(path, secret):
    path.write_text(secret + "\n")
    path.chmod(0o600)


def fetch(home, person, path, method="GET"):
    """(status, headers, body) of one request over HTTPS."""
    context = ssl.create_default_context(cafile=str(home.pki.ca))
    context.load_cert_chain(str(home.pki.cert(person)), str(home.pki.key(person)))
    with contextlib.closing(http.client.HTTPSConnection("localhost", home.port, context=context,
                                                        timeout=patience(20))) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def add(name, proof=True):
    made = command(add_contributor=pb.AddContributor(name=name, kind=2))
    made.want_proof = proof
    return made


class Proofs(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = keys_of(cls.home)
        for part in range(3):  # more than two tiles of entries
            cls.clerk.batch([add(f"Many {part}-{n}", proof=False) for n in range(250)])

    def entries(self):
        return self.auditor.dump_bytes()[0]

    def checkpoint(self, client=None):
        answer = (client or self.reader).GetCheckpoint()
        checkpoint = tlog.Checkpoint(answer.checkpoint, self.keys)
        self.assertEqual(checkpoint.origin, ORIGIN)
        self.assertEqual(checkpoint.size, answer.size)
        return checkpoint

    def settled(self):
        """A checkpoint over all that is there."""
        return self.eventually(lambda: self.checkpoint() if self.checkpoint().size ==
                               self.reader.GetStatus().size else None)

    # receipts
    def test_a_receipt_carries_its_proof(self):
        for n in range(5):
            receipt = self.clerk.execute(add(f"Proved {n}"))
            proof = tlog.Proof(receipt.tlog_proof, self.keys)
            self.assertEqual(proof.index, receipt.seq - 1)
            proof.check(proof.extra)
            self.assertEqual(proof.extra, self.entries()[receipt.seq - 1])
            entry = pb.Entry.FromString(proof.extra)
            self.assertEqual(entry.contributor_added.contributor, receipt.outcome.contributor)

    def test_only_who_asks_gets_one(self):
        self.assertEqual(self.clerk.execute(add("Not proved", proof=False)).tlog_proof, "")

    def test_a_repeat_gets_its_proof_too(self):
        made = add("Repeated")
        first = self.clerk.execute(made)
        again = self.clerk.execute(made)
        self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY)
        proof = tlog.Proof(again.tlog_proof, self.keys)
        proof.check(proof.extra)
        self.assertEqual(proof.index, first.seq - 1)

    def test_a_dry_run_has_none(self):
        made = add("Not written")
        made.dry_run = True
        receipt = self.clerk.execute(made)
        self.assertEqual((receipt.kind, receipt.tlog_proof), (pb.RECEIPT_KIND_DRY_RUN, ""))

    def test_a_batch_has_a_proof_for_each_that_asks(self):
        results = self.clerk.batch([add(f"In a batch {n}", proof=n % 3 == 0) for n in range(30)])
        for n, result in enumerate(results):
            if n % 3 != 0:
                self.assertEqual(result.receipt.tlog_proof, "")
                continue
            proof = tlog.Proof(result.receipt.tlog_proof, self.keys)
            proof.check(proof.extra)
            self.assertEqual(proof.index, result.receipt.seq - 1)

    def test_proofs_of_a_large_batch_end_before_its_answer_is_too_big(self):
        results = self.clerk.batch([add(f"One of very many {n}") for n in range(3000)])
        proofs = [result.receipt.tlog_proof for result in results]
        self.assertTrue(all(result.receipt.seq for result in results), "no receipt is lost")
        self.assertTrue(proofs[0] and not proofs[-1])
        self.assertLessEqual(sum(result.ByteSize() for result in results), 1 << 20)
        first = tlog.Proof(proofs[0], self.keys)
        first.check(first.extra)

    def test_many_who_wait_at_once(self):
        def one(n):
            client = self.home.client("clerk")
            return [client.execute(add(f"Waiting {n} {i}")) for i in range(8)]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            receipts = [receipt for part in pool.map(one, range(12)) for receipt in part]
        proofs = [tlog.Proof(receipt.tlog_proof, self.keys) for receipt in receipts]
        for proof in proofs:
            proof.check(proof.extra)
        latest = self.checkpoint()
        for proof in proofs[::7]:
            self.grown(proof.checkpoint, latest)

    # questions
    def grown(self, old, new):
        """What `old` signed is a part of what `new` signed, as a proof of the daemon shows."""
        answer = self.reader.GetConsistencyProof(old_size=old.size)
        at = tlog.Checkpoint(answer.checkpoint, self.keys)
        self.assertGreaterEqual(at.size, new.size)
        tlog.check_consistency(old.size, at.size, old.root, at.root, answer.hash)

    def test_every_entry_can_be_proved(self):
        self.settled()
        entries = self.entries()
        for seq in [*range(1, 20), *range(250, 262), *range(508, 516), len(entries)]:
            answer = self.auditor.GetInclusionProof(seq=seq)
            self.assertEqual(answer.entry, entries[seq - 1])
            self.assertEqual(answer.leaf_index, seq - 1)
            proof = tlog.Proof(answer.tlog_proof, self.keys)
            self.assertEqual(proof.checkpoint.size, answer.size)
            self.assertEqual(proof.extra, answer.entry)
            proof.check(answer.entry)
            with self.assertRaises(tlog.Wrong):
                proof.check(answer.entry + b"\x00")

    def test_readers_get_the_proof_without_the_entry(self):
        entry = self.entries()[9]
        answer = self.reader.GetInclusionProof(seq=10)
        self.assertEqual(answer.entry, b"")
        proof = tlog.Proof(answer.tlog_proof, self.keys)
        self.assertIsNone(proof.extra)
        proof.check(entry)

    def test_an_entry_that_was_just_made_can_be_proved_at_once(self):
        for n in range(5):
            receipt = self.clerk.execute(add(f"Fresh {n}", proof=False))
            answer = self.auditor.GetInclusionProof(seq=receipt.seq)
            tlog.Proof(answer.tlog_proof, self.keys).check(answer.entry)

    def test_what_is_not_there_cannot_be_proved(self):
        beyond = self.reader.GetStatus().size + 100000
        for seq, code in ((0, "INVALID_ARGUMENT"), (beyond, "NOT_FOUND"),
                          (2**64 - 1, "NOT_FOUND")):
            with self.assertRaises(Refused) as caught:
                self.auditor.GetInclusionProof(seq=seq)
            self.assertEqual(caught.exception.code.name, code)
        with self.assertRaises(Refused) as caught:
            self.reader.GetConsistencyProof(old_size=beyond)
        self.assertEqual(caught.exception.code, grpc.StatusCode.INVALID_ARGUMENT)

    def test_growth_from_every_kind_of_size(self):
        new = self.settled()
        entries = self.entries()
        leaves = [tlog.leaf_hash(entry) for entry in entries]
        for size in (0, 1, 2, 3, 255, 256, 257, 300, 511, 512, 513, new.size - 1, new.size):
            answer = self.reader.GetConsistencyProof(old_size=size)
            at = tlog.Checkpoint(answer.checkpoint, self.keys)
            self.assertEqual(answer.old_size, size)
            tlog.check_consistency(size, at.size, tlog.root_of(leaves[:size]), at.root, answer.hash)

    def test_nobody_else_may_ask(self):
        public = self.home.client("public")
        for ask in (public.GetCheckpoint, lambda: public.GetInclusionProof(seq=1),
                    lambda: public.GetConsistencyProof(old_size=1)):
            with self.assertRaises(Refused) as caught:
                ask()
            self.assertEqual(caught.exception.code, grpc.StatusCode.PERMISSION_DENIED)

    def test_status_tells_the_checkpoint(self):
        checkpoint = self.settled()
        status = self.reader.GetStatus()
        self.assertEqual(status.checkpoint_size, checkpoint.size)
        self.assertLess(abs(status.checkpoint_time_us / 1e6 - time.time()), 3600)
        self.assertEqual(status.vkey, (self.home.data / "ledger.vkey").read_text().strip())

    def test_a_dump_ends_at_its_checkpoint(self):
        for n in range(3):
            self.clerk.execute(add(f"Before a dump {n}", proof=False))
            size = self.reader.GetStatus().size
            entries, trailer = self.auditor.dump_bytes()
            checkpoint = tlog.Checkpoint(trailer.checkpoint, self.keys)
            self.assertGreaterEqual(len(entries), size)
            self.assertEqual((checkpoint.size, trailer.to_seq), (len(entries), len(entries)))
            self.assertEqual(tlog.root_of([tlog.leaf_hash(e) for e in entries]), checkpoint.root)

    def test_what_is_signed_is_what_is_stored_on_both_disks(self):
        checkpoint = self.settled()
        for name in ("checkpoint", "ledger.key.signed"):
            self.assertEqual((self.home.data / name).read_text(), checkpoint.note)

    # tiles
    def test_the_log_from_its_tiles(self):
        checkpoint = self.settled()
        status, headers, body = fetch(self.home, "auditor", "/checkpoint")
        self.assertEqual((status, headers["content-type"]), (200, "text/plain; charset=utf-8"))
        at = tlog.Checkpoint(body, self.keys)
        self.assertEqual((at.size, at.root), (checkpoint.size, checkpoint.root))

        def get(path):
            status, headers, body = fetch(self.home, "auditor", "/" + path)
            self.assertEqual((status, headers["content-type"]), (200, "application/octet-stream"))
            self.assertIn("immutable", headers["cache-control"])
            return body
        entries = tlog.read_log(get, at.size)
        self.assertEqual(entries, self.entries()[:at.size])
        self.assertEqual(tlog.root_of([tlog.leaf_hash(e) for e in entries]), at.root)

    def test_partial_tiles_of_earlier_widths(self):
        self.settled()
        entries = self.entries()
        for width in (1, 100, 255):
            body = fetch(self.home, "auditor", f"/tile/0/000.p/{width}")[2]
            self.assertEqual(body, b"".join(tlog.leaf_hash(e) for e in entries[:width]))
            body = fetch(self.home, "auditor", f"/tile/entries/001.p/{width}")[2]
            self.assertEqual(tlog.bundle(body), entries[256:256 + width])

    def test_there_are_no_other_tiles(self):
        size = self.settled().size
        last, width = divmod(size, 256)
        for path in (f"/tile/0/{last:03}", f"/tile/0/{last + 1:03}.p/1",
                     f"/tile/0/{last:03}.p/{width + 60 if width < 190 else 255}",
                     "/tile/1/000", "/tile/2/000.p/1", "/tile/63/000.p/1", "/tile/0/000.p/0",
                     "/tile/0/000.p/256", "/tile/00/000", "/tile/0/x000/000", "/tile/0/0",
                     "/tile/", "/tile/entries/", "/tile/data/000", "/tile/0/../../checkpoint",
                     "/tile/64/000", "/tile/0/x999/x999/x999/x999/x999/x999/999"):
            self.assertEqual(fetch(self.home, "auditor", path)[0], 404, path)

    def test_who_may_have_tiles(self):
        self.settled()
        for person, path, status in (("admin", "/tile/0/000", 200), ("reader", "/tile/0/000", 403),
                                     ("clerk", "/tile/entries/000", 403),
                                     ("public", "/tile/entries/000", 403),
                                     ("reader", "/checkpoint", 200), ("clerk", "/checkpoint", 200),
                                     ("public", "/checkpoint", 403)):
            self.assertEqual(fetch(self.home, person, path)[0], status, (person, path))

    def test_head_tells_without_the_bytes(self):
        self.settled()
        status, headers, body = fetch(self.home, "auditor", "/tile/0/000", method="HEAD")
        self.assertEqual((status, headers["content-length"], body), (200, "8192", b""))


class Life(unittest.TestCase):
    """What was signed binds the daemon for ever: over restarts, crashes, backups, new keys."""

    def opened(self, **settings):
        home = opened(settings=settings)
        self.addCleanup(self.closed, home)
        return home

    def closed(self, home):
        home.close()

    def signed(self, home, keys=None):
        """A checkpoint over a new entry."""
        receipt = home.client("clerk").execute(add(f"Signed {time.monotonic_ns()}"))
        proof = tlog.Proof(receipt.tlog_proof, keys or keys_of(home))
        proof.check(proof.extra)
        return proof.checkpoint

    def grown(self, home, old, keys=None):
        answer = home.client("reader").GetConsistencyProof(old_size=old.size)
        at = tlog.Checkpoint(answer.checkpoint, keys or keys_of(home))
        tlog.check_consistency(old.size, at.size, old.root, at.root, answer.hash)

    def stopped(self, home):
        home.drop_clients()
        home.terminate()

    def apart(self):
        """A daemon whose key is not in its data directory."""
        home = Home()
        self.addCleanup(self.closed, home)
        home.init()
        keys = home.path / "keys"
        keys.mkdir()
        (home.data / "ledger.key").rename(keys / "ledger.key")
        home.settings["checkpoint"] = {"key": keys / "ledger.key"}
        home.write_config()
        home.start()
        home.adopt()
        return home, keys

    def read_only(self, home, words):
        """It serves, but takes nothing and signs nothing."""
        status = home.client("reader").GetStatus()
        self.assertFalse(status.writable)
        self.assertIn(words, status.why_not_writable)
        with self.assertRaises(Refused) as caught:
            home.client("clerk").execute(add("Not taken"))
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        self.assertIn(words, str(caught.exception))
        with self.assertRaises(Refused) as caught:
            home.client("reader").GetCheckpoint()
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(fetch(home, "auditor", "/checkpoint")[0], 404)
        self.assertEqual(fetch(home, "auditor", "/tile/0/000.p/1")[0], 404)
        check_ledger(home.client("auditor").dump())
        self.assertEqual(home.client("reader").GetStatus().size, status.size)
        # and the command line says it, in words that are not those of a start
        for person, args, code, said in (
                ("clerk", ("contributor", "add", "--name", "X", "--kind", "academia"), 69,
                 "the ledger is read-only: "),
                ("auditor", ("checkpoint",), 69, "no signed checkpoint covers that now"),
                ("auditor", ("dump", "-o", home.path / "unsigned.bin"), 0, "no checkpoint vouches for this dump")):
            ran = given_time(  # one that still waits for its answer does not know what came of it
                lambda seconds: home.pledge(person, *args, lang="en", timeout=120,
                                            options=["--timeout", f"{seconds}s"]),
                lambda ran: ran.code == code)
            self.assertEqual(ran.code, code, ran)
            self.assertIn(said, ran.err)

    def test_fsck_compares_with_what_was_signed(self):
        """All sums of an older log are right, and every rule was kept: only what was signed tells."""
        home = self.opened()
        self.signed(home)
        self.stopped(home)
        older = home.path / "older"
        shutil.copytree(home.data, older)
        home.start()
        home.client("clerk").contributor("Later")
        self.signed(home)
        during = home.pledged("fsck")  # beside the running daemon
        self.assertEqual(during.code, 0, during)
        self.stopped(home)
        ran = home.pledged("fsck")
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r"(?m)^signed: checkpoint fits, over \d+ entries$")
        kept = (home.data / "checkpoint").read_bytes()
        shutil.rmtree(home.data)
        shutil.copytree(older, home.data)
        self.assertEqual(home.pledged("fsck").code, 0)
        for text, said in ((kept, "does not fit, over "), (b"nothing\n", "this is no checkpoint of this ledger")):
            (home.data / "checkpoint").write_bytes(text)
            ran = home.pledged("fsck")
            self.assertEqual(ran.code, 14, ran)
            self.assertIn(f"signed: checkpoint{':' if text != kept else ''} {said}", ran.out)
        (home.data / "checkpoint").write_bytes((older / "checkpoint").read_bytes())

    def test_restarts(self):
        home = self.opened()
        checkpoints = [self.signed(home)]
        for kill in (False, True, False, True):
            home.restart(kill=kill)
            for old in checkpoints:
                self.grown(home, old)
            checkpoints.append(self.signed(home))

    def test_killed_under_load(self):
        home = self.opened()
        proofs, stop = [], threading.Event()

        def write(n):
            client = home.client("clerk")
            while not stop.is_set():
                try:
                    proofs.append(client.execute(add(f"Load {n} {time.monotonic_ns()}")).tlog_proof)
                except Refused:
                    return
        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + patience(20)
        while len(proofs) < 60 and time.monotonic() < deadline:
            time.sleep(0.01)
        home.kill()
        stop.set()
        for thread in threads:
            thread.join()
        home.drop_clients()
        home.start()
        keys = keys_of(home)
        self.assertGreaterEqual(len(proofs), 60)
        entries = home.client("auditor").dump_bytes()[0]
        for text in proofs:
            proof = tlog.Proof(text, keys)
            proof.check(entries[proof.index])
        for text in proofs[::10]:
            self.grown(home, tlog.Proof(text, keys).checkpoint)

    def test_tiles_are_made_again(self):
        home = self.opened()
        home.client("clerk").batch([add(f"Tile {n}", proof=False) for n in range(600)])
        old = self.signed(home)

        def removed():
            shutil.rmtree(home.data / "tiles")

        def emptied():
            (home.data / "tiles" / "0").write_bytes(b"")

        def overwritten():
            with open(home.data / "tiles" / "0", "r+b") as level:
                level.seek(600 * 32)
                level.write(bytes(320))

        def higher_level():
            with open(home.data / "tiles" / "1", "r+b") as level:
                level.write(bytes(32))
        for harm in (removed, emptied, overwritten, higher_level):
            with self.subTest(harm=harm.__name__):
                self.stopped(home)
                harm()
                home.start()
                self.grown(home, old)
                at = self.signed(home)
                entries = tlog.read_log(lambda path: fetch(home, "auditor", "/" + path)[2], at.size)
                self.assertEqual(tlog.root_of([tlog.leaf_hash(e) for e in entries]), at.root)

    def test_an_older_backup_is_never_signed(self):
        home, keys = self.apart()
        for n in range(10):
            self.signed(home)
        self.stopped(home)
        backup = home.path / "backup"
        shutil.copytree(home.data, backup)
        home.start()
        newest = self.signed(home)
        self.stopped(home)
        newer = home.path / "newer"
        home.data.rename(newer)
        shutil.copytree(backup, home.data)
        memory = (keys / "ledger.key.signed").read_bytes()
        segments = {path: path.read_bytes() for path in home.segments()}
        for _ in range(2):
            home.start()
            self.read_only(home, "older than what was signed")
            self.stopped(home)
        self.assertEqual((keys / "ledger.key.signed").read_bytes(), memory, "nothing was signed")
        self.assertEqual({path: path.read_bytes() for path in home.segments()}, segments,
                         "nothing was written")
        # the newer one again: all is well
        shutil.rmtree(home.data)
        newer.rename(home.data)
        home.start()
        self.grown(home, newest)
        self.signed(home)

    def test_another_history_is_never_signed(self):
        home, keys = self.apart()
        self.signed(home)
        self.stopped(home)
        backup = home.path / "backup"
        shutil.copytree(home.data, backup)
        home.start()
        self.signed(home)
        self.stopped(home)
        memory = (keys / "ledger.key.signed").read_bytes()
        # somebody makes the daemon forget, and goes on from the backup
        shutil.rmtree(home.data)
        shutil.copytree(backup, home.data)
        (keys / "ledger.key.signed").unlink()
        home.start()
        for _ in range(5):
            self.signed(home)
        self.stopped(home)
        (home.data / "checkpoint").unlink()
        (keys / "ledger.key.signed").write_bytes(memory)
        home.start()
        self.read_only(home, "not the one that was signed")
        self.stopped(home)
        self.assertEqual((keys / "ledger.key.signed").read_bytes(), memory)
        home.start()

    def test_a_memory_that_cannot_be_read_is_not_overlooked(self):
        home = self.opened()
        self.signed(home)
        for name in ("checkpoint", "ledger.key.signed"):
            with self.subTest(name=name):
                self.stopped(home)
                whole = (home.data / name).read_bytes()
                (home.data / name).write_bytes(whole[:-20] + b"\n")
                home.start()
                self.read_only(home, "damaged")
                self.stopped(home)
                (home.data / name).write_bytes(whole)
                home.start()
                self.signed(home)

    def test_a_new_key_takes_over(self):
        home, keys = self.apart()
        old = keys_of(home)
        first = self.signed(home, old)
        made = home.pledged("newkey", keys / "new.key")
        self.assertEqual(made.code, 0, made)
        vkey = made.out.strip()
        new = [tlog.Key(vkey)]
        self.assertEqual((new[0].name, new[0].kind), (ORIGIN, tlog.ED25519))
        self.assertEqual((keys / "new.key").stat().st_mode & 0o777, 0o600)
        secret = (keys / "new.key").read_bytes()
        again = home.pledged("newkey", keys / "new.key")
        self.assertNotEqual(again.code, 0)
        self.assertEqual((keys / "new.key").read_bytes(), secret, "keys are not overwritten")
        # both sign: whoever knows either of them can go on
        self.stopped(home)
        home.settings["checkpoint"] = {"key": keys / "new.key", "old_key": keys / "ledger.key"}
        home.write_config()
        home.start()
        both = self.signed(home, old + new)
        self.assertEqual(set(both.seen), {0, 1})
        for known in (old, new):
            self.assertEqual(tlog.Checkpoint(both.note, known).size, both.size)
            self.grown(home, first, known)
        self.assertEqual(home.client("reader").GetStatus().vkey, vkey)
        # the new one alone
        self.stopped(home)
        home.settings["checkpoint"] = {"key": keys / "new.key"}
        home.write_config()
        home.start()
        self.grown(home, both, new)
        alone = self.signed(home, new)
        with self.assertRaises(tlog.Wrong):
            tlog.Checkpoint(alone.note, old)

    def test_a_new_key_without_the_old_one_signs_nothing(self):
        home, keys = self.apart()
        self.signed(home)
        secret, _ = tlog.new_key(ORIGIN, bytes(range(32)))
        write_key(keys / "new.key", secret)
        self.stopped(home)
        home.settings["checkpoint"] = {"key": keys / "new.key"}
        home.write_config()
        home.start()
        self.read_only(home, "name the old key")

    def test_a_key_of_another_log_is_refused(self):
        home, keys = self.apart()
        self.stopped(home)
        secret, _ = tlog.new_key("test.example/other", bytes(range(32)))
        (keys / "ledger.key").rename(keys / "kept")
        write_key(keys / "ledger.key", secret)
        ran = home.pledged(timeout=20)
        self.assertNotEqual(ran.code, 0, ran)
        self.assertIn("keys/ledger.key: the key is not one of the log test.example/fund", ran.err)
        (keys / "kept").rename(keys / "ledger.key")
        home.start()

    def test_without_a_key_the_ledger_goes_on_unsigned(self):
        home, keys = self.apart()
        self.signed(home)
        self.stopped(home)
        (keys / "ledger.key").rename(keys / "away")
        home.start()
        receipt = home.client("clerk").execute(add("Without a key"))
        self.assertEqual((receipt.kind, receipt.tlog_proof), (pb.RECEIPT_KIND_NEW, ""))
        self.stopped(home)
        (keys / "away").rename(keys / "ledger.key")
        home.start()
        self.signed(home)

    def test_a_receipt_does_not_wait_for_ever(self):
        """The memory cannot be written: no checkpoint, but every command and its receipt."""
        home, keys = self.apart()
        self.signed(home)
        home.expect_dirty_log = True
        (keys / "ledger.key.signed").unlink()
        (keys / "ledger.key.signed.new").mkdir()
        began = time.monotonic()
        receipts = [home.client("clerk").execute(add(f"In trouble {n}"), timeout=60)
                    for n in range(3)]
        self.assertLess(time.monotonic() - began, patience(3 * 10))
        self.assertEqual([receipt.tlog_proof for receipt in receipts], ["", "", ""])
        self.assertTrue(home.client("reader").GetStatus().writable)
        (keys / "ledger.key.signed.new").rmdir()
        deadline = time.monotonic() + patience(20)
        while time.monotonic() < deadline:
            receipt = home.client("clerk").execute(add(f"Later {time.monotonic_ns()}"))
            if receipt.tlog_proof:
                break
        proof = tlog.Proof(receipt.tlog_proof, keys_of(home))
        proof.check(proof.extra)


if __name__ == "__main__":
    unittest.main()
