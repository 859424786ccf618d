# SPDX-License-Identifier: Apache-2.0
"""roles: every method and every command against every role; strangers, other authorities and
clients without certificate get nothing (G10)."""
import re
import unittest

import grpc

from harness import (CATALOGUE, EMPTY_ROOT, METHODS, DaemonTest, Pki, Refused, command, document,
                     given_time, money, pb, shipped_catalogue)

ROLES = ("public", "reader", "clerk", "approver", "auditor", "admin")
ALL = set(ROLES)
SEES = ALL - {"public"}
SINGLE = {"clerk", "approver", "auditor"}
MAY_CALL = {
    "Execute": ALL,       # judged command by command
    "ExecuteBatch": ALL,  # the same
    "ExecutePrivate": SEES,
    "ListTiers": ALL,
    "GetTier": ALL,
    "ListBenefits": SEES,
    "GetTotals": SEES,
    "GetCatalogue": SEES,
    "GetStatus": SEES,
    "GetPledge": SINGLE,
    "ListPledges": SINGLE,
    "ListContributors": SINGLE,
    "ListPayments": SINGLE,
    "GetTreasury": SINGLE,
    "ListPeriods": SINGLE,
    "ListRates": SINGLE,
    "ListProposals": SINGLE | {"admin"},
    "ListBankEntries": SINGLE,
    "ListStatements": SINGLE,
    "SuggestAllocations": SINGLE,
    "ListContacts": SINGLE,
    "GetPrivateRecords": SINGLE,
    "ListDocuments": SINGLE,
    "GetHistory": SINGLE,
    "Dump": {"auditor"},
    "Watch": ALL,
    "GetCheckpoint": SEES,
    "GetInclusionProof": SEES,
    "GetConsistencyProof": SEES,
}
# What a second person will have to agree to under four-eyes, approvers may do themselves.
MAY_COMMAND = {
    "adopt_catalogue": {"admin"},
    "erase_contact": {"admin"},
    "export_postings": {"approver"},
    "approve": {"approver"},
    "reject": {"clerk", "approver", "admin"},
    "set_legal_hold": {"admin", "approver"},
    "commit": {"clerk", "approver"},
    "amend_pledge": {"clerk", "approver"},
    "change_tier": {"clerk", "approver"},
    "cancel": {"clerk", "approver"},
    "close_period": {"clerk", "approver"},
    "reopen_period": {"clerk", "approver"},
    "record_rates": {"clerk", "approver"},
    "reverse": {"clerk", "approver"},
    "close": {"approver"},
    "reallocate": {"clerk", "approver"},
    "convert": {"clerk", "approver"},
    "refund": {"clerk", "approver"},
    "cancel_refund": {"clerk", "approver"},
    "set_schedule": {"clerk", "approver"},
    "write_off": {"clerk", "approver"},
    "accept_difference": {"clerk", "approver"},
}
CLERK_ONLY = {"clerk"}


