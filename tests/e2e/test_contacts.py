# SPDX-License-Identifier: Apache-2.0
"""Goal: a person is recorded beside the ledger, found again, and erased so that not one byte of the
record is left in any file of the daemon, while the ledger itself, its dumps and proofs stay what
they were. A crash at any moment, an old backup or a repeated request never brings a person back.
"""
import hashlib
import hmac
import os
import shutil
import sqlite3
import stat
import time
import unittest

from harness import (BIN, DaemonTest, Refused, check_ledger, command, new_id, opened, patience, pb,
                     run)

NAME = "Zoe Quixotewicz-Unmistakable"
MAIL = "zoe.unmistakable@partner.example"


def private(contributor, name=NAME, request_id=None, salt=None, **fields):
    """An ExecutePrivateRequest made without any code of the client."""
    record = pb.Contact(name=name, **fields).SerializeToString()
    salt = os.urandom(32) if salt is None else salt
    commitment = hmac.new(salt, record, hashlib.sha256).digest()
    return pb.ExecutePrivateRequest(
        command=command(request_id, record_contact=pb.RecordContact(
            contributor=contributor, commitment=commitment)),
        record=[pb.PrivateRecord(commitment=commitment, salt=salt, record=record)])


def files_with(root, text):
    """Every file under root that has the text in it, in UTF-8 or UTF-16."""
    needles = [text.encode(), text.encode("utf-16-le")]
    found = []
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                data = file.read()
            if any(needle in data for needle in needles):
                found.append(os.path.relpath(path, root))
    return found


def erase(client, **who):
    return client.execute(erase_contact=pb.EraseContact(**who), reason="asked for it")


