# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what is new counts at once, nobody who may stay is dropped, what is wrong changes nothing."""
import hashlib
import hmac
import os
import signal
import socket
import sqlite3
import ssl
import threading
import time
import unittest

import grpc

from harness import Home, Pki, Refused, check_ledger, command, new_id, opened, patience, pb


class ReloadTest(unittest.TestCase):
    def opened(self, **fields):
        home = opened(**fields)
        self.addCleanup(home.close)
        return home

    def log(self, home):
        return home.log_file.read_text(errors="replace")

    def hup(self, home, word="message=reloaded"):
        """Sends SIGHUP and waits until the log has another line with the word."""
        before = self.log(home).count(word)
        home.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + patience(20)
        while self.log(home).count(word) == before:
            self.assertIsNone(home.process.poll(), home.log())
            self.assertLess(time.monotonic(), deadline, home.log())
            time.sleep(0.01)
        return self.log(home).rsplit(word, 1)[1].splitlines()[0]

    def own_pki(self, home):
        """An authority of the test's own, whose files the daemon uses by other names."""
        pki = Pki(home.path / "pki")
        for person in home.persons:
            pki.person(person)
        home.pki = pki
        home.settings["tls"] = {"cert": pki.cert("server"), "key": pki.key("server"), "ca": pki.ca,
                                "crl": pki.path / "crl.pem"}
        pki._run("crl")
        home.write_config()
        return pki

    def facts(self, home, name):
        return [e for e in home.client("auditor").dump() if e.WhichOneof("fact") == name]


