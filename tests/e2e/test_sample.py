# SPDX-License-Identifier: Apache-2.0
"""sample: what `pledge sample` draws is what its help says, computed here from the entries alone."""
import csv
import hashlib
import io
import unittest

import audit
from harness import BIN, DaemonTest, document, pb, run


class Sample(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.story = audit.tell_story(cls.home, filler=40)
        file = cls.home.path / "ledger.bin"
        ran = cls.home.pledge("auditor", "dump", "-o", file)
        assert ran.code == 0, ran
        cls.raw = audit.entries_of(file.read_bytes())
        cls.entries = [pb.Entry.FromString(entry) for entry in cls.raw]
        cls.signer = audit.Signer.from_file(cls.home.data / "ledger.key")
        cls.file = cls.home.path / "signed.bin"
        cls.file.write_bytes(audit.dump_of(cls.raw, cls.signer))

    def sample(self, *args, path=None, key=None):
        return run([BIN / "pledge", "sample", path or self.file, "--key", key or self.signer.vkey,
                    *args], env=self.home.environment())

    def rows(self, *args, **fields):
        ran = self.sample(*args, **fields)
        self.assertEqual(ran.code, 0, ran)
        return list(csv.DictReader(io.StringIO(ran.out, newline="")))

    def seqs(self, *args, **fields):
        return [int(row["seq"]) for row in self.rows(*args, **fields)]

    def lowest(self, seqs, size, seed):
        rank = {seq: hashlib.sha256(f"{seed}\n{seq}".encode()).digest() for seq in seqs}
        return sorted(sorted(seqs, key=rank.get)[:size])

    def test_random(self):
        everything = range(1, len(self.raw) + 1)
        for size, seed in ((1, "a"), (10, "a"), (10, "b"), (len(self.raw), "c"), (99999, "d")):
            self.assertEqual(self.seqs("--size", str(size), "--seed", seed),
                             self.lowest(everything, size, seed))

    def test_filters(self):
        payments = [e.seq for e in self.entries if e.HasField("payment_recorded")]
        self.assertEqual(self.seqs("--size", "3", "--seed", "x", "--kind", "payment_recorded"),
                         self.lowest(payments, 3, "x"))
        swiss = [e.seq for e in self.entries if e.payment_recorded.amount.currency == "CHF"]
        self.assertEqual(self.seqs("--size", "99", "--seed", "x", "--kind", "payment_recorded",
                                   "--currency", "CHF"), swiss)
        self.assertEqual(self.seqs("--size", "99", "--seed", "x", "--from-seq", "10", "--to-seq",
                                   "14"), [10, 11, 12, 13, 14])
        pledge = self.story.pledges["or"]
        about = [e.seq for e in self.entries if getattr(
            getattr(e, e.WhichOneof("fact")), "pledge", "") == pledge]
        self.assertEqual(self.seqs("--size", "99", "--seed", "x", "--pledge", pledge), about)

    def test_monetary(self):
        paid = [(e.seq, e.payment_recorded.amount.minor) for e in self.entries
                if e.payment_recorded.amount.currency == "CHF"]
        total = sum(amount for _, amount in paid)
        for size, seed in ((1, "a"), (3, "a"), (5, "b"), (20, "c")):
            interval = total // size
            unit = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % interval
            want, passed = {}, 0
            for seq, amount in paid:
                while passed <= unit < passed + amount:
                    want[seq] = want.get(seq, 0) + 1
                    unit += interval
                passed += amount
            rows = self.rows("--size", str(size), "--seed", seed, "--monetary", "--currency",
                             "CHF")
            self.assertEqual({int(r["seq"]): int(r["hits"]) for r in rows}, want)

    def test_rows_say_what_to_ask_for(self):
        rows = self.rows("--size", "99", "--seed", "x", "--kind", "commitment_signed")
        self.assertGreater(len(rows), 1)
        for row in rows:
            self.assertEqual(row["evidence_sha256"], document().sha256.hex())
            self.assertEqual(row["filed_as"], "test/agreement")
            self.assertEqual(row["leaf_hash"], audit.leaf_hash(self.raw[int(row["seq"]) - 1]).hex())
            self.assertRegex(row["pledge"], r"^P\d{6}$")

    def test_a_mirror_gives_the_same(self):
        mirror = audit.write_mirror(self.home.path / "mirror", self.raw, self.signer)
        args = ("--size", "7", "--seed", "z")
        self.assertEqual(self.seqs(*args), self.seqs(*args, path=mirror))

    def test_nothing_is_drawn_from_what_does_not_verify(self):
        data = bytearray(self.file.read_bytes())
        data[len(data) // 2] ^= 1
        bad = self.home.path / "bad.bin"
        bad.write_bytes(bytes(data))
        ran = self.sample("--size", "3", "--seed", "x", path=bad)
        self.assertIn(ran.code, (14, 16), ran)
        self.assertIn("failed", ran.out)
        other = audit.Signer("test.example/fund")
        self.assertEqual(self.sample("--size", "3", "--seed", "x", key=other.vkey).code, 14)

    def test_usage(self):
        for args in (("--size", "3"), ("--seed", "x"), ("--size", "0", "--seed", "x"),
                     ("--size", "3", "--seed", "x", "--monetary"),
                     ("--size", "3", "--seed", "x", "--kind", "nothing"),
                     ("--size", "100001", "--seed", "x")):
            ran = self.sample(*args)
            self.assertIn(ran.code, (64, 65), ran)
            self.assertEqual(ran.out, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
