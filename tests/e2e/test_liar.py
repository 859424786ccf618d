# SPDX-License-Identifier: Apache-2.0
"""liar: a daemon that lies, with the ledger's own key in its hands: it sends other entries than it signed,
fewer, more, without end, signs two histories, proves something else than was asked for, and speaks HTTP/2
that never comes to a point. `pledge` finds it out by itself, leaves nothing that looks whole, and ends."""
import base64
import concurrent.futures
import itertools
import socket
import ssl
import struct
import threading
import unittest

import grpc

import audit
from harness import BIN, ROOT, DaemonTest, given_time, patience, pb, run

FORMS = ("bin", "jsonl", "csv", "hledger", "beancount", "iati")


class Liar(grpc.GenericRpcHandler):
    """Answers as it is told: {method: function of the request's bytes that gives messages}."""

    def __init__(self, pki):
        self.answers = {}
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_secure_port("localhost:0", grpc.ssl_server_credentials(
            [(pki.key("server").read_bytes(), pki.cert("server").read_bytes())]))
        self.server.start()

    def service(self, details):
        answer = self.answers.get(details.method.rsplit("/", 1)[1])
        if answer is None:
            return None
        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: (one.SerializeToString() for one in answer(request, context)))

    def says(self, method, message):
        self.answers[method] = lambda request, context: iter([message])

    def close(self):
        self.server.stop(0).wait()


