# SPDX-License-Identifier: Apache-2.0
"""page: how the files of the page are served; what they show is tested in a browser
(tests/page)."""
import subprocess
import unittest

from harness import DaemonTest, patience


class Page(DaemonTest):
    def get(self, path, *options, person="reader"):
        pki = self.home.pki
        ran = subprocess.run(
            ["curl", "-sS", "-i", "--cacert", pki.ca, "--cert", pki.cert(person), "--key",
             pki.key(person), *options, f"https://localhost:{self.home.port}{path}"],
            capture_output=True, timeout=patience(20), check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        head, _, body = ran.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), fields, body

    def test_the_page_is_served_with_a_strict_policy(self):
        status, fields, body = self.get("/")
        self.assertEqual(status, 200)
        self.assertEqual(fields["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"<!doctype html>", body)
        policy = dict(part.strip().split(" ", 1)
                      for part in fields["content-security-policy"].split(";"))
        self.assertEqual(policy["default-src"], "'none'")
        self.assertEqual(policy["script-src"], "'self'")
        self.assertEqual(policy["frame-ancestors"], "'none'")
        self.assertEqual(fields["x-content-type-options"], "nosniff")
        self.assertEqual(fields["referrer-policy"], "no-referrer")
        for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript"),
                           ("/page.svg", "image/svg+xml")):
            status, fields, body = self.get(path)
            self.assertEqual(status, 200)
            self.assertTrue(fields["content-type"].startswith(kind), path)
            self.assertEqual(int(fields["content-length"]), len(body))

    def test_what_did_not_change_is_not_sent_again(self):
        _, fields, _ = self.get("/page.js")
        status, again, body = self.get("/page.js", "-H", f"if-none-match: {fields['etag']}")
        self.assertEqual((status, body), (304, b""))
        self.assertEqual(again["etag"], fields["etag"])
        self.assertEqual(self.get("/page.js", "-H", 'if-none-match: "other"')[0], 200)

    def test_the_page_knows_what_it_may_ask_for(self):
        self.assertEqual(self.get("/may.js")[2],
                         b"globalThis.may = { status: true, stream: true };\n")
        status, fields, body = self.get("/may.js", person="public")
        self.assertEqual(body, b"globalThis.may = { status: false, stream: true };\n")
        self.assertEqual(fields["cache-control"], "no-store")

    def test_only_what_is_there(self):
        for path in ("/page.html", "/page", "/../etc/passwd", "//"):
            self.assertEqual(self.get(path, "--path-as-is")[0], 404, path)
        self.assertEqual(self.get("/", "-X", "POST")[0], 415)
        self.home.pki.person("stranger")
        self.assertEqual(self.get("/", person="stranger")[0], 401)


if __name__ == "__main__":
    unittest.main()
