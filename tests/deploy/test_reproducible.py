# SPDX-License-Identifier: Apache-2.0
"""The same sources give the same packages, byte for byte: built again elsewhere, later, with another
umask, time zone, language and home."""
import hashlib
import os
import subprocess
import tempfile
import unittest

from lib import DEBS, DEPLOY, run


class Reproducible(unittest.TestCase):
    def test_a_second_build_is_the_same(self):
        with tempfile.TemporaryDirectory(prefix="a-rather-longer-name-than-the-other-") as work:
            env = dict(os.environ, TMPDIR=work, TZ="Pacific/Kiritimati", LC_ALL="C.UTF-8",
                       LANGUAGE="fr", HOME=work, USER="somebody", LOGNAME="somebody")
            subprocess.run(["sh", "-c", "umask 077; exec sh \"$0\" \"$1\"",
                            str(DEPLOY / "build-deb.sh"), f"{work}/out"], check=True, env=env,
                           timeout=500, stdout=subprocess.DEVNULL)
            ours = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
                    for p in DEBS.glob("*.deb")}
            theirs = {name: run("sha256sum", f"{work}/out/{name}").stdout.split()[0]
                      for name in os.listdir(f"{work}/out") if name.endswith(".deb")}
        self.assertEqual(len(ours), 4)  # two packages, and the symbols of each
        self.assertEqual(theirs, ours)


if __name__ == "__main__":
    unittest.main()
