# SPDX-License-Identifier: Apache-2.0
"""hostile/tls: who may come in. Certificates that are wrong in one way each, older protocols,
sessions that come back; what sslscan says of both listeners, and testssl.sh of the public one."""
import contextlib
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import unittest
import warnings
from xml.etree import ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from harness import SCALE, SCRATCH, Home, patience  # noqa: E402
from certificates import CLIENT, DAY, SERVER, Authority, uri, weak_key  # noqa: E402

CLERK = "pledged:person:clerk"
ASK = (b"GET /pledged.v1.LedgerService/GetStatus?connect=v1&encoding=json&message=%7B%7D HTTP/1.1\r\n"
       b"Host: localhost\r\nConnection: close\r\n\r\n")
NO_OFFERS = 404  # of ListTiers while no catalogue is adopted: an answer


class OwnAuthority(unittest.TestCase):
    """One daemon whose authority signs what it is asked to."""

    @classmethod
    def setUpClass(cls):
        cls.ours = Authority(SCRATCH / "ours")
        cls.theirs = Authority(SCRATCH / "theirs")  # the same name, another key
        server = cls.ours.issue("server", [x509.DNSName("localhost")], [SERVER])
        cls.clerk = cls.ours.issue("clerk", [uri(CLERK)])
        cls.revoked = cls.ours.issue("revoked", [uri(CLERK)])
        cls.home = Home(settings={
            "tls": {"cert": server.file, "key": server.key_file, "ca": cls.ours.file,
                    "crl": cls.ours.revoke(cls.revoked)},
            "public": {"listen": "127.0.0.1:0", "cert": server.file, "key": server.key_file}})
        cls.home.init()
        cls.home.start()
        cls.public_port = int((cls.home.path / "public-port").read_text().strip().rsplit(":", 1)[-1])

    @classmethod
    def tearDownClass(cls):
        cls.home.close()

    def context(self, issued=None, newest=None, oldest=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ours.file)
        context.set_ciphers("ALL:@SECLEVEL=0")  # it is the daemon that must refuse
        if newest is not None:
            context.minimum_version, context.maximum_version = oldest or newest, newest
        if issued is not None:
            context.load_cert_chain(issued.file, issued.key_file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def attempt(self, issued=None, context=None, port=None, session=None):
        """(status of HTTP, or "refused" if nothing was answered; the socket as it was)."""
        context = context or self.context(issued)
        raw = socket.create_connection(("127.0.0.1", port or self.home.port), timeout=patience(20))
        with raw, contextlib.suppress(ssl.SSLError, ConnectionError, BrokenPipeError):
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
                sock.sendall(ASK if port is None else ASK.replace(b"GetStatus", b"ListTiers"))
                heard = b""
                while part := sock.recv(65536):
                    heard += part
                self.last = (sock.version(), sock.session_reused, sock.session)
                if heard:
                    return int(heard.split()[1])
        return "refused"

    def still_serves(self):
        self.assertEqual(self.attempt(self.clerk), 200)


class Certificates(OwnAuthority):
    def tearDown(self):
        self.still_serves()

    def refused(self, issued):
        self.assertEqual(self.attempt(issued), "refused")

    def nobody(self, issued):
        """A good certificate, of nobody that the roster knows."""
        self.assertIn(self.attempt(issued), (401, 403))

    def test_none(self):
        self.refused(None)

    def test_of_another_authority_with_the_same_name(self):
        self.refused(self.theirs.issue("clerk", [uri(CLERK)]))

    def test_signed_by_itself(self):
        alone = Authority(SCRATCH / "alone", "clerk")
        self.refused(alone.issue("clerk", [uri(CLERK)], key=alone.key))

    def test_expired(self):
        self.refused(self.ours.issue("expired", [uri(CLERK)], begin=-2 * DAY, end=-DAY / 24))

    def test_not_yet_valid(self):
        self.refused(self.ours.issue("early", [uri(CLERK)], begin=DAY / 24, end=DAY))

    def test_revoked(self):
        self.refused(self.revoked)

    def test_for_servers_only(self):
        self.refused(self.ours.issue("purpose", [uri(CLERK)], [SERVER]))

    def test_for_both_is_for_clients_too(self):
        self.assertEqual(self.attempt(self.ours.issue("both", [uri(CLERK)], [SERVER, CLIENT])), 200)

    def test_signed_by_a_person(self):
        """A clerk's certificate is no authority, though it is a good one."""
        self.refused(self.ours.issue("child", [uri(CLERK)], issuer=self.clerk))

    def test_weak_key(self):
        self.refused(self.ours.issue("weak", [uri(CLERK)], key=weak_key()))

    def test_rsa_is_not_spoken(self):
        """However long the key: what is agreed to is ECDSA and Ed25519."""
        self.refused(self.ours.issue("rsa", [uri(CLERK)], key=rsa.generate_private_key(65537, 3072)))

    def test_sha1(self):
        try:
            warnings.simplefilter("ignore")  # that is what is tested
            issued = self.ours.issue("sha1", [uri(CLERK)], digest=hashes.SHA1())
        except Exception as error:  # a library that no longer signs so
            self.skipTest(f"cannot sign with SHA-1 here: {error}")
        self.refused(issued)

    def test_nul_in_names(self):
        for stem, text in (("nul1", CLERK + "\0"), ("nul2", CLERK + "\0.evil.example"), ("nul3", "\0" + CLERK)):
            with self.subTest(text):
                self.nobody(self.ours.issue(stem, [uri(text)]))

    def test_names_that_are_almost_right(self):
        for number, names in enumerate(([uri(CLERK + " ")], [uri("PLEDGED:person:clerk2 ")], [uri(CLERK + "\n")],
                                        [x509.DNSName(CLERK)], [x509.RFC822Name("clerk@localhost")], [])):
            with self.subTest(names):
                self.nobody(self.ours.issue(f"almost{number}", names, subject=CLERK))

    def test_the_common_name_is_no_name(self):
        self.nobody(self.ours.issue("cn", [], subject="clerk"))
        self.nobody(self.ours.issue("cn2", [x509.DNSName("x.example")], subject=CLERK))

    def test_the_key_must_be_there(self):
        """The clerk's certificate with somebody else's key proves nothing."""
        other = self.ours.issue("thief", [])
        context = self.context()
        with self.assertRaises(ssl.SSLError):
            context.load_cert_chain(self.clerk.file, other.key_file)


class Protocols(OwnAuthority):
    def tearDown(self):
        self.still_serves()

    def test_older_versions(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
            for port in (None, self.public_port):
                with self.subTest(version=version.name, port=port):
                    self.assertEqual(self.attempt(context=self.context(self.clerk, version), port=port), "refused")

    def test_only_tls_1_3(self):
        self.attempt(self.clerk)
        self.assertEqual(self.last[0], "TLSv1.3")
        self.assertEqual(self.attempt(context=self.context(), port=self.public_port), NO_OFFERS)
        self.assertEqual(self.last[0], "TLSv1.3")

    def test_plain_text(self):
        for port in (self.home.port, self.public_port):
            for words in (ASK, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]),
                          b"\x80\x2e\x01\x03\x01", b"STARTTLS\r\n"):
                with self.subTest(port=port, words=words[:8]), \
                        socket.create_connection(("127.0.0.1", port), timeout=patience(20)) as raw:
                    raw.sendall(words)
                    heard = b""
                    with contextlib.suppress(ConnectionError):
                        raw.shutdown(socket.SHUT_WR)
                        while part := raw.recv(4096):
                            heard += part
                    self.assertNotIn(b"HTTP/", heard)

    def test_no_session_comes_back(self):
        """Nothing that could be resumed is handed out, so an identity is always that of a certificate
        that was shown and checked now."""
        context = self.context(self.clerk)
        for _ in range(3):
            self.assertEqual(self.attempt(context=context), 200)
            _, reused, session = self.last
            self.assertFalse(reused)
            self.assertFalse(session is not None and session.has_ticket)
            self.assertEqual(self.attempt(context=context, session=session), 200)
            self.assertFalse(self.last[1], "a session was resumed")

    def test_renegotiation(self):
        """TLS 1.3 has none; who asks for it by the old way is cut off or not heard."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.home.port}", "-cert", self.clerk.file, "-key",
             self.clerk.key_file, "-CAfile", self.ours.file, "-servername", "localhost", "-legacy_renegotiation"],
            input=b"R\n" + ASK, capture_output=True, timeout=patience(30))
        self.assertNotIn(b"RENEGOTIATING\nSSL handshake has read", done.stdout)
        self.assertIn(b"Verify return code: 0", done.stdout, done.stderr)

    def test_who_is_who_on_the_public_listener(self):
        """It asks for no certificate, and a clerk's makes nobody a clerk there."""
        self.assertEqual(self.attempt(port=self.public_port), NO_OFFERS)
        context = self.context(self.clerk)
        raw = socket.create_connection(("127.0.0.1", self.public_port), timeout=patience(20))
        with raw, context.wrap_socket(raw, server_hostname="localhost") as sock:
            sock.sendall(ASK.replace(b"GetStatus", b"ListPledges"))
            self.assertNotIn(sock.recv(4096).split()[1], (b"200",))


