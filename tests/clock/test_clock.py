# SPDX-License-Identifier: Apache-2.0
"""The moved clock moves: without that, a theme that passes under it says nothing."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LAYER = pathlib.Path(os.environ.get("CLOCK_LAYER", "build/release/tests/clock/clock.so")).resolve()
DAY_S = 24 * 3600
ASK = ("import time; print(time.time()); print(time.clock_gettime(8)); a = time.time(); "
       "b = time.monotonic(); time.sleep(0.2); print(time.time() - a); print(time.monotonic() - b)")


def ask(words):
    env = dict(os.environ, LD_PRELOAD=str(LAYER), TEST_CLOCK=words)
    return subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, timeout=60)


class Clock(unittest.TestCase):
    def test_a_moment_is_shown_and_passes_faster_for_all_but_who_measures(self):
        base = int(time.time())
        shown, true, calendar, measured = map(float, ask(f"{base} {base - 400 * DAY_S} 20").stdout.split())
        self.assertTrue(base - 400 * DAY_S <= shown <= base - 399 * DAY_S, shown)
        self.assertLess(abs(true - time.time()), DAY_S / 2)
        # the two were read one after the other: only that they are far from each other is sure
        self.assertGreater(calendar, 10 * 0.2)
        self.assertGreaterEqual(measured, 0.2)
        self.assertGreater(calendar, 2 * measured)

    def test_nonsense_is_refused(self):
        done = ask("yesterday")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("BASE SHOWN RATE", done.stderr)


if __name__ == "__main__":
    unittest.main()
