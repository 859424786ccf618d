# SPDX-License-Identifier: Apache-2.0
"""hostile/floods: peers that send too much, or what costs the other side more than them. Each is cut
off or refused; memory stays bounded; an honest client gets its answers meanwhile."""
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import grpc  # noqa: E402
from harness import DaemonTest, command, patience, pb  # noqa: E402
from peer import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST,  # noqa: E402
                  SERVICE, SETTINGS, WINDOW, Attack, Peer, field, frame, message, number, request)

SETTINGS_HERE = {"limits": {"handshake": "5s", "preface": "5s", "request": "3s", "write_stall": "3s"}}


class Floods(DaemonTest):
    settings = SETTINGS_HERE

    def flood(self, name, pieces, peer=None, read=True):
        """Sends piece after piece until the daemon has had enough; it must have before the end."""
        with Attack(self, name) as attack:
            peer = peer or Peer(self.home)
            sent = 0
            for piece in pieces:
                if not (peer.send(piece) if read else peer.send_blindly(piece)):
                    break
                sent += 1
                if read and (not peer.frames() or peer.goaway()):
                    break
            attack.others_go_on()
            self.assertTrue(peer.until_gone(), f"{name}: after {sent} pieces it is still welcome: {peer.seen[-3:]}")
            attack.fate = f"{peer.fate()} after {sent} pieces"
            peer.close()
        return peer

    def test_rapid_reset(self):
        head = request(b"ListTiers")
        peer = self.flood("rapid reset", (
            b"".join(frame(HEADERS, END_HEADERS, s, head) + frame(RST, 0, s, struct.pack(">I", 8))
                     for s in range(1 + 200 * n, 1 + 200 * (n + 1), 2)) for n in range(300)))
        self.assertIsNotNone(peer.goaway())

    def test_resets_that_the_daemon_is_made_to_send(self):
        """A body that is longer than it said is an error of the stream: the daemon resets it."""
        head = request(b"ListTiers", more=field(b"content-length", b"1"))
        peer = self.flood("made to reset", (
            b"".join(frame(HEADERS, END_HEADERS, s, head) + frame(DATA, 0, s, message())
                     for s in range(1 + 40 * n, 1 + 40 * (n + 1), 2)) for n in range(1000)))
        self.assertEqual(peer.goaway()[0], 11, "ENHANCE_YOUR_CALM")

    def test_windows_that_grow_by_nothing(self):
        head = request(b"ListTiers")
        self.flood("window grows by 0", (
            b"".join(frame(HEADERS, END_HEADERS, s, head) + frame(WINDOW, 0, s, bytes(4))
                     for s in range(1 + 100 * n, 1 + 100 * (n + 1), 2)) for n in range(400)))

    def test_continuation_flood(self):
        self.flood("CONTINUATION flood", [frame(HEADERS, 0, 1, request(b"ListTiers"))]
                   + [frame(CONTINUATION, 0, 1, field(b"x-%d" % n, b"y" * 50)) for n in range(20000)])

    def test_empty_continuations(self):
        self.flood("empty CONTINUATIONs", [frame(HEADERS, 0, 1, request(b"ListTiers"))]
                   + [frame(CONTINUATION, 0, 1) * 100 for _ in range(2000)])

    def test_ping_flood_without_reading(self):
        self.flood("PING flood, unread", (frame(PING, 0, 0, b"12345678") * 1000 for _ in range(5000)),
                   Peer(self.home, receive_buffer=4096), read=False)

    def test_ping_flood(self):
        self.flood("PING flood", (frame(PING, 0, 0, b"12345678") * 1000 for _ in range(5000)))

    def test_settings_flood(self):
        self.flood("SETTINGS flood", (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 1000
                                      for _ in range(5000)), Peer(self.home, receive_buffer=4096), read=False)

    def test_settings_with_too_many_entries(self):
        self.flood("long SETTINGS", [frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535) * 100)] * 3)

    def test_acknowledged_settings_that_were_never_sent(self):
        self.flood("SETTINGS ACK flood", (frame(SETTINGS, ACK) * 1000 for _ in range(1000)))

    def test_header_bomb(self):
        """4,000 bytes go into the table once; then a byte each brings them back."""
        peer = Peer(self.home)
        with Attack(self, "header bomb (HPACK)") as attack:
            bomb = field(b"x-bomb", b"b" * 3900, indexed=True) + number(62, 7, 0x80) * 12000
            for stream in range(1, 41, 2):
                block = request(b"ListTiers") + bomb
                parts = [block[n:n + 16000] for n in range(0, len(block), 16000)]
                for at, part in enumerate(parts):
                    last = END_HEADERS if at + 1 == len(parts) else 0
                    peer.send(frame(CONTINUATION if at else HEADERS, last, stream, part))
            refused = peer.until(lambda p: p.gone or p.goaway() or all(p.ended(s) for s in range(1, 41, 2)))
            attack.others_go_on()
            self.assertTrue(refused)
            self.too_big(peer)
            attack.fate = peer.fate()
        peer.close()

    def too_big(self, peer):
        """It was told so (431), not served (200, which is one byte of HPACK's static table)."""
        answers = [body for kind, _, _, body in peer.seen if kind == HEADERS]
        self.assertTrue(answers or peer.gone or peer.goaway())
        self.assertFalse(any(body.startswith(b"\x88") for body in answers), answers)

    def test_header_that_is_too_long(self):
        peer = Peer(self.home)
        with Attack(self, "header of 60,000 bytes") as attack:
            block = request(b"ListTiers") + field(b"x-long", b"l" * 60000)
            for at in range(0, len(block), 16000):
                last = END_HEADERS if at + 16000 >= len(block) else 0
                peer.send(frame(CONTINUATION if at else HEADERS, last, 1, block[at:at + 16000]))
            self.assertTrue(peer.until(lambda p: p.gone or p.goaway() or p.ended(1)))
            self.too_big(peer)
            attack.fate = peer.fate()
        peer.close()

    def test_more_streams_than_allowed(self):
        self.flood("streams without end", (
            b"".join(frame(HEADERS, END_HEADERS, s, request(b"Execute")) for s in range(1 + 200 * n, 201 + 200 * n, 2))
            for n in range(200)))

    def test_empty_data(self):
        peer = Peer(self.home)
        with Attack(self, "empty DATA") as attack:
            peer.send(frame(HEADERS, END_HEADERS, 1, request(b"Execute")))
            alive = True
            while alive and not peer.goaway() and not peer.ended(1):
                alive = peer.send(frame(DATA, 0, 1) * 500) and peer.frames()
            self.assertTrue(peer.ended(1) or peer.gone or peer.goaway())
            attack.fate = peer.fate()
        peer.close()

    def test_priorities(self):
        """They mean nothing here; they may be sent, and cost nothing that stays."""
        peer = Peer(self.home)
        with Attack(self, "PRIORITY of idle streams") as attack:
            for n in range(200):
                if not peer.send(b"".join(frame(PRIORITY, 0, s, struct.pack(">IB", 0, 1))
                                          for s in range(1 + 1000 * n, 1001 + 1000 * n, 2))) or not peer.frames():
                    break
            attack.others_go_on()
            attack.fate = "ignored" if peer.frames(0.1) else peer.fate()
        peer.close()

    def test_window_that_overflows(self):
        self.flood("window overflow", [frame(WINDOW, 0, 0, struct.pack(">I", 0x7fffffff))] * 20)


