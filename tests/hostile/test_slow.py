# SPDX-License-Identifier: Apache-2.0
"""hostile/slow: peers that take their time, in every phase of a connection, and peers that take
places. Limits are short here; whoever waits for a slow peer would wait for ever otherwise."""
import pathlib
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import DaemonTest, patience  # noqa: E402
from peer import (DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST, SERVICE, SETTINGS,  # noqa: E402
                  Attack, Peer, frame, message, request)

CROWD = 100


class Crowding(DaemonTest):
    def crowd(self, name, make, feed=None, count=CROWD):
        """So many at a time; all of them must be let go."""
        with Attack(self, name) as attack:
            peers = [make() for _ in range(count)]
            attack.others_go_on()
            end = time.monotonic() + patience(30)
            while not all(peer.gone for peer in peers) and time.monotonic() < end:
                for peer in peers:
                    if not peer.gone and feed is not None:
                        peer.send(feed)
                    if not peer.gone:
                        peer.frames()
            left = sum(not peer.gone for peer in peers)
            self.assertEqual(left, 0, f"{name}: {left} of {count} are still there")
            attack.fate = f"{count} of {count} let go"
            for peer in peers:
                peer.close()


class Newcomers(Crowding):
    """Nobody is asked here whether he still lives, so that only the preface's own limit ends it."""

    settings = {"limits": {"handshake": "2s", "preface": "2s", "idle": "1h", "keepalive": "1h"}}

    def test_no_preface(self):
        self.crowd("no preface", lambda: Peer(self.home, preface=False), count=30)

    def test_slow_preface(self):
        """Its bytes come one by one, and never the last."""
        def newcomer():
            peer = Peer(self.home, preface=False)
            peer.send(PREFACE[:3])
            return peer
        self.crowd("slow preface", newcomer, count=30)


