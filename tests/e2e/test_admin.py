# SPDX-License-Identifier: Apache-2.0
"""admin: health, readiness and metrics of the running daemon, on loopback and on a unix socket; what
is counted is what happened; promtool (Debian: prometheus) finds nothing to complain about."""
import http.client
import os
import re
import socket
import stat
import subprocess
import unittest

from harness import DaemonTest, Home, Refused, command, patience, pb


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=patience(20))
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(connection, path, **headers):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("content-type"), answer.read().decode()


def values(page):
    """name{labels} -> number, of a page in the text format"""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in page.splitlines() if line and not line.startswith("#")}


class Admin(DaemonTest):
    settings = {"admin": {"listen": "127.0.0.1:0"}}

    def setUp(self):
        port = int((self.home.path / "admin-port").read_text())
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(20))
        self.addCleanup(self.http.close)

    def metrics(self):
        status, _, page = ask(self.http, "/metrics")
        self.assertEqual(status, 200)
        return values(page)

    def test_health_and_readiness(self):
        self.assertEqual(ask(self.http, "/healthz")[::2], (200, "ok\n"))
        self.assertEqual(ask(self.http, "/readyz")[::2], (200, "ready\n"))
        self.assertEqual(ask(self.http, "/")[0], 404)
        self.assertEqual(ask(self.http, "/pledged.v1.LedgerService/ListTiers")[0], 404)

    def test_promtool_accepts_the_metrics(self):
        self.clerk.hold("or", self.clerk.contributor(self.name()))
        status, kind, page = ask(self.http, "/metrics")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        judged = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                                capture_output=True, timeout=patience(30), check=False)
        self.assertEqual((judged.returncode, judged.stdout, judged.stderr), (0, "", ""))

    def test_open_metrics_for_who_asks(self):
        status, kind, page = ask(self.http, "/metrics",
                                 Accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
        self.assertEqual((status, kind),
                         (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        self.assertTrue(page.endswith("\n# EOF\n"))
        families = re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M)
        self.assertEqual(len(families), len({name for name, _ in families}), "a family twice")
        for name, kind in families:
            self.assertFalse(name.endswith("_total"), name)
            samples = re.findall(rf"^{name}(_[a-z]+)?(?:{{[^}}]*}})? \S+$", page, re.M)
            if kind == "counter":
                self.assertLessEqual(set(samples), {"_total"}, name)

    def test_what_is_counted_is_what_happened(self):
        before = self.metrics()
        receipt = self.clerk.contributor(self.name())
        same = command(hold=pb.Hold(tier="platine", contributor=receipt, for_s=600))
        held = self.clerk.execute(same)
        self.clerk.execute(same)
        with self.assertRaises(Refused):
            self.clerk.hold("platine", receipt)
        self.eventually(lambda: self.metrics()["pledged_connections"] >= 1)
        after = self.metrics()

        def grown(name):
            return after.get(name, 0) - before.get(name, 0)
        self.assertEqual(grown('pledged_commands_total{result="new"}'), 2)
        self.assertEqual(grown('pledged_commands_total{result="replay"}'), 1)
        self.assertEqual(grown('pledged_commands_total{result="refused"}'), 1)
        self.assertEqual(grown('pledged_requests_total{method="Execute",code="OK"}'), 3)
        self.assertEqual(grown('pledged_requests_total{method="Execute",code="REFUSED"}'), 1)
        self.assertEqual(grown('pledged_request_seconds_count{method="Execute"}'), 4)
        self.assertEqual(grown("pledged_batch_entries_sum"), 3)
        self.assertEqual(grown("pledged_entries"), 3)
        tier = self.clerk.GetTier(tier="platine").tier
        for state in ("held", "pledged", "committed"):
            self.assertEqual(after[f'pledged_tier_slots{{tier="platine",state="{state}"}}'],
                             getattr(tier, state))
        self.assertEqual(after['pledged_tier_slots{tier="platine",state="remaining"}'],
                         tier.remaining.count)
        self.assertNotIn('pledged_tier_slots{tier="or",state="remaining"}', after)
        self.clerk.withdraw(held.outcome.pledge)

    def test_times_and_places(self):
        now = self.metrics()
        end = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601",
                              "-in", str(self.home.pki.cert("server"))], capture_output=True,
                             text=True, check=True, timeout=patience(20)).stdout
        told = now['pledged_certificate_expiry_seconds{which="server"}']
        text = subprocess.run(["date", "-u", "-d", f"@{int(told)}", "+%Y-%m-%d %H:%M:%SZ"],
                              capture_output=True, text=True, check=True).stdout
        self.assertEqual(end.strip().split("=")[1], text.strip())
        self.assertGreater(now["pledged_disk_free_bytes"], 0)
        self.assertGreater(now["pledged_up_seconds"], 0)
        self.assertEqual(now["pledged_crl_next_update_seconds"], 0)
        self.assertEqual((now["pledged_ready"], now["pledged_writable"]), (1, 1))

    def test_nobody_is_named_in_the_metrics_or_the_log(self):
        self.clerk.contributor("Very Private Name SA")
        page = ask(self.http, "/metrics")[2]
        log = self.home.log_file.read_text()
        for text in (page, log):
            self.assertNotIn("Very Private Name", text)
            self.assertNotIn("PRIVATE KEY", text)


class UnixSocket(unittest.TestCase):
    def test_a_unix_socket_for_this_machine_alone(self):
        home = Home()
        path = home.path / "admin.sock"
        home.settings["admin"] = {"listen": f"unix:{path}"}
        home.write_config()
        home.init()
        try:
            home.start()
            mode = os.stat(path).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode) & 0o007, 0)
            connection = UnixConnection(path)
            self.assertEqual(ask(connection, "/readyz")[0], 200)
            connection.close()
            home.terminate()
            self.assertFalse(path.exists())
            home.start()  # again at the same place
            home.kill()
            self.assertTrue(path.exists())
            home.start()  # nobody listens behind what is left there
            connection = UnixConnection(path)
            self.assertEqual(ask(connection, "/healthz")[0], 200)
            connection.close()
        finally:
            home.close()

    def test_a_port_in_use_is_told_before_anything_starts(self):
        taken = socket.create_server(("127.0.0.1", 0))
        home = Home(settings={"admin": {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}})
        home.init()
        try:
            home.spawn()
            self.assertEqual(home.wait(), 69)
            home.process = None
            self.assertIn(f"cannot listen on 127.0.0.1:{taken.getsockname()[1]}",
                          home.log_file.read_text())
        finally:
            taken.close()
            home.close()


if __name__ == "__main__":
    unittest.main()