class Roles(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.by_role = {role: cls.home.client(role) for role in ROLES}
        cls.who = cls.clerk.contributor("Someone")
        cls.somebody = cls.clerk.submit_tier("or", cls.who).outcome.pledge

    def requests(self):
        pledge = dict(pledge=self.somebody)
        return {"GetTier": dict(tier="or"), "GetPledge": pledge, "GetHistory": pledge}

    def denied(self, call):
        try:
            call()
        except Refused as refused:
            if refused.code == grpc.StatusCode.PERMISSION_DENIED:
                self.assertEqual(refused.reason, "PERMISSION_DENIED")
                return True
        return False

    def test_the_table_knows_every_method(self):
        self.assertEqual(set(METHODS), set(MAY_CALL))

    def test_every_method_with_every_role(self):
        for name, roles in MAY_CALL.items():
            if name.startswith("Execute"):
                continue
            for role in ROLES:
                with self.subTest(method=name, role=role):
                    denied = self.denied(lambda: self.by_role[role].call(
                        name, **self.requests().get(name, {})))
                    self.assertEqual(denied, role not in roles)

    def test_benefits_of_a_pledge_need_more_than_benefits_of_a_tier(self):
        for role in ROLES:
            with self.subTest(role=role):
                denied = self.denied(lambda: self.by_role[role].ListBenefits(pledge=self.somebody))
                self.assertEqual(denied, role not in SINGLE)

    def commands(self):
        """Every member of the oneof, well formed; dry, so that the table can be walked freely."""
        who, pledge = self.who, self.somebody
        return {
            "adopt_catalogue": dict(adopt_catalogue=pb.AdoptCatalogue(
                catalogue=shipped_catalogue())),
            "add_contributor": dict(add_contributor=pb.AddContributor(name=self.name(), kind=1)),
            "amend_contributor": dict(amend_contributor=pb.AmendContributor(
                contributor=who, name=self.name(), kind=1)),
            "claim_benefit": dict(claim_benefit=pb.ClaimBenefit(pledge=pledge, benefit="VIS6")),
            "decline_benefit": dict(decline_benefit=pb.DeclineBenefit(pledge=pledge,
                                                                      benefit="VIS6")),
            "deliver_benefit": dict(deliver_benefit=pb.DeliverBenefit(pledge=pledge,
                                                                      benefit="VIS6")),
            "export_postings": dict(export_postings=pb.ExportPostings(
                period="2026-01", to_seq=1, sha256=bytes(32))),
            "record_contact": dict(record_contact=pb.RecordContact(contributor=who,
                                                                   commitment=bytes(32))),
            "erase_contact": dict(erase_contact=pb.EraseContact(contributor=who), reason="r"),
            "set_legal_hold": dict(set_legal_hold=pb.SetLegalHold(contributor=who, on=True),
                                   reason="r"),
            "hold": dict(hold=pb.Hold(tier="or", contributor=who)),
            "extend": dict(extend=pb.Extend(pledge=pledge, for_s=60), reason="r"),
            "wait": dict(wait=pb.Wait(tier="or", contributor=who)),
            "submit": dict(submit=pb.Submit(contributor=who, free=True, amount=money(1)),
                           reason="r"),
            "commit": dict(commit=pb.Commit(pledge=pledge), evidence=[document()]),
            "amend_pledge": dict(amend_pledge=pb.AmendPledge(pledge=pledge, amount=money(10000000)),
                                 evidence=[document()]),
            "change_tier": dict(change_tier=pb.ChangeTier(pledge=pledge, tier="argent"),
                                reason="r"),
            "withdraw": dict(withdraw=pb.Withdraw(pledge=pledge), reason="r"),
            "cancel": dict(cancel=pb.Cancel(pledge=pledge, money_plan=1), evidence=[document()]),
            "pay": dict(pay=pb.Pay(pledge=pledge, amount=money(1))),
            "reverse": dict(reverse=pb.Reverse(seq=1), reason="r"),
            "issue_receipt": dict(issue_receipt=pb.IssueReceipt(
                pledge=pledge, number="Q000001", document_sha256=b"\0" * 32)),
            "issue_certificate": dict(issue_certificate=pb.IssueCertificate(
                pledge=pledge, number="Z000001", document_sha256=b"\0" * 32)),
            "approve": dict(approve=pb.Approve(seq=999999)),
            "reject": dict(reject=pb.Reject(seq=999999), reason="r"),
            "close": dict(close=pb.Close(pledge=pledge)),
            "reallocate": dict(reallocate=pb.Reallocate(seq=1, pledge=pledge),
                               evidence=[document()]),
            "convert": dict(convert=pb.Convert(bank_entry="B000001"), evidence=[document()]),
            "refund": dict(refund=pb.Refund(bank_entry="B000001"), evidence=[document()]),
            "cancel_refund": dict(cancel_refund=pb.CancelRefund(refund="R000001"), reason="r"),
            "set_schedule": dict(set_schedule=pb.SetSchedule(pledge=pledge, instalment=[
                pb.Instalment(due="2026-03-31", amount=money(1))]), reason="r"),
            "write_off": dict(write_off=pb.WriteOff(pledge=pledge), reason="r"),
            "accept_difference": dict(accept_difference=pb.AcceptDifference(
                bank_entry="B000001", pledge=pledge, kind=1), reason="r"),
            "close_period": dict(close_period=pb.ClosePeriod(period="2020-01",
                                                             head_root=EMPTY_ROOT)),
            "record_rates": dict(record_rates=pb.RecordRates(rate=[pb.Rate(
                currency="USD", date="2026-01-05", mantissa=8850, scale=4, source="s")])),
            "reopen_period": dict(reopen_period=pb.ReopenPeriod(period="2020-01"), reason="r"),
            "allocate": dict(allocate=pb.Allocate(bank_entry="B000001", pledge=pledge)),
            "import_statement": dict(import_statement=pb.ImportStatement(
                file_sha256=bytes(32), statement=[pb.BankStatement(
                    kind=pb.STATEMENT_KIND_STATEMENT, account="X1", currency="CHF", id="1",
                    created="2026-04-01")])),
            "match_reversal": dict(match_reversal=pb.MatchReversal(
                bank_entry="B000001", original="B000002"), reason="r"),
            "book_charge": dict(book_charge=pb.BookCharge(bank_entry="B000001")),
            "match_refund": dict(match_refund=pb.MatchRefund(
                bank_entry="B000001", refund="R000001")),
        }

    def test_every_command_with_every_role(self):
        commands = self.commands()
        known = {f.name for f in pb.Command.DESCRIPTOR.oneofs_by_name["command"].fields}
        self.assertEqual(set(commands), known, "the table knows every command")
        size = self.reader.GetStatus().size
        for name, fields in commands.items():
            for role in ROLES:
                with self.subTest(command=name, role=role):
                    denied = self.denied(lambda: self.by_role[role].execute(
                        command(dry_run=True, **fields)))
                    allowed = role in MAY_COMMAND.get(name, CLERK_ONLY)
                    self.assertEqual(denied, not allowed)
        self.assertEqual(self.reader.GetStatus().size, size, "denied or dry: nothing is written")

    def test_every_command_with_every_role_in_a_batch(self):
        """One call, one verdict a command, each by its own rule."""
        commands = self.commands()
        size = self.reader.GetStatus().size
        self.assertTrue(self.denied(lambda: self.by_role["public"].batch([])), "no batch at all")
        for role in ROLES[1:]:
            results = self.by_role[role].batch([command(dry_run=True, **fields)
                                                for fields in commands.values()])
            for name, result in zip(commands, results, strict=True):
                with self.subTest(command=name, role=role):
                    denied = (result.WhichOneof("result") == "refusal"
                              and result.refusal.reason == pb.REASON_PERMISSION_DENIED)
                    self.assertEqual(denied, role not in MAY_COMMAND.get(name, CLERK_ONLY))
        self.assertEqual(self.reader.GetStatus().size, size)

    def test_what_is_denied_for_real_leaves_no_entry(self):
        size = self.reader.GetStatus().size
        for role in ("public", "reader", "approver", "auditor", "admin"):
            with self.subTest(role=role), self.refused("PERMISSION_DENIED"):
                self.by_role[role].execute(add_contributor=pb.AddContributor(name="Nobody",
                                                                             kind=1))
        with self.refused("PERMISSION_DENIED"):
            self.clerk.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=shipped_catalogue()))
        self.assertEqual(self.reader.GetStatus().size, size)

    def test_the_client_exits_77_for_what_a_role_may_not_do(self):
        table = [
            ("tiers",), ("slots", "or"), ("benefits", "or"), ("totals",), ("status",),
            ("show", self.somebody), ("list",), ("contributors",), ("history", self.somebody),
            ("dump", "--as", "jsonl"), ("catalogue", "show"),
            ("contributor", "add", "--name", "N", "--kind", "academia", "--dry-run"),
            ("hold", "or", "--contributor", self.who, "--dry-run"),
            ("pay", self.somebody, "1", "CHF", "--dry-run"),
            ("catalogue", "adopt", str(CATALOGUE), "--dry-run"),
        ]
        may = {"tiers": ALL, "slots": ALL, "benefits": SEES, "totals": SEES, "status": SEES,
               "show": SINGLE, "list": SINGLE, "contributors": SINGLE, "history": SINGLE,
               "dump": {"auditor"}, "catalogue show": SEES, "catalogue adopt": {"admin"},
               "contributor add": CLERK_ONLY, "hold": CLERK_ONLY, "pay": CLERK_ONLY}
        for args in table:
            verb = args[0] if args[0] not in ("catalogue", "contributor") else " ".join(args[:2])
            for role in ROLES:
                with self.subTest(args=args, role=role):
                    ran = self.home.pledge(role, *args, format="json")
                    if role in may[verb]:
                        self.assertNotEqual(ran.code, 77, ran)
                    else:
                        self.assertEqual(ran.code, 77, ran)
                        self.assertEqual(ran.out, "")
                        self.assertEqual(ran.error["reason"], "PERMISSION_DENIED")

    def test_entries_say_who_acted(self):
        receipt = self.home.client("clerk2").execute(
            add_contributor=pb.AddContributor(name=self.name(), kind=1))
        entry = self.auditor.dump(from_seq=receipt.seq, to_seq=receipt.seq)[0]
        self.assertEqual((entry.actor.person, entry.actor.role), ("clerk2", pb.ROLE_CLERK))
        self.assertEqual(entry.actor.identity, "uri:pledged:person:clerk2")
        self.assertIn("CN=", entry.actor.issuer)
        roster = [e for e in self.auditor.dump() if e.WhichOneof("fact") == "roster_adopted"][0]
        self.assertEqual({p.person for p in roster.roster_adopted.person}, set(self.home.persons))


