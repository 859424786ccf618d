# SPDX-License-Identifier: Apache-2.0
"""walkthrough: a clerk's month as deploy/WALKTHROUGH.md tells it, typed into a real shell, command
after command, in the order of the page. What the page shows is what must come out.

In its ```console blocks a line that begins with "$ " is typed (a "> " line goes on with it); what
follows is the output, standard output and words together. "…" inside a line stands for anything, as a
line of its own for any number of lines. "(exit N)" as the last line of an answer is the exit code
where it is not 0.
"""
import pathlib
import re
import subprocess
import unittest

import harness

PAGE = harness.ROOT / "deploy" / "WALKTHROUGH.md"
# As in deploy/pledged.conf.example; the catalogue is adopted before, by the one who opened the fund.
POLICY = {"four_eyes": "commit, cancel, refund, write-off, difference, period, exception, extension, "
                       "erase, surplus", "difference_limit": "50.00 CHF"}
ACCOUNT = {"iban": "CH9300762011623852957", "currency": "CHF"}
CREDITOR = """[creditor]
name = Example Trust Fund
street = Example Street
number = 1
postal_code = 1200
town = Geneva
country = CH
[account CHF01]
currency = CHF
iban = CH9300762011623852957
"""


class Step:
    def __init__(self, line):
        self.line = line
        self.command = ""
        self.expected = []
        self.code = 0


def read_steps(text):
    steps, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            steps.append(Step(number))
            steps[-1].command = line[2:]
        elif inside and line.startswith("> ") and not steps[-1].expected:
            steps[-1].command += "\n" + line[2:]
        elif inside and re.fullmatch(r"\(exit \d+\)", line):
            steps[-1].code = int(line[6:-1])
        elif inside and steps:
            steps[-1].expected.append(line)
    for step in steps:
        while step.expected and step.expected[-1] == "":
            step.expected.pop()
    return steps


def pattern_of(expected):
    out = ""
    for line in expected:
        if line.strip() == "…":
            out += r"(?:.*\n)*?"
        else:
            out += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ ]*\n"
    return re.compile(out)


def matches(expected, output):
    return pattern_of(expected).fullmatch(output) is not None


class Reader(unittest.TestCase):
    """The page's reader itself can say no."""

    def test_words(self):
        page = "text\n```console\n$ a \\\n> b\none\n(exit 3)\n\n$ c\n```\n```sh\n$ not typed\n```\n"
        steps = read_steps(page)
        self.assertEqual([(s.command, s.expected, s.code) for s in steps],
                         [("a \\\nb", ["one"], 3), ("c", [], 0)])

    def test_matching(self):
        self.assertTrue(matches(["a … c", "…", "z"], "a b c\nx\ny\nz\n"))
        self.assertTrue(matches(["…"], ""))
        self.assertTrue(matches([], ""))
        self.assertFalse(matches(["a"], "b\n"))
        self.assertFalse(matches(["a"], "a\nb\n"))
        self.assertFalse(matches([], "a\n"))
        self.assertFalse(matches(["a.c"], "abc\n"))


class Walkthrough(unittest.TestCase):
    def setUp(self):
        self.home = harness.opened(settings={"policy": POLICY, "account CHF01": ACCOUNT})
        self.addCleanup(self.home.close)
        self.work = self.home.path / "desk"
        self.work.mkdir()
        config = self.home.path / "client.conf"
        config.write_text("".join(
            f"[{name}]\nserver = localhost:{self.home.port}\nca = {self.home.pki.ca}\n"
            f"cert = {self.home.pki.cert(name)}\nkey = {self.home.pki.key(name)}\n"
            f"timeout = {round(harness.patience(10))}s\n"  # people's own, longer where all is slow
            for name in self.home.persons) + CREDITOR)
        self.env = self.home.environment(PLEDGE_CONFIG=config, DEPLOY=harness.ROOT / "deploy")
        self.env["PATH"] = f"{harness.BIN}:{self.env['PATH']}"

    def type(self, step):
        ran = subprocess.run(["sh", "-c", step.command], env=self.env, cwd=self.work, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=harness.patience(120))
        where = f"{PAGE.name}:{step.line}: $ {step.command}"
        self.assertEqual(ran.returncode, step.code, f"{where}\n{ran.stdout}")
        self.assertTrue(matches(step.expected, ran.stdout),
                        f"{where}\nexpected:\n" + "\n".join(step.expected) + f"\nsaid:\n{ran.stdout}")

    def test_the_page(self):
        steps = read_steps(pathlib.Path(PAGE).read_text(encoding="utf-8"))
        self.assertGreater(len(steps), 20, "the page has lost its commands")
        for step in steps:
            self.type(step)
        harness.check_ledger(self.home.client("auditor").dump())


if __name__ == "__main__":
    unittest.main()
