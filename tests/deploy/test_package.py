# SPDX-License-Identifier: Apache-2.0
"""The packages: what lintian says, what is in them, and installed into a throw-away root: started,
used, removed, purged. Needs no privilege. test_machine.py does the same under a real systemd."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from lib import DEBS, DEPLOY, deb, run

PACKAGES = ("pledge", "pledged")
# Needed to build and test from the tree, not by the packages' own build.
NOT_FOR_BUILDING = {"build-essential", "tzdata", "openssl", "ca-certificates"}


def contents(package):
    """{path: (mode, owner)} of a package's files and directories."""
    found = {}
    for line in run("dpkg-deb", "-c", deb(package)).stdout.splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        found[path[1:]] = (mode, owner)
    return found


def content(package, path):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb(package))],
                          stdout=subprocess.PIPE) as archive:
        result = subprocess.run(["tar", "-xO", f".{path}"], stdin=archive.stdout, check=True,
                                stdout=subprocess.PIPE, timeout=60)
    return result.stdout


class Contents(unittest.TestCase):
    def test_lintian_finds_no_error(self):
        changes = list(DEBS.glob("*.changes"))
        self.assertEqual(len(changes), 1)
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", changes[0], code=None)
        self.assertEqual((said.returncode, said.stdout), (0, ""))

    def test_every_file_is_where_it_belongs(self):
        daemon, client = contents("pledged"), contents("pledge")
        for path in ("/etc/pledged/pledged.conf", "/lib/systemd/system/pledged.service",
                     "/lib/systemd/system/pledged.socket",
                     "/lib/systemd/system/pledged-backup.service",
                     "/lib/systemd/system/pledged-backup.timer", "/usr/lib/sysusers.d/pledged.conf",
                     "/usr/lib/tmpfiles.d/pledged.conf", "/usr/sbin/pledged",
                     "/usr/share/doc/pledged/README.Debian", "/usr/share/doc/pledged/RUNBOOK.md",
                     "/usr/share/man/man5/pledged-log.5.gz", "/usr/share/man/man8/pledged.8.gz",
                     "/usr/share/man/man5/pledged.conf.5.gz", "/usr/share/pledged/pki.sh",
                     "/usr/share/pledged/backup.sh", "/usr/share/pledged/monitoring/alerts.yml",
                     "/usr/share/pledged/monitoring/dashboard.json",
                     "/usr/share/pledged/catalogue/wsis-forum-2026.json"):
            self.assertIn(path, daemon)
        for path in ("/usr/bin/pledge", "/usr/share/man/man1/pledge.1.gz",
                     "/usr/share/bash-completion/completions/pledge",
                     "/usr/share/zsh/vendor-completions/_pledge",
                     "/usr/share/locale/fr/LC_MESSAGES/pledge.mo",
                     "/usr/share/pledge/proto/pledged/v1/service.proto"):
            self.assertIn(path, client)
        self.assertFalse(set(f for f in daemon if not f.endswith("/")) & set(client))

    def test_owners_and_modes(self):
        for package in PACKAGES:
            for path, (mode, owner) in contents(package).items():
                with self.subTest(path):
                    self.assertEqual(owner, "root/root")
                    if path.endswith("/"):
                        self.assertEqual(mode, "drwxr-xr-x")
                    elif "/examples/" in path:
                        self.assertIn(mode, ("-rwxr-xr-x", "-rw-r--r--"))
                    else:
                        program = path in ("/usr/bin/pledge", "/usr/sbin/pledged") or \
                            path.endswith(".sh")
                        self.assertEqual(mode, "-rwxr-xr-x" if program else "-rw-r--r--")

    def test_only_the_configuration_is_the_operators(self):
        with tempfile.TemporaryDirectory() as work:
            run("dpkg-deb", "-e", deb("pledged"), work)
            self.assertEqual((pathlib.Path(work) / "conffiles").read_text(),
                             "/etc/pledged/pledged.conf\n")

    def test_installed_configuration_is_the_example_with_a_credential(self):
        example = (DEPLOY / "pledged.conf.example").read_text(encoding="utf-8").splitlines()
        installed = content("pledged", "/etc/pledged/pledged.conf").decode().splitlines()
        self.assertEqual([line for line in installed if line not in example],
                         ["# (pledged.service hands over /etc/pledged/server.key under this name)",
                          "key = credential:server.key"])
        self.assertEqual([line for line in example if line not in installed],
                         ["key = /etc/pledged/server.key"])

    def test_programs_do_not_say_where_they_were_built(self):
        for package, path in (("pledge", "/usr/bin/pledge"), ("pledged", "/usr/sbin/pledged")):
            self.assertNotIn(b"build-deb", content(package, path))

    def test_programs_are_hardened(self):
        for package, path in (("pledge", "/usr/bin/pledge"), ("pledged", "/usr/sbin/pledged")):
            with tempfile.NamedTemporaryFile() as program:
                program.write(content(package, path))
                program.flush()
                dynamic = run("readelf", "-dlW", program.name).stdout
                self.assertRegex(dynamic, r"FLAGS_1.*NOW.*PIE")
                self.assertIn("GNU_RELRO", dynamic)
                self.assertRegex(dynamic, r"GNU_STACK.* RW +0x")

    def test_build_depends_on_what_the_tree_needs(self):
        script = (DEPLOY / "install-deps.sh").read_text()
        needed = set(re.search(r"BUILD='([^']*)'", script).group(1).split()) - NOT_FOR_BUILDING
        control = (DEPLOY / "debian" / "control").read_text().split("\n\n", 1)[0]
        declared = set(re.findall(r"^ ([a-z0-9.+-]+)", control.split("Build-Depends:")[1], re.M))
        self.assertEqual(needed - declared, set(), "missing in deploy/debian/control")

    def test_readme_names_paths_that_are_there(self):
        text = content("pledged", "/usr/share/doc/pledged/README.Debian").decode()
        files = contents("pledged")
        for path in re.findall(r"/(?:usr|etc)/[a-zA-Z./-]+[a-zA-Z]", text):
            with self.subTest(path):
                self.assertTrue(path in files or path + "/" in files)