class Strangers(DaemonTest):
    def test_a_person_who_is_not_on_the_roster(self):
        self.home.pki.person("stranger")
        stranger = self.home.client("stranger")
        for name in METHODS:
            with self.subTest(method=name), self.assertRaises(Refused) as caught:
                stranger.call(name)
            self.assertEqual(caught.exception.code, grpc.StatusCode.UNAUTHENTICATED)
        ran = self.fails(77, "stranger", "tiers", format="json")
        self.assertEqual(ran.error["reason"], "UNAUTHENTICATED")

    def test_no_certificate_no_connection(self):
        with self.assertRaises(Refused) as caught:
            self.home.client(None).call("ListTiers", timeout=5)
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        ran = self.home.pledge(None, "tiers", options=["--timeout", "3s"])
        self.assertIn(ran.code, (64, 69, 77, 78), ran)
        self.assertEqual(ran.out, "")
        self.assertTrue(ran.err.strip())

    def test_a_certificate_of_another_authority(self):
        other = Pki.shared("other")
        other.person("clerk")  # the right name, the wrong authority
        ours = self.home.pki

        class Mixed:
            ca = ours.ca
            cert, key = staticmethod(other.cert), staticmethod(other.key)
        with self.assertRaises(Refused) as caught:
            self.home.client("clerk", pki=Mixed).call("ListTiers", timeout=5)
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        ran = self.home.pledge("clerk", "tiers", pki=other, options=["--timeout", "3s"])
        self.assertIn(ran.code, (69, 77), ran)
        self.assertEqual(ran.out, "")

    def test_the_client_does_not_talk_to_a_server_it_cannot_check(self):
        other = Pki.shared("other")
        ran = given_time(
            lambda seconds: self.home.pledge("clerk", "tiers", timeout=120, options=[
                "--ca", str(other.ca), "--timeout", f"{seconds}s"]),
            lambda ran: re.search(r"(?i)certificate|trust|verif", ran.err))
        self.assertNotEqual(ran.code, 0, ran)
        self.assertEqual(ran.out, "")
        self.assertRegex(ran.err, r"(?i)certificate|trust|verif")

    def test_the_daemon_goes_on_after_all_that(self):
        self.assertEqual(self.clerk.remaining("platine"), 2)

    def test_a_changed_roster_is_a_fact_and_takes_effect_at_the_next_start(self):
        before = len(self.auditor.dump())
        self.home.persons["clerk2"] = "auditor"
        self.home.write_config()
        self.home.restart()
        type(self).clerk = self.home.client("clerk")
        type(self).auditor = self.home.client("auditor")
        type(self).reader = self.home.client("reader")
        facts = [e.WhichOneof("fact") for e in self.auditor.dump(from_seq=before + 1)]
        self.assertEqual(facts, ["roster_adopted"])
        self.assertTrue(self.home.client("clerk2").dump())
        with self.refused("PERMISSION_DENIED"):
            self.home.client("clerk2").execute(add_contributor=pb.AddContributor(name="X", kind=1))


if __name__ == "__main__":
    unittest.main()
