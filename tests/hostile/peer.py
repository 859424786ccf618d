# SPDX-License-Identifier: Apache-2.0
"""peer: a peer that means harm, and an honest one that must not notice.

Peer speaks TLS and then whatever bytes a test likes: HTTP/2 frames are made by hand, because
libraries refuse to misbehave. Honest asks for a tier in a loop, over a connection of its own, and
counts the answers. Memory reads /proc."""
import contextlib
import socket
import ssl
import struct
import sys
import threading
import time

from harness import SCALE, patience, pb

DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVICE = b"/pledged.v1.LedgerService/"


def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def number(value, bits, first=0):
    """An integer of HPACK with a prefix of so many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytes([first | most]), value - most
    while value >= 128:
        out, value = out + bytes([value % 128 | 128]), value // 128
    return out + bytes([value])


def field(name, value, indexed=False):
    return (b"\x40" if indexed else b"\x00") + number(len(name), 7) + name + number(len(value), 7) + value


def request(method, kind=b"application/grpc", verb=b"POST", more=b""):
    return (field(b":method", verb) + field(b":scheme", b"https") + field(b":authority", b"localhost")
            + field(b":path", SERVICE + method) + field(b"te", b"trailers")
            + (field(b"content-type", kind) if kind else b"") + more)


def message(data=b""):
    return b"\0" + struct.pack(">I", len(data)) + data


class Peer:
    """One connection. Writing to a peer that has hung up is no error here: `gone` says so."""

    def __init__(self, home, person="clerk", alpn="h2", port=None, tls=True, preface=True, settings=b"",
                 receive_buffer=None):
        self.gone = False
        self.seen = []  # (kind, flags, stream, body)
        self.kept = b""
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(patience(20))
        raw.connect(("127.0.0.1", home.port if port is None else port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = raw
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(home.pki.ca)
            if person:
                context.load_cert_chain(home.pki.cert(person), home.pki.key(person))
            context.set_alpn_protocols([alpn])
            self.sock = context.wrap_socket(raw, server_hostname="localhost")
        if tls and preface and alpn == "h2":
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        """False once nothing more can be sent."""
        if self.gone:
            return False
        try:
            self.sock.sendall(data)
        except (OSError, ValueError):
            self.gone = True
        return not self.gone

    def send_blindly(self, data, seconds=0.2):
        """As much as the other side takes within this time without being read."""
        self.sock.settimeout(seconds)
        try:
            self.sock.sendall(data)
        except TimeoutError:
            return False
        except OSError:
            self.gone = True
            return False
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(patience(20))
        return True

    def read(self, seconds=0.0):
        """What came; b"" if nothing came in time, None at the end."""
        try:
            self.sock.settimeout(max(seconds, 0.001))
            data = self.sock.recv(65536)
            return data if data else None
        except (TimeoutError, ssl.SSLWantReadError):
            return b""
        except OSError:
            return None
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(patience(20))

    def frames(self, seconds=0.0):
        """Reads what is there; keeps the frames; True while the connection lives."""
        data = self.read(seconds)
        if data is None:
            self.gone = True
            return False
        self.kept += data
        while len(self.kept) >= 9:
            length = int.from_bytes(self.kept[:3], "big")
            if len(self.kept) < 9 + length:
                break
            self.seen.append((self.kept[3], self.kept[4], int.from_bytes(self.kept[5:9], "big"),
                              self.kept[9:9 + length]))
            self.kept = self.kept[9 + length:]
        return True

    def until(self, condition, seconds=20):
        """Reads until the condition is true of self, or the connection ends; what it was."""
        end = time.monotonic() + patience(seconds)
        while not condition(self) and time.monotonic() < end:
            if not self.frames(0.05):
                break
        return condition(self)

    def until_gone(self, seconds=20):
        return self.until(lambda peer: peer.gone, seconds) or self.gone

    def goaway(self):
        """(error code, words) of the last GOAWAY, or None."""
        bodies = [body for kind, _, _, body in self.seen if kind == GOAWAY]
        return (int.from_bytes(bodies[-1][4:8], "big"), bodies[-1][8:].decode()) if bodies else None

    def resets(self):
        return [int.from_bytes(body, "big") for kind, _, _, body in self.seen if kind == RST]

    def ended(self, stream):
        """Has this stream got its last frame?"""
        return any(s == stream and (kind == RST or (kind in (DATA, HEADERS) and flags & END_STREAM))
                   for kind, flags, s, _ in self.seen)

    def pour(self, stream, limit=64 << 20):
        """A body without end, until the other side has had enough of it; how many bytes it let be sent."""
        sent = 0
        while sent < limit and not self.ended(stream) and self.send(frame(DATA, 0, stream, bytes(16384))):
            sent += 16384
            if not self.frames() or self.goaway():
                break
        self.until(lambda p: p.gone or p.goaway() or p.ended(stream))
        return sent

    def fate(self):
        """For the figures."""
        goaway = self.goaway()
        if goaway:
            return f"GOAWAY {goaway[0]} {goaway[1]}".strip()
        return "closed" if self.gone else f"{len(self.resets())} streams reset"

    def __del__(self):  # a test that failed leaves its peers behind
        self.close()

    def close(self):
        with contextlib.suppress(OSError, AttributeError):
            self.sock.close()


class Honest:
    """Asks and asks; every answer counts. Ends with the first wrong one, which `problem` keeps."""

    def __init__(self, home, person="reader"):
        self.client = home.client(person)
        self.took = []
        self.problem = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                tier = self.client.call("GetTier", pb.GetTierRequest(tier="platine"), timeout=30).tier
                if tier.code != "platine":
                    self.problem = f"a wrong answer: {tier}"
            except Exception as error:  # whatever it is: the test shows it
                self.problem = repr(error)
            if self.problem is not None:
                return
            self.took.append(time.monotonic() - begin)

    def progress(self, answers=10, seconds=60):
        """True when so many answers came from now on."""
        need, end = len(self.took) + answers, time.monotonic() + patience(seconds)
        while len(self.took) < need and self.problem is None and time.monotonic() < end:
            time.sleep(0.005)
        return self.problem is None and len(self.took) >= need

    def stop(self):
        self.over.set()
        self.thread.join(patience(60))


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


class Attack:
    """While it lasts an honest client works and memory is watched. Prints its figures."""

    def __init__(self, test, name):
        self.test, self.name, self.fate = test, name, ""

    def __enter__(self):
        self.pid = self.test.home.process.pid
        self.before = self.peak = resident_bytes(self.pid)
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        self.honest = Honest(self.test.home)
        self.honest.thread.start()
        self.test.assertTrue(self.honest.progress(3), self.honest.problem)
        return self

    def watch(self):
        while not self.over.wait(0.01):
            with contextlib.suppress(OSError):
                self.peak = max(self.peak, resident_bytes(self.pid))

    def others_go_on(self, answers=10):
        """In the middle of it: the honest client gets answers."""
        self.test.assertTrue(self.honest.progress(answers), f"{self.name}: {self.honest.problem}")

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.others_go_on()
        self.honest.stop()
        self.over.set()
        self.watcher.join(patience(10))
        took = sorted(self.honest.took) or [0.0]
        grown = (self.peak - self.before) >> 20
        print(f"{self.name:<28} memory {self.before >> 20:>4} MiB +{grown:>3}, honest answers {len(took):>5}, "
              f"median {took[len(took) // 2] * 1000:6.1f} ms, 99 % {took[len(took) * 99 // 100] * 1000:7.1f} ms, "
              f"attacker: {self.fate}", file=sys.stderr, flush=True)
        if kind is None:
            self.test.assertIsNone(self.honest.problem)
            # sanitizers keep freed memory on purpose
            self.test.assertLess(grown, 64 if SCALE == 1 else 1024, f"{self.name}: memory grows")
