# SPDX-License-Identifier: Apache-2.0
"""interop/grpcio: a stock gRPC client (Python, gRPC core) against the daemon: unary, streaming,
deadlines, cancellation, metadata, error details, limits, keepalive and shutdown as it sees them."""
import pathlib
import sys
import threading
import time
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import grpc  # noqa: E402

from harness import DaemonTest, Pki, Refused, command, new_id, opened, patience, pb  # noqa: E402

Code = grpc.StatusCode


def identity(data):
    return data


class Unary(DaemonTest):
    def raw(self, path, serializer=identity):
        return self.clerk.channel.unary_unary(path, request_serializer=serializer,
                                              response_deserializer=identity)

    def fails(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        return caught.exception

    def test_every_read_answers(self):
        for name in ("ListTiers", "ListBenefits", "GetTotals", "GetCatalogue", "ListPledges",
                     "ListContributors", "ListPayments", "GetStatus"):
            with self.subTest(name=name):
                self.assertGreater(self.clerk.call(name).as_of_seq
                                   if name != "GetStatus" else self.clerk.call(name).size, 0)

    def test_a_zero_byte_message_is_a_message(self):
        self.assertEqual(len(self.clerk.ListTiers(pb.ListTiersRequest()).tier), 6)

    def test_error_details_are_what_the_status_says(self):
        with self.assertRaises(Refused) as caught:
            self.clerk.GetPledge(pledge="P999999")
        refused = caught.exception
        self.assertEqual(refused.code, Code.NOT_FOUND)
        self.assertEqual(refused.status.code, Code.NOT_FOUND.value[0])
        self.assertEqual(refused.status.message, refused.details)
        self.assertEqual(len(refused.status.details), 1)
        self.assertEqual(refused.status.details[0].type_url,
                         "type.googleapis.com/pledged.v1.Refusal")
        self.assertEqual(refused.refusal.message, refused.details)

    def test_error_messages_with_accents_and_per_cent_signs_arrive_whole(self):
        with self.assertRaises(Refused) as caught:
            self.clerk.hold("100 % été", self.clerk.contributor(self.name()))
        self.assertEqual(caught.exception.details, caught.exception.refusal.message)

    def test_unknown_methods_are_unimplemented(self):
        for path in ("/pledged.v1.LedgerService/NoSuch", "/pledged.v1.Nobody/ListTiers", "/x",
                     "/pledged.v1.LedgerService/listTiers"):
            self.assertEqual(self.fails(lambda: self.raw(path)(b"", timeout=20)).code(),
                             Code.UNIMPLEMENTED)

    def test_bytes_that_are_no_message(self):
        for body in (b"\xff\xff", b"\x08", b"\x0a\x7f", b"\x0b" * 200):
            self.assertEqual(self.fails(lambda: self.raw(
                "/pledged.v1.LedgerService/GetTier")(body, timeout=20)).code(),
                Code.INVALID_ARGUMENT)

    def test_messages_over_the_limit(self):
        exactly = pb.GetTierRequest(tier="x" * (256 * 1024 - 4))
        self.assertEqual(exactly.ByteSize(), 256 * 1024)
        error = self.fails(lambda: self.raw("/pledged.v1.LedgerService/GetTier")(
            exactly.SerializeToString(), timeout=20))
        self.assertNotEqual(error.code(), Code.RESOURCE_EXHAUSTED)
        for size in (256 * 1024 + 1, 5 << 20):
            body = pb.GetTierRequest(tier="x" * size).SerializeToString()
            error = self.fails(lambda: self.raw("/pledged.v1.LedgerService/GetTier")(
                body, timeout=20))
            self.assertEqual(error.code(), Code.RESOURCE_EXHAUSTED)
        self.assertEqual(self.clerk.remaining("platine"), 2)

    def test_deadlines_that_are_far_away_or_missing(self):
        self.clerk.raw("ListTiers")(pb.ListTiersRequest(), timeout=3600)
        self.clerk.raw("ListTiers")(pb.ListTiersRequest())

    def test_a_deadline_leaves_no_doubt_about_the_request_id(self):
        """Whatever the deadline did: asking again gives one effect."""
        for timeout in (0.0001, 0.001, 0.002, 0.005):
            sent = command(add_contributor=pb.AddContributor(name=self.name("Hurry"), kind=1))
            try:
                self.clerk.raw("Execute")(sent, timeout=timeout)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), Code.DEADLINE_EXCEEDED)
            receipt = self.clerk.execute(sent)
            seen = [e for e in self.auditor.dump() if e.request_id == sent.request_id]
            self.assertEqual([e.seq for e in seen], [receipt.seq])

    def test_metadata_does_not_disturb(self):
        metadata = (("x-request", "abc"), ("x-bytes-bin", b"\0\1\xff"), ("traceparent", "00-0-0-0"))
        answer, call = self.clerk.raw("ListTiers").with_call(pb.ListTiersRequest(),
                                                             metadata=metadata, timeout=20)
        self.assertEqual(call.code(), Code.OK)
        self.assertEqual(len(answer.tier), 6)

    def test_too_much_metadata_is_refused_and_the_daemon_lives(self):
        error = self.fails(lambda: self.clerk.raw("ListTiers")(
            pb.ListTiersRequest(), metadata=(("x-long", "y" * 60000),), timeout=20))
        self.assertIn(error.code(), (Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.UNAVAILABLE,
                                     Code.UNKNOWN))
        self.assertEqual(len(self.home.client("clerk").ListTiers().tier), 6)

    def test_compressed_requests_are_unimplemented_not_misread(self):
        error = self.fails(lambda: self.clerk.raw("GetTier")(
            pb.GetTierRequest(tier="or" + " " * 2000), compression=grpc.Compression.Gzip,
            timeout=20))
        self.assertEqual(error.code(), Code.UNIMPLEMENTED)

    def test_many_calls_on_one_connection(self):
        calls = [self.clerk.raw("ListTiers").future(pb.ListTiersRequest(), timeout=patience(30))
                 for _ in range(1000)]
        self.assertEqual(sum(len(c.result().tier) for c in calls), 6000)

    def test_cancelled_calls_do_not_harm_the_others(self):
        for _ in range(20):
            calls = [self.clerk.raw("ListPledges").future(pb.ListPledgesRequest(),
                                                          timeout=patience(30))
                     for _ in range(20)]
            for call in calls[::2]:
                call.cancel()
            for call in calls[1::2]:
                try:
                    call.result()
                except grpc.RpcError as error:
                    # this client may reset a stream that it never opened; HTTP/2 makes that a
                    # connection error ("RST_STREAM: stream in idle"), and the read is asked again
                    self.assertEqual(error.code(), Code.UNAVAILABLE)
                    self.clerk.ListPledges()
        self.assertEqual(len(self.clerk.ListTiers().tier), 6)

    def test_a_cancelled_write_has_one_effect_or_none(self):
        for _ in range(10):
            sent = command(add_contributor=pb.AddContributor(name=self.name("Cancel"), kind=1))
            call = self.clerk.raw("Execute").future(sent, timeout=patience(20))
            call.cancel()
            receipt = self.clerk.execute(sent)
            seen = [e for e in self.auditor.dump() if e.request_id == sent.request_id]
            self.assertEqual([e.seq for e in seen], [receipt.seq])

    def test_two_messages_where_one_is_meant(self):
        call = self.clerk.channel.stream_unary("/pledged.v1.LedgerService/ListTiers",
                                               request_serializer=identity,
                                               response_deserializer=identity)
        error = self.fails(lambda: call(iter([b"", b""]), timeout=20))
        self.assertEqual(error.code(), Code.UNIMPLEMENTED)
        error = self.fails(lambda: call(iter([]), timeout=20))
        self.assertEqual(error.code(), Code.UNIMPLEMENTED)

    def test_the_answer_uses_the_exact_request_id(self):
        request_id = new_id()
        receipt = self.clerk.execute(command(request_id, add_contributor=pb.AddContributor(
            name=self.name(), kind=1)))
        self.assertEqual(receipt.request_id, request_id)


