# SPDX-License-Identifier: Apache-2.0
"""daemon: the program around the ledger as operators meet it: configuration that is checked with
words, certificates that must fit, ports in use, files it leaves, the log it writes."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import BIN, Home, Pki, Refused, check_ledger, command, opened, patience, pb, run


class Configuration(unittest.TestCase):
    def setUp(self):
        self.home = Home()
        self.addCleanup(self.home.close)

    def check(self):
        return self.home.pledged("check-config")

    def test_a_good_one_is_fine(self):
        ran = self.check()
        self.assertEqual(ran.code, 0, ran)
        self.assertIn(str(len(self.home.persons)), ran.out)

    def wrong(self, line, said):
        """The configuration with one line more; the message names the line and says what."""
        text = self.home.config.read_text()
        self.home.config.write_text(text + line + "\n")
        number = (text + line).count("\n") + 1
        for args in (["check-config"], []):
            ran = self.home.pledged(*args, timeout=20)
            self.assertEqual(ran.code, 78, ran)
            self.assertIn(f"{self.home.config}:{number}:", ran.err)
            for word in said:
                self.assertIn(word, ran.err)
        self.home.config.write_text(text)

    def test_wrong_lines_are_named(self):
        self.wrong("[daemon]\nlisen = 127.0.0.1:0", ["lisen", "listen"])
        self.wrong("[deamon]\nlisten = 127.0.0.1:0", ["deamon", "daemon"])
        self.wrong("[daemon]\nlisten = everywhere", ["listen", "HOST:PORT"])
        self.wrong("[daemon]\nworkers = many", ["workers"])
        self.wrong("[daemon]\nworkers = 1000", ["workers", "64"])
        self.wrong("[store]\nsegment_bytes = 10", ["segment_bytes"])
        self.wrong("[limits]\nidle = soon", ["idle"])
        self.wrong("[ledger]\norigin = two words", ["origin"])
        self.wrong("[person eve]\nrole = king", ["king", "clerk"])
        self.wrong("[person eve]\nidentity = Eve", ["identity", "uri:"])
        self.wrong("[person Eve]\nrole = clerk", ["Eve"])
        self.wrong("[daemon]\nnonsense", [])

    def test_an_option_of_another_command_is_refused(self):
        """Not passed over: it was meant to do something."""
        self.home.init()
        for args in (["fsck", "--size", "1"], ["backup", self.home.path / "b", "--confirm-latest"], ["--with-keys"],
                     ["restore", self.home.path, "--confirm-latest", "--with-keys"], ["--size", "1", "confirm", "--with-keys"]):
            with self.subTest(args=args):
                ran = self.home.pledged(*args, timeout=20)
                self.assertEqual(ran.code, 64, ran)
                self.assertIn("this command does not take '--", ran.err)

    def test_every_file_that_a_key_names_is_looked_at(self):
        """Before a start or a reload finds out: where the key stands, and what is wrong with the file."""
        self.home.init()
        text = self.home.config.read_text()
        lines = len(text.splitlines())
        foreign, readable = self.home.path / "foreign.key", self.home.path / "readable.key"
        other = Home(settings={"ledger": {"origin": "other.example/fund"}})
        self.addCleanup(other.close)
        other.init()
        shutil.copy(other.data / "ledger.key", foreign)
        shutil.copy(self.home.data / "ledger.key", readable)
        readable.chmod(0o644)
        for section, key, value, said in (
                ("tls", "crl", "/nowhere", "No such file"),
                ("tls", "ca", self.home.path, "no usable CA"),
                ("checkpoint", "key", "/nowhere", "No such file"),
                ("checkpoint", "key", self.home.config, "not a signing key"),
                ("checkpoint", "key", foreign, "not one of the log test.example/fund"),
                ("checkpoint", "key", readable, "can be read by others"),
                ("checkpoint", "old_key", "/nowhere", "No such file"),
                ("checkpoint", "memory", "/nowhere/memory", "its directory"),
                ("checkpoint", "policy", "/nowhere", "No such file"),
                ("checkpoint", "policy", self.home.config, ""),
                ("checkpoint", "witness_ca", "/nowhere", "No such file"),
                ("public", "cert", "/nowhere", "No such file")):
            with self.subTest(key=key, value=value):
                also = f"key = {self.home.pki.key('server')}\n" if section == "public" else ""
                self.home.config.write_text(text + f"[{section}]\n{key} = {value}\n{also}")
                ran = self.check()
                self.assertEqual(ran.code, 78, ran)
                self.assertIn(f"{self.home.config}:{lines + 2}: [{section}] {key}: {value}: ", ran.err)
                self.assertIn(said, ran.err)
        self.home.config.write_text(text + f"[checkpoint]\nold_key = {self.home.data / 'ledger.key'}\n")
        self.assertEqual(self.check().code, 0)

    def test_a_start_that_fails_says_where_and_what_to_do(self):
        """What the code says to systemd, and the words to whoever reads the journal."""
        text = self.home.config.read_text()
        def with_line(section, line):
            return lambda: self.home.config.write_text(text + f"[{section}]\n{line}\n")
        at = f"{self.home.config}:{len(text.splitlines()) + 2}: "
        listen = at + "[daemon] listen: cannot listen on "
        for spoil, code, said in (
                (None, 78, ("holds no ledger yet", "pledged init", "pledged restore", "not mounted")),
                (self.home.init, None, ()),
                (with_line("daemon", "listen = 203.0.113.7:0"), 78, (listen + "203.0.113.7:0", "ip address")),
                (with_line("daemon", "listen = [2001:db8::7]:1"), None, (listen + "[2001:db8::7]:1: ",)),
                (with_line("daemon", "port_file = /nowhere/port"), 69, (at + "[daemon] port_file: /nowhere/port",)),
                (with_line("admin", "listen = unix:/nowhere/x"), 69,
                 (at + "[admin] listen: cannot listen on /nowhere/x: No such file",)),
                (with_line("checkpoint", "old_key = /nowhere"), 78, (at + "[checkpoint] old_key: /nowhere: ",)),
                (lambda: self.home.config.write_text(text), None, ()),
                (lambda: (self.home.data / "ledger.key").chmod(0o640), 78, ("ledger.key", "mode to 0600")),
                (lambda: (self.home.data / "ledger.key").chmod(0o600), None, ()),
                (lambda: (self.home.data / "ledger.vkey").rename(self.home.path / "kept"), 78,
                 ("ledger.vkey", "pledged init makes it again")),
                (self.home.init, None, ()),
                (lambda: (self.home.data / "log").rename(self.home.path / "moved"), 14,
                 (f"{self.home.data}/log is not there", "restore a backup"))):
            if spoil is not None:
                spoil()
            if not said:
                continue
            with self.subTest(said=said):
                ran = self.home.pledged(timeout=20)
                self.assertEqual(ran.code, ran.code if code is None else code, ran)
                self.assertNotEqual(ran.code, 0)
                for words in said:
                    self.assertIn(words, ran.err)

    @unittest.skipIf(os.geteuid() != 0, "being somebody else needs root")
    def test_who_may_not_is_told_that(self):
        """Not that there is no ledger, which would be the way to a second one."""
        self.home.init()
        self.home.data.chmod(0o700)
        os.chown(self.home.data, 65534, 65534)
        # root, but for what opens every door: the place of the tests may be closed to anybody else
        args = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", BIN / "pledged", "fsck", "--config",
                self.home.config]
        done = subprocess.run(args, capture_output=True, text=True, timeout=patience(20), env=self.home.environment())
        self.assertEqual(done.returncode, 69, done)
        self.assertIn(f"{self.home.data}/ledger.id: Permission denied: the daemon's user has to own", done.stderr)
        self.assertNotIn("init", done.stderr)

    def test_what_is_missing_is_named(self):
        text = self.home.config.read_text()
        for gone, said in (("ca = ", "[tls] ca"), ("origin = ", "origin"), ("data = ", "data")):
            self.home.config.write_text("\n".join(
                line for line in text.splitlines() if not line.startswith(gone)) + "\n")
            ran = self.check()
            self.assertEqual(ran.code, 78, ran)
            self.assertIn(said, ran.err)

    def test_one_identity_for_two_persons_is_refused(self):
        with open(self.home.config, "a") as f:
            f.write("[person twin]\nrole = auditor\nidentity = uri:pledged:person:clerk\n")
        ran = self.check()
        self.assertNotEqual(ran.code, 0, ran)
        self.assertTrue(ran.err.strip())

    def test_usage(self):
        for args, code in ((["--help"], 0), (["--version"], 0), ([], 64), (["--config"], 64),
                           (["frobnicate", "--config", "x"], 64), (["--no-such"], 64),
                           (["--config", "/nonexistent/pledged.conf"], 66)):
            with self.subTest(args=args):
                ran = run([BIN / "pledged", *args], env=self.home.environment())
                self.assertEqual(ran.code, code, ran)


class Certificates(unittest.TestCase):
    def setUp(self):
        self.home = Home()
        self.addCleanup(self.home.close)
        self.home.init()
        self.files = self.home.path / "tls"
        self.files.mkdir()

    def start_fails(self, *said):
        self.home.write_config()
        ran = self.home.pledged(timeout=20)
        self.assertNotEqual(ran.code, 0, ran)
        for word in said:
            self.assertIn(str(word), ran.err)

    def test_a_missing_or_wrong_file_is_named(self):
        for which in ("cert", "key", "ca"):
            keep = self.home.settings["tls"][which]
            self.home.settings["tls"][which] = self.files / "nothing.pem"
            self.start_fails("nothing.pem")
            bad = self.files / "bad.pem"
            bad.write_text("this is no certificate\n")
            bad.chmod(0o600)
            self.home.settings["tls"][which] = bad
            self.start_fails("bad.pem")
            self.home.settings["tls"][which] = keep

    def test_a_key_of_another_certificate(self):
        self.home.settings["tls"]["key"] = self.home.pki.key("clerk")
        self.start_fails("clerk.key")

    def test_a_key_that_others_may_read(self):
        key = self.files / "open.key"
        shutil.copy(self.home.pki.key("server"), key)
        key.chmod(0o644)
        self.home.settings["tls"]["key"] = key
        self.start_fails("open.key")

    def test_a_revoked_person_is_nobody(self):
        pki = Pki(self.files / "pki")
        pki.person("clerk")
        pki.person("reader")
        pki._run("revoke", "clerk")
        self.home.settings["tls"] = {"cert": pki.cert("server"), "key": pki.key("server"),
                                     "ca": pki.ca, "crl": self.files / "pki" / "crl.pem"}
        self.home.write_config()
        self.home.pki = pki
        self.home.start()
        self.assertEqual(self.home.client("reader").GetStatus().person, "reader")
        with self.assertRaises(Refused) as caught:
            self.home.client("clerk").call("GetStatus", timeout=5)
        self.assertEqual(caught.exception.code.name, "UNAVAILABLE")


class Running(unittest.TestCase):
    def opened(self, **fields):
        home = opened(**fields)
        self.addCleanup(home.close)
        return home

    def test_a_port_in_use_is_a_clear_message(self):
        home = Home()
        self.addCleanup(home.close)
        home.init()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            home.settings["daemon"]["listen"] = f"127.0.0.1:{port}"
            home.write_config()
            ran = home.pledged(timeout=20)
            self.assertEqual(ran.code, 69, ran)
            self.assertIn(str(port), ran.err)

    def test_two_daemons_do_not_share_a_port(self):
        first = self.opened()
        second = Home()
        self.addCleanup(second.close)
        second.init()
        second.settings["daemon"]["listen"] = f"127.0.0.1:{first.port}"
        second.write_config()
        ran = second.pledged(timeout=20)
        self.assertEqual(ran.code, 69, ran)

    def test_what_the_caller_closed_is_not_written_to(self):
        """Lines for people must not land in what is opened next: the log of the ledger, say."""
        home = self.opened()
        home.terminate()
        for closed in ("2>&-", "<&- >&- 2>&-"):
            home.port_file.unlink(missing_ok=True)
            process = subprocess.Popen(["sh", "-c", f'exec "$0" --config "$1" {closed}', str(BIN / "pledged"),
                                        str(home.path / "pledged.conf")], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, env=home.environment())
            try:
                deadline = time.monotonic() + patience(30)
                while not home.port_file.exists() and time.monotonic() < deadline:
                    time.sleep(0.02)
                for fd in (0, 1, 2) if closed.startswith("<") else (2,):
                    self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{fd}"), "/dev/null")
            finally:
                process.terminate()
                self.assertEqual(process.wait(patience(30)), 0)
        self.assertEqual(home.pledged("fsck").code, 0)

    def test_pid_file_and_port_file(self):
        home = Home()
        self.addCleanup(home.close)
        pid_file = home.path / "pid"
        home.settings["daemon"]["pid_file"] = pid_file
        home.write_config()
        home.init()
        home.start()
        self.assertEqual(int(pid_file.read_text()), home.process.pid)
        self.assertEqual(int(home.port_file.read_text()), home.port)
        home.terminate()

    def test_the_log_in_json_is_one_object_a_line(self):
        home = Home(settings={"daemon": {"log_format": "json", "log_level": "debug"}})
        self.addCleanup(home.close)
        home.init()
        home.start()
        home.client("clerk").contributor('Name "with" quotes')
        with self.assertRaises(Refused):
            home.client("reader").Dump()
        with self.assertRaises(Refused):
            home.client("reader").GetTier(tier="nowhere")
        home.drop_clients()
        home.terminate()
        lines = home.log_file.read_text().splitlines()
        self.assertGreater(len(lines), 2)
        told = [json.loads(line) for line in lines]
        calls = {(line["person"], line["method"].split("/")[-1], line["code"]) for line in told if line["tag"] == "access"}
        self.assertIn(("clerk", "Execute", "OK"), calls)  # at debug: who, and what
        self.assertIn(("reader", "GetTier", "NOT_FOUND"), calls)

    def test_a_log_that_nobody_reads_holds_nobody_up(self):
        """Its pipe has room for two pages, and nobody empties it: calls are answered, a reload is done, and once
        there is room the log says how many lines are missing."""
        reader, log = os.pipe2(os.O_CLOEXEC)
        self.addCleanup(os.close, reader)
        fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, 8192)
        os.set_blocking(reader, False)
        home = Home(settings={"daemon": {"access_log": "yes"}})
        self.addCleanup(home.close)
        home.init()
        home.log_to = log
        home.start()
        os.close(log)
        clerk = home.client("clerk")
        for n in range(100):
            clerk.contributor(f"Organisation {n}")
        home.persons["clerk2"] = "reader"
        home.write_config()
        home.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + patience(30)
        while home.client("clerk2").GetStatus().role != pb.ROLE_READER:
            self.assertLess(time.monotonic(), deadline, "SIGHUP did nothing")
            home.drop_clients()
        before = os.read(reader, 1 << 20).decode()
        self.assertLessEqual(len(before), 8192)
        self.assertGreater(before.count("\n"), 5)
        self.assertTrue(before.endswith("\n"), "no line was cut")
        # that something is missing may be shorter than what is missing: then it is the last that had room
        self.assertFalse([line for line in before.splitlines()[:-1] if "lines were lost" in line])
        home.client("reader").GetStatus()
        home.terminate()
        after = os.read(reader, 1 << 20).decode().splitlines()
        told = [line for line in after if "lines were lost" in line]
        self.assertEqual(told, after[:1])
        self.assertGreater(int(re.search(r"count=(\d+)$", told[0])[1]), 20)

    def test_secrets_and_data_are_for_the_owner_alone(self):
        home = self.opened()
        home.client("clerk").contributor("A")
        for path in [home.data, *home.data.rglob("*")]:
            mode = path.stat().st_mode & 0o777
            if path.name == "ledger.vkey":
                continue
            if "key" in path.name or path.suffix == ".seg" or path == home.data:
                self.assertEqual(mode & 0o077, 0, f"{path} {mode:o}")

    def test_vkey_and_identity_stay_over_restarts(self):
        home = self.opened()
        before = home.client("reader").GetStatus()
        self.assertTrue(before.vkey.startswith("test.example/fund+"))
        self.assertEqual(len(before.ledger_id), 16)
        home.restart()
        after = home.client("reader").GetStatus()
        self.assertEqual((before.vkey, before.ledger_id, before.origin),
                         (after.vkey, after.ledger_id, after.origin))
        self.assertGreater(after.epoch, before.epoch, "each start is a new epoch")
        self.assertEqual(after.size, before.size, "a start alone records no fact")

    def test_slow_peers_do_not_hold_anybody_up(self):
        """Half-open handshakes and silent connections, many of them, while others work."""
        home = self.opened()

        def work():
            begin = time.monotonic()
            client = home.client("clerk")
            for n in range(20):
                client.contributor(f"Busy {n} {time.monotonic_ns()}")
            return time.monotonic() - begin
        alone = work()
        idle = [socket.create_connection(("127.0.0.1", home.port)) for _ in range(100)]
        self.addCleanup(lambda: [s.close() for s in idle])
        for s in idle[:50]:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        self.assertLess(work(), patience(5) + 3 * alone)

    def test_garbage_on_the_port(self):
        home = self.opened()
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, os.urandom(20000),
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", home.port)) as s:
                s.settimeout(patience(15))
                s.sendall(data)
                try:
                    while s.recv(65536):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(home.client("clerk").remaining("platine"), 2)

    def test_a_signal_at_the_moment_of_being_ready_is_heard(self):
        """Whoever waits for port_file may end the daemon as soon as it is there. systemd's socket is
        full here, so that the daemon stands still between that file and its first event."""
        for number in (signal.SIGTERM, signal.SIGINT):
            home = self.opened(catalogue=False)
            home.terminate()
            systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            others = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(systemd.close)
            self.addCleanup(others.close)
            systemd.settimeout(patience(20))
            systemd.bind(str(home.path / "notify"))
            others.setblocking(False)
            others.connect(str(home.path / "notify"))
            with self.assertRaises(BlockingIOError):
                for _ in range(100000):
                    others.send(b"full")
            home.variables["NOTIFY_SOCKET"] = str(home.path / "notify")
            home.start()
            home.process.send_signal(number)
            heard = []
            while not (heard and heard[-1].startswith(b"READY=1")):
                heard.append(systemd.recv(4096))
            self.assertGreater(len(heard), 1)
            self.assertTrue(systemd.recv(4096).startswith(b"STOPPING=1"))
            self.assertEqual(home.wait(), 0, home.log())
            home.process = None

    def test_threads_have_the_names_of_the_manual(self):
        home = self.opened(settings={"daemon": {"workers": 2}})
        home.client("clerk").contributor("Organisation")
        tasks = pathlib.Path(f"/proc/{home.process.pid}/task")
        self.assertGreaterEqual({(task / "comm").read_text().strip() for task in tasks.iterdir()},
                                {"worker 0", "worker 1", "writer", "store", "prepare", "notary", "registrar"})

    def test_the_end_does_not_wait_for_a_snapshot(self):
        """One that stands still, because its configuration is a pipe that nobody writes to."""
        home = self.opened(settings={"store": {"snapshot_entries": 5}})
        text = home.config.read_text()
        home.config.unlink()
        os.mkfifo(home.config)
        clerk = home.client("clerk")
        children = pathlib.Path(f"/proc/{home.process.pid}/task/{home.process.pid}/children")
        deadline = time.monotonic() + patience(20)
        while not children.read_text():
            self.assertLess(time.monotonic(), deadline, home.log())
            clerk.contributor(f"Organisation {clerk.GetStatus().size}")
        home.drop_clients()
        home.terminate()
        home.config.unlink()
        home.config.write_text(text)
        home.start()

    def test_a_clock_far_ahead_of_all_that_is_known_starts_nothing(self):
        limit = round(patience(4))
        home = self.opened(settings={"ledger": {"clock_ahead_limit": f"{limit}s"}})
        clerk = home.client("clerk")
        held = clerk.hold("platine", clerk.contributor("Before"))
        ran = home.pledged("accept-clock")
        self.assertEqual((ran.code, ran.out), (69, ""), "a daemon runs")
        home.drop_clients()
        home.terminate()
        mark = home.data / "clock.seen"
        seen = int(mark.read_text())  # its end is known, though nothing was written at it
        self.assertLess(abs(time.time() - seen), patience(10))
        self.assertEqual(mark.stat().st_mode & 0o777, 0o600)
        while time.time() <= seen + 1 + limit:  # for the daemon: off for longer than it may be
            time.sleep(0.05)
        before = {p: p.read_bytes() for p in [*home.segments(), mark]}
        ran = home.pledged(timeout=30)
        self.assertEqual(ran.code, 69, ran)
        for word in ("the clock says 2", "last at work at 2", "clock_ahead_limit", "accept-clock",
                     "nothing was written"):
            self.assertIn(word, ran.err)
        self.assertEqual({p: p.read_bytes() for p in before}, before)
        ran = home.pledged("accept-clock")
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        self.assertIn("and that is right", ran.out)
        home.start()
        clerk = home.client("clerk")
        self.assertEqual(clerk.GetPledge(pledge=held.outcome.pledge).pledge.stage, pb.STAGE_HELD)
        clerk.contributor("After")
        check_ledger(home.client("auditor").dump())

    @unittest.skipUnless(os.geteuid() == 0, "somebody else's directory needs root")
    def test_root_says_for_the_daemon_that_the_clock_is_right(self):
        home = self.opened()
        home.terminate()
        owner = 65534, 65533
        os.chown(home.data, *owner)
        ran = home.pledged("accept-clock")
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        mark = (home.data / "clock.seen").stat()
        self.assertEqual((mark.st_uid, mark.st_gid, mark.st_mode & 0o777), (*owner, 0o600))

    def test_a_clock_that_ran_on_while_the_daemon_was_idle_is_believed(self):
        limit = round(patience(4))
        home = self.opened(settings={"ledger": {"clock_ahead_limit": f"{limit}s"}})
        home.client("clerk").contributor("The last one for long")
        last = home.client("auditor").dump()[-1].time_us / 1e6
        while time.time() <= last + 1 + limit:
            time.sleep(0.05)
        home.restart()  # its end was a moment ago
        home.client("clerk").contributor("And on it goes")

    def test_requests_that_arrive_with_the_end_are_answered_or_never_happened(self):
        home = self.opened()
        clerk = home.client("clerk")
        sent = [command(add_contributor=pb.AddContributor(name=f"End {n}", kind=1))
                for n in range(200)]
        calls = [clerk.raw("Execute").future(c, timeout=patience(30)) for c in sent]
        home.process.send_signal(signal.SIGTERM)
        answered = {}
        for c, call in zip(sent, calls):
            try:
                answered[bytes(c.request_id)] = call.result().seq
            except Exception as error:
                self.assertIn(error.code().name, ("UNAVAILABLE", "CANCELLED"))
        self.assertEqual(home.wait(), 0)
        home.process = None
        home.drop_clients()
        home.start()
        first = check_ledger(home.client("auditor").dump()).first_of
        for key, seq in answered.items():
            self.assertEqual(first.get(key), seq)


if __name__ == "__main__":
    unittest.main()
