# SPDX-License-Identifier: Apache-2.0
"""quickstart: the README's first command, as a newcomer types it: it plays the main job, may be typed
again without doubling anything, and ends what it started. Needs the release build that it would
make itself, and finds nothing left to build there.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "quickstart.sh"
BIN = ROOT / "build" / "release" / "bin"


@unittest.skipUnless(pathlib.Path(os.environ.get("PLEDGED_BIN_DIR", BIN)).resolve() == BIN.resolve(),
                     "another build directory than the one that quickstart uses")
class Quickstart(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="pledged-quickstart-")
        self.addCleanup(self.directory.cleanup)
        self.home = pathlib.Path(self.directory.name) / "here"
        self.addCleanup(self.run_script, "--stop")

    def run_script(self, *words):
        return subprocess.run(["sh", str(SCRIPT), "--home", str(self.home), *words], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})

    def pledge(self, *words):
        return subprocess.run([str(BIN / "pledge"), *words], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, "LC_ALL": "C.UTF-8",
                                   "PLEDGE_CONFIG": str(self.home / "client.conf")})

    def pid(self):
        return int((self.home / "pledged.pid").read_text())

    @staticmethod
    def runs(pid):
        """A process that ended has no command line, also while nobody has waited for it."""
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b""
        except FileNotFoundError:
            return False

    def test_the_main_job(self):
        first = self.run_script("--port", "0")
        self.assertEqual(first.returncode, 0, first.stdout)
        self.assertRegex(first.stdout, r"every place of this tier is taken .*\n\(exit code 10\)")
        pid = self.pid()
        size = self.pledge("--profile", "reader", "--format", "json", "status")
        self.assertEqual(size.returncode, 0, size.stderr)
        again = self.run_script()
        self.assertEqual(again.returncode, 0, again.stdout)
        self.assertNotRegex(again.stdout, r"\tNEW\t")
        self.assertRegex(again.stdout, r"\tREPLAY\t")
        self.assertEqual(self.pid(), pid, "a running daemon is used as it is")
        self.assertTrue((self.home / "ledger.vkey").read_text().strip())
        for person in ("reader", "clerk", "approver", "auditor", "admin"):
            answer = self.pledge("--profile", person, "slots", "platine")
            self.assertEqual((answer.returncode, answer.stdout), (0, "0\n"), answer.stderr)
        stopped = self.run_script("--stop")
        self.assertEqual(stopped.returncode, 0, stopped.stdout)
        self.assertFalse(self.runs(pid))
        self.assertNotEqual(self.pledge("--profile", "reader", "--timeout", "1", "tiers").returncode, 0)

    def test_without_the_demonstration(self):
        ran = self.run_script("--port", "0", "--no-demo")
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("what to type next", ran.stdout)
        listed = self.pledge("--profile", "clerk", "--format", "plain", "list")
        self.assertEqual((listed.returncode, listed.stdout), (0, ""), listed.stderr)

    def test_wrong_words(self):
        for words, code in ((["--nonsense"], 64), (["--port"], 64), (["--port", "99999"], 64)):
            ran = self.run_script(*words)
            self.assertEqual(ran.returncode, code, ran.stdout)
            self.assertTrue(re.search(r"quickstart", ran.stdout), ran.stdout)


if __name__ == "__main__":
    unittest.main()
