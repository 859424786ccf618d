# SPDX-License-Identifier: Apache-2.0
"""four eyes: under the policy a command waits as a proposal, exits with 13 and changes nothing;
another person approves or rejects it; repeats get the original receipts; two approvers at once have
one effect; a restart forgets nothing; verify finds nothing to say."""
import threading
import unittest

from harness import (PERSONS, DaemonTest, Refused, check_ledger, command, document, opened, pb,
                     shipped_catalogue)

IBAN = "CH9300762011623852957"
ALL = ("commit, cancel, refund, write-off, difference, catalogue, period, exception, extension, "
       "erase, surplus")


class FourEyes(DaemonTest):
    @classmethod
    def setUpClass(cls):
        cls.home = opened(catalogue=False, persons={**PERSONS, "approver2": "approver"},
                          settings={"policy": {"four_eyes": ALL, "difference_limit": "50.00 CHF"},
                                    "account CHF01": {"iban": IBAN, "currency": "CHF"}})
        for person in ("clerk", "auditor", "reader", "admin", "approver", "approver2"):
            setattr(cls, person, cls.home.client(person))
        proposed = cls.admin.execute(adopt_catalogue=pb.AdoptCatalogue(
            catalogue=shipped_catalogue()))
        assert proposed.outcome.proposal_seq == proposed.seq
        cls.approve_as(cls.approver, proposed.seq)

    @staticmethod
    def approve_as(person, seq):
        return person.execute(approve=pb.Approve(seq=seq))

    def pledged(self):
        who = self.clerk.contributor(self.name())
        return self.clerk.submit_tier("or", who).outcome.pledge

    def stage(self, pledge):
        return pb.Stage.Name(self.clerk.GetPledge(pledge=pledge).pledge.stage)[6:]

    def test_the_same_proposed_twice_is_noted(self):
        pledge = self.pledged()
        paper = self.home.path / "twice.pdf"
        paper.write_bytes(b"%PDF signed")
        first, second = (self.home.pledge("clerk", "commit", pledge, "--evidence", paper, "--reason",
                                          why, "--lang", "fr") for why in ("signed", "signed again"))
        self.assertEqual((first.code, second.code), (13, 13), (first, second))
        self.assertNotIn("attend déjà", first.err)
        self.assertIn("attend déjà", second.err)
        self.assertIn(first.rows[0][1], second.err)
        for ran in (first, second):
            self.pledge("clerk", "reject", ran.rows[0][1], "--reason", "done")

    def test_whose_money_a_proposed_refund_is_can_be_said_in_time(self):
        bank = self.money_of_nobody(IBAN)
        letter = self.home.path / "back.txt"
        letter.write_text("please send it back")
        refund = ("refund", bank, "--evidence", letter)
        for more, noted in (((), True), (("--contributor", self.clerk.contributor(self.name())),
                                         False), (("--quiet",), False), (("--dry-run",), False)):
            ran = self.home.pledge("clerk", *refund, *more)
            self.assertEqual(ran.code, 13, ran)
            self.assertEqual("nobody's statement" in ran.err, noted, ran)
            if noted:
                self.assertIn(f"--contributor: pledge reject {ran.rows[0][1]}\n", ran.err)
            if "--dry-run" not in more:
                self.pledge("clerk", "reject", ran.rows[0][1], "--reason", "not like this")

    def test_the_day_of_a_clerk_and_an_approver(self):
        pledge = self.pledged()
        paper = self.home.path / "agreement.pdf"
        paper.write_bytes(b"%PDF signed")
        ran = self.home.pledge("clerk", "commit", pledge, "--evidence", paper, "--reason", "signed")
        self.assertEqual(ran.code, 13, ran)
        seq = ran.rows[0][1]
        self.assertIn(f"pledge approve {seq}", ran.err)
        self.assertEqual(self.stage(pledge), "PLEDGED")
        row = [r for r in self.pledge("approver", "proposals").rows if r[0] == seq][0]
        self.assertEqual(row[1:6], ["open", "commit", "commit", pledge, "clerk"])
        self.assertEqual(row[9], "signed")
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual([str(p["seq"]) for p in shown["proposals"]], [seq])
        self.assertIn("proposed", self.pledge("clerk", "history", pledge).out)
        self.assertIn("commit,cancel", self.pledge("reader", "status").out)
        self.assertEqual(self.fails(77, "clerk", "approve", seq, format="json").error["reason"],
                         "PERMISSION_DENIED")
        self.pledge("approver", "approve", seq)
        self.assertEqual(self.stage(pledge), "COMMITTED")
        ran = self.fails(10, "approver2", "approve", seq, format="json")
        self.assertEqual(ran.error["reason"], "PROPOSAL_CLOSED")
        ran = self.fails(11, "approver", "approve", "999999", format="json")
        self.assertEqual(ran.error["reason"], "PROPOSAL_UNKNOWN")
        row = [r for r in self.pledge("auditor", "proposals", "--all").rows if r[0] == seq][0]
        self.assertEqual(row[1], "approved")

    def test_nobody_approves_their_own(self):
        pledge = self.pledged()
        seq = self.approver.commit(pledge).seq
        with self.refused("SAME_PERSON"):
            self.approve_as(self.approver, seq)
        ran = self.fails(77, "approver", "approve", str(seq), format="json")
        self.assertEqual(ran.error["reason"], "SAME_PERSON")
        self.approve_as(self.approver2, seq)
        self.assertEqual(self.stage(pledge), "COMMITTED")

    def test_rejected_and_taken_back(self):
        first, second = self.pledged(), self.pledged()
        seq = self.clerk.commit(first).seq
        ran = self.fails(65, "approver", "reject", str(seq), format="json")
        self.assertEqual(ran.error["reason"], "REASON_REQUIRED")
        self.pledge("approver", "reject", str(seq), "--reason", "not countersigned")
        with self.refused("PROPOSAL_CLOSED"):
            self.approve_as(self.approver, seq)
        seq = self.clerk.commit(second).seq
        ran = self.fails(77, "clerk2", "reject", str(seq), "--reason", "mine", format="json")
        self.assertEqual(ran.error["reason"], "PERMISSION_DENIED")
        self.pledge("clerk", "reject", str(seq), "--reason", "the wrong one")
        self.assertEqual(self.stage(second), "PLEDGED")

    def test_what_waits_for_a_signature_is_not_changed_by_one_alone(self):
        pledge = self.pledged()
        paper = self.home.path / "letter.pdf"
        paper.write_bytes(b"%PDF signed")
        ran = self.home.pledge("clerk", "commit", pledge, "--evidence", paper, "--reason", "signed")
        self.assertEqual(ran.code, 13, ran)
        ran = self.home.pledge("clerk", "change-tier", pledge, "argent", "--reason", "cheaper")
        self.assertEqual(ran.code, 13, ran)
        shown = self.pledge("approver", "show", pledge, format="json").json
        self.assertEqual((shown["tier"], shown["amount"]), ("or", "100000.00"))
        ran = self.home.pledge("clerk", "contributor", "amend", shown["contributor"], "--name",
                               "Somebody Else", "--kind", "academia")
        self.assertEqual(ran.code, 13, ran)

    def test_what_took_two_to_write_off_takes_two_to_undo(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 100000).outcome.pledge
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        ran = self.home.pledge("clerk", "write-off", pledge, "--amount", "10.00", "--currency", "CHF",
                               "--reason", "ten will not come")
        self.assertEqual(ran.code, 13, ran)
        done = self.approve_as(self.approver, int(ran.rows[0][1]))
        ran = self.home.pledge("clerk", "reverse", done.seq, "--reason", "it comes after all")
        self.assertEqual(ran.code, 13, ran)
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual(shown["written_off"], "10.00")

    def test_all_that_is_left_is_no_more_than_the_approver_saw(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 100000).outcome.pledge
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        paid = self.pledge("clerk", "pay", pledge, "990.00", "CHF").rows[0]
        rest = self.home.pledge("clerk", "write-off", pledge, "--reason", "ten will not come")
        self.assertEqual(rest.code, 13, rest)
        shown = self.pledge("approver", "proposals", pledge, format="json").json["proposals"][0]
        self.assertEqual((shown["all"], shown["currency"]), ("10.00", "CHF"))
        self.assertIn("CHF\u00a010.00", self.pledge("approver", "proposals", pledge, format="table").out)
        self.pledge("clerk", "reverse", paid[1], "--reason", "mistake")
        ran = self.fails(10, "approver", "approve", rest.rows[0][1], format="json")
        self.assertEqual((ran.error["reason"], ran.error["field"], ran.error["deciding_seq"]),
                         ("AMOUNT_CHANGED", "approve.seq", int(rest.rows[0][1])))
        self.assertIn("proposed for: CHF 10.00; would be now: CHF 1000.00", ran.error["message"])
        ran = self.home.pledge("approver", "approve", rest.rows[0][1], lang="fr")
        self.assertIn("proposé pour", ran.err)
        shown = self.pledge("approver", "proposals", pledge, format="json").json["proposals"][0]
        self.assertEqual((shown["all"], shown["now"]), ("10.00", "1000.00"))
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual((shown["outstanding"], shown["written_off"]), ("1000.00", None))

    def test_what_two_amend_is_not_what_a_third_was_asked(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 100000).outcome.pledge
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        rest = self.home.pledge("clerk", "write-off", pledge, "--reason", "it will not come")
        self.assertEqual(rest.code, 13, rest)
        paper = self.home.path / "letter.pdf"
        paper.write_bytes(b"%PDF more")
        more = self.home.pledge("clerk", "amend", pledge, "--amount", "1500.00", "--currency", "CHF",
                                "--evidence", paper, "--reason", "their letter")
        self.assertEqual(more.code, 13, more)
        self.approve_as(self.approver, int(more.rows[0][1]))
        ran = self.fails(10, "approver", "approve", rest.rows[0][1], format="json")
        self.assertEqual(ran.error["reason"], "AMOUNT_CHANGED")

    def test_many_small_differences_are_a_large_one(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 100000).outcome.pledge
        paid = self.pledge("clerk", "pay", pledge, "1.00", "CHF").rows[0][0]
        accept = ("accept-difference", paid, pledge, "--kind", "fee", "--reason", "fee", "--currency",
                  "CHF", "--amount")
        self.pledge("clerk", *accept, "30.00")
        self.pledge("clerk", *accept, "20.00")
        ran = self.home.pledge("clerk", *accept, "0.01")
        self.assertEqual(ran.code, 13, ran)
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual(shown["difference"], "50.00")

    def test_repeats_get_the_original_receipts(self):
        pledge = self.pledged()
        proposing = command(commit=pb.Commit(pledge=pledge), evidence=[document()])
        proposed = self.clerk.execute(proposing)
        approving = command(approve=pb.Approve(seq=proposed.seq))
        approved = self.approver.execute(approving)
        self.home.restart(kill=True)
        for person in ("clerk", "auditor", "reader", "admin", "approver", "approver2"):
            setattr(type(self), person, self.home.client(person))
        for who, sent, got in ((self.clerk, proposing, proposed),
                               (self.approver, approving, approved)):
            again = who.execute(sent)
            self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY)
            self.assertEqual((again.seq, again.outcome), (got.seq, got.outcome))

    def test_two_approvers_at_once_have_one_effect(self):
        for _ in range(5):
            pledge = self.pledged()
            seq = self.clerk.commit(pledge).seq
            answers = []

            def approve(person):
                try:
                    answers.append(self.approve_as(person, seq).seq)
                except Refused as refused:
                    answers.append(refused.reason)
            threads = [threading.Thread(target=approve, args=(person,))
                       for person in (self.approver, self.approver2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(answers.count("PROPOSAL_CLOSED"), 1, answers)
            signed = [e for e in self.clerk.GetHistory(pledge=pledge).entry
                      if pb.Entry.FromString(e).WhichOneof("fact") == "commitment_signed"]
            self.assertEqual(len(signed), 1)

    def test_what_changed_meanwhile_refuses_and_leaves_it_open(self):
        pledge = self.pledged()
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        moving = self.clerk.execute(change_tier=pb.ChangeTier(pledge=pledge, tier="diamant"),
                                    reason="they want more").seq
        other = self.clerk.submit_tier("diamant",
                                       self.clerk.contributor(self.name())).outcome.pledge
        with self.refused("TIER_SOLD_OUT"):
            self.approve_as(self.approver, moving)
        self.clerk.withdraw(other)
        self.approve_as(self.approver, moving)
        self.assertEqual(self.clerk.GetPledge(pledge=pledge).pledge.tier, "diamant")

    def test_less_than_the_tier_needs_an_exception(self):
        who = self.clerk.contributor(self.name())
        ran = self.home.pledge("clerk", "submit", "--contributor", who, "--tier", "or", "--amount",
                               "90000.00", "--currency", "CHF", "--reason", "agreed by phone")
        self.assertEqual(ran.code, 13, ran)
        done = self.approve_as(self.approver, int(ran.rows[0][1]))
        self.assertEqual(self.clerk.GetPledge(pledge=done.outcome.pledge).pledge.amount.minor,
                         9000000)

    def test_a_second_extension_needs_a_second_person(self):
        who = self.clerk.contributor(self.name())
        held = self.clerk.execute(hold=pb.Hold(tier="innovation", contributor=who, for_s=86400))
        pledge = held.outcome.pledge
        self.pledge("clerk", "extend", pledge, "--for", "2d", "--reason", "they asked")
        until = self.clerk.GetPledge(pledge=pledge).pledge.expires_us
        ran = self.home.pledge("clerk", "extend", pledge, "--for", "3d", "--reason", "once more")
        self.assertEqual(ran.code, 13, ran)
        self.assertEqual(self.clerk.GetPledge(pledge=pledge).pledge.expires_us, until)
        self.approve_as(self.approver, int(ran.rows[0][1]))
        self.assertGreater(self.clerk.GetPledge(pledge=pledge).pledge.expires_us, until)

    def test_surplus_moves_when_two_say_so(self):
        pledge = self.pledged()
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        paid = self.clerk.pay(pledge, 10_000_700)
        letter = self.home.path / "surplus.txt"
        letter.write_text("keep it for the fund")
        for words in (("convert", paid.outcome.bank_entry, "--evidence", letter),
                      ("reallocate", str(paid.seq + 1), self.pledged(), "--amount", "5",
                       "--currency", "CHF", "--evidence", letter)):
            before = self.clerk.GetPledge(pledge=pledge).pledge
            ran = self.home.pledge("clerk", *words)
            self.assertEqual(ran.code, 13, ran)
            waiting = self.clerk.GetPledge(pledge=pledge).pledge
            waiting.last_seq = before.last_seq  # that of the proposal
            self.assertEqual(waiting, before)
            with self.refused("PERMISSION_DENIED"):
                self.approve_as(self.clerk, int(ran.rows[0][1]))
            self.approve_as(self.approver, int(ran.rows[0][1]))
            after = self.clerk.GetPledge(pledge=pledge).pledge
            self.assertNotEqual((after.unallocated.minor, after.allocated.minor),
                                (before.unallocated.minor, before.allocated.minor))

    def test_a_long_command_is_cut_off_in_a_table_alone(self):
        later = shipped_catalogue()
        later.version = 2
        seq = self.admin.execute(
            adopt_catalogue=pb.AdoptCatalogue(catalogue=later)).outcome.proposal_seq
        for lang, words in (("en", "cut off"), ("fr", "coupé")):
            shown = self.home.pledge("approver", "proposals", format="table", lang=lang)
            self.assertEqual(shown.code, 0, shown)
            self.assertLess(max(map(len, shown.out.splitlines())), 1000)
            self.assertIn(words, shown.out)
        row = next(r for r in self.home.pledge("approver", "proposals", format="json")
                   .json["proposals"] if r["seq"] == seq)
        self.assertIn(later.benefit[-1].label[0].text, row["details"])
        self.approver.execute(reject=pb.Reject(seq=seq), reason="another year")

    def test_a_rehearsal_says_so_and_stores_nothing(self):
        pledge = self.pledged()
        before = self.reader.GetStatus().size
        paper = self.home.path / "rehearsed.pdf"
        paper.write_bytes(b"%PDF signed")
        ran = self.home.pledge("clerk", "commit", pledge, "--evidence", paper, "--dry-run")
        self.assertEqual(ran.code, 13, ran)
        self.assertEqual(self.reader.GetStatus().size, before)

    def test_the_ledger_verifies(self):
        pledge = self.pledged()
        self.approve_as(self.approver, self.clerk.commit(pledge).seq)
        check_ledger(self.auditor.dump())
        vkey = self.reader.GetStatus().vkey
        dump = self.home.path / f"{self.name()}.bin"
        self.pledge("auditor", "dump", "-o", dump)
        ran = self.pledge("auditor", "verify", dump, "--key", vkey)
        self.assertEqual([row[1] for row in ran.rows if row[0] == "semantics"], ["ok"], ran)


class Expiry(DaemonTest):
    settings = {"policy": {"four_eyes": "commit", "proposal_ttl": "1s"}}

    def test_a_proposal_expires_as_an_entry(self):
        pledge = self.clerk.submit_tier("or", self.clerk.contributor(self.name())).outcome.pledge
        seq = self.clerk.commit(pledge).seq
        facts = self.eventually(lambda: [
            e for e in map(pb.Entry.FromString, self.clerk.GetHistory(pledge=pledge).entry)
            if e.WhichOneof("fact") == "proposal_expired"])
        self.assertEqual(facts[0].proposal_expired.proposal_seq, seq)
        self.assertEqual(facts[0].actor.role, pb.ROLE_DAEMON)
        with self.refused("PROPOSAL_CLOSED"):
            self.home.client("approver").execute(approve=pb.Approve(seq=seq))


class Renamed(DaemonTest):
    settings = {"policy": {"four_eyes": "commit"}}

    def test_another_name_makes_no_other_person(self):
        """Who is called otherwise on the roster is still who has the certificate."""
        pledge = self.clerk.submit_tier("or", self.clerk.contributor(self.name())).outcome.pledge
        seq = self.home.client("approver").commit(pledge).seq
        roster = self.home.config.read_text(encoding="utf-8")
        self.home.config.write_text(roster.replace("[person approver]", "[person chief]"), encoding="utf-8")
        self.home.restart()
        ran = self.fails(77, "approver", "approve", str(seq), lang="fr")
        self.assertIn("le même certificat", ran.err)
        self.assertEqual(self.home.client("approver").GetStatus().person, "chief")
        self.home.config.write_text(roster.replace("[person clerk2]\nrole = clerk",
                                                   "[person clerk2]\nrole = approver"), encoding="utf-8")
        self.home.restart()
        self.home.client("clerk2").execute(approve=pb.Approve(seq=seq))
        type(self).clerk = self.home.client("clerk")


if __name__ == "__main__":
    unittest.main()
