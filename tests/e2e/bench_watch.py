# SPDX-License-Identifier: Apache-2.0
"""bench_watch: what a thousand watchers cost those who write. Not a test: run it by hand, on a quiet
machine, with a release build.

    PLEDGED_BIN_DIR=build/release/bin /usr/bin/python3 -B tests/e2e/bench_watch.py [WATCHERS]

Writes are measured with nobody watching and with WATCHERS streams over ten connections, in turns, as
a role that sees slots and totals and as one that sees every entry: one durable write after the other
(time of each), then batches (entries a second). The watchers are a process of their own that does
nothing but take frames off and count them; its share of the processors is part of what is measured."""
import multiprocessing
import selectors
import socket
import ssl
import statistics
import struct
import sys
import time

from harness import command, money, opened, pb

CONNECTIONS = 10
ROUNDS = 3
SINGLE_S = 3.0
BATCHES, BATCH = 10, 4000
PATH = b"/pledged.v1.LedgerService/Watch"
MOST = 2**31 - 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head():
    def field(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
    return b"".join(field(*pair) for pair in (
        (b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"localhost"),
        (b":path", PATH), (b"content-type", b"application/grpc"), (b"te", b"trailers")))


class Connection:
    """HTTP/2 as far as it is needed to watch: windows that never close, answers that are counted."""

    def __init__(self, port, ca, cert, key, streams):
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(cert, key)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.rest, self.messages, self.told, self.ended = b"", 0, set(), 0
        request = b"\x00\x00\x00\x00\x00"
        out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        out += frame(4, 0, 0, struct.pack(">HI", 4, MOST)) + frame(8, 0, 0, struct.pack(">I", MOST - 65535))
        for n in range(streams):
            out += frame(1, 4, 2 * n + 1, head()) + frame(0, 1, 2 * n + 1, request)
        self.socket.sendall(out)
        self.socket.setblocking(False)

    def take(self):
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except (ssl.SSLWantReadError, BlockingIOError):
                return
            if not data:
                raise ConnectionError("the daemon closed")
            self.cut(self.rest + data)

    def cut(self, data):
        at = 0
        while len(data) - at >= 9:
            length = int.from_bytes(data[at:at + 3], "big")
            if len(data) - at < 9 + length:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5:at + 9], "big")
            if kind == 0:
                self.messages += 1
                self.told.add(stream)
            elif kind == 1 and flags & 1 or kind in (3, 7):
                self.ended += 1
            elif kind == 6 and not flags & 1:
                self.socket.send(frame(6, 1, 0, data[at + 9:at + 9 + length]))
            at += 9 + length
        self.rest = data[at:]


def watch(where, watchers, pipe):
    """The process of watchers: says when all were told for the first time, then counts until asked."""
    connections = [Connection(*where, watchers // CONNECTIONS) for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as waiting:
        for connection in connections:
            waiting.register(connection.socket, selectors.EVENT_READ, connection)
        waiting.register(pipe, selectors.EVENT_READ, None)
        begun = False
        while True:
            for key, _ in waiting.select():
                if key.data is None:
                    pipe.recv()
                    pipe.send((sum(c.messages for c in connections), sum(c.ended for c in connections)))
                    return
                key.data.take()
            if not begun and sum(len(c.told) for c in connections) == watchers:
                begun = True
                pipe.send("all")


class Watchers:
    def __init__(self, home, role, watchers):
        new = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
        self.pipe, other = new.Pipe()
        where = (home.port, *(str(path) for path in (home.pki.ca, home.pki.cert(role),
                                                     home.pki.key(role))))
        self.process = new.Process(target=watch, args=(where, watchers, other))
        self.process.start()
        assert self.pipe.poll(60), "not all are told"
        assert self.pipe.recv() == "all"

    def stop(self):
        self.pipe.send("stop")
        counts = self.pipe.recv()
        self.process.join()
        return counts


def measure(client, who):
    """(microseconds of each single write, entries a second in batches); each of them changes the
    totals"""
    took, until = [], time.monotonic() + SINGLE_S
    while time.monotonic() < until:
        begin = time.perf_counter()
        client.submit_free(who, 100)
        took.append((time.perf_counter() - begin) * 1e6)
    requests = [[command(submit=pb.Submit(contributor=who, free=True, amount=money(100)), reason="r")
                 for _ in range(BATCH)] for _ in range(BATCHES)]
    begin = time.perf_counter()
    for request in requests:
        client.batch(request)
    return took, BATCHES * BATCH / (time.perf_counter() - begin)


def main():
    watchers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    home = opened()
    try:
        found, clerk = {}, home.client("clerk")
        giver = clerk.contributor("Organisation")
        for _ in range(ROUNDS):
            for who in ("nobody", "reader", "auditor"):
                watching = None if who == "nobody" else Watchers(home, who, watchers)
                began = time.monotonic()
                took, speed = measure(clerk, giver)
                lasted = time.monotonic() - began
                told, ended = watching.stop() if watching else (0, 0)
                entry = found.setdefault(who, ([], [], []))
                entry[0].extend(took)
                entry[1].append(speed)
                entry[2].append(told / lasted)
                assert ended == 0, f"{ended} streams ended"
        print(f"{watchers} watchers, {CONNECTIONS} connections, {ROUNDS} rounds")
        for who, (took, speeds, told) in found.items():
            cut = statistics.quantiles(took, n=100)
            print(f"watched by {who:8} one write p50 {cut[49]:5.0f} us, p99 {cut[98]:6.0f} us, "
                  f"{len(took) / ROUNDS / SINGLE_S:5.0f}/s; batches {statistics.median(speeds):8,.0f} "
                  f"entries/s; told {statistics.median(told):8,.0f} messages/s")
    finally:
        home.close()


if __name__ == "__main__":
    main()
