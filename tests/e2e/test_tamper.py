# SPDX-License-Identifier: Apache-2.0
"""tamper: a dump, a mirror and a proof are damaged at every kind of place by somebody without the
key; each damage is caught, and where the verdict is a matter of the place, it is the right one and
names the right entry."""
import random
import shutil
import struct
import unittest

import audit
from harness import BIN, DaemonTest, run

ANY = (14, 16)


class Tamper(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        audit.tell_story(cls.home, filler=300)
        file = cls.home.path / "ledger.bin"
        ran = cls.home.pledge("auditor", "dump", "-o", file)
        assert ran.code == 0, ran
        cls.entries = audit.entries_of(file.read_bytes())
        cls.size = len(cls.entries)
        assert 300 < cls.size < 512
        cls.signer = audit.Signer.from_file(cls.home.data / "ledger.key")
        cls.whole = audit.dump_of(cls.entries, cls.signer)
        cls.frames = audit.frames_of(cls.whole)
        cls.proof = audit.proof_of(cls.entries, 17, cls.signer)
        cls.mirror = audit.write_mirror(cls.home.path / "mirror", cls.entries, cls.signer)
        cls.random = random.Random(20260103)
        for path in (cls.put(cls, cls.whole), cls.mirror, cls.put(cls, cls.proof.encode(), "p")):
            ran = cls.verify(cls, path)
            assert ran.code == 0, ran

    def put(self, data, name="tampered"):
        path = self.home.path / name
        path.write_bytes(data)
        return path

    def verify(self, path):
        return run([BIN / "pledge", "verify", path, "--key", self.signer.vkey, "--format", "json"],
                   env=self.home.environment())

    def caught(self, path, codes, verdict=None, seq=None, words=""):
        ran = self.verify(path)
        self.assertIn(ran.code, codes if isinstance(codes, tuple) else (codes,), ran)
        if verdict is None:
            return
        row = {row["verdict"]: row for row in ran.json["verdicts"]}[verdict]
        self.assertEqual(row["result"], "failed", ran)
        if seq is not None:
            self.assertEqual(int(row["seq"] or 0), seq, ran)
        self.assertIn(words, row["what"], ran)

    # --- dumps ---

    def build(self, frames):
        return audit.MAGIC + b"".join(audit.frame(*one) for one in frames)

    def dump(self, frames, *expected):
        self.caught(self.put(self.build(frames)), *expected)

    def place(self, seq):
        """Index of the frame of an entry: a list stands behind each 256."""
        return seq - 1 + (seq - 1) // 256

    def flipped(self, data, at, bit=1):
        out = bytearray(data)
        out[at] ^= bit
        return bytes(out)

    def with_frame(self, index, body, kind=None):
        frames = list(self.frames)
        frames[index] = (kind or frames[index][0], body)
        return frames

    SEQS = (1, 2, 100, 255, 256, 257, 300)

    def test_dump_an_entry_is_altered(self):
        for seq in (*self.SEQS, self.size):
            body = self.entries[seq - 1]
            for at in (0, 1, len(body) // 2, len(body) - 1):
                self.dump(self.with_frame(self.place(seq), self.flipped(body, at)), 14,
                          "integrity", seq, "altered")
            self.dump(self.with_frame(self.place(seq), body + b"\0"), 14, "integrity", seq)
            self.dump(self.with_frame(self.place(seq), body[:-1]), 14, "integrity", seq)

    def test_dump_an_entry_is_altered_together_with_its_hash(self):
        for seq in (5, 257):
            body = self.flipped(self.entries[seq - 1], 10)
            frames = self.with_frame(self.place(seq), body)
            block = (seq - 1) // 256
            index = 256 if block == 0 else len(frames) - 2
            hashes = bytearray(frames[index][1])
            at = (seq - 1) % 256 * 32
            hashes[at:at + 32] = audit.leaf_hash(body)
            frames[index] = (b"L", bytes(hashes))
            self.dump(frames, 14, "integrity")

    def test_dump_a_listed_hash_is_altered(self):
        self.dump(self.with_frame(256, self.flipped(self.frames[256][1], 32 * 41 + 7)), 14,
                  "integrity", 42, "the entry is the signed one")

    def test_dump_an_entry_is_missing(self):
        for seq in (*self.SEQS, self.size):
            frames = list(self.frames)
            del frames[self.place(seq)]
            self.dump(frames, 16, "completeness", seq)
        bare = [one for one in self.frames if one[0] != b"L"]
        for seq in (1, 2, 256, self.size - 1):
            self.dump(bare[:seq - 1] + bare[seq:], 16, "completeness", seq)
        self.dump(bare[:self.size - 1] + bare[self.size:], 16, "completeness", self.size)

    def test_dump_an_entry_is_missing_together_with_its_hash(self):
        frames = list(self.frames)
        hashes = frames[256][1]
        frames[256] = (b"L", hashes[:32 * 9] + hashes[32 * 10:])
        del frames[9]
        self.dump(frames, 16, "completeness", 10)

    def test_dump_many_entries_are_missing(self):
        frames = [one for place, one in enumerate(self.frames) if place > 256 or one[0] == b"T"]
        self.dump(frames, 16, "completeness", 1)
        frames = [one for place, one in enumerate(self.frames)
                  if place < 257 or one[0] == b"T"]
        self.dump(frames, 16, "completeness", 257)

    def test_dump_an_entry_comes_twice(self):
        for seq in (*self.SEQS, self.size):
            frames = list(self.frames)
            frames.insert(self.place(seq), frames[self.place(seq)])
            self.dump(frames, 16, "completeness", seq + 1 if seq % 256 else None)

    def test_dump_entries_change_places(self):
        for one, other in ((1, 2), (10, 11), (10, 200), (255, 256), (256, 257), (3, 299)):
            frames = list(self.frames)
            a, b = self.place(one), self.place(other)
            frames[a], frames[b] = frames[b], frames[a]
            if (one - 1) // 256 == (other - 1) // 256:
                self.dump(frames, 16, "completeness", one)
            else:
                self.dump(frames, ANY)
            bare = [frame for frame in frames if frame[0] != b"L"]
            self.dump(bare, 16, "completeness", one)

    def test_dump_breaks_off(self):
        ends = {8, 9, 12, 13, 14, len(self.whole) - 1, len(self.whole) - 40}
        at = 8
        for place, (_, body) in enumerate(self.frames):
            if place % 60 == 0 or place > len(self.frames) - 4:
                ends |= {at, at + 1, at + 4, at + 5, at + 6, at + 5 + len(body) // 2}
            at += 5 + len(body)
        for end in sorted(ends):
            self.caught(self.put(self.whole[:end]), 16, "completeness")
        self.caught(self.put(self.whole[:4]), 65)

    def test_dump_goes_on(self):
        self.caught(self.put(self.whole + b"x"), 14, "integrity", 0, "after")
        self.caught(self.put(self.whole + self.whole[8:]), 14, "integrity", 0, "after")
        self.dump(self.frames + [self.frames[-1]], 14, "integrity", 0, "after")

    def test_dump_strange_frames(self):
        frames = list(self.frames)
        frames.insert(5, (b"X", b"what?"))
        self.dump(frames, 14, "integrity", 6)
        frames = list(self.frames)
        frames.insert(0, frames[256])
        self.dump(frames, 14, "integrity", 1)
        self.dump(self.with_frame(256, self.frames[256][1][:-1]), ANY)
        self.dump(self.with_frame(4, b""), 14, "integrity", 5)
        self.dump(self.with_frame(4, bytes(65536)), 14, "integrity", 5)
        huge = self.build(self.frames[:5]) + b"E" + struct.pack("<I", 0xFFFFFFF0)
        self.caught(self.put(huge), 14, "integrity", 6)

    def test_dump_the_trailer_is_altered(self):
        trailer = audit.trailer_of(self.whole)

        def altered(**fields):
            other = type(trailer)()
            other.CopyFrom(trailer)
            for name, value in fields.items():
                setattr(other, name, value)
            return self.with_frame(len(self.frames) - 1, other.SerializeToString())
        self.dump(altered(to_seq=self.size - 1), 16, "completeness")
        self.dump(altered(to_seq=self.size + 1), 16, "completeness")
        self.dump(altered(from_seq=2), 16, "completeness", 1)
        self.dump(altered(origin="test.example/else"), 14, "integrity")
        lines = trailer.checkpoint.splitlines(keepends=True)
        for line in (0, 1, 2, 4):
            for at in (0, len(lines[line]) // 2, len(lines[line]) - 2):
                other = list(lines)
                letter = "B" if other[line][at] == "A" else "A"
                if line == 1:
                    letter = "2" if other[line][at] == "1" else "1"
                other[line] = other[line][:at] + letter + other[line][at + 1:]
                self.dump(altered(checkpoint="".join(other)), 14, "integrity")
        for count in range(len(lines)):
            self.dump(altered(checkpoint="".join(lines[:count])), 14, "integrity")
        older = self.signer.checkpoint([audit.leaf_hash(e) for e in self.entries[:-1]])
        self.dump(altered(checkpoint=older), 16, "completeness", self.size)
        self.dump(self.with_frame(len(self.frames) - 1, b"\xff\xff"), 14, "integrity")

    def test_dump_any_bit(self):
        for _ in range(150):
            at = self.random.randrange(8, len(self.whole))
            bit = 1 << self.random.randrange(8)
            with self.subTest(at=at, bit=bit):
                self.caught(self.put(self.flipped(self.whole, at, bit)), ANY)

    # --- mirrors ---

    def copy(self):
        path = self.home.path / "tampered-mirror"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.mirror, path)
        return path

    def files(self):
        return sorted(str(p.relative_to(self.mirror)) for p in self.mirror.rglob("*")
                      if p.is_file())

    def first_seq(self, name):
        """First entry below a tile."""
        parts = name.removeprefix("tile/").split("/")
        number = int(parts[1].split(".")[0])
        return number * 256 ** (1 if parts[0] == "entries" else int(parts[0]) + 1) + 1

    def test_mirror_has_every_kind_of_file(self):
        rest = self.size - 256
        self.assertEqual(self.files(), ["checkpoint", "tile/0/000", f"tile/0/001.p/{rest}",
                                        "tile/1/000.p/1", "tile/entries/000",
                                        f"tile/entries/001.p/{rest}"])

    def test_mirror_a_file_is_missing(self):
        for name in self.files():
            path = self.copy()
            (path / name).unlink()
            if name == "checkpoint":
                self.caught(path, 65)
            else:
                self.caught(path, 16, "completeness", self.first_seq(name), name)

    def test_mirror_a_file_breaks_off(self):
        for name in self.files():
            data = (self.mirror / name).read_bytes()
            for end in {0, 1, len(data) // 2, len(data) - 1}:
                path = self.copy()
                (path / name).write_bytes(data[:end])
                self.caught(path, 14 if name == "checkpoint" else 16)

    def test_mirror_a_file_goes_on(self):
        for name in self.files():
            path = self.copy()
            (path / name).write_bytes((path / name).read_bytes() + b"x")
            self.caught(path, 14, "integrity")

    def test_mirror_a_byte_is_altered(self):
        for name in self.files():
            data = (self.mirror / name).read_bytes()
            for _ in range(12):
                path = self.copy()
                at = self.random.randrange(len(data))
                (path / name).write_bytes(self.flipped(data, at, 1 << self.random.randrange(8)))
                with self.subTest(name=name, at=at):
                    self.caught(path, ANY if "entries" in name else 14)

    def test_mirror_an_entry_is_altered(self):
        for seq in (*self.SEQS, self.size):
            path = self.copy()
            first = (seq - 1) // 256 * 256
            at = sum(2 + len(entry) for entry in self.entries[first:seq - 1]) + 2
            name = path / ("tile/entries/000" if first == 0
                           else f"tile/entries/001.p/{self.size - 256}")
            name.write_bytes(self.flipped(name.read_bytes(), at + 3))
            self.caught(path, 14, "integrity", seq, "altered")

    def test_mirror_a_hash_is_altered(self):
        path = self.copy()
        name = path / "tile/0/000"
        name.write_bytes(self.flipped(name.read_bytes(), 32 * 99))
        self.caught(path, 14, "integrity", 100, "the entry is the signed one")
        path = self.copy()
        name = path / "tile/1/000.p/1"
        name.write_bytes(self.flipped(name.read_bytes(), 5))
        self.caught(path, 14, "integrity", 1, "tile/1/000.p/1")

    def test_mirror_entries_change_places_or_are_left_out(self):
        def bundle(entries):
            path = self.copy()
            (path / "tile/entries/000").write_bytes(
                b"".join(struct.pack(">H", len(entry)) + entry for entry in entries))
            return path
        some = self.entries[:256]
        self.caught(bundle([some[1], some[0], *some[2:]]), 16, "completeness", 1)
        self.caught(bundle(some[:99] + some[100:]), 16, "completeness", 100)
        self.caught(bundle(some[:99] + some[98:255]), 16, "completeness", 100)

    def test_mirror_bundles_change_places(self):
        path = self.copy()
        one, other = path / "tile/entries/000", path / f"tile/entries/001.p/{self.size - 256}"
        data = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(data)
        self.caught(path, ANY)

    # --- proofs ---

    def test_proof_any_character(self):
        text = self.proof.encode()
        for _ in range(120):
            at = self.random.randrange(len(audit.PROOF_MAGIC), len(text))
            with self.subTest(at=at):
                data = self.flipped(text, at, 1 << self.random.randrange(7))
                self.caught(self.put(data), 14, "integrity")

    def test_proof_lines(self):
        lines = self.proof.splitlines(keepends=True)
        for place in range(1, len(lines)):
            self.caught(self.put("".join(lines[:place] + lines[place + 1:]).encode()), 14)
            self.caught(self.put("".join(lines[:place]).encode()), 14)
            if place + 1 < len(lines):  # the same signature twice is no harm
                self.caught(self.put("".join(lines[:place + 1] + lines[place:]).encode()), 14)
        lines[4], lines[5] = lines[5], lines[4]
        self.caught(self.put("".join(lines).encode()), 14, "integrity", 17, "not the signed one")

    def test_proof_of_another_entry(self):
        other = audit.proof_of(self.entries, 18, self.signer).splitlines()
        lines = self.proof.splitlines()
        lines[1] = other[1]
        self.caught(self.put(("\n".join(lines) + "\n").encode()), 14, "integrity", 17)


if __name__ == "__main__":
    unittest.main(verbosity=2)
