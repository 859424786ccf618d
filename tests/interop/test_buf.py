# SPDX-License-Identifier: Apache-2.0
"""interop/buf: `buf curl` (an independent stack in Go) over its three protocols, with the schema
from the files of proto/ and from the daemon's own reflection. This client sends protobuf only and
prints JSON."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import ROOT, SCRATCH, DaemonTest, Pki, new_id, patience, pb  # noqa: E402

PACKAGES = pathlib.Path(os.environ.get("PLEDGED_NODE_DIR", ".")) / "node_modules" / "@bufbuild"
HEALTH = pathlib.Path(__file__).resolve().parent / "proto"
# buf's exit code of a failed call is the gRPC code, shifted by three bits
NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION = 5 << 3, 7 << 3, 9 << 3
DEADLINE_EXCEEDED, UNIMPLEMENTED, UNAUTHENTICATED = 4 << 3, 12 << 3, 16 << 3
ABORTED = 10 << 3


def program():
    """The binary itself: the launcher in front of it is a Node program that adds nothing."""
    for found in sorted(PACKAGES.glob("buf-*/bin/buf")):
        return found
    sys.exit(f"no buf under {PACKAGES}: run install_node.sh and set PLEDGED_NODE_DIR")


BUF = program()


class BufTest(DaemonTest):
    protocol = "connect"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home.pki.person("stranger")
        cls.schema = SCRATCH / "buf.binpb"
        subprocess.run(["protoc", "-I", str(ROOT / "proto"), "-I", str(HEALTH), "--include_imports",
                        f"--descriptor_set_out={cls.schema}", "pledged/v1/service.proto",
                        "grpc/health/v1/health.proto"], check=True, timeout=120)

    def buf(self, method, message=None, person="clerk", pki=None, extra=(), schema=True,
            timeout=40):
        """Runs one call; the exit code, what it printed as a list of JSON values, and its words."""
        pki = pki or self.home.pki
        words = [BUF, "curl", "--protocol", self.protocol, "--cacert", self.home.pki.ca]
        if person:
            words += ["--cert", pki.cert(person), "--key", pki.key(person)]
        if schema:
            words += ["--schema", self.schema]
        if message is not None:
            words += ["--data", json.dumps(message)]
        url = f"https://localhost:{self.home.port}"
        if method:
            url += "/" + (method if "/" in method else "pledged.v1.LedgerService/" + method)
        environment = self.home.environment(BUF_CACHE_DIR=self.home.path / "buf")
        done = subprocess.run([*map(str, words), *map(str, extra), url], capture_output=True,
                              timeout=patience(timeout), env=environment,
                              cwd=self.home.path, text=True)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *args, **fields):
        code, out, err = self.buf(*args, **fields)
        self.assertEqual(code, 0, out + err)
        decoder, at, values = json.JSONDecoder(), 0, []
        while out[at:].strip():
            at += len(out[at:]) - len(out[at:].lstrip())
            value, at = decoder.raw_decode(out, at)
            values.append(value)
        return values

    def refused(self, expected, reason, *args, **fields):
        code, out, err = self.buf(*args, **fields)
        self.assertEqual(code, expected, out + err)
        if reason is not None:
            # the detail is printed as JSON where the schema is known, with its bytes otherwise
            error = json.loads(err[err.index("{"):])
            detail = error["details"][0]
            self.assertEqual(detail["type"], "pledged.v1.Refusal")
            value = detail["value"] + "=" * (-len(detail["value"]) % 4)
            refusal = pb.Refusal.FromString(base64.b64decode(value))
            self.assertEqual(pb.Reason.Name(refusal.reason)[7:], reason)
            return refusal
        return err

    def contribution(self, **fields):
        return {"requestId": base64.b64encode(new_id()).decode(),
                "addContributor": {"name": self.name("Buf"), "kind": "CONTRIBUTOR_KIND_ACADEMIA"},
                **fields}


class Calls:
    """The same for every protocol."""

    def test_unary(self):
        [answer] = self.ok("GetTier", {"tier": "diamant"})
        self.assertEqual(answer["tier"]["remaining"], {"count": "1"})

    def test_a_write_is_new_then_replayed(self):
        sent = self.contribution()
        [first] = self.ok("Execute", sent)
        [second] = self.ok("Execute", sent)
        self.assertEqual((first["kind"], second["kind"]),
                         ("RECEIPT_KIND_NEW", "RECEIPT_KIND_REPLAY"))
        self.assertEqual(first["seq"], second["seq"])
        self.refused(ABORTED, "REQUEST_ID_REUSED", "Execute",
                     self.contribution(requestId=sent["requestId"]))

    def test_refusals_carry_reason_and_field(self):
        who = self.clerk.contributor(self.name())
        missing = self.refused(NOT_FOUND, "PLEDGE_UNKNOWN", "GetPledge",
                               {"pledge": "P999999"})
        self.assertEqual(missing.field, "pledge")
        wait = {"requestId": base64.b64encode(new_id()).decode(),
                "wait": {"tier": "platine", "contributor": who}}
        rule = self.refused(FAILED_PRECONDITION, "TIER_NOT_FULL", "Execute", wait)
        self.assertEqual(rule.field, "wait.tier")

    def test_wrong_role(self):
        self.refused(PERMISSION_DENIED, "PERMISSION_DENIED", "GetPledge",
                     {"pledge": "P000001"}, person="public")
        self.refused(PERMISSION_DENIED, "PERMISSION_DENIED", "Dump", {})

    def test_no_certificate_and_unknown_ones(self):
        self.refused(UNAUTHENTICATED, "UNAUTHENTICATED", "ListTiers", {},
                     person="stranger")
        other = Pki.shared("other")
        other.person("clerk")
        for fields in ({"person": None}, {"pki": other}):
            # how this client words the alert depends on how far it was with its request
            code, out, err = self.buf("ListTiers", {}, **fields)
            self.assertNotEqual(code, 0, err)
            self.assertEqual(out, "")

    def test_a_dump_comes_whole(self):
        messages = self.ok("Dump", {}, person="auditor")
        trailer = messages[-1]["trailer"]
        entries = [pb.Entry.FromString(base64.b64decode(entry))
                   for message in messages for entry in message.get("entry", [])]
        self.assertEqual([e.seq for e in entries], list(range(1, int(trailer["toSeq"]) + 1)))

    def test_a_deadline(self):
        """Of a stream that would never end: this client tells it to the daemon and keeps it too."""
        for seconds in (1, 4, 16):  # it may be over before a busy machine has a connection: exit 1
            code, out, err = self.buf("Watch", {}, extra=["--timeout", f"{seconds}s"])
            if code == DEADLINE_EXCEEDED:
                break
        self.assertEqual(code, DEADLINE_EXCEEDED, out + err)

    def test_every_tier_at_once_and_a_hold_made_elsewhere(self):
        """The stream is read as it comes, and ended by cancelling it."""
        who = self.clerk.contributor(self.name())
        words = [BUF, "curl", "--protocol", self.protocol, "--cacert", self.home.pki.ca, "--cert",
                 self.home.pki.cert("reader"), "--key", self.home.pki.key("reader"),
                 "--schema", self.schema, "--data", '{"heartbeatS":1}',
                 f"https://localhost:{self.home.port}/pledged.v1.LedgerService/Watch"]
        watcher = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.home.environment(),
                                   cwd=self.home.path)
        self.addCleanup(self.end, watcher)
        first = self.read(watcher)
        self.assertEqual(len(first["tier"]), 6)
        seq = self.clerk.hold("or", who).seq
        while True:
            message = self.read(watcher)
            if int(message["seq"]) >= seq and any(t["code"] == "or"
                                                  for t in message.get("tier", [])):
                break
        self.end(watcher)

    def read(self, watcher):
        """The next JSON value; buf prints each over several lines."""
        text = b""
        for line in watcher.stdout:
            text += line
            if line.rstrip() == b"}":
                return json.loads(text)
        self.fail(f"the stream ended: {text!r} {watcher.stderr.read()!r}")

    def end(self, watcher):
        if watcher.poll() is None:
            watcher.terminate()
        watcher.wait(patience(20))
        watcher.stdout.close()
        watcher.stderr.close()

    def test_health(self):
        [answer] = self.ok("grpc.health.v1.Health/Check", {},
                           person="public")
        self.assertEqual(answer["status"], "SERVING")
        self.refused(NOT_FOUND, None, "grpc.health.v1.Health/Check",
                     {"service": "no.such.Service"})


class Connect(Calls, BufTest):
    protocol = "connect"


class Grpc(Calls, BufTest):
    protocol = "grpc"


class GrpcWeb(Calls, BufTest):
    protocol = "grpcweb"


class Reflection(BufTest):
    def test_calls_without_a_schema(self):
        for protocol in ("connect", "grpc", "grpcweb"):
            self.protocol = protocol
            [answer] = self.ok("GetTier", {"tier": "or"}, schema=False)
            self.assertEqual(answer["tier"]["remaining"], {"unlimited": True})
        for version in ("grpc-v1", "grpc-v1alpha"):
            with self.subTest(version=version):
                [answer] = self.ok("GetTier", {"tier": "or"}, schema=False,
                                   extra=["--reflect-protocol", version])
                self.assertEqual(answer["tier"]["code"], "or")

    def test_the_services_and_methods_are_listed(self):
        code, out, err = self.buf("", schema=False, extra=["--list-services"])
        self.assertEqual(code, 0, err)
        for name in ("pledged.v1.LedgerService", "grpc.health.v1.Health"):
            self.assertIn(name, out.split())
        code, out, err = self.buf("", schema=False, extra=["--list-methods"])
        self.assertEqual(code, 0, err)
        self.assertIn("pledged.v1.LedgerService/Watch", out)


if __name__ == "__main__":
    unittest.main()