class Contacts(DaemonTest):
    def record(self, contributor, **fields):
        return self.clerk.ExecutePrivate(private(contributor, **fields))

    def test_recorded_found_erased(self):
        home = self.home
        name, mail = "One " + NAME, "one." + MAIL
        contributor = self.clerk.contributor("Contacts One")
        made = home.pledge("clerk", "contact", "add", contributor, "--name", name, "--function",
                           "head of partnerships", "--email", mail, "--phone", "+41 22 000 00 00",
                           format="json")
        self.ok(made)
        contact = made.json["id"]
        self.assertRegex(contact, r"^K\d{6}$")
        row = [r for r in home.pledge("clerk", "contacts", contributor, format="csv").csv]
        self.assertEqual([(r["contact"], r["name"], r["email"], r["erased_seq"]) for r in row],
                         [(contact, name, mail, "")])
        self.assertIn("data/persons.db-wal", files_with(home.path, name))
        before, _ = self.auditor.dump_bytes()
        self.assertFalse(any(name.encode() in raw for raw in before))
        gone = home.pledge("admin", "contributor", "erase", "--contact", contact, "--reason",
                           "asked for it", format="json")
        self.ok(gone)
        self.assertEqual(gone.json["erased"], 1)
        self.assertEqual(files_with(home.path, name), [])
        self.assertEqual(files_with(home.path, mail), [])
        row = home.pledge("clerk", "contacts", contributor, format="csv").csv
        self.assertEqual((row[0]["name"], row[0]["erased_seq"]), ("", str(gone.json["seq"])))
        after, _ = self.auditor.dump_bytes()
        self.assertEqual(after[:len(before)], before)
        fact = pb.Entry.FromString(after[-1]).subject_erased
        self.assertEqual(list(fact.contact), [contact])
        dump = home.path / "erased.bin"
        self.ok(home.pledge("auditor", "dump", "-o", dump))
        vkey = home.path / "vkey"
        vkey.write_text(self.reader.GetStatus().vkey + "\n")
        verified = run([BIN / "pledge", "verify", dump, "--key", vkey], env=home.environment())
        self.ok(verified)
        proof = home.path / "one.tlog-proof"
        self.ok(home.pledge("auditor", "prove", str(made.json["seq"]), "-o", proof))
        self.ok(run([BIN / "pledge", "verify", proof, "--key", vkey], env=home.environment()))

    def test_files_are_private(self):
        contributor = self.clerk.contributor("Contacts Files")
        self.record(contributor)
        for path in self.home.data.glob("persons.db*"):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    def test_all_of_an_organisation(self):
        contributor = self.clerk.contributor("Contacts All")
        other = self.clerk.contributor("Contacts Other")
        ids = [self.record(contributor, name=f"Person {i}").outcome.contact for i in range(3)]
        kept = self.record(other, name="Somebody Else").outcome.contact
        receipt = erase(self.admin, contributor=contributor)
        self.assertEqual(len(receipt.outcome.erased), 3)
        status = self.clerk.ListContacts(contributor=contributor).contact
        self.assertEqual([(c.contact, c.erased_seq) for c in status],
                         [(i, receipt.seq) for i in ids])
        status = self.clerk.ListContacts(contributor=other).contact
        self.assertEqual([(c.contact, c.erased_seq) for c in status], [(kept, 0)])
        with self.assertRaises(Refused) as refused:
            erase(self.admin, contributor=contributor)
        self.assertEqual(refused.exception.reason, "CONTACT_UNKNOWN")
        with self.assertRaises(Refused) as refused:
            erase(self.admin, contact=ids[0])
        self.assertEqual(refused.exception.refusal.deciding_seq, receipt.seq)

    def test_legal_hold(self):
        home = self.home
        contributor = self.clerk.contributor("Contacts Hold")
        contact = self.record(contributor).outcome.contact
        on = home.pledge("approver", "contributor", "legal-hold", contributor, "on", "--reason",
                         "audit", format="json")
        self.ok(on)
        held = home.pledge("admin", "contributor", "erase", "--contact", contact, "--reason", "x",
                           format="json")
        self.assertEqual(held.code, 10, held)
        self.assertEqual(held.error["reason"], "LEGAL_HOLD")
        again = home.pledge("approver", "contributor", "legal-hold", contributor, "on",
                            "--reason", "x")
        self.assertEqual(again.code, 10, again)
        french = home.pledge("admin", "contributor", "erase", contributor, "--reason", "x",
                             lang="fr")
        self.assertIn("gel", french.err)
        self.ok(home.pledge("approver", "contributor", "legal-hold", contributor, "off",
                            "--reason", "audit is over"))
        self.ok(home.pledge("admin", "contributor", "erase", contributor, "--reason", "asked"))

    def test_a_repeated_request(self):
        contributor = self.clerk.contributor("Contacts Again")
        request = private(contributor, name="Repeated Person")
        first = self.clerk.ExecutePrivate(request)
        again = self.clerk.ExecutePrivate(request)
        self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY)
        self.assertEqual(again.outcome, first.outcome)
        erase(self.admin, contributor=contributor)
        late = self.clerk.ExecutePrivate(request)
        self.assertEqual(late.kind, pb.RECEIPT_KIND_REPLAY)
        self.assertEqual(files_with(self.home.data, "Repeated Person"), [])

    def test_a_refused_command_leaves_no_record(self):
        for name, reason, request in [
                ("Refused Nobody", "CONTRIBUTOR_UNKNOWN", private("C999999", "Refused Nobody")),
                ("Refused Dry", None, private(self.clerk.contributor("Contacts Dry"),
                                              "Refused Dry"))]:
            if reason is None:
                request.command.dry_run = True
                self.clerk.ExecutePrivate(request)
            else:
                with self.assertRaises(Refused) as refused:
                    self.clerk.ExecutePrivate(request)
                self.assertEqual(refused.exception.reason, reason)
            with sqlite3.connect(f"file:{self.home.data}/persons.db?mode=ro", uri=True) as db:
                rows = db.execute("SELECT record FROM record").fetchall()
            self.assertFalse([r for r, in rows if name.encode() in r])
            self.assertEqual(files_with(self.home.data, name), [])

    def test_bad_input(self):
        contributor = self.clerk.contributor("Contacts Bad")
        good = private(contributor)

        def wrong(field, change, reason="FIELD_INVALID"):
            request = pb.ExecutePrivateRequest()
            request.CopyFrom(good)
            change(request)
            with self.assertRaises(Refused) as refused:
                self.clerk.ExecutePrivate(request)
            self.assertEqual((refused.exception.reason, refused.exception.refusal.field),
                             (reason, field))
        wrong("record", lambda r: r.ClearField("record"))
        wrong("record", lambda r: r.record.add())
        wrong("record.salt", lambda r: setattr(r.record[0], "salt", b"short"))
        wrong("record.record", lambda r: setattr(r.record[0], "record", b""))
        wrong("record.record", lambda r: setattr(r.record[0], "record", b"x" * 4097))
        wrong("record.commitment", lambda r: setattr(r.record[0], "salt", bytes(32)))
        wrong("command", lambda r: r.ClearField("command"), "COMMAND_MISSING")
        for field, request in [("contact.name", private(contributor, "", phone="1")),
                               ("contact.name", private(contributor, "  ")),
                               ("contact.name", private(contributor, "x" * 201)),
                               ("contact.email", private(contributor, "x", email="a\nb")),
                               ("contact.email", private(contributor, "x", email="a\u202eb")),
                               ("contact.phone", private(contributor, "x", phone="1" * 65))]:
            with self.assertRaises(Refused) as refused:
                self.clerk.ExecutePrivate(request)
            self.assertEqual(refused.exception.refusal.field, field)
        with self.assertRaises(Refused) as refused:  # the record cannot stay behind
            self.clerk.execute(good.command)
        self.assertEqual(refused.exception.refusal.field, "record")
        self.clerk.ExecutePrivate(good)
        same = pb.ExecutePrivateRequest()
        same.CopyFrom(good)
        same.command.request_id = new_id()
        with self.assertRaises(Refused) as refused:
            self.clerk.ExecutePrivate(same)
        self.assertEqual(refused.exception.reason, "FIELD_INVALID")
        got = self.clerk.GetPrivateRecords(commitment=[good.record[0].commitment]).record
        self.assertEqual(got[0].record, good.record[0].record)
        self.assertEqual(got[0].salt, b"")
        both = pb.EraseContact(contributor=contributor, contact="K000001")
        for who in (both, pb.EraseContact()):
            with self.assertRaises(Refused) as refused:
                self.admin.execute(erase_contact=who, reason="x")
            self.assertEqual(refused.exception.reason, "FIELD_REQUIRED")

    def test_roles(self):
        contributor = self.clerk.contributor("Contacts Roles")
        contact = self.record(contributor).outcome.contact
        for person in ("reader", "clerk", "approver", "auditor"):
            with self.assertRaises(Refused) as refused:
                erase(self.home.client(person), contact=contact)
            self.assertEqual(refused.exception.reason, "PERMISSION_DENIED", person)
        for person in ("reader", "admin", "public"):
            with self.assertRaises(Refused) as refused:
                self.home.client(person).ListContacts(contributor=contributor)
            self.assertEqual(refused.exception.reason, "PERMISSION_DENIED", person)
        with self.assertRaises(Refused):
            self.home.client("approver").ExecutePrivate(private(contributor))