class Rosters(ReloadTest):
    def test_what_was_found_for_somebody_is_not_for_who_may_not_ask_any_more(self):
        """The file of persons is busy while the role changes: the question was let in, its answer is not."""
        home = self.opened()
        clerk = home.client("clerk")
        contributor = clerk.contributor("Persons")
        record = pb.Contact(name="Zoe").SerializeToString()
        salt = os.urandom(32)
        commitment = hmac.new(salt, record, hashlib.sha256).digest()

        def private():
            return pb.ExecutePrivateRequest(
                command=command(record_contact=pb.RecordContact(contributor=contributor, commitment=commitment)),
                record=[pb.PrivateRecord(commitment=commitment, salt=salt, record=record)])
        clerk.ExecutePrivate(private())
        asked = pb.GetPrivateRecordsRequest(commitment=[commitment])
        self.assertEqual(clerk.raw("GetPrivateRecords")(asked).record[0].record, record)
        file = sqlite3.connect(home.data / "persons.db", isolation_level=None)
        self.addCleanup(file.close)
        file.execute("BEGIN IMMEDIATE")  # whoever writes waits, and who reads waits behind it
        first = clerk.raw("ExecutePrivate").future(private(), timeout=patience(60))
        second = clerk.raw("GetPrivateRecords").future(asked, timeout=patience(60))
        clerk.GetStatus()  # on the same connection, so that the question before it has been let in
        home.persons["clerk"] = "reader"
        home.write_config()
        self.hup(home)
        self.assertFalse(second.done())
        file.execute("ROLLBACK")
        with self.assertRaises(grpc.RpcError) as refused:
            second.result()
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(first.exception().code(), grpc.StatusCode.PERMISSION_DENIED)
        again = home.client("clerk2").raw("GetPrivateRecords")(asked)
        self.assertEqual(again.record[0].record, record)

    def test_a_new_person_works_and_one_who_left_is_cut_off(self):
        home = self.opened()
        gone = home.client("clerk2")
        stays = home.client("clerk")
        gone.contributor("Before")
        stays.contributor("Before too")
        watching = home.client("clerk2").raw("Watch")(pb.WatchRequest())
        home.pki.person("newcomer")
        with self.assertRaises(Refused):
            home.client("newcomer").GetStatus()
        del home.persons["clerk2"]
        home.persons["newcomer"] = "clerk"
        home.write_config()
        self.hup(home)
        new = home.client("newcomer")
        self.assertEqual(new.GetStatus().person, "newcomer")
        new.contributor("After")
        stays.contributor("After too")  # the same channel
        with self.assertRaises(Refused):
            gone.contributor("Too late")
        with self.assertRaises(Exception):
            list(watching)
        rosters = self.facts(home, "roster_adopted")
        self.assertEqual(len(rosters), 2)
        self.assertEqual(sorted(p.person for p in rosters[-1].roster_adopted.person),
                         sorted(home.persons))
        check_ledger(home.client("auditor").dump())
        # the order in the ledger: first the roster, then what they do under it
        entries = home.client("auditor").dump()
        at = next(i for i, e in enumerate(entries) if e.seq == rosters[-1].seq)
        self.assertFalse([e for e in entries[:at] if e.actor.person == "newcomer"])
        self.assertFalse([e for e in entries[at:] if e.actor.person == "clerk2"])
        # and nothing new: no fact
        self.hup(home)
        self.assertEqual(len(self.facts(home, "roster_adopted")), 2)

    def test_another_role_counts_from_the_next_call_on(self):
        home = self.opened()
        clerk = home.client("clerk2")
        clerk.contributor("As a clerk")
        home.persons["clerk2"] = "reader"
        home.write_config()
        self.hup(home)
        self.assertEqual(clerk.GetStatus().role, pb.ROLE_READER)
        with self.assertRaises(Refused) as caught:
            clerk.contributor("As a reader")
        self.assertEqual(caught.exception.reason, "PERMISSION_DENIED")

    def test_who_watches_sees_no_more_than_the_new_role_may(self):
        home = self.opened()
        watching = home.client("clerk2").raw("Watch")(pb.WatchRequest(heartbeat_s=1))
        next(watching)
        home.client("clerk").contributor("Seen")
        while not next(watching).entry:
            pass
        self.hup(home)  # nothing is new: it goes on
        home.client("clerk").contributor("Seen too")
        while not next(watching).entry:
            pass
        home.persons["clerk2"] = "reader"
        home.write_config()
        self.hup(home)
        home.client("clerk").contributor("Not for readers")
        seen = []
        with self.assertRaises(grpc.RpcError) as caught:
            for message in watching:
                seen += message.entry
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertFalse([e for e in seen if b"Not for readers" in e])
        again = home.client("clerk2").raw("Watch")(pb.WatchRequest(from_seq=1, heartbeat_s=1))
        self.assertFalse(next(again).entry)
        again.cancel()

    def test_a_dump_ends_where_its_reader_is_no_auditor_any_more(self):
        home = self.opened()
        clerk = home.client("clerk")
        for _ in range(4):
            clerk.batch([command(add_contributor=pb.AddContributor(
                name=new_id().hex(), kind=2), reason="r" * 900) for _ in range(900)])
        # a window that does not grow: most of the dump is still with the daemon
        slow = home.client("auditor", options=[("grpc.http2.bdp_probe", 0)]).raw("Dump")(
            pb.DumpRequest())
        self.assertTrue(next(slow).entry)
        self.hup(home)  # nothing is new
        home.persons["auditor"] = "reader"
        home.write_config()
        self.hup(home)
        with self.assertRaises(grpc.RpcError) as caught:
            for message in slow:
                self.assertFalse(message.HasField("trailer"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_roster_too_large_for_an_entry_is_named(self):
        home = self.opened()
        text = home.config.read_text()
        for i in range(240):
            text += f"[person p{i}]\nrole = reader\n"
            text += "".join(f"identity = uri:pledged:{k}:{'x' * 120}{i}\n" for k in range(2))
        home.config.write_text(text)
        line = self.hup(home, word="nothing was reloaded")
        self.assertIn("61440", line)
        home.client("clerk").contributor("Goes on")
        done = home.pledged("check-config")
        self.assertEqual(done.code, 78, done)
        self.assertIn("61440", done.err)

    def test_policy_is_a_fact_too(self):
        home = self.opened()
        home.settings["ledger"]["clock_jump_limit"] = "2h"
        home.write_config()
        self.hup(home)
        facts = self.facts(home, "policy_adopted")
        self.assertEqual(facts[-1].policy_adopted.clock_jump_limit_s, 7200)
        home.restart()
        self.assertEqual(len(self.facts(home, "policy_adopted")), len(facts))


class Certificates(ReloadTest):
    def started(self):
        home = Home()
        self.addCleanup(home.close)
        self.own_pki(home)
        home.init()
        home.start()
        home.adopt()
        return home

    def test_a_revoked_person_is_cut_off_and_others_are_not(self):
        home = self.started()
        gone, stays = home.client("clerk2"), home.client("clerk")
        gone.contributor("Before, of one who goes")
        stays.contributor("Before, of one who stays")
        home.pki._run("revoke", "clerk2")
        self.hup(home)
        with self.assertRaises(Refused) as caught:
            gone.call("GetStatus", timeout=5)
        self.assertEqual(caught.exception.code.name, "UNAVAILABLE")
        stays.contributor("After")

    def test_a_new_server_certificate_is_shown_to_newcomers(self):
        home = self.started()

        def shown():
            context = ssl.create_default_context(cafile=str(home.pki.ca))
            context.load_cert_chain(home.pki.cert("reader"), home.pki.key("reader"))
            with socket.create_connection(("127.0.0.1", home.port)) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as secure:
                    return secure.getpeercert()["serialNumber"]
        stays = home.client("clerk")
        stays.contributor("Before")
        before = shown()
        home.pki._run("renew", "server")
        self.hup(home)
        self.assertNotEqual(shown(), before)
        stays.contributor("After")

    def test_another_authority_lets_its_people_in_and_no_others(self):
        home = self.started()
        old = home.client("clerk")
        old.contributor("Before")
        other = Pki(home.path / "pki2")
        for person in home.persons:
            other.person(person)
        home.settings["tls"] = {"cert": other.cert("server"), "key": other.key("server"),
                                "ca": other.ca}
        home.write_config()
        self.hup(home)
        with self.assertRaises(Refused):
            old.call("GetStatus", timeout=5)
        self.assertEqual(home.client("clerk", pki=other).GetStatus().person, "clerk")


class Mistakes(ReloadTest):
    def unchanged(self, home, *said):
        line = self.hup(home, "nothing was reloaded")
        for word in said:
            self.assertIn(str(word), line)
        self.stays.contributor(f"Still works {time.monotonic_ns()}")
        self.assertEqual(home.client("reader").GetStatus().person, "reader")
        self.assertEqual(len(self.facts(home, "roster_adopted")), 1)

    def test_whatever_is_wrong_changes_nothing_and_is_named(self):
        home = self.opened()
        self.stays = home.client("clerk")
        self.stays.contributor("First")
        good = home.config.read_text()
        spoilt = home.path / "spoilt.pem"
        spoilt.write_text("no certificate")
        spoilt.chmod(0o600)
        lines = len(good.splitlines())
        for change, said in (
                (lambda t: t + "[person eve]\nrole = king\n", (f"pledged.conf:{lines + 2}", "king")),
                (lambda t: t + "[person eve]\nrole = clerk\n", ("eve", "identity")),
                (lambda t: t + "[limits]\nidel = 5s\n", (f"pledged.conf:{lines + 2}", "idle")),
                (lambda t: t.replace(str(home.pki.ca), str(spoilt)), ("spoilt.pem",)),
                (lambda t: t.replace(str(home.pki.cert("server")), "/nowhere"), ("/nowhere",)),
                (lambda t: t.replace(str(home.pki.key("server")), str(home.pki.key("clerk"))),
                 ("clerk.key",)),
                (lambda t: t.replace("test.example/fund", "other.example/fund"), ("origin",)),
                (lambda t: t + "[person twin]\nrole = auditor\n"
                               "identity = uri:pledged:person:clerk\n", (f"pledged.conf:{lines + 3}", "[person clerk]")),
                (lambda t: "nonsense\n" + t, ("pledged.conf:1",)),
        ):
            with self.subTest(said=said):
                home.config.write_text(change(good))
                self.unchanged(home, *said)
        home.config.unlink()
        self.unchanged(home, "pledged.conf")
        home.config.write_text(good)
        self.hup(home)

    def test_keys_that_need_a_restart_are_named(self):
        home = self.opened()
        home.settings["daemon"].update(workers=1, listen="127.0.0.1:1", data="/elsewhere")
        home.settings["limits"]["inbox"] = 64
        home.write_config()
        line = self.hup(home, "these keys count from the next start on")
        for key in ("[daemon] workers", "[daemon] listen", "[daemon] data", "[limits] inbox"):
            self.assertIn(key, line)
        self.assertEqual(home.client("clerk").GetStatus().person, "clerk")

    def test_a_roster_that_cannot_be_recorded_changes_nothing(self):
        """A restored ledger is read-only: nothing may be written, not even who may do what."""
        home = self.opened()
        target = home.path / "backup"
        self.assertEqual(home.pledged("backup", target, "--with-keys").code, 0)
        new = Home()
        self.addCleanup(new.close)
        self.assertEqual(new.pledged("restore", target).code, 0)
        new.start()
        new.pki.person("newcomer")
        new.persons["newcomer"] = "clerk"
        new.write_config()
        self.hup(new, "nothing was reloaded")
        with self.assertRaises(Refused):
            new.client("newcomer").GetStatus()
        del new.persons["newcomer"]
        new.write_config()
        self.hup(new)  # no fact needed


class Others(ReloadTest):
    def test_limits_and_log_level(self):
        home = self.opened(settings={"limits": {"person_requests_per_s": 0}})
        client = home.client("reader")
        for _ in range(30):
            client.GetStatus()
        home.settings["limits"]["person_requests_per_s"] = 2
        home.settings["daemon"].update(log_level="error")
        home.write_config()
        self.hup(home, "message=reloading")

        def busy():
            try:
                for _ in range(10):
                    client.GetStatus()
            except Refused as refused:
                return refused.code.name == "RESOURCE_EXHAUSTED"
            return False
        deadline = time.monotonic() + patience(20)
        while not busy():
            self.assertLess(time.monotonic(), deadline)
        size = len(self.log(home))
        home.process.send_signal(signal.SIGHUP)  # at info nothing of it is told any more
        time.sleep(0.3)
        self.assertEqual(len(self.log(home)), size)

    def test_the_access_log_is_switched_under_way(self):
        home = self.opened()
        home.client("clerk").contributor("Secret Name SA")
        self.assertNotIn("tag=access", self.log(home))
        home.settings["daemon"]["access_log"] = "yes"
        home.write_config()
        self.hup(home)
        home.client("clerk").contributor("Secret Name GmbH")
        deadline = time.monotonic() + patience(10)
        while "LedgerService/Execute code=OK" not in self.log(home):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        text = self.log(home)
        for private in ("Secret", "clerk", "uri:"):
            self.assertNotIn(private, text)

    def test_under_load_nobody_is_dropped_and_nothing_is_lost(self):
        home = self.opened()
        home.pki.person("newcomer")
        stop = threading.Event()
        failures, done = [], []

        def work(person, number):
            client = home.client(person)
            n = 0
            while not stop.is_set():
                try:
                    client.contributor(f"Load {person} {number} {n}")
                    n += 1
                except Exception as error:  # shown below
                    failures.append((person, error))
                    return
            done.append(n)
        threads = [threading.Thread(target=work, args=(person, n))
                   for n in range(2) for person in ("clerk", "clerk2")]
        for thread in threads:
            thread.start()
        try:
            for turn in range(10):
                if turn % 2 == 0:
                    home.persons["newcomer"] = "clerk"
                else:
                    del home.persons["newcomer"]
                home.write_config()
                self.hup(home)
            for _ in range(20):  # a storm of signals ends in one state
                home.process.send_signal(signal.SIGHUP)
            self.hup(home)
        finally:
            stop.set()
            for thread in threads:
                thread.join(patience(60))
        self.assertFalse(failures)
        self.assertTrue(all(n > 0 for n in done))
        entries = home.client("auditor").dump()
        check_ledger(entries)
        added = sum(1 for e in entries if e.WhichOneof("fact") == "contributor_added")
        self.assertEqual(added, sum(done))
        self.assertEqual(len(self.facts(home, "roster_adopted")), 11)

    def test_a_reload_that_meets_the_end(self):
        for _ in range(5):
            home = self.opened(catalogue=False)
            home.process.send_signal(signal.SIGHUP)
            home.process.send_signal(signal.SIGTERM)
            self.assertEqual(home.wait(), 0)
            home.process = None


if __name__ == "__main__":
    unittest.main()
