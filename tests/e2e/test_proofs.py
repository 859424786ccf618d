# SPDX-License-Identifier: Apache-2.0
"""proofs: what an auditor takes home from the daemon (checkpoint, proof, dump, mirror) verifies
offline, is the same as the daemon's, and grows from visit to visit."""
import fcntl
import threading
import unittest

import audit
from harness import BIN, DaemonTest, command, pb, run


class Proofs(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.story = audit.tell_story(cls.home, filler=300)
        cls.vkey = (cls.home.data / "ledger.vkey").read_text().strip()

    def verify(self, path, *args, code=0):
        ran = run([BIN / "pledge", "verify", path, "--key", self.vkey, *args, "--format", "json"],
                  env=self.home.environment())
        self.assertEqual(ran.code, code, ran)
        return {row["verdict"]: row["result"] for row in ran.json["verdicts"]}, ran.json

    def grow(self, count=5):
        Proofs.grown = getattr(Proofs, "grown", 0) + 1
        self.clerk.batch([command(add_contributor=pb.AddContributor(
            name=f"Later {Proofs.grown} {i}", kind=2)) for i in range(count)])

    def size(self):
        return self.reader.GetStatus().size

    def signed(self):
        """Waits until everything is under a checkpoint: that is signed a moment later."""
        self.eventually(lambda: int(self.pledge("auditor", "checkpoint").out.split("\n")[1]) ==
                        self.size())

    ALL = {"integrity": "ok", "append-only": "ok", "completeness": "ok", "semantics": "ok"}

    def test_checkpoint(self):
        text = self.pledge("auditor", "checkpoint").out
        origin, size, root, empty, *signatures = text.split("\n")
        self.assertEqual(origin, "test.example/fund")
        self.assertGreaterEqual(int(size), 300)
        self.assertEqual(empty, "")
        self.assertTrue(signatures[0].startswith("\u2014 test.example/fund "))
        answer = self.pledge("auditor", "checkpoint", format="json").json
        self.assertEqual(answer["checkpoint"].split("\n")[0], origin)
        self.assertEqual(int(answer["size"]), int(answer["checkpoint"].split("\n")[1]))

    def test_checkpoint_in_a_file(self):
        path = self.home.path / "kept.checkpoint"
        self.assertEqual(self.pledge("auditor", "checkpoint", "-o", path).out, "")
        self.assertEqual(path.read_text().split("\n")[0], "test.example/fund")
        ran = self.home.pledge("auditor", "checkpoint", "-o", self.home.path / "no" / "x")
        self.assertEqual(ran.code, 74, ran)

    def test_a_dump_and_the_checkpoints_of_before(self):
        first, second = self.home.path / "first.bin", self.home.path / "second.bin"
        self.pledge("auditor", "dump", "-o", first)
        kept = self.home.path / "first.bin.checkpoint"
        verdicts, answer = self.verify(first)
        self.assertEqual(verdicts, {**self.ALL, "append-only": "not-checked"})
        self.assertEqual(int(answer["size"]), int(kept.read_text().split("\n")[1]))
        self.grow()
        self.pledge("auditor", "dump", "-o", second)
        verdicts, answer = self.verify(second, "--since", kept)
        self.assertEqual(verdicts, self.ALL)
        self.assertGreater(int(answer["size"]), int(answer["since_size"]))
        later = self.home.path / "second.bin.checkpoint"
        verdicts, _ = self.verify(first, "--since", later, code=15)
        self.assertEqual(verdicts["append-only"], "failed")

    def test_every_form_names_its_checkpoint(self):
        for form in ("hledger", "beancount", "iati", "jsonl"):
            out = self.pledge("auditor", "dump", "--as", form).out
            self.assertIn("\u2014 test.example/fund ", out, form)

    def test_two_dumps_into_one_file(self):
        """A second one that begins too early writes nothing into what the first one writes."""
        path, part = self.home.path / "both.bin", self.home.path / "both.bin.part"
        with open(part, "wb") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            first.write(b"half of it")
            first.flush()
            ran = self.home.pledge("auditor", "dump", "-o", path, lang="fr")
            self.assertEqual((ran.code, ran.out), (75, ""), ran)
            self.assertIn(f"un autre processus écrit {part}", ran.err)
            self.assertEqual((part.read_bytes(), path.exists()), (b"half of it", False))
        self.ok(self.home.pledge("auditor", "dump", "-o", path))  # whose writer is gone
        whole = self.home.path / "whole.bin"
        self.ok(self.home.pledge("auditor", "dump", "-o", whole))
        self.assertEqual((path.read_bytes(), part.exists()), (whole.read_bytes(), False))

    def test_a_dump_while_others_write(self):
        done = threading.Event()

        def write():
            while not done.is_set():
                self.grow(20)
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for turn in range(5):
                path = self.home.path / f"busy-{turn}.bin"
                self.pledge("auditor", "dump", "-o", path)
                self.assertEqual(self.verify(path)[0]["completeness"], "ok")
        finally:
            done.set()
            thread.join()

    def test_proofs(self):
        size = self.size()
        path = self.home.path / "one.tlog-proof"
        for seq in (1, 2, 255, 256, 257, size // 2, size):
            self.pledge("auditor", "prove", str(seq), "-o", path)
            verdicts, answer = self.verify(path)
            self.assertEqual(verdicts["integrity"], "ok")
            self.assertGreaterEqual(int(answer["size"]), seq)
            text = path.read_text().split("\n")
            self.assertEqual(text[0], "c2sp.org/tlog-proof@v1")
            self.assertEqual([line for line in text if line.startswith("index ")],
                             [f"index {seq - 1}"])
        ran = self.home.pledge("auditor", "prove", str(size + 10000))
        self.assertIn(ran.code, (11, 65), ran)
        self.assertEqual(ran.out, "")
        self.fails(64, "auditor", "prove", "x")

    def test_mirror(self):
        path = self.home.path / "mirror"
        kept = self.home.path / "mirror.checkpoint"
        row = self.pledge("auditor", "mirror", path).rows[0]
        self.assertEqual(row[1], row[2])
        self.assertEqual(self.verify(path)[0], {**self.ALL, "append-only": "not-checked"})
        for count in (3, 300):
            kept.write_text((path / "checkpoint").read_text(encoding="utf-8"), encoding="utf-8")
            self.grow(count)
            self.signed()
            row = self.pledge("auditor", "mirror", path).rows[0]
            self.assertEqual(int(row[2]), count)
            self.assertEqual(self.verify(path, "--since", kept)[0], self.ALL)
        row = self.pledge("auditor", "mirror", path).rows[0]
        self.assertEqual(row[2], "0")
        entries = self.auditor.dump_bytes(to_seq=int(row[1]))[0]
        want = audit.tiles_of(entries)
        have = {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*")
                if p.is_file() and p.name not in ("checkpoint", ".lock", ".keys")}
        self.assertEqual(sorted(have), sorted(want))
        self.assertEqual(have, want)

    @staticmethod
    def partial_tile(path):
        return next((p for p in path.rglob("tile/0/*.p/*") if p.is_file()), None)

    def test_a_mirror_that_was_damaged_says_so(self):
        path = self.home.path / "damaged"
        self.pledge("auditor", "mirror", path)
        tile = self.partial_tile(path)
        if tile is None:  # so many entries that the last tile is full, too
            self.grow()
            self.signed()
            self.pledge("auditor", "mirror", path)
            tile = self.partial_tile(path)
        data = bytearray(tile.read_bytes())
        data[3] ^= 1
        tile.write_bytes(bytes(data))
        self.grow()
        ran = self.home.pledge("auditor", "mirror", path)
        self.assertEqual(ran.code, 14, ran)
        self.assertEqual(self.verify(path, code=14)[0]["integrity"], "failed")

    def test_a_mirror_ahead_of_the_daemon_has_what_it_lost(self):
        path = self.home.path / "ahead"
        entries = self.auditor.dump_bytes()[0]
        more = pb.Entry.FromString(entries[-1])
        more.seq += 1
        signer = audit.Signer.from_file(self.home.data / "ledger.key")
        audit.write_mirror(path, entries + [more.SerializeToString()] * 2000, signer)
        ran = self.home.pledge("auditor", "mirror", path, format="json")
        self.assertEqual(ran.code, 16, ran)
        self.assertEqual(ran.error["reason"], "MISSING")
        self.assertIn("lost entries that it had signed", ran.error["message"])

    def test_who_may(self):
        self.assertEqual(self.home.pledge("clerk", "mirror", self.home.path / "c").code, 77)
        self.assertEqual(self.home.pledge("reader", "checkpoint").code, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