class People(DaemonTest):
    """Who may not, and who is not known; one request id for ever."""

    def fails(self, client, code, method="ListTiers", **fields):
        with self.assertRaises(Refused) as caught:
            client.call(method, timeout=5, **fields)
        self.assertEqual(caught.exception.code, code)
        return caught.exception

    def test_wrong_role(self):
        public = self.home.client("public")
        refused = self.fails(public, Code.PERMISSION_DENIED, "GetPledge", pledge="P000001")
        self.assertEqual(refused.reason, "PERMISSION_DENIED")
        self.fails(self.clerk, Code.PERMISSION_DENIED, "Dump")

    def test_no_certificate_and_unknown_ones(self):
        self.home.pki.person("stranger")
        refused = self.fails(self.home.client("stranger"), Code.UNAUTHENTICATED)
        self.assertEqual(refused.reason, "UNAUTHENTICATED")
        foreign = Pki.shared("other")
        foreign.person("clerk")
        mixed = types.SimpleNamespace(ca=self.home.pki.ca, cert=foreign.cert, key=foreign.key)
        for client in (self.home.client(None), self.home.client("clerk", pki=mixed)):
            self.fails(client, Code.UNAVAILABLE)

    def test_a_write_is_new_then_replayed(self):
        sent = command(add_contributor=pb.AddContributor(name=self.name(), kind=1))
        first, second = self.clerk.execute(sent), self.clerk.execute(sent)
        self.assertEqual((first.kind, second.kind), (pb.RECEIPT_KIND_NEW, pb.RECEIPT_KIND_REPLAY))
        self.assertEqual(first.seq, second.seq)

    def test_a_refusal_carries_reason_and_field(self):
        who = self.clerk.contributor(self.name())
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(wait=pb.Wait(tier="platine", contributor=who))
        self.assertEqual(caught.exception.code, Code.FAILED_PRECONDITION)
        self.assertEqual((caught.exception.reason, caught.exception.refusal.field),
                         ("TIER_NOT_FULL", "wait.tier"))