class Messages(DaemonTest):
    """Requests whose decoding would cost much more than their sending."""

    settings = SETTINGS_HERE

    def ask(self, attack, method, data, kind=b"application/grpc", framed=True, stream_count=20):
        """The same request many times; each must be refused. Returns what came."""
        peer = Peer(self.home, settings=struct.pack(">HI", 4, 1 << 20))
        body = message(data) if framed else data
        window, streams = 1 << 17, []
        for stream in range(1, 1 + 2 * stream_count, 2):
            streams.append(stream)
            peer.send(frame(HEADERS, END_HEADERS, stream, request(method, kind)))
            for at in range(0, len(body), 16384):
                if window - at < 16384 or peer.ended(stream):
                    break
                last = END_STREAM if at + 16384 >= len(body) else 0
                peer.send(frame(DATA, last, stream, body[at:at + 16384]))
            answered = peer.until(lambda p: p.gone or p.goaway() or p.ended(stream))
            self.assertTrue(answered, f"{attack.name}: no answer on stream {stream}")
            if peer.gone or peer.goaway():
                break
        attack.others_go_on()
        attack.fate = f"{len(streams)} requests answered, {peer.fate()}"
        peer.close()

    def refused_as(self, method, data, *codes, why=""):
        """The same bytes through a stock client, which says what the answer was."""
        call = self.clerk.channel.unary_unary(f"/pledged.v1.LedgerService/{method}",
                                              request_serializer=bytes, response_deserializer=bytes)
        with self.assertRaises(grpc.RpcError) as caught:
            call(data, timeout=patience(20))
        self.assertIn(caught.exception.code().name, codes, caught.exception)
        self.assertIn(why, caught.exception.details())

    def entries(self):
        return len(self.auditor.dump())

    def test_a_length_of_four_gigabytes(self):
        before = self.entries()
        with Attack(self, "length of 4 GiB") as attack:
            self.ask(attack, b"Execute", b"\0\xff\xff\xff\xff" + b"x" * 1000, framed=False)
        self.assertEqual(self.entries(), before)

    def test_quadratic_merge(self):
        """A message that is given again and again is merged again and again by simple decoders."""
        one = command(adopt_catalogue=pb.AdoptCatalogue(catalogue=pb.Catalogue(code="a" * 30))).SerializeToString()
        body = one[:18] + one[18:] * ((120000 - 18) // len(one[18:]))
        before = self.entries()
        with Attack(self, "quadratic merge") as attack:
            self.ask(attack, b"Execute", body)
            self.refused_as("Execute", body, "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
        self.assertEqual(self.entries(), before)

    def test_amplification(self):
        """Two bytes on the wire that are an empty message, 70 bytes and more in memory."""
        before = self.entries()
        for name, method, data, why in (
                ("35x: empty commands", b"ExecuteBatch", b"\x0a\x00" * 60000, "a batch holds 1 to 8192"),
                ("35x: empty documents", b"Execute", b"\x22\x00" * 30000, "too many elements")):
            with Attack(self, name) as attack:
                self.ask(attack, method, data)
                self.refused_as(method.decode(), data, "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", why=why)
        self.assertEqual(self.entries(), before)

    def test_nested_json(self):
        before = self.entries()
        for name, data in (("nested JSON objects", b'{"hold":' * 14000), ("nested JSON lists", b"[" * 120000),
                           ("JSON of many elements", b'{"evidence":[' + b"{}," * 39000 + b"{}]}"),
                           ("JSON of a long number", b'{"dryRun":' + b"9" * 110000 + b"}")):
            with Attack(self, name) as attack:
                self.ask(attack, b"Execute", data, kind=b"application/json", framed=False)
        self.assertEqual(self.entries(), before)

    def test_too_large(self):
        """Over the limit: the answer comes before all of it was sent."""
        peer = Peer(self.home)
        with Attack(self, "endless body") as attack:
            peer.send(frame(HEADERS, END_HEADERS, 1, request(b"Execute")))
            peer.send(frame(DATA, 0, 1, b"\0" + struct.pack(">I", 100 << 20)))
            sent = peer.pour(1)
            self.assertTrue(peer.gone or peer.goaway() or peer.ended(1))
            self.assertLess(sent, 2 << 20, "it was read on and on")
            attack.fate = f"{peer.fate()} after {sent >> 10} KiB"
        peer.close()

    def test_smuggling(self):
        """HTTP/1.1 whose length two readers could understand differently."""
        for head in (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
                     b"Content-Length: +5\r\n", b"Content-Length : 5\r\n", b"Transfer-Encoding: chunked\r\n"):
            peer = Peer(self.home, alpn="http/1.1")
            peer.send(b"POST " + SERVICE + b"ListTiers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      + head + b"\r\n{}   GET " + SERVICE + b"GetStatus HTTP/1.1\r\n\r\n")
            heard = b""
            while (data := peer.read(5)):
                heard += data
            self.assertEqual(heard.count(b"HTTP/1.1 "), 1, heard)
            self.assertRegex(heard, b"^HTTP/1.1 (400|411|501) ")
            peer.close()


if __name__ == "__main__":
    unittest.main()
