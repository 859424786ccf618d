# SPDX-License-Identifier: Apache-2.0
"""machine: what test_machine.py runs inside the throw-away machine, as root, under a real systemd:
an operator's first day with the packages, by the words of README.Debian, and the last one.

Each step is a test; they run in the order of their names and build on each other."""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = pathlib.Path("/etc/pledged/pledged.conf")
DATA = pathlib.Path("/var/lib/pledged")
PKI = pathlib.Path("/root/pki")
NO_ID = 0xffffffff  # in an access list: an entry that names nobody
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
       "DEBIAN_FRONTEND": "noninteractive", "CREDENTIALS_DIRECTORY": "/etc/pledged"}


def run(*words, code=0, timeout=120):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=timeout, env=ENV)
    assert code is None or result.returncode == code, \
        f"{' '.join(map(str, words))}: {result.returncode}\n{result.stdout}\n{result.stderr}\n" \
        + journal()
    return result


def journal():
    return subprocess.run(["journalctl", "-u", "pledged", "-n", "30", "--no-pager", "-o", "cat"],
                          capture_output=True, text=True, timeout=60).stdout


def show(unit, name):
    return run("systemctl", "show", "-P", name, unit).stdout.strip()


def pki(*words):
    return run("sh", "/usr/share/pledged/pki.sh", words[0], PKI, *words[1:])


def pledge(person, *words, code=0):
    return run("pledge", "--server", "localhost:7443", "--ca", PKI / "ca.crt", "--cert",
               PKI / f"{person}.crt", "--key", PKI / f"{person}.key", *words, code=code)


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came\n" + journal()
        time.sleep(0.1)


