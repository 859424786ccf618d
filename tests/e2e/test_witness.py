# SPDX-License-Identifier: Apache-2.0
"""witness: real witnesses (`pledge witness`) on loopback, first judged by an independent log in
Python, then beside a real daemon: quorum, outages, restarts, rollback, and histories that fork."""
import base64
import contextlib
import hashlib
import http.client
import json
import re
import signal
import ssl
import struct
import subprocess
import time
import unittest
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import (Ed25519PrivateKey,
                                                               Ed25519PublicKey)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import BIN, DaemonTest, Home, Refused, patience, pb, run

DASH = "\u2014"


# --- keys, notes and trees, made here from the formats alone -------------------------------------

def key_id(name, kind, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


class Log:
    """A log with its key. Leaves are bytes."""

    def __init__(self, name, seed=b"\x07" * 32):
        self.name = name
        self.secret = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = key_id(name, 1, self.public)
        self.vkey = f"{name}+{self.id.hex()}+" + base64.b64encode(b"\x01" + self.public).decode()

    def checkpoint(self, leaves, name=None):
        body = f"{name or self.name}\n{len(leaves)}\n{base64.b64encode(root(leaves)).decode()}\n"
        line = base64.b64encode(self.id + self.secret.sign(body.encode())).decode()
        return f"{body}\n{DASH} {self.name} {line}\n"


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def consistency(old, leaves, whole=True):
    """RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= k:
        return consistency(old, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(old - k, leaves[k:], False) + [root(leaves[:k])]


def request(old, leaves, checkpoint, proof=None):
    if proof is None:
        proof = consistency(old, leaves) if 0 < old < len(leaves) else []
    lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
    return f"old {old}\n{lines}\n{checkpoint}"


def cosignature_time(vkey, body, text):
    """The time of the first cosignature by this key among these lines, verified; None: none."""
    name, _, blob = vkey.split("+", 2)
    public = base64.b64decode(blob)[1:]
    for line in text.splitlines():
        if not line.startswith(f"{DASH} {name} "):
            continue
        raw = base64.b64decode(line.split(" ")[2])
        if raw[:4] != key_id(name, 4, public):
            continue
        seconds, = struct.unpack(">Q", raw[4:12])
        Ed25519PublicKey.from_public_bytes(public).verify(
            raw[12:], f"cosignature/v1\ntime {seconds}\n{body}".encode())
        return seconds
    return None


def body_of(note):
    return note[:note.index("\n\n") + 1]


# --- one real witness ----------------------------------------------------------------------------

class Witness:
    def __init__(self, directory, name, log, more=()):
        self.dir = directory / name
        self.dir.mkdir()
        self.name, self.log, self.more = f"{name}.example", log, list(more)
        self.port, self.process = 0, None
        self.start()

    def args(self, *more):
        return [str(BIN / "pledge"), "witness", "--key", str(self.dir / "key"), "--log", self.log,
                "--state", str(self.dir / "state"), "--listen", f"127.0.0.1:{self.port}",
                "--format", "json", *self.more, *more]

    def start(self):
        with open(self.dir / "err", "ab") as err:
            self.process = subprocess.Popen(self.args("--init", "--name", self.name),
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=err)
        line = self.process.stdout.readline()
        assert line, self.err()
        said = json.loads(line)
        self.vkey, self.url = said["vkey"], said["url"]
        self.port = int(self.url.rsplit(":", 1)[1])  # the same one after a restart

    def err(self):
        return (self.dir / "err").read_text()

    def end(self, number=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(number)
        code = self.process.wait(patience(30))
        self.process.stdout.close()
        self.process = None
        assert code == (0 if number == signal.SIGTERM else -number), self.err()

    def pause(self, yes):
        self.process.send_signal(signal.SIGSTOP if yes else signal.SIGCONT)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience(30))
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def add(self, text):
        return self.ask("POST", "/add-checkpoint", text.encode())

    def state(self, suffix=""):
        origin = self.log.split("+")[0]
        return self.dir / "state" / (hashlib.sha256(origin.encode()).hexdigest() + suffix)


class Alone(unittest.TestCase):
    """Witnesses judged by a log that is not ours."""

    @classmethod
    def setUpClass(cls):
        cls.home = Home()  # for its directory
        cls.fund = Log("other.example/log")
        cls.leaves = [b"leaf %d" % i for i in range(400)]

    @classmethod
    def tearDownClass(cls):
        cls.home.close()

    @contextlib.contextmanager
    def witness(self, name, **fields):
        witness = Witness(self.home.path, name, self.fund.vkey, **fields)
        try:
            yield witness
        finally:
            witness.end()

    def grow(self, witness, old, new, leaves=None):
        leaves = (leaves or self.leaves)[:new]
        return witness.add(request(old, leaves, self.fund.checkpoint(leaves)))

    def test_growth_is_cosigned(self):
        with self.witness("growth") as witness:
            old = 0
            before = int(time.time())
            for new in (1, 3, 4, 100, 255, 256, 257, 400, 400):
                status, _, text = self.grow(witness, old, new)
                self.assertEqual(status, 200, text)
                body = body_of(self.fund.checkpoint(self.leaves[:new]))
                seconds = cosignature_time(witness.vkey, body, text)
                self.assertTrue(before <= seconds <= time.time(), seconds)
                self.assertEqual(text.count("\n"), 1)
                old = new
            status, kind, note = witness.ask(
                "GET", "/" + hashlib.sha256(b"other.example/log").hexdigest() + "/checkpoint")
            self.assertEqual((status, note.split("\n")[1]), (200, "400"), kind)
            self.assertIsNotNone(cosignature_time(witness.vkey, body_of(note), note))

    def test_refusals(self):
        with self.witness("refusals") as witness:
            stranger = Log("stranger.example/log", b"\x08" * 32)
            liar = Log("other.example/log", b"\x09" * 32)
            some = self.leaves[:5]
            self.assertEqual(witness.add("nonsense")[0], 400)
            self.assertEqual(witness.add(request(0, some, stranger.checkpoint(some)))[0], 404)
            self.assertEqual(witness.add(request(0, some, liar.checkpoint(some)))[0], 403)
            self.assertEqual(self.grow(witness, 6, 5)[0], 400)
            self.assertEqual(self.grow(witness, 3, 5), (409, "text/x.tlog.size", "0\n"))
            self.assertEqual(self.grow(witness, 0, 120)[0], 200)
            self.assertEqual(self.grow(witness, 0, 130), (409, "text/x.tlog.size", "120\n"))
            other = self.leaves[:100] + [b"another history"] * 100
            self.assertEqual(self.grow(witness, 120, 150, other)[0], 422)
            self.assertEqual(self.grow(witness, 120, 120, other),
                             (409, "text/x.tlog.size", "120\n"))
            self.assertIn("Alarm", witness.err())
            evidence = witness.state(".fork").read_text()
            self.assertEqual(evidence.count("other.example/log\n120\n"), 2)
            self.assertEqual(self.grow(witness, 120, 150)[0], 200)

    def test_it_never_goes_back(self):
        with self.witness("memory") as witness:
            self.assertEqual(self.grow(witness, 0, 120)[0], 200)
            for number in (signal.SIGTERM, signal.SIGKILL):
                witness.end(number)
                witness.start()
                self.assertEqual(self.grow(witness, 0, 110), (409, "text/x.tlog.size", "120\n"))
            # a second one on the same state is refused
            ran = run(witness.args()[:-2], timeout=patience(30))
            self.assertEqual(ran.code, 78, ran)
            # damaged state is not replaced by nothing
            witness.end()
            kept = witness.state().read_bytes()
            witness.state().write_bytes(kept[:60])
            self.assertEqual(run(witness.args(), timeout=patience(30)).code, 78)
            witness.state().write_bytes(kept)
            witness.start()
            self.assertEqual(self.grow(witness, 120, 121)[0], 200)

    def test_killed_at_any_moment_it_keeps_what_it_said(self):
        with self.witness("killed") as witness:
            size = 0
            for new in range(10, 90, 10):
                status, _, text = self.grow(witness, size, new)
                self.assertEqual(status, 200, text)
                witness.end(signal.SIGKILL)
                witness.start()
                size = new
                self.assertEqual(self.grow(witness, 0, 5)[2], f"{size}\n")

    def test_keys(self):
        with self.witness("keys") as witness:
            self.assertEqual((witness.dir / "key").stat().st_mode & 0o777, 0o600)
            witness.end()
            (witness.dir / "key").chmod(0o644)
            ran = run(witness.args(), timeout=patience(30))
            self.assertEqual(ran.code, 78, ran)
            self.assertIn("chmod 600", ran.err)
            (witness.dir / "key").chmod(0o600)
            ran = run(witness.args("--name", "another.example"), timeout=patience(30))
            self.assertEqual(ran.code, 78, ran)
            ran = run([*witness.args(), "--log", "nonsense+1234+x"], timeout=patience(30))
            self.assertEqual(ran.code, 65, ran)
            (witness.dir / "key").unlink()
            self.assertEqual(run(witness.args(), timeout=patience(30)).code, 66)
            self.assertEqual(run(witness.args("--init"), timeout=patience(30)).code, 64)

    def test_https(self):
        pem = self.home.path / "both.pem"
        pem.write_text(self.home.pki.cert("server").read_text() +
                       self.home.pki.key("server").read_text())
        with self.witness("https", more=["--cert", str(pem)]) as witness:
            self.assertTrue(witness.url.startswith("https://"))
            context = ssl.create_default_context(cafile=self.home.pki.ca)
            connection = http.client.HTTPSConnection("localhost", witness.port, context=context,
                                                     timeout=patience(30))
            leaves = self.leaves[:9]
            connection.request("POST", "/add-checkpoint",
                               body=request(0, leaves, self.fund.checkpoint(leaves)).encode())
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()


class Beside(DaemonTest):
    """A daemon whose policy wants both of its two witnesses."""

    @classmethod
    def setUpClass(cls):
        # the key of the log is made by init, the addresses of the witnesses by their start
        cls.home = Home(settings={"checkpoint": {"interval_ms": 20},
                                  "admin": {"listen": "127.0.0.1:0"}})
        cls.home.init()
        cls.vkey = (cls.home.data / "ledger.vkey").read_text().strip()
        cls.one = Witness(cls.home.path, "one", cls.vkey)
        cls.two = Witness(cls.home.path, "two", cls.vkey)
        cls.policy = cls.home.path / "policy"
        cls.policy.write_text(
            f"log {cls.vkey}\n"
            f"witness one {cls.one.vkey} {cls.one.url}\nwitness two {cls.two.vkey} {cls.two.url}/\n"
            "group both all one two\nquorum both\n")
        cls.home.settings["checkpoint"]["policy"] = cls.policy
        cls.home.write_config()
        cls.home.start()
        cls.home.adopt()
        cls.connect()

    @classmethod
    def connect(cls):
        for person in ("clerk", "auditor", "reader", "admin"):
            setattr(cls, person, cls.home.client(person))

    @classmethod
    def tearDownClass(cls):
        cls.one.end()
        cls.two.end()
        super().tearDownClass()

    def grow(self):
        self.clerk.execute(add_contributor=pb.AddContributor(name=self.name(), kind=2))
        return self.reader.GetStatus().size

    def lag(self, witness):
        port = int((self.home.path / "admin-port").read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=patience(30)) as answer:
            text = answer.read().decode()
        return int(re.search(f'pledged_witness_lag_entries{{witness="{witness}"}} (\\d+)',
                             text).group(1))

    def served(self):
        return self.auditor.GetCheckpoint()

    def cosigned(self, size, witnesses=None):
        """Waits until what is served covers `size`, with both cosignatures."""
        def look():
            now = self.served()
            body = body_of(now.checkpoint)
            lines = now.checkpoint[len(body):]
            return now if now.size >= size and all(
                cosignature_time(w.vkey, body, lines) for w in (self.one, self.two)) else None
        return self.eventually(look, timeout=90)

    def test_1_quorum(self):
        now = self.cosigned(self.grow())
        status = self.eventually(lambda: (lambda s: s.witness_quorum and s)(
            self.reader.GetStatus()))
        self.assertEqual([w.name for w in status.witness], ["one", "two"])
        for witness, real in zip(status.witness, (self.one, self.two)):
            self.assertEqual((witness.vkey, witness.trouble), (real.vkey, ""))
            self.assertEqual(witness.cosigned_size, now.size)
            self.assertLess(abs(witness.cosigned_time_us / 1e6 - time.time()), patience(120))
        # on the disk, and at the witness for monitors
        kept = (self.home.data / "checkpoint.cosigned").read_text()
        self.assertEqual(kept, now.checkpoint)
        name = hashlib.sha256(b"test.example/fund").hexdigest()
        self.assertEqual(body_of(self.one.ask("GET", f"/{name}/checkpoint")[2]), body_of(kept))

    def test_2_people_see_it(self):
        self.cosigned(self.grow())
        said = self.pledge("auditor", "status", format="json").json
        self.assertTrue(said["witness_quorum"])
        self.assertEqual([w["name"] for w in said["witness"]], ["one", "two"])
        self.assertIn("one: ", self.pledge("auditor", "status", format="table").out)
        # what auditors take home is content with the policy
        for args in (["prove", "2"], ["dump"]):
            path = self.home.path / f"taken-{args[0]}"
            def take():
                self.pledge("auditor", *args, "-o", path)
                return run([BIN / "pledge", "verify", path, "--key", self.policy],
                           timeout=patience(60)).code == 0
            self.eventually(take, timeout=60)

    def test_3_an_outage_holds_up_nobody(self):
        before = self.cosigned(self.grow()).size
        self.two.end()
        started = time.monotonic()
        for _ in range(50):
            size = self.grow()
        # fifty writes and the checkpoint over them are there; a dead witness costs them nothing
        self.assertLess(time.monotonic() - started, patience(30))
        self.eventually(lambda: self.reader.GetStatus().checkpoint_size >= size)
        status = self.eventually(lambda: (lambda s: s.witness[1].trouble and s)(
            self.reader.GetStatus()))
        self.assertEqual(status.witness[0].trouble, "")
        now = self.served()  # the last one that both cosigned
        lag = self.eventually(lambda: self.lag("two"))
        self.assertLessEqual(lag, size)
        self.assertGreaterEqual(now.size, before)
        self.assertLess(now.size, size)
        self.two.start()
        self.cosigned(size)
        self.assertEqual([w.trouble for w in self.reader.GetStatus().witness], ["", ""])
        self.eventually(lambda: self.lag("two") == 0)

    def test_4_a_witness_that_hangs_holds_up_nobody(self):
        self.cosigned(self.grow())

        def fifty():
            started = time.monotonic()
            for _ in range(50):
                size = self.grow()
            return size, time.monotonic() - started
        alone = fifty()[1]
        self.two.pause(True)
        try:
            size, took = fifty()
            self.assertLess(took, patience(8) + 3 * alone)
            self.eventually(lambda: self.reader.GetStatus().checkpoint_size >= size)
        finally:
            self.two.pause(False)
        self.cosigned(size)

    def test_5_restarts(self):
        size = self.cosigned(self.grow()).size
        self.one.end(signal.SIGKILL)
        self.one.start()
        self.home.restart(kill=True)
        self.connect()
        self.assertGreaterEqual(self.served().size, size)  # known at once
        self.cosigned(self.grow())
        # a daemon that forgot what was cosigned learns it from the witnesses (409)
        self.home.drop_clients()
        self.home.terminate()
        (self.home.data / "checkpoint.cosigned").unlink()
        self.home.start()
        self.connect()
        self.cosigned(self.grow())

    def test_6_equivocation(self):
        """Whoever has the key of the ledger cannot get another history cosigned."""
        now = self.cosigned(self.grow())
        secret = (self.home.data / "ledger.key").read_text().strip()
        thief = Log("test.example/fund", base64.b64decode(secret.split("+", 4)[4])[1:])
        self.assertEqual(thief.vkey, self.vkey)
        fake = [b"%d" % i for i in range(now.size + 1)]
        said = self.one.add(request(now.size, fake[:now.size], thief.checkpoint(fake[:now.size])))
        self.assertEqual(said, (409, "text/x.tlog.size", f"{now.size}\n"))
        said = self.one.add(request(now.size, fake, thief.checkpoint(fake)))
        self.assertEqual(said[0], 422, said)
        self.assertEqual(self.one.add(request(0, fake, thief.checkpoint(fake)))[0], 409)
        self.assertIn("Alarm", self.one.err())
        self.assertTrue(self.one.state(".fork").exists())
        self.cosigned(self.grow())  # the true one goes on

    def test_7_wrong_policies(self):
        self.home.drop_clients()
        self.home.terminate()
        good = self.policy.read_text()
        try:
            for text, told in ((good + "nonsense here\n", "policy:6"), ("quorum none\n", "witness"),
                               (good.replace("test.example", "other.example"), "policy:1")):
                self.policy.write_text(text)
                self.home.spawn()
                self.assertEqual(self.home.wait(), 78)
                self.home.process = None
                self.assertIn(told.split(":")[0], self.home.log()[-2000:])
        finally:
            self.policy.write_text(good)
            self.home.start()
            self.connect()

    def test_9_a_ledger_that_was_rolled_back_signs_nothing(self):
        """The one thing the daemon cannot see by itself: everything of it is older, also what is
        beside the key. Its witnesses remember."""
        size = self.cosigned(self.grow()).size
        self.home.drop_clients()
        self.home.terminate()
        old = self.home.path / "old"
        subprocess.run(["cp", "-a", self.home.data, old], check=True)
        self.home.start()
        self.connect()
        for _ in range(3):
            newest = self.grow()
        self.cosigned(newest)
        self.home.drop_clients()
        self.home.terminate()
        self.home.data.rename(self.home.path / "newer")
        old.rename(self.home.data)
        self.home.start()
        self.connect()
        try:
            self.eventually(lambda: any("cosigned more" in w.trouble
                                        for w in self.reader.GetStatus().witness), timeout=60)
            self.assertIn("rolled back", self.home.log())
            later = self.grow()  # commands are still taken; nothing vouches for them
            self.assertLessEqual(later, newest)
            with self.assertRaises(Refused) as refused:
                self.auditor.GetInclusionProof(seq=later)
            self.assertEqual(refused.exception.reason, "UNAVAILABLE")
            self.assertLess(self.reader.GetStatus().checkpoint_size, later)
            self.assertGreaterEqual(self.reader.GetStatus().checkpoint_size, size)
        finally:
            self.home.drop_clients()
            self.home.terminate()
            self.home.data.rename(self.home.path / "rolled-back")
            (self.home.path / "newer").rename(self.home.data)
            self.home.start()
            self.connect()


if __name__ == "__main__":
    unittest.main()
