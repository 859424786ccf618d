# SPDX-License-Identifier: Apache-2.0
"""pki.sh: what it makes is what it says, checked with openssl; it overwrites nothing unasked; renewing
keeps names and key, a new key is a new key; revoking reaches every certificate of a person; a list
says when it ends, and what ends soon is told by an exit code."""
import os
import pathlib
import re
import stat
import tempfile
import unittest

from lib import DEPLOY, run

SCRIPT = DEPLOY / "pki.sh"


class Pki(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="pledged pki ")
        self.addCleanup(work.cleanup)
        self.dir = pathlib.Path(work.name) / "an office's"
        self.pki("ca")

    def pki(self, command, *words, code=0, **variables):
        return run("sh", SCRIPT, command, self.dir, *words, code=code,
                   env=dict(os.environ, **variables))

    def openssl(self, *words, code=0):
        return run("openssl", *words, cwd=self.dir, code=code).stdout

    def public_key(self, name):
        return self.openssl("x509", "-in", f"{name}.crt", "-noout", "-pubkey")

    def serial(self, file):
        return self.openssl("x509", "-in", file, "-noout", "-serial").strip().split("=")[1]

    def text(self, name):
        return self.openssl("x509", "-in", f"{name}.crt", "-noout", "-text")

    def verify(self, name, *more, code=0):
        return self.openssl("verify", "-x509_strict", "-CAfile", "ca.crt", *more, f"{name}.crt",
                            code=code)

    def test_authority_can_sign_and_nothing_else_can(self):
        self.pki("server", "localhost")
        self.assertIn("CA:TRUE, pathlen:0", self.text("ca"))
        self.assertIn("Certificate Sign, CRL Sign", self.text("ca"))
        self.assertIn("CA:FALSE", self.text("server"))
        self.assertNotIn("Certificate Sign", self.text("server"))

    def test_server_names_and_use(self):
        self.pki("server", "ledger.example", "192.0.2.7", "2001:db8::7")
        self.assertIn("DNS:ledger.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7",
                      self.text("server"))
        self.verify("server", "-purpose", "sslserver")
        self.verify("server", "-purpose", "sslclient", code=2)

    def test_public_server_is_another_certificate(self):
        self.pki("server", "ledger.example")
        self.pki("public", "www.ledger.example")
        self.assertIn("DNS:www.ledger.example", self.text("public-server"))
        self.verify("public-server", "-purpose", "sslserver")
        self.assertNotEqual(self.public_key("server"), self.public_key("public-server"))

    def test_person_is_named_in_the_san_and_is_a_client_alone(self):
        self.pki("person", "m.dupont")
        self.assertIn("URI:pledged:person:m.dupont", self.text("m.dupont"))
        self.verify("m.dupont", "-purpose", "sslclient")
        self.verify("m.dupont", "-purpose", "sslserver", code=2)

    def test_a_person_may_be_called_public(self):
        self.pki("person", "public")
        self.assertIn("URI:pledged:person:public", self.text("public"))

    def test_keys_are_private(self):
        self.pki("server", "localhost")
        self.pki("person", "ann")
        self.pki("rekey", "ann")
        keys = list(self.dir.rglob("*.key"))
        self.assertEqual(len(keys), 4)
        for place in (self.dir, self.dir / "old"):
            self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o700, place)
        for key in keys:
            self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600, key)

    def test_nothing_is_overwritten(self):
        self.pki("server", "localhost")
        self.pki("person", "ann")
        before = {p: p.read_bytes() for p in self.dir.iterdir()}
        for words in (("ca",), ("server", "localhost"), ("person", "ann")):
            self.assertIn("kept", self.pki(*words).stdout)
        self.assertEqual({p: p.read_bytes() for p in self.dir.iterdir()}, before)
        said = self.pki("server", "another.example", code=1).stderr
        self.assertIn("does not name another.example", said)
        (self.dir / "ca.key").unlink()
        self.assertIn("only one of", self.pki("ca", code=1).stderr)

    def test_bad_names_are_refused(self):
        for name in ("", "Ann", "a b", "-a", ".a", "a/b", "ca", "server", "public-server", "crl",
                     "old", "x" * 43):
            with self.subTest(name):
                self.pki("person", name, code=1)
        for name in ("a b", "a,DNS:evil.example", "a/b", ""):
            with self.subTest(name):
                self.pki("server", name, code=1)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["ca.crt", "ca.key"])

    def test_renew_keeps_key_and_names(self):
        self.pki("server", "ledger.example", "192.0.2.7")
        old, key = self.serial("server.crt"), self.public_key("server")
        self.pki("renew", "server", PKI_DAYS="1000")
        self.assertNotEqual(self.serial("server.crt"), old)
        self.assertEqual(self.public_key("server"), key)
        self.assertIn("DNS:ledger.example, IP Address:192.0.2.7", self.text("server"))
        self.verify("server", "-purpose", "sslserver")
        self.assertEqual(self.serial(f"old/server-{old}.crt"), old)
        self.openssl("x509", "-in", "server.crt", "-noout", "-checkend", str(999 * 86400))
        self.openssl("x509", "-in", "server.crt", "-noout", "-checkend", str(1001 * 86400), code=1)

    def test_rekey_is_a_new_key(self):
        self.pki("person", "ann")
        old, key = self.serial("ann.crt"), self.public_key("ann")
        self.pki("rekey", "ann")
        self.assertNotEqual(self.public_key("ann"), key)
        self.assertEqual(self.openssl("pkey", "-in", "ann.key", "-pubout"), self.public_key("ann"))
        self.assertEqual(self.openssl("pkey", "-in", f"old/ann-{old}.key", "-pubout"), key)
        self.assertIn("URI:pledged:person:ann", self.text("ann"))
        self.verify("ann", "-purpose", "sslclient")

    def test_renewing_what_is_not_there_is_refused(self):
        self.assertIn("no certificate", self.pki("renew", "nobody", code=1).stderr)
        self.pki("renew", "ca", code=1)

    def crl(self):
        text = self.openssl("crl", "-in", "crl.pem", "-CAfile", "ca.crt", "-noout", "-text")
        return set(re.findall(r"Serial Number: ([0-9A-F]+)", text))

    def test_revoking_reaches_every_certificate_of_the_person_and_no_other(self):
        self.pki("person", "ann")
        self.pki("person", "ann-b")
        first = self.serial("ann.crt")
        self.pki("renew", "ann")
        self.pki("renew", "ann-b")
        self.pki("revoke", "ann")
        self.assertEqual(self.crl(), {first, self.serial("ann.crt")})
        check = ("-crl_check", "-CRLfile", "crl.pem")
        self.assertIn("revoked", run("openssl", "verify", "-CAfile", "ca.crt", *check, "ann.crt",
                                     cwd=self.dir, code=2).stderr)
        self.verify("ann-b", *check)
        self.assertIn("revoked already", self.pki("revoke", "ann").stdout)

    def test_a_revoked_person_gets_a_new_key_or_nothing(self):
        self.pki("person", "ann")
        self.pki("revoke", "ann")
        self.pki("person", "ann", code=1)
        self.pki("renew", "ann", code=1)
        self.pki("rekey", "ann")
        self.verify("ann", "-crl_check", "-CRLfile", "crl.pem")

    def test_a_list_says_when_the_next_one_comes(self):
        self.pki("crl", PKI_CRL_DAYS="7")
        said = self.openssl("crl", "-in", "crl.pem", "-noout", "-lastupdate", "-nextupdate",
                            "-crlnumber")
        days = [int(run("date", "-u", "-d", d, "+%s").stdout) for d in
                re.findall(r"Update=(.*)", said)]
        self.assertEqual(days[1] - days[0], 7 * 86400)
        first = re.search(r"crlNumber=(\S+)", said).group(1)
        self.pki("crl")
        self.assertNotIn(f"crlNumber={first}\n",
                         self.openssl("crl", "-in", "crl.pem", "-noout", "-crlnumber"))
        self.pki("crl", PKI_CRL_DAYS="soon", code=1)

    def test_expiry_tells_what_ends(self):
        self.pki("server", "localhost", PKI_DAYS="20")
        self.pki("person", "ann")
        self.pki("crl", PKI_CRL_DAYS="100")
        rows = {r[0]: r[1:] for r in
                (line.split("\t") for line in self.pki("expiry", code=1).stdout.splitlines())}
        self.assertEqual({k: v[2] for k, v in rows.items()},
                         {"ca": "good", "server": "ends soon", "ann": "good", "crl.pem": "good"})
        self.assertIn(rows["server"][1], ("19", "20"))
        self.pki("expiry", "10")
        self.pki("revoke", "ann", PKI_CRL_DAYS="100")
        self.assertIn("revoked", self.pki("expiry", "10").stdout)

    def test_usage(self):
        for words in ((), ("ca",), ("person", "x"), ("renew", "x"), ("what", "x"),
                      ("expiry", "x", "1", "2")):
            with self.subTest(words):
                self.assertIn("pki.sh expiry DIR", run("sh", SCRIPT, *words, code=64).stderr)


if __name__ == "__main__":
    unittest.main()