class Day(unittest.TestCase):
    def test_01_install_starts_nothing_and_says_what_is_next(self):
        said = run("dpkg", "-i", HERE / "pledge.deb", HERE / "pledged.deb").stdout
        self.assertIn("README.Debian", said)
        self.assertEqual(show("pledged.service", "ActiveState"), "inactive")
        self.assertEqual(show("pledged.service", "ConditionResult"), "no")
        self.assertEqual(run("systemctl", "is-enabled", "pledged.service").stdout, "enabled\n")
        for unit in ("pledged.socket", "pledged-backup.timer"):
            said = run("systemctl", "is-enabled", unit, code=None).stdout
            self.assertEqual(said, "disabled\n", unit)
        self.assertRegex(run("getent", "passwd", "pledged").stdout, ":/var/lib/pledged:/usr/sbin/")
        self.assertEqual(run("stat", "-c", "%a %U %G", DATA).stdout, "700 pledged pledged\n")
        self.assertEqual(run("stat", "-c", "%a %U %G", "/etc/pledged").stdout, "750 root pledged\n")

    def test_02_certificates_configuration_ledger(self):
        pki("ca")
        pki("server", "localhost")
        for person in ("clerk", "admin", "reader", "approver"):
            pki("person", person)
        for name in ("ca.crt", "server.crt", "server.key"):
            run("cp", "-p", PKI / name, "/etc/pledged/")
        text = CONFIG.read_text(encoding="utf-8")
        CONFIG.write_text(text.replace("example.org/wsis-trust-fund", "machine.example/fund"),
                          encoding="utf-8")
        run("runuser", "-u", "pledged", "--", "pledged", "init", "--config", CONFIG)
        run("pledged", "check-config", "--config", CONFIG)

    def test_03_starts_and_serves(self):
        run("systemctl", "start", "pledged")
        self.assertEqual(show("pledged.service", "ActiveState"), "active")
        offered = pledge("admin", "catalogue", "adopt",
                         "/usr/share/pledged/catalogue/wsis-forum-2026.json", code=13).stdout
        pledge("approver", "approve", offered.split("\t")[1])  # the shipped policy wants two persons
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "2\n")
        made = pledge("clerk", "contributor", "add", "--name", "Example Ministry", "--kind",
                      "government").stdout.split("\t")[0]
        pledge("clerk", "hold", "platine", "--contributor", made, "--for", "14d")
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")

    def test_04_the_clients_french_words_are_installed(self):
        self.assertIn("Places", pledge("reader", "--format", "table", "--lang", "fr",
                                       "tiers").stdout)

    def test_05_runs_as_its_user_with_nothing_more(self):
        pid = show("pledged.service", "MainPID")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertRegex(status, r"(?m)^CapEff:\s+0+$")
        self.assertRegex(status, r"(?m)^CapBnd:\s+0+$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")
        self.assertRegex(status, r"(?m)^Seccomp:\s+2$")
        self.assertEqual(run("stat", "-c", "%U", f"/proc/{pid}").stdout, "pledged\n")
        for file in sorted(DATA.rglob("*")):
            mode = run("stat", "-c", "%a %U", file).stdout
            self.assertRegex(mode, r"^600 pledged$" if file.suffix == ".key" else r" pledged$",
                             str(file))

    def test_06_the_key_stays_roots(self):
        self.assertEqual(run("stat", "-c", "%a %U", "/etc/pledged/server.key").stdout,
                         "600 root\n")
        run("runuser", "-u", "pledged", "--", "cat", "/etc/pledged/server.key", code=1)

    def test_06b_a_key_as_newer_versions_of_systemd_hand_it_over(self):
        """Root's, 0440, and a list that names the daemon's user: theirs alone. Not with anybody else in it."""
        good, handed = CONFIG.read_text(encoding="utf-8"), CONFIG.with_name("handed.key")
        ours, other = (int(run("id", "-u", name).stdout) for name in ("pledged", "backup"))
        def hand_over(*users):
            entries = [(0x01, 4, NO_ID), *((0x02, 4, user) for user in sorted(users)),
                       (0x04, 0, NO_ID), (0x10, 4, NO_ID), (0x20, 0, NO_ID)]
            os.setxattr(handed, "system.posix_acl_access",
                        struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries))
        run("install", "-m", "0400", "/etc/pledged/server.key", handed)
        CONFIG.write_text(good.replace("credential:server.key", str(handed)), encoding="utf-8")
        hand_over(ours)
        self.assertEqual(run("stat", "-c", "%a %U", handed).stdout, "440 root\n")
        run("systemctl", "restart", "pledged")
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")
        hand_over(ours, other)
        run("systemctl", "restart", "pledged", code=1)
        until(lambda: show("pledged.service", "ActiveState") == "failed")
        self.assertEqual(show("pledged.service", "ExecMainStatus"), "78")
        self.assertIn("can be read by others", journal())
        CONFIG.write_text(good, encoding="utf-8")
        handed.unlink()
        run("systemctl", "reset-failed", "pledged")
        run("systemctl", "start", "pledged")

    def test_07_the_watchdog_is_fed(self):
        self.assertNotIn(show("pledged.service", "WatchdogUSec"), ("0", "infinity"))
        before, pid = (show("pledged.service", p) for p in ("WatchdogTimestampMonotonic", "MainPID"))
        until(lambda: show("pledged.service", "WatchdogTimestampMonotonic") != before)
        self.assertEqual(show("pledged.service", "MainPID"), pid)

    def test_08_reload_takes_the_renewed_certificate(self):
        def serial():
            said = run("openssl", "s_client", "-connect", "localhost:7443", "-cert",
                       PKI / "reader.crt", "-key", PKI / "reader.key", "-CAfile", PKI / "ca.crt",
                       code=None).stdout
            proof = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", said, re.S).group()
            (PKI / "seen.crt").write_text(proof)
            return run("openssl", "x509", "-in", PKI / "seen.crt", "-noout", "-serial").stdout
        before, pid = serial(), show("pledged.service", "MainPID")
        pki("renew", "server")
        run("cp", "-p", PKI / "server.crt", "/etc/pledged/")
        run("systemctl", "reload", "pledged")
        until(lambda: serial() != before)
        self.assertEqual(show("pledged.service", "MainPID"), pid)
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")

    def test_09_killed_it_comes_back_with_everything(self):
        pid = show("pledged.service", "MainPID")
        run("kill", "-KILL", pid)
        until(lambda: show("pledged.service", "MainPID") not in ("0", pid)
              and show("pledged.service", "ActiveState") == "active")
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")

    def test_10_a_damaged_configuration_is_not_tried_again_and_again(self):
        good = CONFIG.read_text(encoding="utf-8")
        CONFIG.write_text(good + "\n[daemon]\nno_such_key = 1\n", encoding="utf-8")
        run("systemctl", "restart", "pledged", code=1)
        until(lambda: show("pledged.service", "ActiveState") == "failed")
        self.assertEqual(show("pledged.service", "ExecMainStatus"), "78")
        self.assertEqual(show("pledged.service", "NRestarts"), "0")
        CONFIG.write_text(good, encoding="utf-8")
        run("systemctl", "reset-failed", "pledged")
        run("systemctl", "start", "pledged")

    def test_11_the_nightly_backup_is_whole_and_restores(self):
        run("systemctl", "start", "pledged-backup.service")
        made = list(pathlib.Path("/var/backups/pledged").iterdir())
        self.assertEqual(len(made), 1)
        self.assertRegex(made[0].name, r"^\d{8}T\d{6}Z$")
        other = pathlib.Path("/root/other.conf")
        other.write_text(CONFIG.read_text(encoding="utf-8").replace(
            "data = /var/lib/pledged", "data = /root/restored"), encoding="utf-8")
        run("pledged", "restore", made[0], "--config", other)
        size = json.loads(pledge("reader", "--format", "json", "status").stdout)["size"]
        run("pledged", "confirm", "--size", size + 1, "--config", other, code=10)
        run("pledged", "confirm", "--size", size, "--config", other)
        self.assertIn(f" {size} entries", run("pledged", "fsck", "--config", other).stdout)

    def test_11b_another_signing_key_takes_over(self):
        """By the runbook's words; and a key that the daemon could not read is not fine."""
        good, first = CONFIG.read_text(encoding="utf-8"), (DATA / "ledger.vkey").read_text().strip()
        def configure(key):
            CONFIG.write_text(good + f"\n[checkpoint]\nkey = {key}\nold_key = {DATA}/ledger.key\n", encoding="utf-8")
            return run("pledged", "check-config", "--config", CONFIG, code=None)
        run("pledged", "newkey", "/etc/pledged/roots.key", "--config", CONFIG)
        checked = configure("/etc/pledged/roots.key")
        self.assertEqual(checked.returncode, 78, checked)
        self.assertIn("/etc/pledged/roots.key: it belongs to another user than", checked.stderr)
        run("rm", "/etc/pledged/roots.key")
        new = run("runuser", "-u", "pledged", "--", "pledged", "newkey", DATA / "new.key", "--config",
                  CONFIG).stdout.strip()
        self.assertEqual(configure(DATA / "new.key").returncode, 0)
        run("systemctl", "restart", "pledged")
        pledge("clerk", "contributor", "add", "--name", "Example Telecom", "--kind", "private-sector")
        note = pledge("reader", "checkpoint").stdout
        self.assertEqual(note.count("\n\u2014 machine.example/fund "), 2, note)
        told = json.loads(pledge("reader", "--format", "json", "status").stdout)["vkey"]
        self.assertEqual((told, told != first), (new, True))
        self.assertTrue((DATA / "new.key.signed").exists())

    def test_12_systemd_holds_the_port(self):
        run("systemctl", "disable", "--now", "pledged.service")
        run("systemctl", "start", "pledged.socket")
        self.assertEqual(show("pledged.service", "ActiveState"), "inactive")
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")
        self.assertEqual(show("pledged.service", "ActiveState"), "active")
        run("systemctl", "restart", "pledged.service")
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")
        run("systemctl", "stop", "pledged.socket", "pledged.service")

    def test_13_an_upgrade_restarts_and_keeps_everything(self):
        run("systemctl", "enable", "--now", "pledged.service")
        pid = show("pledged.service", "MainPID")
        text = CONFIG.read_text(encoding="utf-8")
        run("dpkg", "-i", HERE / "pledged.deb")
        self.assertEqual(CONFIG.read_text(encoding="utf-8"), text)
        self.assertEqual(show("pledged.service", "ActiveState"), "active")
        self.assertNotEqual(show("pledged.service", "MainPID"), pid)
        self.assertEqual(pledge("reader", "slots", "platine").stdout, "1\n")

    def test_14_remove_stops_and_purge_keeps_the_ledger_alone(self):
        before = {f: f.read_bytes() for f in DATA.rglob("*") if f.is_file()}
        self.assertTrue(any("log" in f.parts for f in before))
        run("apt-get", "remove", "-y", "-q", "pledged")
        self.assertEqual(run("pgrep", "-x", "pledged", code=None).stdout, "")
        self.assertTrue(CONFIG.exists())
        stopped = {f: f.read_bytes() for f in DATA.rglob("*") if f.is_file()}
        run("apt-get", "purge", "-y", "-q", "pledged", "pledge")
        after = {f: f.read_bytes() for f in DATA.rglob("*") if f.is_file()}
        self.assertEqual(after, stopped)
        self.assertEqual(sorted(p.name for p in pathlib.Path("/etc/pledged").iterdir()),
                         ["ca.crt", "server.crt", "server.key"])
        found = run("find", "/etc", "/lib", "/usr", "/var", "/run", "-xdev", "-name", "*pledge*",
                    "-not", "-path", "*/go-*", code=None).stdout.split()
        self.assertEqual(sorted(f for f in found if not f.startswith(str(DATA) + "/")),
                         ["/etc/pledged", "/var/backups/pledged", str(DATA)])


class Stop(unittest.TextTestResult):
    """The first failure ends the day: later steps build on it."""

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.stop()

    def addError(self, test, err):
        super().addError(test, err)
        self.stop()


if __name__ == "__main__":
    with open(HERE / "result", "w", encoding="utf-8") as result:
        runner = unittest.TextTestRunner(stream=result, verbosity=2, resultclass=Stop)
        day = unittest.defaultTestLoader.loadTestsFromTestCase(Day)
        outcome = runner.run(day)
        result.write("THE DAY IS OVER\n" if outcome.wasSuccessful() else "THE DAY ENDED BADLY\n")
    sys.exit(0)