class Slow(Crowding):
    settings = {"limits": {"handshake": "2s", "preface": "2s", "request": "2s", "write_stall": "2s",
                           "idle": "20s", "keepalive": "2s", "keepalive_timeout": "1s",
                           "write_high_bytes": 65536}}

    def test_nothing_at_all(self):
        self.crowd("silent newcomer", lambda: Peer(self.home, tls=False))

    def test_slow_handshake(self):
        """A record of TLS that never ends, byte by byte."""
        def newcomer():
            peer = Peer(self.home, tls=False)
            peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            return peer
        self.crowd("slow handshake", newcomer, b"\x01", 30)

    def test_no_tls(self):
        def newcomer():
            peer = Peer(self.home, tls=False)
            peer.send(PREFACE + frame(SETTINGS))
            return peer
        self.crowd("no TLS", newcomer)

    def test_slow_headers(self):
        """A block of headers that never ends. Whoever has said something must go on."""
        def newcomer():
            peer = Peer(self.home)
            peer.send(frame(HEADERS, 0, 1, request(b"ListTiers")))
            return peer
        self.crowd("slow headers", newcomer, count=30)

    def test_slow_head_of_http1(self):
        def newcomer():
            peer = Peer(self.home, alpn="http/1.1")
            peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            return peer
        self.crowd("slow head (HTTP/1.1)", newcomer, b"s", 30)

    def test_slow_body_of_http1(self):
        def newcomer():
            peer = Peer(self.home, alpn="http/1.1")
            peer.send(b"POST " + SERVICE + b"ListTiers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: 100000\r\n\r\n{")
            return peer
        self.crowd("slow body (HTTP/1.1)", newcomer, b" ", 30)

    def test_slow_body(self):
        """The stream gets its answer; the connection may stay."""
        with Attack(self, "slow body") as attack:
            peers = [Peer(self.home) for _ in range(20)]
            for peer in peers:
                for stream in range(1, 41, 2):
                    peer.send(frame(HEADERS, END_HEADERS, stream, request(b"Execute"))
                              + frame(DATA, 0, stream, b"\0\0\0\x10\0abc"))
            attack.others_go_on()
            for peer in peers:
                done = peer.until(lambda p: p.gone or all(p.ended(s) for s in range(1, 41, 2)), 30)
                self.assertTrue(done, peer.seen[-5:])
            attack.fate = "400 of 400 streams ended"
            for peer in peers:
                peer.close()

    def test_slow_reader(self):
        """Asks for much, through a wide window of HTTP/2, and takes nothing."""
        with Attack(self, "slow reader") as attack:
            wide = struct.pack(">HI", 4, 0x7fffffff)
            peers = [Peer(self.home, "auditor", settings=wide, receive_buffer=4096) for _ in range(10)]
            for peer in peers:
                for stream in range(1, 4001, 2):
                    ask = frame(HEADERS, END_HEADERS, stream, request(b"GetCatalogue")) \
                        + frame(DATA, END_STREAM, stream, message())
                    if not peer.send_blindly(ask, 0.05):
                        break
            attack.others_go_on()
            # reading would be kind: whether it is over is seen by writing
            end = time.monotonic() + patience(30)
            while not all(peer.gone for peer in peers) and time.monotonic() < end:
                for peer in peers:
                    if not peer.gone and not peer.send_blindly(frame(PING, 0, 0, b"12345678"), 0.01):
                        state = peer.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
                        peer.gone = peer.gone or state != 1  # no longer ESTABLISHED
            self.assertEqual(sum(not peer.gone for peer in peers), 0)
            attack.fate = "10 of 10 let go"
            for peer in peers:
                peer.close()

    def test_shut_window(self):
        """The other way to take nothing: the window of HTTP/2 is shut."""
        with Attack(self, "shut window") as attack:
            peers = [Peer(self.home, "auditor", settings=struct.pack(">HI", 4, 0)) for _ in range(20)]
            for peer in peers:
                for stream in range(1, 201, 2):
                    peer.send(frame(HEADERS, END_HEADERS, stream, request(b"GetCatalogue"))
                              + frame(DATA, END_STREAM, stream, message()))
            attack.others_go_on()
            for peer in peers:
                self.assertTrue(peer.until_gone(30), peer.seen[-5:])
            attack.fate = "20 of 20 let go"
            for peer in peers:
                peer.close()

    def test_half_open(self):
        """A peer whose machine lost its power: it acknowledges nothing any more. Here it only stays
        silent, also when it is asked."""
        with Attack(self, "half open") as attack:
            peers = [Peer(self.home) for _ in range(20)]
            for peer in peers:
                self.assertTrue(peer.until(lambda p: any(kind == SETTINGS for kind, *_ in p.seen)))
            for peer in peers:
                self.assertTrue(peer.until_gone(30))
                self.assertTrue(any(kind == PING for kind, *_ in peer.seen), "it was asked first")
            attack.fate = "20 of 20 asked, then let go"
            for peer in peers:
                peer.close()

    def test_half_closed(self):
        """It says that it will say no more, and takes its answer."""
        peer = Peer(self.home)
        peer.send(frame(HEADERS, END_HEADERS, 1, request(b"ListTiers")) + frame(DATA, 0, 1, message()))
        peer.sock.shutdown(socket.SHUT_WR)
        self.assertTrue(peer.until_gone(30))
        peer.close()


class Crowds(DaemonTest):
    settings = {"limits": {"connections": 200, "person_connections": 50, "person_requests_per_s": 2000}}

    def test_one_certificate_takes_all_places(self):
        with Attack(self, "one takes all places") as attack:
            peers, refused = [], 0
            for _ in range(150):
                try:
                    peer = Peer(self.home)
                    peers.append(peer)
                except OSError:
                    refused += 1
            attack.others_go_on()
            ask = frame(HEADERS, END_HEADERS, 1, request(b"ListTiers")) + frame(DATA, END_STREAM, 1, message())
            for peer in peers:
                peer.send(ask)
                peer.until(lambda p: p.gone or p.goaway() or p.ended(1))
            alive = sum(not (peer.gone or peer.goaway()) for peer in peers)
            self.assertLessEqual(alive, 50)
            self.assertGreater(alive, 0)
            attack.fate = f"{alive} of 150 connections"
            for peer in peers:
                peer.close()

    def test_strangers_take_all_places(self):
        """Connections that never prove who they are: more than there are places."""
        with Attack(self, "strangers take all places") as attack:
            crowd = [Peer(self.home, tls=False) for _ in range(600)]
            attack.others_go_on()
            attack.fate = "600 silent connections to 2 x 200 places"
            for peer in crowd:
                peer.close()
            newcomer = Peer(self.home, "auditor")
            newcomer.send(frame(HEADERS, END_HEADERS, 1, request(b"ListTiers")) + frame(DATA, END_STREAM, 1, message()))
            self.assertTrue(newcomer.until(lambda p: p.ended(1)))
            newcomer.close()