class Watching(DaemonTest):
    """Streams that never end by themselves."""

    def watch(self, client, timeout=60, **fields):
        call = client.channel.unary_stream("/pledged.v1.LedgerService/Watch",
                                           request_serializer=pb.WatchRequest.SerializeToString,
                                           response_deserializer=pb.WatchResponse.FromString)
        return call(pb.WatchRequest(**fields), timeout=patience(timeout))

    def ended_well(self, home):
        """After a first SIGTERM; a second one would end it without a drain."""
        code, home.process = home.wait(), None
        self.assertEqual(code, 0, home.log())

    def test_every_tier_at_once_then_a_hold_made_elsewhere(self):
        stream = self.watch(self.reader, heartbeat_s=1)
        first = next(stream)
        self.assertEqual(len(first.tier), 6)
        self.assertFalse(first.entry)
        receipt = self.clerk.hold("or", self.clerk.contributor(self.name()))
        for message in stream:
            if message.seq >= receipt.seq and any(t.code == "or" for t in message.tier):
                break
        else:
            self.fail("the stream ended")
        stream.cancel()

    def test_entries_from_any_entry_on(self):
        size = self.reader.GetStatus().size
        found = []
        for message in self.watch(self.auditor, from_seq=1):
            found += message.entry
            if len(found) >= size:
                break
        self.assertEqual(found[:size], self.auditor.dump_bytes(to_seq=size)[0])

    def test_a_deadline_ends_a_watch(self):
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.watch(self.reader, timeout=0.4))
        self.assertEqual(caught.exception.code(), Code.DEADLINE_EXCEEDED)

    def test_a_daemon_that_drains_says_unavailable(self):
        home = opened()
        self.addCleanup(home.close)
        stream = self.watch(home.client("reader"))
        next(stream)
        home.process.terminate()
        with self.assertRaises(grpc.RpcError) as caught:
            list(stream)
        self.assertEqual(caught.exception.code(), Code.UNAVAILABLE)
        self.ended_well(home)

    def test_health(self):
        """The message has one field: 1, the name of the service or the state."""
        service = "/grpc.health.v1.Health/"
        public = self.home.client("public").channel
        check = public.unary_unary(service + "Check", request_serializer=identity,
                                   response_deserializer=identity)
        self.assertEqual(check(b"", timeout=patience(20)), b"\x08\x01")
        with self.assertRaises(grpc.RpcError) as caught:
            check(b"\x0a\x04nope", timeout=patience(20))
        self.assertEqual(caught.exception.code(), Code.NOT_FOUND)
        watch = public.unary_stream(service + "Watch", request_serializer=identity,
                                    response_deserializer=identity)
        for name, state in ((b"", b"\x08\x01"), (b"\x0a\x04nope", b"\x08\x03")):
            stream = watch(name, timeout=patience(20))
            self.assertEqual(next(stream), state)
            stream.cancel()

    def test_health_says_not_serving_before_a_drain_ends(self):
        home = opened()
        self.addCleanup(home.close)
        watch = home.client("reader").channel.unary_stream(
            "/grpc.health.v1.Health/Watch", request_serializer=identity,
            response_deserializer=identity)
        stream = watch(b"", timeout=patience(60))
        self.assertEqual(next(stream), b"\x08\x01")
        home.process.terminate()
        seen = []
        with self.assertRaises(grpc.RpcError) as caught:
            for state in stream:
                seen.append(state)
        self.assertIn(seen, ([], [b"\x08\x02"]))
        self.assertEqual(caught.exception.code(), Code.UNAVAILABLE)
        self.ended_well(home)