# the server's order: server/net/tls says why
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
WEAK_SUITES = ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256")
# finite fields among them: a hello for ffdhe8192 costs the server much more than whoever sends it
GROUPS = ("X25519", "P-256", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe8192", "brainpoolP256r1", "secp256k1")
ALGORITHMS = ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519",
              "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256", "ecdsa_sha1")


def client_hello(compression=b"\0", versions=b"\x03\x04", legacy=b"\x03\x03", suites=b"\x13\x01"):
    """A ClientHello by hand, for what no library says."""
    def extension(kind, body):
        return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
    key = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    share = b"\0\x17" + len(key).to_bytes(2, "big") + key
    extensions = (extension(10, b"\0\2\0\x17") + extension(13, b"\0\2\4\3")
                  + extension(16, b"\0\x09\x08http/1.1")
                  + extension(51, len(share).to_bytes(2, "big") + share))
    if versions:
        extensions += extension(43, bytes([len(versions)]) + versions)
    body = (legacy + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + bytes([len(compression)])
            + compression + len(extensions).to_bytes(2, "big") + extensions)
    hello = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello


class Profile(OwnAuthority):
    """testssl.sh judges the public listener; the staff's wants a certificate first, which Debian's cannot
    show. What the two of them agree to is asked here of both, and must be the same."""

    def say(self, port, *words, send=b""):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cert", self.clerk.file, "-key",
             self.clerk.key_file, "-CAfile", self.ours.file, "-servername", "localhost", "-alpn", "http/1.1", *words],
            input=send, capture_output=True, timeout=patience(30))
        return (done.stdout + done.stderr).decode(errors="replace")

    def agrees(self, port, *words):
        heard = self.say(port, *words)
        return "Verify return code: 0" in heard and "(NONE)" not in heard

    def answer(self, port, hello):
        """("hello", version, suite) or ("alert", number) or ("closed",)."""
        with socket.create_connection(("127.0.0.1", port), timeout=patience(20)) as raw:
            raw.sendall(hello)
            heard = b""
            with contextlib.suppress(ConnectionError):
                while len(heard) < 80 and (part := raw.recv(4096)):
                    heard += part
                    if heard[:1] == b"\x15":
                        break
        if heard[:1] == b"\x15":
            return ("alert", heard[6])
        if heard[:1] != b"\x16":
            return ("closed",)
        at = 5 + 4 + 2 + 32
        return ("hello", heard[at + 1 + heard[at]:][:2].hex())

    def profile(self, port):
        told = {}
        for version in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3"):
            told[version] = self.agrees(port, version, *(["-cipher", "ALL:@SECLEVEL=0"] if version != "-tls1_3" else []))
        for suite in SUITES + WEAK_SUITES:
            told[suite] = self.agrees(port, "-ciphersuites", suite)
        for group in GROUPS:
            told[group] = self.agrees(port, "-groups", group)
        for algorithm in ALGORITHMS:
            told[algorithm] = self.agrees(port, "-sigalgs", algorithm, "-cipher", "ALL:@SECLEVEL=0")
        heard = self.say(port, "-ign_eof", "-msg", "-ciphersuites", ":".join(reversed(SUITES)), send=ASK)
        told["answers"] = "HTTP/1.1 " in heard
        told["suite of ours"] = next(s for s in SUITES if f"Cipher is {s}" in heard)
        told["tickets"] = "NewSessionTicket" in heard or "Session-ID-ctx" in heard
        told["compression"] = "Compression: NONE" not in heard
        told["renegotiation"] = "Secure Renegotiation IS NOT supported" not in heard
        told["hello by hand"] = self.answer(port, client_hello())
        told["with compression"] = self.answer(port, client_hello(compression=b"\1\0"))
        told["1.2 by its old name"] = self.answer(port, client_hello(versions=b"", suites=b"\xc0\x2b"))
        told["downgrade is noticed"] = self.answer(port, client_hello(versions=b"\3\3", suites=b"\xc0\x2b\x56\0"))
        told["SSL 3.0"] = self.answer(port, client_hello(versions=b"\3\0", legacy=b"\3\0", suites=b"\0\x0a"))
        return told

    def test_both_listeners_agree_to_the_same(self):
        public, staff = self.profile(self.public_port), self.profile(self.home.port)
        self.assertEqual(staff, public)
        good = {"-tls1_3", *SUITES, "X25519", "P-256", "P-384", "P-521", "ecdsa_secp256r1_sha256", "answers"}
        self.assertEqual({name for name, value in staff.items() if value is True}, good)
        self.assertEqual(staff["suite of ours"], SUITES[0])
        self.assertEqual(staff["hello by hand"], ("hello", "1301"))
        self.assertEqual(staff["with compression"], ("alert", 47))
        for what in ("1.2 by its old name", "downgrade is noticed", "SSL 3.0"):
            self.assertEqual(staff[what][0], "alert", what)

    def test_what_the_staff_is_asked_for(self):
        heard = self.say(self.home.port)
        self.assertRegex(heard, r"Requested Signature Algorithms: ECDSA\+SHA256:ECDSA\+SHA384:ECDSA\+SHA512:ed25519\n")
        self.assertIn("Acceptable client certificate CA names", heard)
        self.assertIn("No client certificate CA names sent", self.say(self.public_port))


