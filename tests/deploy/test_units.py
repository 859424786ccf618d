# SPDX-License-Identifier: Apache-2.0
"""The units, sysusers and tmpfiles as systemd's own tools judge them, without a running systemd:
exposure at most 1.5, no line that systemd ignores, and what belongs together agrees. What they do
is in test_machine.py."""
import fcntl
import os
import pathlib
import re
import tempfile
import unittest

from lib import DEPLOY, run

UNITS = DEPLOY / "systemd"
EXPOSURE_MOST = 1.5


def settings(unit):
    """[(key, value)] of a unit file."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    return re.findall(r"^([A-Za-z]+)=(.*)$", text, re.M)


class Units(unittest.TestCase):
    def test_exposure(self):
        for unit in ("pledged.service", "pledged-backup.service"):
            with self.subTest(unit):
                said = run("systemd-analyze", "security", "--offline=true", UNITS / unit,
                           env=dict(os.environ, SYSTEMD_PAGER="")).stdout
                found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
                self.assertLessEqual(float(found.group(1)), EXPOSURE_MOST, said)

    def verify(self, change=None):
        """What systemd-analyze verify says of the units, in a root where their programs are."""
        with tempfile.TemporaryDirectory() as work:
            root = pathlib.Path(work)
            units = root / "lib/systemd/system"
            units.mkdir(parents=True)
            for unit in UNITS.iterdir():
                text = unit.read_text(encoding="utf-8")
                (units / unit.name).write_text(change(text) if change else text, encoding="utf-8")
            for program in ("usr/sbin/pledged", "usr/share/pledged/backup.sh", "bin/kill"):
                (root / program).parent.mkdir(parents=True, exist_ok=True)
                (root / program).write_text("")
                (root / program).chmod(0o755)
            said = run("systemd-analyze", "verify", "--man=no", f"--root={root}",
                       *(u.name for u in UNITS.iterdir()), code=None).stderr
        # targets of the system are not in that root
        return [line for line in said.splitlines() if "pledged" in line
                and not re.search(r"Unit \S+ not found|Failed to load", line)]

    def test_systemd_takes_every_line(self):
        self.assertEqual(self.verify(), [])

    def test_the_check_can_fail(self):
        self.assertTrue(any("Unknown key" in line for line in self.verify(
            lambda text: text.replace("ProtectHome=", "ProtectHoem="))))

    def test_keys_are_credentials(self):
        loaded = [v for k, v in settings("pledged.service") if k == "LoadCredential"]
        self.assertEqual(loaded, ["server.key:/etc/pledged/server.key"])

    def test_where_starting_again_would_not_help_it_does_not(self):
        page = (DEPLOY / "man" / "pledged.8").read_text()
        said = re.search(r"After (\d+), (\d+), (\d+) and (\d+) starting again does not help", page)
        unit = dict(settings("pledged.service"))
        self.assertEqual(unit["RestartPreventExitStatus"].split(), list(said.groups()))

    def test_unit_socket_and_configuration_name_the_same_port(self):
        example = (DEPLOY / "pledged.conf.example").read_text()
        port = re.search(r"(?m)^listen = .*:(\d+)$", example).group(1)
        self.assertEqual(dict(settings("pledged.socket"))["ListenStream"], port)

    def test_the_ledgers_place_is_the_same_everywhere(self):
        example = (DEPLOY / "pledged.conf.example").read_text()
        self.assertIn("\ndata = /var/lib/pledged\n", example)
        unit = dict(settings("pledged.service"))
        self.assertEqual(unit["StateDirectory"], "pledged")
        self.assertEqual(unit["ConditionPathExists"], "/var/lib/pledged/ledger.id")

    def test_the_backup_writes_where_it_may(self):
        unit = dict(settings("pledged-backup.service"))
        target = unit["ExecStart"].split()[-1]
        self.assertIn(target, unit["ReadWritePaths"].split())
        self.assertIn(f"d      {target}  0700 pledged pledged",
                      (DEPLOY / "tmpfiles.d" / "pledged.conf").read_text())


class Account(unittest.TestCase):
    def test_sysusers_and_tmpfiles_make_account_and_places(self):
        with tempfile.TemporaryDirectory() as work:
            root = pathlib.Path(work)
            (root / "etc/pledged").mkdir(parents=True)
            (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
            (root / "etc/group").write_text("root:x:0:\n")
            run("fakeroot", "sh", "-ec", 'systemd-sysusers --root="$0" "$1"\n'
                'systemd-tmpfiles --root="$0" --create "$2"', work,
                DEPLOY / "sysusers.d/pledged.conf", DEPLOY / "tmpfiles.d/pledged.conf")
            self.assertRegex((root / "etc/passwd").read_text(), r"(?m)^pledged:.*:/usr/sbin/nologin$")
            for place in ("var/lib/pledged", "var/backups/pledged"):
                self.assertEqual((root / place).stat().st_mode & 0o777, 0o700)
            self.assertEqual((root / "etc/pledged").stat().st_mode & 0o777, 0o750)


class Backup(unittest.TestCase):
    """backup.sh around a stand-in for `pledged backup`: names, what is removed, and when nothing
    is."""

    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="pledged backups ")
        self.addCleanup(work.cleanup)
        self.dir = pathlib.Path(work.name) / "backups"
        self.dir.mkdir()
        self.program = pathlib.Path(work.name) / "pledged"
        self.config = pathlib.Path(work.name) / "a.conf"
        self.write('mkdir "$2" && echo whole >"$2/ledger.id"')

    def write(self, body):
        self.program.write_text(f'#!/bin/sh\n[ "$1 $3 $(readlink -f "$4")" = "backup --config {self.config}" ] || exit 64\n'
                                f'{body}\n')
        self.program.chmod(0o755)

    def backup(self, *words, code=0):
        return run("sh", DEPLOY / "backup.sh", "--config", self.config, *words, self.dir, code=code,
                   env=dict(os.environ, PLEDGED=str(self.program)))

    def names(self):
        return sorted(p.name for p in self.dir.iterdir())

    def test_a_new_directory_with_the_time_as_its_name(self):
        self.backup()
        self.assertEqual(len(self.names()), 1)
        self.assertRegex(self.names()[0], r"^20\d{6}T\d{6}Z$")
        self.assertTrue((self.dir / self.names()[0] / "ledger.id").exists())

    def test_only_the_oldest_go_and_only_backups(self):
        old = [f"2020010{n}T000000Z" for n in range(1, 6)]
        for name in [*old, "keep-me", "20200101", "20200109T000000Z.kept"]:
            (self.dir / name).mkdir()
        (self.dir / "20190101T000000Z").symlink_to(self.dir / "keep-me")
        self.backup("--keep", "3")
        left = self.names()
        self.assertEqual([n for n in left if n in old], old[3:])
        self.assertEqual(len(left), 2 + 1 + 3 + 1)

    def test_what_was_never_finished_goes_unless_somebody_works_on_it(self):
        self.write('mkdir "$2" && touch "$2/lock"; exit 69')
        self.backup(code=69)
        left = self.names()
        self.assertTrue(left[0].endswith(".unfinished"))
        (self.dir / "20200109T000000Z.unfinished").mkdir()
        working = self.dir / "20200110T000000Z.unfinished"
        working.mkdir()
        self.write('mkdir "$2"')
        with open(working / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.backup("--keep", "0")
        names = self.names()
        self.assertEqual([n for n in names if n.endswith(".unfinished")], [working.name])
        self.assertEqual(len(names), 2)

    def test_where_it_is_started_does_not_matter(self):
        work = self.dir.parent
        other = work / "other"
        (other / "backups").mkdir(parents=True)
        run("sh", DEPLOY / "backup.sh", "--config", "a.conf", "backups", cwd=work,
            env=dict(os.environ, PLEDGED="./pledged", CDPATH=str(other)))
        self.assertEqual(len(self.names()), 1)
        self.assertEqual(list((other / "backups").iterdir()), [])

    def test_relative_paths_of_the_configuration_are_seen_from_where_it_is_started(self):
        """As the daemon sees them: `data = data` is data beside whoever starts it."""
        work = self.dir.parent
        (work / "data").mkdir()
        self.write('[ -d data ] || exit 78; mkdir "$2"')
        for place in (self.dir, "backups", "./backups/../backups"):
            run("sh", DEPLOY / "backup.sh", "--config", self.config, "--keep", "0", place, cwd=work,
                env=dict(os.environ, PLEDGED="./pledged"))
            (name,) = self.names()
            self.assertRegex(name, r"^20\d{6}T\d{6}Z$")
            (self.dir / name).rmdir()

    def test_keep_0_keeps_all(self):
        (self.dir / "20200101T000000Z").mkdir()
        self.backup("--keep", "0")
        self.assertEqual(len(self.names()), 2)

    def test_nothing_goes_when_the_new_one_is_not_whole(self):
        (self.dir / "20200101T000000Z").mkdir()
        self.write('mkdir "$2"; exit 69')
        said = self.backup("--keep", "1", code=69)
        self.assertIn("ended with 69", said.stderr)
        self.assertEqual(len(self.names()), 2)
        self.assertIn("20200101T000000Z", self.names())
        self.assertTrue(self.names()[1].endswith(".unfinished"))

    def test_usage(self):
        run("sh", DEPLOY / "backup.sh", code=64)
        run("sh", DEPLOY / "backup.sh", "--keep", "some", self.dir, code=64)


if __name__ == "__main__":
    unittest.main()
