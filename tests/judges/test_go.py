# SPDX-License-Identifier: Apache-2.0
"""go: the code of the Go checksum database (Debian: golang-golang-x-mod-dev) accepts our
checkpoints, tiles, bundles and proofs, and refuses what was tampered with."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import DaemonTest, command, pb  # noqa: E402

PACKAGES = "/usr/share/gocode"  # where Debian puts Go sources


class Judge:
    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="judge-"))
        self.program = self.scratch / "judge"
        env = dict(os.environ, GO111MODULE="off", GOPATH=PACKAGES, GOFLAGS="-trimpath",
                   GOCACHE=str(self.scratch / "cache"), CGO_ENABLED="0")
        subprocess.run(["go", "build", "-o", str(self.program), str(HERE / "judge.go")], check=True,
                       env=env, cwd=HERE, timeout=540)

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __call__(self, *args):
        ran = subprocess.run([str(self.program), *map(str, args)], capture_output=True, text=True,
                             timeout=120, check=False)
        return ran.returncode, ran.stdout.strip(), ran.stderr.strip()


class GoJudges(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.judge = Judge()
        cls.dir = cls.judge.scratch

    @classmethod
    def tearDownClass(cls):
        cls.judge.close()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.vkey = self.clerk.GetStatus().vkey

    def grow(self, count):
        self.clerk.batch([command(add_contributor=pb.AddContributor(name=self.name("Grown"), kind=2))
                          for _ in range(count)])

    def checkpoint(self, name, at_least):
        path = self.dir / name

        def covered():
            path.write_text(self.ok(self.pledge("auditor", "checkpoint")).out)
            code, size, why = self.judge("note", self.vkey, path)
            self.assertEqual((code, why), (0, ""))
            return int(size) >= at_least
        self.eventually(covered, timeout=30)
        return path

    def mirror(self, name):
        path = self.dir / name
        self.ok(self.pledge("auditor", "mirror", str(path), timeout=120))
        return path

    def test_checkpoints_tiles_and_growth(self):
        older = self.checkpoint("older", 1)
        self.grow(700)
        size = self.clerk.GetStatus().size
        self.checkpoint("newer", size)
        tree = self.mirror("tree")
        code, said, why = self.judge("tree", self.vkey, tree, older)
        self.assertEqual((code, why), (0, ""))
        self.assertGreaterEqual(int(said.split()[0]), 700)
        self.grow(600)
        self.checkpoint("newest", size + 600)
        self.assertEqual(self.mirror("tree"), tree)  # goes on where it was
        code, said, why = self.judge("tree", self.vkey, tree, self.dir / "newer")
        self.assertEqual((code, why), (0, ""))
        self.assertGreaterEqual(int(said.split()[0]), 1300)

    def test_the_judge_sees_tampering(self):
        self.grow(300)
        self.checkpoint("now", self.clerk.GetStatus().size)
        tree = self.mirror("tampered")
        self.assertEqual(self.judge("tree", self.vkey, tree)[0], 0)
        for path in ("tile/entries/000", "tile/0/000", "checkpoint"):
            victim = tree / path
            right = victim.read_bytes()
            wrong = bytearray(right)
            wrong[len(wrong) // 2] ^= 1
            victim.write_bytes(wrong)
            self.assertEqual(self.judge("tree", self.vkey, tree)[0], 1, path)
            victim.write_bytes(right)
        self.assertEqual(self.judge("tree", self.vkey, tree)[0], 0)
        name, key_id, key = self.vkey.split("+", 2)
        other = f"{name}+{int(key_id, 16) ^ 1:08x}+{key}"
        self.assertEqual(self.judge("tree", other, tree)[0], 1)

    def test_proofs(self):
        receipt = self.clerk.execute(add_contributor=pb.AddContributor(name=self.name(), kind=2),
                                     want_proof=True)
        self.assertTrue(receipt.tlog_proof)
        for seq in (1, receipt.seq):
            path = self.dir / f"{seq}.tlog-proof"
            self.ok(self.pledge("auditor", "prove", str(seq), "-o", str(path)))
            self.assertEqual(self.judge("proof", self.vkey, path), (0, "", ""))
        text = path.read_text().splitlines()
        at = next(n for n, line in enumerate(text) if line.startswith("index "))
        text[at] = f"index {receipt.seq - 2}"
        path.write_text("\n".join(text) + "\n")
        self.assertEqual(self.judge("proof", self.vkey, path)[0], 1)


if __name__ == "__main__":
    unittest.main()