class Throwaway:
    """A root directory with nothing but the packages; dpkg runs as if it were root."""

    def __init__(self, work):
        self.path = pathlib.Path(work) / "root"
        self.path.mkdir()
        for part in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr/bin", "usr/sbin"):
            (self.path / part).mkdir(parents=True)
        (self.path / "var/lib/dpkg/status").touch()
        (self.path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (self.path / "etc/group").write_text("root:x:0:\n")
        self.state = pathlib.Path(work) / "fakeroot"

    def dpkg(self, *words):
        self.state.touch()
        return run("fakeroot", "-i", self.state, "-s", self.state, "dpkg", f"--root={self.path}",
                   f"--log={self.path}/dpkg.log", "--force-script-chrootless", "--force-depends",
                   "--force-not-root", *words, env=dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:"
                                                        "/bin", DEBIAN_FRONTEND="noninteractive"))

    def files(self):
        """Every file and directory but dpkg's own."""
        found = set()
        for directory, names, files in os.walk(self.path):
            found |= {os.path.relpath(os.path.join(directory, n), self.path) for n in names + files}
        return {f for f in found if not f.startswith("var/lib/dpkg") and f != "dpkg.log"}


class Installed(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="pledged-root-")
        self.addCleanup(work.cleanup)
        self.root = Throwaway(work.name)
        self.before = self.root.files()
        self.root.dpkg("-i", deb("pledge"), deb("pledged"))

    def test_installing_makes_the_account_and_its_places_and_enables_the_daemon(self):
        root = self.root.path
        self.assertRegex((root / "etc/passwd").read_text(),
                         r"(?m)^pledged:x:\d+:\d+:[^:]*:/var/lib/pledged:/usr/sbin/nologin$")
        link = root / "etc/systemd/system/multi-user.target.wants/pledged.service"
        self.assertTrue(link.is_symlink())
        for name in ("sockets.target.wants", "timers.target.wants"):
            self.assertFalse((root / "etc/systemd/system" / name).exists(), name)

    def test_purge_leaves_nothing_where_there_is_no_ledger(self):
        self.root.dpkg("--purge", "pledge", "pledged")
        left = self.root.files() - self.before
        account = {"etc/passwd-", "etc/group-", "etc/shadow", "etc/gshadow", "etc/shadow-",
                   "etc/gshadow-", "etc/.pwd.lock"}
        beside = {"etc/systemd", "etc/systemd/system", "usr/lib", "var/backups"}
        self.assertEqual({f for f in left - account - beside if "systemd" not in f}, set())
        self.assertEqual([f for f in left if "pledge" in f], [])

    def test_remove_keeps_configuration_and_purge_keeps_the_ledger(self):
        root = self.root.path
        data = root / "var/lib/pledged"
        data.mkdir(parents=True, exist_ok=True)
        (data / "ledger.id").write_text("not to be lost")
        (root / "etc/pledged/server.key").write_text("not to be lost either")
        self.root.dpkg("--remove", "pledged")
        self.assertTrue((root / "etc/pledged/pledged.conf").exists())
        self.assertFalse((root / "usr/sbin/pledged").exists())
        said = self.root.dpkg("--purge", "pledged").stdout
        self.assertFalse((root / "etc/pledged/pledged.conf").exists())
        self.assertEqual((data / "ledger.id").read_text(), "not to be lost")
        self.assertTrue((root / "etc/pledged/server.key").exists())
        self.assertIn("kept /var/lib/pledged", said)
        self.assertIn("kept /etc/pledged", said)

    def test_an_upgrade_keeps_a_changed_configuration(self):
        config = self.root.path / "etc/pledged/pledged.conf"
        config.write_text(config.read_text() + "# ours\n")
        digest = hashlib.sha256(config.read_bytes()).hexdigest()
        self.root.dpkg("--force-confold", "-i", deb("pledge"), deb("pledged"))
        self.assertEqual(hashlib.sha256(config.read_bytes()).hexdigest(), digest)

    def test_the_installed_programs_work_together(self):
        root = self.root.path
        pki, config = root / "pki", root / "etc/pledged/pledged.conf"
        script = root / "usr/share/pledged/pki.sh"
        for words in (("ca", pki), ("server", pki, "localhost"), ("person", pki, "admin"),
                      ("person", pki, "reader"), ("person", pki, "approver")):
            run("sh", script, *words)
        for name in ("ca.crt", "server.crt", "server.key"):
            shutil.copy(pki / name, root / "etc/pledged" / name)
        text = config.read_text(encoding="utf-8").replace("/etc/pledged/", f"{root}/etc/pledged/")
        text = text.replace("data = /var/lib/pledged", f"data = {root}/var/lib/pledged")
        text = text.replace("listen = 127.0.0.1:7443", "listen = 127.0.0.1:0")
        text = text.replace("# port_file = /run/pledged/port", f"port_file = {root}/port")
        config.write_text(text, encoding="utf-8")
        pledged = root / "usr/sbin/pledged"
        env = dict(os.environ, CREDENTIALS_DIRECTORY=str(root / "etc/pledged"), HOME=str(root))
        run(pledged, "init", "--config", config, env=env)
        run(pledged, "check-config", "--config", config, env=env)
        with open(root / "daemon.log", "wb") as log:
            daemon = subprocess.Popen([pledged, "--config", config], stdout=log, stderr=log,
                                      env=env)
        try:
            self.use(root, pki, daemon, env)
        finally:
            daemon.terminate()
            code = daemon.wait(60)
        self.assertEqual(code, 0)

    def use(self, root, pki, daemon, env):
        until = time.monotonic() + 60
        while not (root / "port").exists():
            self.assertIsNone(daemon.poll(), (root / "daemon.log").read_text())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        server = "localhost:" + (root / "port").read_text().strip()

        def pledge(person, *words, code=0):
            return run(root / "usr/bin/pledge", "--server", server, "--ca", pki / "ca.crt",
                       "--cert", pki / f"{person}.crt", "--key", pki / f"{person}.key", *words,
                       env=env, code=code).stdout
        offered = pledge("admin", "catalogue", "adopt",
                         root / "usr/share/pledged/catalogue/wsis-forum-2026.json", code=13)
        pledge("approver", "approve", offered.split("\t")[1])
        self.assertEqual(pledge("reader", "slots", "platine"), "2\n")


if __name__ == "__main__":
    unittest.main()