class Streaming(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for turn in range(3):
            cls.clerk.batch([command(add_contributor=pb.AddContributor(
                name=f"Stream {turn} {n} " + "s" * 100, kind=1)) for n in range(2000)])

    def test_a_long_dump_arrives_whole_in_chunks(self):
        messages = self.auditor.call("Dump", timeout=60)
        self.assertGreater(len(messages), 10)
        self.assertEqual([m.HasField("trailer") for m in messages],
                         [False] * (len(messages) - 1) + [True])
        entries, trailer = self.auditor.dump_bytes()
        self.assertEqual(trailer.to_seq, len(entries))
        self.assertEqual(trailer.ledger_size, len(entries))
        self.assertEqual(trailer.origin, "test.example/fund")
        self.assertEqual(len(trailer.last_batch_hash), 32)

    def test_ranges(self):
        whole, _ = self.auditor.dump_bytes()
        for first, last in ((1, 1), (5, 9), (250, 520), (len(whole), len(whole)),
                            (len(whole) - 3, 0)):
            part, trailer = self.auditor.dump_bytes(from_seq=first, to_seq=last)
            self.assertEqual(part, whole[first - 1:last or len(whole)])
            self.assertEqual(trailer.from_seq, first)
        with self.assertRaises(Refused):
            self.auditor.dump_bytes(from_seq=9, to_seq=5)

    def test_a_slow_reader_holds_up_nobody(self):
        def fifty():
            begin = time.monotonic()
            for _ in range(50):
                self.clerk.ListTiers()
            return time.monotonic() - begin
        alone = fifty()
        call = self.auditor.raw("Dump")(pb.DumpRequest(), timeout=patience(60))
        next(call)
        self.assertLess(fifty(), patience(5) + 3 * alone)
        rest = list(call)
        self.assertTrue(rest[-1].HasField("trailer"))

    def test_a_dump_that_is_given_up(self):
        for _ in range(20):
            call = self.auditor.raw("Dump")(pb.DumpRequest(), timeout=patience(60))
            next(call)
            call.cancel()
        self.assertTrue(self.auditor.dump_bytes()[0])

    def test_a_deadline_in_the_middle_of_a_stream(self):
        """The client does not read on; the stream must end with the deadline, not hang."""
        begun = False
        for seconds in (0.3, 1, 4, 16, 60):  # on a busy machine nothing may come in so short a time
            call = self.auditor.raw("Dump")(pb.DumpRequest(), timeout=seconds)
            try:
                next(call)
                begun = True
                time.sleep(seconds + 0.2)
                for _ in call:
                    pass
            except grpc.RpcError as error:
                self.assertEqual(error.code(), Code.DEADLINE_EXCEEDED)
            if begun:
                break
        self.assertTrue(begun)
        self.assertEqual(len(self.clerk.ListTiers().tier), 6)

    def test_dumps_while_others_write_are_complete_up_to_their_start(self):
        stop = threading.Event()

        def write():
            clerk = self.home.client("clerk")
            while not stop.is_set():
                clerk.contributor(self.name("While"))
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            for _ in range(5):
                size = self.reader.GetStatus().size
                entries, trailer = self.auditor.dump_bytes()
                self.assertGreaterEqual(len(entries), size)
                self.assertEqual(len(entries), trailer.to_seq)
        finally:
            stop.set()
            thread.join(patience(20))


class Connections(DaemonTest):
    def test_many_connections(self):
        clients = [self.home.client("reader") for _ in range(60)]
        for client in clients:
            self.assertEqual(len(client.ListTiers().tier), 6)

    def test_an_idle_connection_lives_and_pings_are_welcome(self):
        client = self.home.client("reader", options=[
            ("grpc.keepalive_time_ms", 400), ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.min_time_between_pings_ms", 400)])
        client.ListTiers()
        time.sleep(2.0)
        self.assertEqual(len(client.ListTiers().tier), 6)

    def test_after_a_restart_the_same_channel_works_again(self):
        client = self.home.client("reader")
        client.ListTiers()
        self.home.clients.remove(client)
        old = self.home.port
        self.home.settings["daemon"]["listen"] = f"127.0.0.1:{old}"
        self.home.write_config()
        self.home.restart()
        deadline = time.monotonic() + patience(10)
        while True:
            try:
                self.assertEqual(len(client.ListTiers().tier), 6)
                break
            except Refused as refused:
                self.assertEqual(refused.code, Code.UNAVAILABLE)
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
        client.close()


if __name__ == "__main__":
    unittest.main()