class Public(DaemonTest):
    """The listener that asks nobody who they are: what strangers take there, the staff does not miss."""

    settings = {"limits": {"connections": 60, "idle": "2s", "keepalive": "2s", "keepalive_timeout": "1s",
                           "request": "2s", "preface": "2s", "handshake": "2s"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        home = cls.home
        home.drop_clients()
        home.terminate()
        home.settings["public"] = {"listen": "127.0.0.1:0", "cert": home.pki.cert("server"),
                                   "key": home.pki.key("server"), "port_file": home.path / "public-port"}
        home.write_config()
        home.start()
        cls.port = int((home.path / "public-port").read_text().strip().rsplit(":", 1)[-1])

    def stranger(self, **fields):
        return Peer(self.home, None, port=self.port, **fields)

    def asks(self, peer, method=b"ListTiers"):
        """By GET, as the page of slots does; True if it was answered."""
        ask = (b"GET /pledged.v1.LedgerService/" + method + b"?connect=v1&encoding=json&message=%7B%7D HTTP/1.1\r\n"
               b"Host: localhost\r\nConnection: close\r\n\r\n")
        heard = b""
        if peer.send(ask):
            while (data := peer.read(5)):
                heard += data
        return heard.startswith(b"HTTP/1.1 200 ")

    def test_strangers_take_all_public_places(self):
        with Attack(self, "all public places") as attack:
            crowd = [Peer(self.home, tls=False, port=self.port) for _ in range(300)]
            attack.others_go_on(30)
            for peer in crowd[:60]:
                self.assertTrue(peer.until_gone(30), "a silent stranger keeps his place")
            for peer in crowd:
                peer.close()
            self.assertTrue(self.asks(self.stranger(alpn="http/1.1")), "no place is free again")
            attack.fate = "let go; the next one is served"

    def test_idle_strangers_are_let_go(self):
        with Attack(self, "idle public connections") as attack:
            crowd = [self.stranger() for _ in range(40)]
            attack.others_go_on()
            for peer in crowd:
                self.assertTrue(peer.until_gone(30), peer.seen[-3:])
            attack.fate = "40 of 40 let go"

    def test_resets_of_strangers(self):
        with Attack(self, "rapid reset by a stranger") as attack:
            peer = self.stranger()
            for n in range(300):
                if not peer.send(b"".join(
                        frame(HEADERS, END_HEADERS, s, request(b"ListTiers")) + frame(RST, 0, s, struct.pack(">I", 8))
                        for s in range(1 + 200 * n, 1 + 200 * (n + 1), 2))) or not peer.frames() or peer.goaway():
                    break
            self.assertTrue(peer.until_gone())
            attack.fate = peer.fate()

    def test_nothing_is_taken_from_strangers(self):
        """Only questions by GET: the body of a command is not read, whatever its length."""
        with Attack(self, "bodies of strangers") as attack:
            peer = self.stranger()
            peer.send(frame(HEADERS, END_HEADERS, 1, request(b"Execute")))
            sent = peer.pour(1)
            self.assertTrue(peer.gone or peer.goaway() or peer.ended(1))
            self.assertLess(sent, 2 << 20, "it was read on and on")
            for method in (b"ListPledges", b"GetStatus", b"GetTotals", b"ListContacts", b"GetCheckpoint"):
                self.assertFalse(self.asks(self.stranger(alpn="http/1.1"), method), method)
            for path in (SERVICE + b"ListTiers", SERVICE + b"Watch", b"/grpc.health.v1.Health/Check",
                         b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
                peer = self.stranger(alpn="http/1.1")
                peer.send(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
                heard = b""
                while (data := peer.read(5)):
                    heard += data
                self.assertRegex(heard, b"^HTTP/1.1 4", path)
            self.assertTrue(self.asks(self.stranger(alpn="http/1.1")))
            attack.fate = f"refused after {sent >> 10} KiB"


if __name__ == "__main__":
    unittest.main()