class Lies(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        audit.tell_story(cls.home, filler=300)
        auditor = cls.home.client("auditor")
        cls.entries = auditor.dump_bytes()[0]
        cls.leaves = [audit.leaf_hash(entry) for entry in cls.entries]
        cls.size = len(cls.entries)
        cls.signer = audit.Signer.from_file(cls.home.data / "ledger.key")
        cls.liar = Liar(cls.home.pki)
        cls.status = auditor.GetStatus()
        cls.paths = 0

    @classmethod
    def tearDownClass(cls):
        cls.liar.close()
        super().tearDownClass()

    def setUp(self):
        self.liar.answers = {}
        self.liar.says("GetStatus", self.status)
        self.signs(self.leaves)
        self.sends(self.entries)

    def signs(self, leaves):
        self.liar.says("GetCheckpoint", pb.GetCheckpointResponse(
            checkpoint=self.signer.checkpoint(leaves), size=len(leaves)))

    def sends(self, entries, leaves=None, checkpoint=None, **trailer):
        """A dump of these entries from what was asked for on, whatever end was; under `leaves`."""
        leaves = [audit.leaf_hash(entry) for entry in entries] if leaves is None else leaves
        fields = {"from_seq": 1, "to_seq": len(entries), "ledger_size": len(entries), "origin": self.signer.name,
                  "checkpoint": self.signer.checkpoint(leaves) if checkpoint is None else checkpoint, **trailer}

        def answer(request, _):
            for first in range(max(pb.DumpRequest.FromString(request).from_seq, 1), len(entries) + 1, 100):
                yield pb.DumpResponse(entry=entries[first - 1:first + 99], first_seq=first)
            yield pb.DumpResponse(trailer=pb.DumpTrailer(**fields))
        self.liar.answers["Dump"] = answer

    def path(self):
        Lies.paths += 1
        return self.home.path / f"got-{Lies.paths}"

    def ask(self, *args, **fields):
        return self.home.pledge("auditor", *args, port=self.liar.port, **fields)

    def found_out(self, *args, words="", code=14):
        ran = self.ask(*args)
        self.assertEqual(ran.code, code, ran)
        self.assertIn(words, ran.err)
        return ran

    def no_dump(self, *args, words, forms=FORMS):
        for form in forms:
            path = self.path()
            with self.subTest(form=form):
                self.found_out("dump", "--as", form, "-o", path, *args, words=words)
                self.assertEqual([one.name for one in path.parent.glob(path.name + "*")], [])

    def forged(self):
        """More money in the first payment."""
        for place, entry in enumerate(self.entries):
            message = pb.Entry.FromString(entry)
            if message.WhichOneof("fact") == "payment_recorded":
                message.payment_recorded.amount.minor += 100
                return [*self.entries[:place], message.SerializeToString(), *self.entries[place + 1:]]
        raise AssertionError("the story has payments")

    # --- dumps ---

    def test_it_may_tell_the_truth(self):
        for form in FORMS:
            path = self.path()
            self.ok(self.ask("dump", "--as", form, "-o", path))
            self.assertTrue(path.exists())
        self.sends(self.entries[:256])
        self.ok(self.ask("dump", "-o", self.path()))
        self.sends(self.entries[:257], leaves=self.leaves)
        for form in FORMS:
            self.ok(self.ask("dump", "--as", form, "--to-seq", "257", "-o", self.path()))

    def test_other_entries_than_it_signed(self):
        self.sends(self.forged(), leaves=self.leaves)
        self.no_dump(words="not those of the checkpoint")
        ran = self.ask("dump", "-o", self.path(), lang="fr")
        self.assertIn("données abîmées\u00a0: les écritures reçues ne sont pas celles du point de contrôle", ran.err)

    def test_a_part_under_its_own_checkpoint_is_not_forged_either(self):
        self.sends(self.forged()[:300], leaves=self.leaves[:300])
        self.no_dump("--to-seq", "300", words="not those of the checkpoint")

    def test_history_that_was_rewritten_since_the_last_dump(self):
        for form in FORMS:
            path = self.path()
            beside = path.parent / f"{path.name}.checkpoint"

            def again(entries, words, signer=None, code=14):
                self.sends(entries, checkpoint=signer and signer.checkpoint([audit.leaf_hash(e) for e in entries]))
                if words is None:
                    self.ok(self.ask("dump", "--as", form, "-o", path))
                    return
                before = path.read_bytes(), beside.read_bytes()
                self.found_out("dump", "--as", form, "-o", path, words=words, code=code)
                self.assertEqual((path.read_bytes(), beside.read_bytes()), before)
            with self.subTest(form=form):
                for size in (200, 200, 256, 300):
                    again(self.entries[:size], None)
                again(self.forged()[:300], "rewritten")
                again(self.forged(), "rewritten")
                again(self.entries[:299], "taken away", code=16)
                again(self.entries, None)
                # nobody knows here which key is the right one
                again(self.forged(), "not signed by its key", audit.Signer(self.signer.name))
                again(self.entries[:100], "not signed by its key", audit.Signer(self.signer.name))
                again(self.forged(), "not signed by its key", "")  # without any checkpoint
                again(self.entries, None, "")
                again(self.entries, None, audit.Signer(self.signer.name))

    def test_fewer_entries_than_it_signed(self):
        self.sends(self.entries[:50], leaves=self.leaves)
        self.no_dump(words="not that of these entries")

    def test_a_checkpoint_of_before(self):
        self.sends(self.entries, leaves=self.leaves[:-1])
        self.no_dump(words="not that of these entries")
        self.sends(self.entries, leaves=self.leaves, origin="test.example/else")
        self.no_dump(words="not that of these entries")

    def test_no_checkpoint_at_all(self):
        for text in ("\x1b]0;x\x07", "x\n1\n", self.signer.checkpoint(self.leaves).split("\u2014")[0]):
            self.sends(self.entries, checkpoint=text)
            self.no_dump(words="is none", forms=("bin", "hledger"))

    def test_more_than_was_asked_for(self):
        self.no_dump("--to-seq", "10", words="goes on after the last entry", forms=("bin", "jsonl", "hledger"))

    # --- mirrors ---

    def without_end(self, _request, context):
        first = 1
        while context.is_active():
            yield pb.DumpResponse(entry=self.entries[:300], first_seq=first)
            first += 300

    def test_a_harmless_contradiction_does_not_cover_a_real_one(self):
        """What it signs is true, and what it sends is not: that is refused, and proves nothing."""
        path = self.path()
        self.sends(self.entries[:3])
        self.signs(self.leaves[:3])
        self.ok(self.ask("mirror", path))
        self.sends(self.forged())
        self.signs(self.leaves)
        self.found_out("mirror", path, words="is kept in it as checkpoint.refused:")
        other = [audit.leaf_hash(entry + b"\0") for entry in self.entries]
        self.sends(self.entries)
        self.signs(other)
        self.found_out("mirror", path, words="is kept in it as checkpoint.refused.2:")
        self.assertEqual((path / "checkpoint.refused.2").read_text(encoding="utf-8"), self.signer.checkpoint(other))
        for size in range(101, 125):
            self.sends(self.entries[:size])
            self.signs(other[:size])
            ran = self.ask("mirror", path)
            self.assertEqual(ran.code, 14, ran)
        self.assertIn("as nothing, so many are there", ran.err)
        self.assertEqual(len(list(path.glob("checkpoint.refused*"))), 20)

    def test_a_mirror_is_not_filled_for_ever(self):
        self.liar.answers["Dump"] = self.without_end
        path = self.path()
        self.found_out("mirror", path, words="goes on after the last entry")
        self.assertLess(sum(one.stat().st_size for one in path.rglob("*")), 1 << 20)

    def test_a_mirror_that_nothing_comes_for(self):
        """The messages are whole, but bring no entry."""
        def nothing(request, context):
            while context.is_active() and not ended.wait(0.1):
                yield pb.DumpResponse(first_seq=1)
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.liar.answers["Dump"] = nothing
        path = self.path()
        self.found_out("mirror", path, words="brings no entry")
        self.assertFalse((path / "checkpoint").exists())

        def after_the_end(request, context):
            yield pb.DumpResponse(entry=self.entries, first_seq=1)
            while context.is_active() and not ended.wait(0.1):
                yield pb.DumpResponse(trailer=pb.DumpTrailer(from_seq=1, to_seq=self.size))
        self.liar.answers["Dump"] = after_the_end
        self.found_out("mirror", path, words="goes on after its end")

    def test_postings_that_nothing_comes_for(self):
        """Heartbeats are no entries."""
        def beats(request, context):
            while context.is_active() and not ended.wait(0.1):
                yield pb.WatchResponse(seq=self.size)
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.liar.answers["Watch"] = beats
        self.status.role, before = pb.ROLE_APPROVER, self.status.role
        try:
            self.liar.says("GetStatus", self.status)
            words = "no entry came within --timeout"
            ran = given_time(lambda seconds: self.home.pledge(
                "approver", "--timeout", f"{seconds}s", "postings", "--period", "2026-01", "--accounts",
                ROOT / "deploy" / "accounts.example.csv", "-o", self.path(), port=self.liar.port,
                timeout=patience(120)), lambda ran: words in ran.err)
            self.assertEqual(ran.code, 75, ran)
            self.assertIn(words, ran.err)
        finally:
            self.status.role = before

    def two_histories(self, entries, words):
        path, leaves = self.path(), [audit.leaf_hash(entry) for entry in entries]
        self.ok(self.ask("mirror", path))
        before = {str(one): one.read_bytes() for one in path.rglob("*") if one.is_file()}
        self.sends(entries)
        self.signs(leaves)
        self.found_out("mirror", path, words=words)
        kept = path / "checkpoint.refused"
        self.assertEqual(kept.read_text(encoding="utf-8"), self.signer.checkpoint(leaves))
        self.signs(leaves[:-1])
        self.sends(entries[:-1])
        self.assertEqual(self.ask("mirror", path).code, 14)
        self.assertEqual(kept.read_text(encoding="utf-8"), self.signer.checkpoint(leaves), "the first one stays")
        more = path / "checkpoint.refused.2"
        for _ in range(2):  # known by now
            self.assertEqual(self.ask("mirror", path).code, 14)
            self.assertEqual(more.read_text(encoding="utf-8"), self.signer.checkpoint(leaves[:-1]))
        self.assertEqual(len(list(path.glob("checkpoint.refused*"))), 2)
        kept.unlink()
        more.unlink()
        after = {str(one): one.read_bytes() for one in path.rglob("*") if one.is_file()}
        self.assertEqual(after, before)
        self.signs(self.leaves)
        self.ok(self.ask("mirror", path))

    def test_two_histories_are_evidence(self):
        self.two_histories([*self.entries[:-2], *self.entries[:2]], "evidence")
        self.sends(self.entries)
        self.two_histories([*self.entries[:-1], *self.entries[:5]], "evidence")
        self.sends(self.entries)
        self.two_histories([self.entries[1], *self.entries[1:-7]], "evidence")  # also of fewer

    def files_of(self, path):
        return {str(one): one.read_bytes() for one in path.rglob("*") if one.is_file()}

    def has(self, size):
        status = pb.GetStatusResponse()
        status.CopyFrom(self.status)
        status.size = size
        self.liar.says("GetStatus", status)

    def test_a_smaller_checkpoint_that_fits_is_no_evidence(self):
        """It lags, or entries are lost: nothing was rewritten in either case."""
        path = self.path()
        self.ok(self.ask("mirror", path))
        before = self.files_of(path)
        for size in (self.size - 1, 256, 255, 1):
            with self.subTest(size=size):
                self.signs(self.leaves[:size])
                self.sends(self.entries[:size])
                self.has(self.size)  # a copy that is shown late
                ran = self.ok(self.ask("mirror", path))
                self.assertIn("is older than the mirror", ran.err)
                self.assertEqual(ran.rows, [[str(path), str(self.size), "0", audit.root_of(self.leaves).hex()]])
                self.has(size)  # an older backup
                ran = self.found_out("mirror", path, words=f"signs {size}, which are the same ones", code=16)
                self.assertIn("nothing was rewritten, but it lost entries", ran.err)
                self.assertEqual(self.files_of(path), before)
        # a tile that was damaged here is no evidence against anybody
        self.signs(self.leaves[:255])
        (path / "tile" / "0" / "000").write_bytes(bytes(256 * 32))
        self.found_out("mirror", path, words="the tiles of the mirror do not lead to its checkpoint")
        (path / "tile" / "0" / "000").unlink()
        self.found_out("mirror", path, words="a tile of the mirror is missing")
        self.assertEqual(list(path.glob("checkpoint.refused*")), [])

    def test_the_mirror_of_another_ledger(self):
        path, other = self.path(), audit.Signer("test.example/else")
        self.ok(self.ask("mirror", path))
        self.status.vkey, before = other.vkey, self.status.vkey
        try:
            self.liar.says("GetCheckpoint", pb.GetCheckpointResponse(
                checkpoint=other.checkpoint(self.leaves), size=self.size))
            self.found_out("mirror", path, words="test.example/else")
            self.assertFalse((path / "checkpoint.refused").exists())
        finally:
            self.status.vkey = before

    def test_a_new_key_goes_on_and_is_told(self):
        path, new = self.path(), audit.Signer(self.signer.name)
        self.sends(self.entries[:300])
        self.signs(self.leaves[:300])
        self.ok(self.ask("mirror", path))
        self.status.vkey, before = new.vkey, self.status.vkey
        try:
            self.sends(self.entries)
            self.liar.says("GetCheckpoint", pb.GetCheckpointResponse(
                checkpoint=new.checkpoint(self.leaves), size=self.size))
            ran = self.ask("mirror", path)
            self.ok(ran)
            self.assertIn("another key", ran.err)
            ran = self.ask("mirror", path)
            self.ok(ran)
            self.assertEqual(ran.err, "")
            ran = run([BIN / "pledge", "verify", path, "--key", new.vkey], env=self.home.environment())
            self.assertEqual(ran.code, 0, ran)
        finally:
            self.status.vkey = before

    def test_a_checkpoint_of_more_entries_than_there_can_be(self):
        path = audit.write_mirror(self.path(), self.entries, self.signer)
        for size in (self.size + 1, 1 << 40, 1 << 62):
            text = f"{self.signer.name}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
            (path / "checkpoint").write_text(text + "\n" + self.signer.line(text), encoding="utf-8")
            ran = run([BIN / "pledge", "verify", path, "--key", self.signer.vkey, "--format", "json"],
                      env=self.home.environment(), timeout=patience(60))
            self.assertEqual(ran.code, 16, ran)
            row = {row["verdict"]: row for row in ran.json["verdicts"]}["completeness"]
            self.assertLessEqual(int(row["seq"]), self.size + 1)

    # --- one entry ---

    def proves(self, text):
        self.liar.says("GetInclusionProof", pb.GetInclusionProofResponse(tlog_proof=text, size=self.size))

    def test_a_proof_of_something_else(self):
        self.proves(audit.proof_of(self.entries, 7, self.signer))
        self.ok(self.ask("prove", "7"))
        path = self.path()
        self.found_out("prove", "20", "-o", path, words="no proof of entry 20")
        self.assertFalse(path.exists())
        text = audit.proof_of(self.entries, 20, self.signer)
        self.proves(text.replace("index 19", "index 6"))
        self.found_out("prove", "7", words="no proof of entry 7")
        self.proves("\x1b[2J")
        ran = self.found_out("prove", "7", words="no proof")
        self.assertEqual(ran.out, "")

    def test_a_proof_says_what_it_proves(self):
        path = self.path()
        for seq in (7, 257):
            path.write_text(audit.proof_of(self.entries, seq, self.signer), encoding="utf-8")
            fact = pb.Entry.FromString(self.entries[seq - 1]).WhichOneof("fact")
            for form in ("plain", "json", "table"):
                ran = run([BIN / "pledge", "verify", path, "--key", self.signer.vkey, "--format", form],
                          env=self.home.environment())
                self.ok(ran)
                self.assertIn(f"entry {seq} ({fact})", ran.out)
            answer = run([BIN / "pledge", "verify", path, "--key", self.signer.vkey, "--format", "json"],
                         env=self.home.environment()).json
            self.assertEqual((answer["seq"], answer["fact"]), (seq, fact))

    def test_words_do_not_steer_the_terminal(self):
        self.liar.says("GetCheckpoint", pb.GetCheckpointResponse(checkpoint="a\x1b]0;evil\x07b", size=3))
        self.assertEqual(self.found_out("checkpoint", words="no signed checkpoint").out, "")

        def fails(_, context):
            context.abort(grpc.StatusCode.INTERNAL, "some \x1b[2J\x9b2J words\x7f")
        self.liar.answers["GetCheckpoint"] = fails
        ran = self.ask("checkpoint")
        self.assertEqual(ran.code, 70, ran)
        self.assertIn("words", ran.err)
        self.assertEqual([c for c in ran.err if c != "\n" and not c.isprintable()], [])


# --- HTTP/2 that does not come to a point -------------------------------------------------------------------

def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


HEAD = frame(1, 4, 1, b"\x88\x5f\x10application/grpc")
ENDLESS = {
    "empty pieces": (HEAD, frame(0, 0, 1)),
    "frames of no known kind": (b"", frame(0xBB, body=bytes(64))),
    "windows": (b"", frame(8, 0, 0, struct.pack(">I", 1))),
    "priorities": (b"", frame(2, 0, 1, bytes(5))),
}


def entries_of(size):
    """The head of a message of so many bytes."""
    return b"\0" + struct.pack(">I", size)


# what comes now and then: some bytes of a message that does not become whole, one without an entry
DRIPS = {
    "a message": (HEAD + frame(0, 0, 1, entries_of(1 << 20)), frame(0, 0, 1, b"\x0a")),
    "the length of one": (HEAD, frame(0, 0, 1)),
}
NOTHING_IN_IT = (HEAD, frame(0, 0, 1, entries_of(2) + b"\x10\x01"))  # first_seq: 1


class Endless(DaemonTest):
    def serve(self, begin, piece, pause=None):
        """Its port. One thread a connection, until the client has gone. `pause`: seconds between two pieces. A list of
        pieces has an end: the connection closes."""
        ended = threading.Event()
        self.addCleanup(ended.set)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home.pki.cert("server"), self.home.pki.key("server"))
        context.set_alpn_protocols(["h2"])
        listener = socket.create_server(("localhost", 0))
        self.addCleanup(listener.close)

        def talk(plain):
            try:
                with context.wrap_socket(plain, server_side=True) as peer:
                    peer.sendall(frame(4))
                    peer.recv(65536)
                    peer.sendall(begin)
                    pieces = piece if isinstance(piece, list) else itertools.repeat(piece if pause else piece * 4096)
                    for each in pieces:
                        if ended.wait(pause or 0):
                            break
                        peer.sendall(each)
            except OSError:
                pass

        def accept():
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(plain,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def test_it_ends_when_the_time_is_over(self):
        for name, (begin, piece) in ENDLESS.items():
            port = self.serve(begin, piece)
            for args in (("checkpoint",), ("dump", "--as", "jsonl")):
                with self.subTest(name=name, args=args):
                    ran = self.home.pledge("auditor", "--timeout", "1s", *args, port=port, timeout=patience(60))
                    self.assertIn(ran.code, (69, 70, 75), ran)
                    self.assertEqual(ran.out, "")

    def test_what_drips_is_no_progress(self):
        """A byte now and then is no answer that goes on; nor are messages that bring nothing."""
        for name, (begin, piece) in DRIPS.items():
            port = self.serve(begin, piece, pause=0.1)
            for form in ("bin", "hledger"):
                path = self.home.path / f"drip-{form}"
                with self.subTest(name=name, form=form):
                    words = "nothing whole came within --timeout"
                    ran = given_time(lambda seconds: self.home.pledge(
                        "auditor", "--timeout", f"{seconds}s", "dump", "--as", form, "-o", path, port=port,
                        timeout=patience(120)), lambda ran: words in ran.err)
                    self.assertEqual(ran.code, 75, ran)
                    self.assertIn(words, ran.err)
                    self.assertEqual([one.name for one in path.parent.glob(path.name + "*")], [])

    def test_what_is_slow_but_goes_on_is_waited_for(self):
        """Longer than --timeout in all, but each entry comes within it: then the connection ends, and that is said."""
        for _ in range(5):
            self.clerk.contributor(self.name())
        pieces = []
        for seq, entry in enumerate(self.auditor.dump_bytes()[0][:8], 1):
            message = pb.DumpResponse(first_seq=seq, entry=[entry]).SerializeToString()
            pieces.append(frame(0, 0, 1, entries_of(len(message)) + message))
        self.assertEqual(len(pieces), 8)
        port = self.serve(HEAD, pieces, pause=0.75)
        ran = self.home.pledge("auditor", "--timeout", "5s", "dump", "-o", self.home.path / "slow", port=port,
                               timeout=patience(60))
        self.assertNotIn("--timeout", ran.err)
        self.assertEqual(ran.code, 69, ran)

    def test_messages_that_bring_nothing(self):
        port = self.serve(*NOTHING_IN_IT, pause=0.1)
        path = self.home.path / "nothing"
        for form in ("bin", "csv", "iati"):
            ran = self.home.pledge("auditor", "dump", "--as", form, "-o", path, port=port, timeout=patience(60))
            self.assertEqual(ran.code, 14, ran)
            self.assertIn("a part of the stream brings no entry", ran.err)
            self.assertFalse(path.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
