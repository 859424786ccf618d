# SPDX-License-Identifier: Apache-2.0
"""interop/examples: the scripts of deploy/examples, run as their README says: each asks for the slots
of a tier, watches them, and ends with the exit code that it promises."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import ROOT, SCRATCH, DaemonTest, Pki, patience, run  # noqa: E402

EXAMPLES = ROOT / "deploy" / "examples"
TOOLS = ("sh", "curl", "awk", "sed", "tr", "head", "od", "date", "sleep")


def stage():
    """Copies beside the packages of npm, as a user would have them."""
    directory = SCRATCH / "examples"
    shutil.copytree(EXAMPLES, directory)
    packages = pathlib.Path(os.environ.get("PLEDGED_NODE_DIR", ".")) / "node_modules"
    if not packages.is_dir():
        sys.exit(f"no {packages}: run install_node.sh and set PLEDGED_NODE_DIR")
    (directory / "node_modules").symlink_to(packages.resolve())
    without_jq = SCRATCH / "without-jq"
    without_jq.mkdir()
    for tool in TOOLS:
        (without_jq / tool).symlink_to(shutil.which(tool))
    return directory, without_jq


STAGE, WITHOUT_JQ = stage()


class Example:
    """The tests of one script, which `words` run."""

    words = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home.pki.person("stranger")

    def environment(self, person="reader", port=None, pki=None, **more):
        pki = pki or self.home.pki
        return self.home.environment(
            PLEDGED_SERVER=f"localhost:{port or self.home.port}", PLEDGED_CA=self.home.pki.ca,
            PLEDGED_CERT=pki.cert(person), PLEDGED_KEY=pki.key(person),
            PLEDGED_PROTO=ROOT / "proto", **more)

    def example(self, *arguments, env=None, **fields):
        return run([*self.words, *arguments], timeout=60, cwd=STAGE,
                   env=env or self.environment(**fields))

    def test_ask(self):
        """The number equals what `pledge slots` says, before and after somebody holds a place."""
        def check():
            for tier in ("platine", "PLATINUM", "diamant", "or"):
                ours, theirs = self.example(tier), self.pledge("reader", "slots", tier)
                self.assertEqual((ours.code, ours.out), (0, theirs.out), ours)
        check()
        held = self.clerk.hold("platine", self.clerk.contributor(self.name())).outcome.pledge
        self.assertEqual(self.example().out, self.pledge("reader", "slots", "platine").out)
        check()
        self.clerk.withdraw(held)

    def test_watch(self):
        """A hold made elsewhere shows up, and so does its end."""
        before = self.pledge("reader", "slots", "platine").out.strip()
        with self.watching("--watch", "PLATINUM") as lines:
            self.assertEqual(self.next(lines), ["platine", before])
            held = self.clerk.hold("platine", self.clerk.contributor(self.name())).outcome.pledge
            self.assertEqual(self.next(lines), ["platine", str(int(before) - 1)])
            self.clerk.withdraw(held)
            self.assertEqual(self.next(lines), ["platine", before])

    def test_watch_goes_on_after_a_restart(self):
        self.home.settings["daemon"]["listen"] = f"127.0.0.1:{self.home.port}"
        self.home.write_config()
        before = int(self.pledge("reader", "slots", "diamant").out)
        with self.watching("--watch", "diamant") as lines:
            self.assertEqual(self.next(lines), ["diamant", str(before)])
            self.home.restart()
            cls = type(self)
            cls.clerk, cls.reader = self.home.client("clerk"), self.home.client("reader")
            held = self.clerk.hold("diamant", self.clerk.contributor(self.name())).outcome.pledge
            # who is back before somebody holds the place may say once more what it said before
            told = ["diamant", str(before)]
            while told == ["diamant", str(before)]:
                told = self.next(lines)
            self.assertEqual(told, ["diamant", str(before - 1)])
            self.clerk.withdraw(held)

    def watching(self, *arguments):
        return Watching([*map(str, self.words), *arguments], self.environment())

    def next(self, watching):
        line = watching.next()
        self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\t[a-z]+\t(\d+|unlimited)\n$")
        return line.rstrip("\n").split("\t")[1:]

    def fails(self, code, ran, words):
        self.assertEqual((ran.code, ran.out), (code, ""), ran)
        self.assertRegex(ran.err, words)
        self.assertNotIn("Traceback", ran.err)
        self.assertNotRegex(ran.err, r"\n +at .*\.mjs")

    def test_an_unknown_tier(self):
        self.fails(65, self.example("bronze"), "slots: .*tier")

    def test_usage(self):
        self.fails(64, self.example("--no-such-option"), "slots")
        environment = self.environment()
        del environment["PLEDGED_CERT"]
        self.fails(64, self.example(env=environment), "slots: set .*PLEDGED_CERT")

    def test_nobody_is_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening
            ran = self.example(port=unused.getsockname()[1])
        self.fails(69, ran, "slots: ")

    def test_not_permitted(self):
        self.fails(77, self.example(person="stranger"), "slots: .*(certificate|person|known)")

    def test_a_certificate_of_another_authority(self):
        other = Pki.shared("other")
        other.person("reader")
        ran = self.example(pki=other)
        self.assertEqual((ran.code, ran.out), (69, ""), ran)


class Watching:
    """A running example, and its lines as they come."""

    def __init__(self, words, environment):
        self.errors = open(SCRATCH / "watching.err", "w+b")
        self.process = subprocess.Popen(words, env=environment, cwd=STAGE, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors)
        self.lines = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.decode())
                self.news.notify_all()

    def next(self, timeout=60):
        end = time.monotonic() + patience(timeout)
        with self.news:
            while not self.lines:
                if self.process.poll() is not None or not self.news.wait(end - time.monotonic()):
                    self.errors.seek(0)
                    raise AssertionError(f"no line; exit {self.process.poll()}; "
                                         f"{self.errors.read().decode()}")
            return self.lines.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # the script and the curl that it started: they are a group of their own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(patience(20))
        self.reader.join(patience(20))
        self.process.stdout.close()
        self.errors.close()


class ShellWithJq(Example, DaemonTest):
    words = ["sh", STAGE / "slots.sh"]


class ShellWithoutJq(Example, DaemonTest):
    words = ["sh", STAGE / "slots.sh"]

    def environment(self, *args, **fields):
        return {**super().environment(*args, **fields), "PATH": str(WITHOUT_JQ)}


class PythonGrpc(Example, DaemonTest):
    words = ["/usr/bin/python3", "-B", STAGE / "slots_grpc.py"]


class PythonRequests(Example, DaemonTest):
    words = ["/usr/bin/python3", "-B", STAGE / "slots_requests.py"]


class NodeConnect(Example, DaemonTest):
    words = ["node", STAGE / "slots_connect.mjs"]


class NodeAlone(Example, DaemonTest):
    words = ["node", STAGE / "slots_https.mjs"]


class Readme(unittest.TestCase):
    def test_it_names_every_script_and_nothing_else(self):
        told = set(re.findall(r"`(slots[a-z_.]*\.(?:sh|py|mjs))`",
                              (EXAMPLES / "README.md").read_text(encoding="utf-8")))
        self.assertEqual(told, {path.name for path in EXAMPLES.glob("slots*")})


if __name__ == "__main__":
    unittest.main()