class FourEyes(DaemonTest):
    settings = {"policy": {"four_eyes": "erase"}}

    def test_an_approved_erasure_leaves_nothing_behind(self):
        contributor = self.clerk.contributor("Contacts Approved")
        self.clerk.ExecutePrivate(private(contributor, NAME))
        asked = self.home.pledge("admin", "contributor", "erase", contributor, "--reason", "asked",
                                 format="json")
        self.assertEqual(asked.code, 13, asked)
        self.assertTrue(files_with(self.home.data, NAME))
        proposal = erase_seq(self.auditor)
        self.home.client("approver").execute(approve=pb.Approve(seq=proposal))
        self.assertEqual(files_with(self.home.data, NAME), [])


def erase_seq(auditor):
    return [e.seq for e in auditor.dump() if e.WhichOneof("fact") == "proposed"][-1]


class CrashAndBackup(unittest.TestCase):
    def setUp(self):
        self.home = opened()
        self.clerk = self.home.client("clerk")
        self.contributor = self.clerk.contributor("Crash")

    def tearDown(self):
        self.home.close()

    def people(self):
        clerk = self.home.client("clerk")
        contacts = clerk.ListContacts(contributor=self.contributor).contact
        live = [c.commitment for c in contacts if c.erased_seq == 0]
        return [pb.Contact.FromString(r.record).name
                for r in clerk.GetPrivateRecords(commitment=live).record]

    def restart(self, kill=False):
        self.home.restart(kill=kill)
        self.clerk = self.home.client("clerk")

    def put_row(self, request, pending):
        record = request.record[0]
        with sqlite3.connect(self.home.data / "persons.db") as db:
            db.execute("INSERT INTO record VALUES(?,?,?,?)",
                       (record.commitment, record.salt, record.record, pending))
        db.close()

    def test_kill_and_start(self):
        self.clerk.ExecutePrivate(private(self.contributor, "Kept Person"))
        self.restart(kill=True)
        self.assertEqual(self.people(), ["Kept Person"])

    def test_a_start_from_a_snapshot_that_knows_people(self):
        self.home.settings["store"]["snapshot_entries"] = 5
        self.home.write_config()
        self.restart()
        names = [f"Person {n}" for n in range(40)]
        for name in names:
            self.clerk.ExecutePrivate(private(self.contributor, name))
        contacts = self.clerk.ListContacts(contributor=self.contributor).contact
        erase(self.home.client("admin"), contact=contacts[0].contact)
        size = self.clerk.GetStatus().size
        end = time.monotonic() + patience(20)
        newest = 0
        while newest < size - 5 and time.monotonic() < end:
            newest = max((int(path.stem, 16) for path in
                          (self.home.data / "snapshot").glob("*.snap")), default=0)
            self.clerk.contributor(f"One more {time.monotonic()}")  # what lets it look
            time.sleep(0.05)
        self.assertGreater(newest, size - 20, "no snapshot was made")
        self.restart()
        self.assertNotIn("snapshot_seq=0 replayed", self.home.log().rsplit("ledger is open")[-1])
        self.assertEqual(self.people(), names[1:])
        check_ledger(self.home.client("auditor").dump())

    def test_what_a_crash_leaves_is_put_right(self):
        kept = private(self.contributor, "Settled Late")
        self.clerk.ExecutePrivate(kept)
        gone = private(self.contributor, "Erased Late")
        self.clerk.ExecutePrivate(gone)
        contacts = self.clerk.ListContacts(contributor=self.contributor).contact
        erase(self.home.client("admin"), contact=contacts[1].contact)
        self.home.drop_clients()
        self.home.kill()
        self.put_row(gone, 0)  # as if the crash came between the entry and the erasure
        self.put_row(private(self.contributor, "Never Decided"), 1)
        with sqlite3.connect(self.home.data / "persons.db") as db:
            db.execute("UPDATE record SET pending = 1 WHERE commitment = ?",
                       (kept.record[0].commitment,))
        db.close()
        said = self.home.pledged("fsck")
        self.assertEqual(said.code, 0, said)
        self.assertIn("1 records that the ledger says are erased", said.out)
        self.home.start()
        self.assertEqual(self.people(), ["Settled Late"])
        for name in ("Erased Late", "Never Decided"):
            self.assertEqual(files_with(self.home.data, name), [])
        with sqlite3.connect(f"file:{self.home.data}/persons.db?mode=ro", uri=True) as db:
            self.assertEqual(db.execute("SELECT pending FROM record").fetchall(), [(0,)])

    def test_fsck_sees_missing_and_damaged_records(self):
        request = private(self.contributor, "Damaged Person")
        self.clerk.ExecutePrivate(request)
        self.assertEqual(self.home.pledged("fsck").code, 0)  # beside the running daemon
        self.home.drop_clients()
        self.home.terminate()
        with sqlite3.connect(self.home.data / "persons.db") as db:
            db.execute("UPDATE record SET record = ?", (b"other",))
        db.close()
        said = self.home.pledged("fsck")
        self.assertEqual((said.code, "not what was committed to" in said.out), (14, True), said)
        (self.home.data / "persons.db").unlink()
        said = self.home.pledged("fsck")
        self.assertEqual((said.code, "1 records are missing" in said.out), (14, True), said)
        self.home.start()

    def test_a_backup_from_before_an_erasure(self):
        self.clerk.ExecutePrivate(private(self.contributor, NAME))
        self.clerk.ExecutePrivate(private(self.contributor, "Still There"))
        old, new = self.home.path / "old", self.home.path / "new"
        done = self.home.pledged("backup", old)
        self.assertEqual(done.code, 0, done)
        self.assertTrue(files_with(old / "persons", NAME))
        self.assertEqual(files_with(old / "log", NAME) + files_with(old / "snapshot", NAME), [])
        contacts = self.clerk.ListContacts(contributor=self.contributor).contact
        erase(self.home.client("admin"), contact=contacts[0].contact)
        self.assertEqual(self.home.pledged("backup", new).code, 0)
        self.assertEqual(files_with(new, NAME), [])
        for path in new.rglob("*"):
            if path.is_file():
                self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        self.assertEqual(self.home.pledged("backup", old).code, 0)  # brought up to date
        self.assertEqual(files_with(old, NAME), [])
        self.home.drop_clients()
        self.home.terminate()
        shutil.rmtree(self.home.data)
        self.assertEqual(self.home.pledged("restore", new, "--confirm-latest").code, 0)
        key = self.home.pledged("fsck")
        self.assertEqual(key.code, 0, key)

    def test_an_old_file_of_persons_beside_a_newer_log(self):
        self.clerk.ExecutePrivate(private(self.contributor, NAME))
        self.clerk.ExecutePrivate(private(self.contributor, "Still There"))
        backup = self.home.path / "old"
        self.assertEqual(self.home.pledged("backup", backup, "--with-keys").code, 0)
        contacts = self.clerk.ListContacts(contributor=self.contributor).contact
        erase(self.home.client("admin"), contact=contacts[0].contact)
        self.home.drop_clients()
        self.home.terminate()
        kept, = (backup / "persons").glob("*.db")
        shutil.copy(kept, self.home.data / "persons.db")
        self.home.start()
        self.assertEqual(self.people(), ["Still There"])
        self.assertEqual(files_with(self.home.data, NAME), [])
        check_ledger(self.home.client("auditor").dump())

    def test_a_damaged_file_stops_the_start(self):
        self.home.drop_clients()
        self.home.terminate()
        (self.home.data / "persons.db").write_bytes(b"this is no database" * 100)
        self.home.spawn()
        self.assertEqual(self.home.wait(), 14)
        self.home.process = None
        self.assertIn("persons.db", self.home.log())


if __name__ == "__main__":
    unittest.main()