# What testssl.sh may call worse than LOW here, and why it is so.
EXPECTED = {
    "cert_chain_of_trust": "the authority is the test's own, as a fund's will be its own",
    "cert_trust": "the name is localhost; the address is not in it",
    "cert_notAfter": "the test's certificate lives for a day",
    "cert_expirationStatus": "the test's certificate lives for a day",
    "cert_revocation": "no CRL or OCSP address: clients are told the authority's by hand",
    "cert_crlDistributionPoints": "the same",
    "cert_ocspURL": "the same",
}


class Sslscan(OwnAuthority):
    """A judge that can show a certificate: it looks at the staff's listener as a member of the staff,
    and has a TLS of its own to try what the system's does not speak any more."""

    def scan(self, program, port):
        done = subprocess.run([program, "--no-colour", "--xml=-", "--sni-name=localhost", "--show-sigs",
                               "--show-client-cas", f"--certs={self.clerk.file}", f"--pk={self.clerk.key_file}",
                               f"127.0.0.1:{port}"], capture_output=True, timeout=patience(120))
        (found,) = ElementTree.fromstring(done.stdout).iter("ssltest")
        return found

    def test_what_it_finds_of_both_listeners(self):
        program = shutil.which("sslscan")
        if program is None:
            self.skipTest("sslscan is not installed (Debian package sslscan)")
        for name, port in (("staff", self.home.port), ("public", self.public_port)):
            with self.subTest(listener=name):
                found = self.scan(program, port)
                spoken = {f"{p.get('type')} {p.get('version')}": p.get("enabled") for p in found.iter("protocol")}
                self.assertEqual(len(spoken), 6)
                self.assertEqual([p for p, enabled in spoken.items() if enabled == "1"], ["tls 1.3"])
                ciphers = [(c.get("cipher"), c.get("status")) for c in found.iter("cipher")]
                self.assertEqual({c for c, _ in ciphers}, set(SUITES))
                self.assertEqual(ciphers[0], (SUITES[0], "preferred"))
                self.assertEqual({g.get("id") for g in found.iter("group")}, {"0x0017", "0x0018", "0x0019", "0x001d"})
                signed = {a.get("name") for a in found.iter("connection-signature-algorithm")}
                self.assertLessEqual(signed, {"ecdsa_secp256r1_sha256"})
                for what in ("heartbleed", "renegotiation", "compression"):
                    for seen in found.iter(what):
                        self.assertEqual({seen.get("vulnerable", "0"), seen.get("supported", "0")}, {"0"}, what)
                weak = [c.get("cipher") for c in found.iter("cipher") if c.get("strength") in ("weak", "null", "anonymous")]
                self.assertEqual(weak, [])
                self.assertEqual([pk.get("error") for pk in found.iter("pk")], ["false"])
                asked = "".join(ca.text or "" for ca in found.iter("ca"))
                self.assertEqual("Test authority" in asked, name == "staff", "who vouches for the staff")


class Testssl(OwnAuthority):
    @unittest.skipIf(SCALE > 1, "it looks at OpenSSL and our settings, not at our memory: the release preset does it")
    def test_nothing_above_low(self):
        program = shutil.which("testssl") or shutil.which("testssl.sh")
        if program is None:
            self.skipTest("testssl.sh is not installed (Debian package testssl.sh)")
        report = self.home.path / "testssl.json"
        subprocess.run([program, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1",
                        "--jsonfile", report, "-p", "-s", "-S", "-P", "-U", f"localhost:{self.public_port}"],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=280)
        found = json.loads(report.read_text())
        print(f"testssl.sh: {len(found)} findings", file=sys.stderr)
        self.assertTrue(any(f["id"] == "TLS1_3" and f["severity"] == "OK" for f in found), "it saw no TLS 1.3")
        bad = [f for f in found if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
               and f["id"].split(" ")[0] not in EXPECTED]
        self.assertEqual(bad, [])


if __name__ == "__main__":
    unittest.main()
