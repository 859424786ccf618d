# SPDX-License-Identifier: Apache-2.0
"""called: calls are counted for the command that they were, and for none rather than a wrong one."""
import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import called

HELP = """pledge [OPTIONS] COMMAND ...

The ledger.

Payments:
  pay PLEDGE AMOUNT CURRENCY  record a payment
  rates [CURRENCY]            rates of exchange
  rates add [DATE CURRENCY RATE]  record one
  accept-difference BANK-ENTRY PLEDGE  accept what a payment
                              fell short by

Options of every command:
  not-a-command  x
"""
DAEMON = """usage: pledged [COMMAND] --config FILE

  run            run in the foreground (the default)
  confirm        --size N: the newest
  restore DIR    make the data directory
"""


class Called(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.bin = pathlib.Path(directory.name)
        for name, text in (("pledge", HELP), ("pledged", DAEMON)):
            script = self.bin / name
            script.write_text(f"#!/bin/sh\ncat <<'E'\n{text}E\n")
            os.chmod(script, 0o755)

    def said(self, *calls):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = called.main(self.bin, ["\t".join(call) + "\t\n" for call in calls])
        return code, out.getvalue().splitlines()

    def test_commands_of_the_help(self):
        self.assertEqual(called.commands(self.bin / "pledge", "help"),
                         {"pay", "rates", "rates add", "accept-difference"})
        self.assertEqual(called.commands(self.bin / "pledged", "--help"), {"run", "confirm", "restore"})

    def test_all_were_called(self):
        code, said = self.said(("pledge", "--ca", "rates", "pay", "P000001"),
                               ("pledge", "rates", "--format", "csv", "add"), ("pledge", "rates", "add"),
                               ("pledge", "--format=json", "accept-difference"), ("pledge", "--lang", "pay"),
                               ("pledged", "--config", "restore"), ("pledged", "confirm"),
                               ("pledged", "restore", "run"), ("pledged", "--version"), ("strace", "run"))
        self.assertEqual(code, 0)
        self.assertEqual(said, ["pledge: accept-difference 1, pay 1, rates 1, rates add 1",
                                "pledge: 4 of 4 commands were called",
                                "pledged: confirm 1, restore 1, run 1",
                                "pledged: 3 of 3 commands were called"])

    def test_one_never_was(self):
        code, said = self.said(("pledge", "pay"), ("pledged", "confirm"))
        self.assertEqual(code, 1)
        self.assertIn("pledge: 1 of 4 commands were called, never: accept-difference, rates, rates add", said)
        self.assertIn("pledged: 1 of 3 commands were called, never: restore, run", said)


if __name__ == "__main__":
    unittest.main()
