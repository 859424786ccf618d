# SPDX-License-Identifier: Apache-2.0
"""refusals: every reason that can be reached has a test: what leads to it, its gRPC code, the field
it names, the client's exit code and the one JSON object on stderr. Refusals that the ledger's state
decides are in the ledger and stay what they were; wrong input leaves no trace."""
import unittest

import grpc

from harness import (DaemonTest, Refused, attempt, command, document, money, new_id, pb,
                     same_outcome)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


class OfTheInput(DaemonTest):
    """What is wrong in itself: exit 65, the field named, nothing in the ledger."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.who = cls.clerk.contributor("Input")
        cls.gold = cls.clerk.submit_tier("or", cls.who).outcome.pledge

    def wrong(self, why, field, /, code=INVALID, request_id=None, **fields):
        size = self.reader.GetStatus().size
        with self.refused(why, code) as box:
            self.clerk.execute(command(request_id, **fields))
        refusal = box[0].refusal
        self.assertEqual(refusal.field, field)
        self.assertEqual((refusal.seq, refusal.retryable, refusal.replay), (0, False, False))
        self.assertTrue(refusal.message)
        self.assertEqual(box[0].details, refusal.message)
        self.assertEqual(box[0].status.code, code.value[0])
        self.assertEqual(self.reader.GetStatus().size, size, "wrong input leaves no trace")

    def test_required_fields(self):
        add = pb.AddContributor
        for field, fields in {
                "add_contributor.name": dict(add_contributor=add(kind=1)),
                "add_contributor.kind": dict(add_contributor=add(name="A")),
                "amend_contributor.contributor":
                    dict(amend_contributor=pb.AmendContributor(name="A", kind=1)),
                "hold.tier": dict(hold=pb.Hold(contributor=self.who)),
                "hold.contributor": dict(hold=pb.Hold(tier="or")),
                "extend.pledge": dict(extend=pb.Extend(for_s=60), reason="r"),
                "wait.tier": dict(wait=pb.Wait(contributor=self.who)),
                "wait.contributor": dict(wait=pb.Wait(tier="or")),
                "submit.contributor": dict(submit=pb.Submit(tier="or"), reason="r"),
                "commit.pledge": dict(commit=pb.Commit(), evidence=[document()]),
                "amend_pledge.pledge": dict(amend_pledge=pb.AmendPledge(amount=money(1)),
                                            evidence=[document()]),
                "change_tier.pledge": dict(change_tier=pb.ChangeTier(tier="or"), reason="r"),
                "change_tier.tier": dict(change_tier=pb.ChangeTier(pledge=self.gold), reason="r"),
                "withdraw.pledge": dict(withdraw=pb.Withdraw(), reason="r"),
                "cancel.pledge": dict(cancel=pb.Cancel(money_plan=1), evidence=[document()]),
                "pay.pledge": dict(pay=pb.Pay(amount=money(1))),
                "reverse.seq": dict(reverse=pb.Reverse(), reason="r"),
                "adopt_catalogue.catalogue": dict(adopt_catalogue=pb.AdoptCatalogue()),
        }.items():
            with self.subTest(field=field):
                if "adopt_catalogue" in fields:
                    with self.assertRaises(Refused) as caught:
                        self.admin.execute(**fields)
                    self.assertEqual(caught.exception.code, INVALID)
                    self.assertIn(caught.exception.reason, ("FIELD_REQUIRED", "CATALOGUE_INVALID"))
                    self.assertTrue(caught.exception.refusal.field.startswith("adopt_catalogue"))
                else:
                    self.wrong("FIELD_REQUIRED", field, **fields)

    def test_malformed_ids(self):
        for bad in ("x", "C1", "P000001", "C000000", "c000001 ", "C00000000000000000000001"):
            with self.subTest(bad=bad), self.assertRaises(Refused) as caught:
                self.clerk.hold("or", bad)
            self.assertIn(caught.exception.reason, ("FIELD_INVALID", "CONTRIBUTOR_UNKNOWN"))
            self.assertEqual(caught.exception.refusal.field, "hold.contributor")

    def test_bad_values(self):
        self.wrong("FIELD_INVALID", "add_contributor.country",
                   add_contributor=pb.AddContributor(name="A", kind=1, country="Suisse"))
        self.wrong("FIELD_INVALID", "add_contributor.kind",
                   add_contributor=pb.AddContributor(name="A", kind=77))
        self.wrong("FIELD_INVALID", "add_contributor.itu_membership",
                   add_contributor=pb.AddContributor(name="A", kind=1, itu_membership="friend"))
        self.wrong("FIELD_INVALID", "hold.for_s",
                   hold=pb.Hold(tier="or", contributor=self.who, for_s=-1))

    def test_too_long(self):
        self.wrong("FIELD_TOO_LONG", "add_contributor.name",
                   add_contributor=pb.AddContributor(name="n" * 201, kind=1))
        self.wrong("FIELD_TOO_LONG", "reason", reason="r" * 1001,
                   add_contributor=pb.AddContributor(name="A", kind=1))

    def test_request_ids(self):
        for bad in (b"", b"short", b"x" * 17):
            self.wrong("REQUEST_ID_INVALID", "request_id", request_id=bad,
                       add_contributor=pb.AddContributor(name="A", kind=1))

    def test_no_command(self):
        with self.refused("COMMAND_MISSING", INVALID):
            self.clerk.execute(pb.Command(request_id=new_id()))

    def test_money(self):
        def pay(amount):
            return dict(pay=pb.Pay(pledge=self.gold, amount=amount))
        self.wrong("AMOUNT_REQUIRED", "pay.amount", pay=pb.Pay(pledge=self.gold))
        self.wrong("CURRENCY_UNKNOWN", "pay.amount.currency", **pay(money(1, "CHX")))
        self.wrong("CURRENCY_UNKNOWN", "pay.amount.currency", **pay(money(1, "chf")))
        self.wrong("CURRENCY_UNKNOWN", "pay.amount.currency", **pay(money(1, "XAU")))
        self.wrong("AMOUNT_NOT_POSITIVE", "pay.amount.minor", **pay(money(0)))
        self.wrong("AMOUNT_NOT_POSITIVE", "pay.amount.minor", **pay(money(-5)))

    def test_dates(self):
        for bad in ("2026-02-30", "26-01-01", "2026-1-1", "yesterday", "2026-01-01T00:00"):
            self.wrong("DATE_INVALID", "pay.value_date", pay=pb.Pay(
                pledge=self.gold, amount=money(1), value_date=bad))
            self.wrong("DATE_INVALID", "effective_date", effective_date=bad,
                       add_contributor=pb.AddContributor(name="A", kind=1))

    def test_unknown_fields_and_text_that_is_no_text(self):
        good = command(add_contributor=pb.AddContributor(name="A", kind=1)).SerializeToString()
        raw = self.clerk.channel.unary_unary("/pledged.v1.LedgerService/Execute",
                                             request_serializer=lambda b: b,
                                             response_deserializer=pb.Receipt.FromString)
        size = self.reader.GetStatus().size
        nul = pb.Command(request_id=new_id(), add_contributor=pb.AddContributor(name="a\0b",
                                                                                kind=1))
        broken = command(add_contributor=pb.AddContributor(
            name="AAAA", kind=1)).SerializeToString().replace(b"AAAA", b"A\xff\xfeA")
        for reason, body in (("UNKNOWN_FIELD", good + b"\xb8\x3e\x01"),
                             ("NOT_UTF8", broken), ("NOT_UTF8", nul.SerializeToString())):
            with self.subTest(reason=reason), self.assertRaises(grpc.RpcError) as caught:
                raw(body, timeout=20)
            refused = Refused(caught.exception)
            self.assertEqual(refused.code, INVALID, refused)
            if refused.refusal is not None:
                self.assertEqual(refused.reason, reason)
        for body in (b"\xff", good[:-1], b"\x0a\xff\xff\xff\xff\x0f"):
            with self.assertRaises(grpc.RpcError) as caught:
                raw(body, timeout=20)
            self.assertEqual(caught.exception.code(), INVALID)
        self.assertEqual(self.reader.GetStatus().size, size)

    def test_words_that_must_go_with_a_command(self):
        held = self.clerk.hold("argent", self.clerk.contributor(self.name())).outcome.pledge
        self.wrong("REASON_REQUIRED", "reason", extend=pb.Extend(pledge=held, for_s=60))
        self.wrong("EVIDENCE_MISSING", "evidence", commit=pb.Commit(pledge=self.gold))
        self.wrong("EVIDENCE_MISSING", "evidence", amend_pledge=pb.AmendPledge(
            pledge=self.gold, amount=money(1)))
        self.wrong("EVIDENCE_MISSING", "evidence", cancel=pb.Cancel(pledge=self.gold,
                                                                    money_plan=1))
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(withdraw=pb.Withdraw(pledge=held))
        self.assertIn(caught.exception.reason, ("REASON_REQUIRED", "EVIDENCE_MISSING"))
        who = self.clerk.contributor(self.name())
        for body in (pb.Submit(pledge=held), pb.Submit(contributor=who, tier="or"),
                     pb.Submit(contributor=who, free=True, amount=money(1))):
            self.wrong("REASON_REQUIRED", "reason", submit=body)
        self.clerk.execute(submit=pb.Submit(pledge=held), evidence=[document("letter")])
        self.clerk.execute(submit=pb.Submit(contributor=who, tier="or"), reason="letter of 3 March")

    def test_a_document_is_named_by_a_whole_hash(self):
        self.wrong("FIELD_INVALID", "evidence.sha256", commit=pb.Commit(pledge=self.gold),
                   evidence=[pb.Document(sha256=b"short", kind="agreement")])

    def test_a_command_that_is_too_big(self):
        refs = [pb.ExternalRef(system="s" * 60, id="i" * 90) for _ in range(600)]
        with self.refused("TOO_BIG", grpc.StatusCode.RESOURCE_EXHAUSTED):
            self.clerk.execute(add_contributor=pb.AddContributor(name="A", kind=1,
                                                                 external_ref=refs))

    def test_a_batch_that_leaves_no_room_to_say_what_is_wrong(self):
        # small on the wire; its messages fill a call's memory but for what some refusals need
        movement = pb.Movement(booking_date="x", value_date="x", uetr="x", end_to_end_id="x")
        short = set()
        for movements in range(40000, 60001, 1600):
            statement = pb.BankStatement(movement=[movement] * movements)
            commands = [pb.Command(import_statement=pb.ImportStatement(statement=[statement]))]
            commands += [pb.Command()] * 8000
            try:
                reasons = [result.refusal.reason for result in self.reader.batch(commands)]
            except Refused as refused:  # not even a verdict each: it is refused whole
                self.assertIn(refused.reason, ("TOO_BIG", "FIELD_INVALID"))
                break
            self.assertEqual(len(reasons), len(commands))
            self.assertLessEqual(set(reasons[1:]), {pb.REASON_TOO_BIG, pb.REASON_REQUEST_ID_INVALID})
            short.add(pb.REASON_TOO_BIG in reasons)
        self.assertEqual(short, {False, True}, "some have room for all words, some have not")
        self.assertTrue(self.reader.GetStatus().size, "and the daemon is there")


class OfTheState(DaemonTest):
    """What the ledger decides: the refusal is an entry, names the entry that decides it, and stays
    the answer to its request id whatever happens later."""

    def setUp(self):
        self.who = self.clerk.contributor(self.name())
        self.other = self.clerk.contributor(self.name())

    def sticky(self, why, code, deciding=None, field=None, /, **fields):
        sent = command(**fields)
        size = self.reader.GetStatus().size
        refused = attempt(self.clerk, sent)
        self.assertIsInstance(refused, Refused, "accepted")
        self.assertEqual((refused.reason, refused.code), (why, code))
        refusal = refused.refusal
        self.assertEqual(refusal.seq, size + 1, "the refusal is an entry")
        self.assertFalse(refusal.replay)
        self.assertFalse(refusal.retryable)
        if deciding is not None:
            self.assertEqual(refusal.deciding_seq, deciding)
        if field is not None:
            self.assertEqual(refusal.field, field)
        entry = pb.Entry.FromString(self.auditor.dump_bytes(from_seq=refusal.seq,
                                                            to_seq=refusal.seq)[0][0])
        self.assertEqual(entry.command_refused.reason, refusal.reason)
        self.assertEqual(entry.command_refused.deciding_seq, refusal.deciding_seq)
        self.assertEqual(entry.request_id, sent.request_id)
        same_outcome(self, attempt(self.clerk, sent), refused)
        self.assertEqual(self.reader.GetStatus().size, size + 1)
        return sent, refused

    def test_sold_out_stays_sold_out_for_its_request_id(self):
        taken = self.clerk.hold("diamant", self.who)
        sent, refused = self.sticky("TIER_SOLD_OUT", PRECONDITION, taken.seq,
                                    hold=pb.Hold(tier="diamant", contributor=self.other))
        self.clerk.withdraw(taken.outcome.pledge)
        self.assertEqual(self.clerk.remaining("diamant"), 1)
        same_outcome(self, attempt(self.clerk, sent), refused)  # the slot is free; the answer stays
        again = self.clerk.hold("diamant", self.other)          # a new request id gets the slot
        self.clerk.withdraw(again.outcome.pledge)

    def test_sold_out_on_submit_and_change_of_tier(self):
        taken = self.clerk.submit_tier("diamant", self.who)
        self.sticky("TIER_SOLD_OUT", PRECONDITION, taken.seq, reason="r",
                    submit=pb.Submit(tier="diamant", contributor=self.other))
        pledge = self.clerk.submit_tier("or", self.other).outcome.pledge
        self.sticky("TIER_SOLD_OUT", PRECONDITION, taken.seq, reason="r",
                    change_tier=pb.ChangeTier(pledge=pledge, tier="diamant"))
        self.clerk.withdraw(taken.outcome.pledge)

    def test_has_slot(self):
        mine = self.clerk.hold("or", self.who)
        self.sticky("HAS_SLOT", PRECONDITION, mine.seq,
                    hold=pb.Hold(tier="argent", contributor=self.who))
        self.sticky("HAS_SLOT", PRECONDITION, mine.seq, reason="r",
                    submit=pb.Submit(tier="argent", contributor=self.who))

    def test_state_wrong(self):
        held = self.clerk.hold("or", self.who)
        self.sticky("STATE_WRONG", PRECONDITION, held.seq, evidence=[document()],
                    commit=pb.Commit(pledge=held.outcome.pledge))
        gone = self.clerk.withdraw(held.outcome.pledge)
        for fields in (dict(withdraw=pb.Withdraw(pledge=held.outcome.pledge), reason="r"),
                       dict(extend=pb.Extend(pledge=held.outcome.pledge, for_s=60), reason="r"),
                       dict(submit=pb.Submit(pledge=held.outcome.pledge), reason="r"),
                       dict(cancel=pb.Cancel(pledge=held.outcome.pledge, money_plan=1),
                            evidence=[document()]),
                       dict(amend_pledge=pb.AmendPledge(pledge=held.outcome.pledge,
                                                        amount=money(10000000)),
                            evidence=[document()]),
                       dict(change_tier=pb.ChangeTier(pledge=held.outcome.pledge, tier="argent"),
                            reason="r")):
            self.sticky("STATE_WRONG", PRECONDITION, gone.seq, **fields)

    def test_tier_not_full_and_same_tier(self):
        self.sticky("TIER_NOT_FULL", PRECONDITION, wait=pb.Wait(tier="platine",
                                                                contributor=self.who))
        pledge = self.clerk.submit_tier("or", self.who).outcome.pledge
        self.sticky("SAME_TIER", PRECONDITION, reason="r",
                    change_tier=pb.ChangeTier(pledge=pledge, tier="gold"))

    def test_contributor_duplicate(self):
        name = self.name("Unique")
        first = self.clerk.execute(add_contributor=pb.AddContributor(name=name, kind=1))
        self.sticky("CONTRIBUTOR_DUPLICATE", PRECONDITION, first.seq,
                    add_contributor=pb.AddContributor(name=name.upper() + " ", kind=2))

    def test_money_rules(self):
        pledge = self.clerk.submit_tier("or", self.who).outcome.pledge
        ref = self.name("REF")
        paid = self.clerk.pay(pledge, 100, bank_ref=ref)
        self.sticky("PAYMENT_DUPLICATE", PRECONDITION, paid.seq,
                    pay=pb.Pay(pledge=pledge, amount=money(100), bank_ref=ref))
        undone = self.clerk.execute(reverse=pb.Reverse(seq=paid.seq), reason="r")
        self.sticky("ALREADY_REVERSED", PRECONDITION, undone.seq, reason="r",
                    reverse=pb.Reverse(seq=paid.seq))
        self.sticky("NOT_REVERSIBLE", PRECONDITION, reason="r",
                    reverse=pb.Reverse(seq=undone.seq))
        self.clerk.commit(pledge)
        self.clerk.pay(pledge, 10000000)
        self.clerk.execute(amend_pledge=pb.AmendPledge(pledge=pledge, amount=money(10000500)),
                           evidence=[document()])
        self.clerk.pay(pledge, 500)
        self.sticky("BELOW_ALLOCATED", PRECONDITION, evidence=[document()],
                    amend_pledge=pb.AmendPledge(pledge=pledge, amount=money(10000499)))

    def test_a_stale_number_stays_what_it_was(self):
        pledge = self.clerk.submit_tier("or", self.who).outcome.pledge
        self.clerk.commit(pledge)
        self.sticky("NUMBER_STALE", grpc.StatusCode.ABORTED, 0, "issue_certificate.number",
                    issue_certificate=pb.IssueCertificate(pledge=pledge, number="Z000999",
                                                          document_sha256=bytes(32)))

    def test_money_that_came_in_needs_a_plan(self):
        pledge = self.clerk.submit_tier("or", self.who).outcome.pledge
        self.clerk.commit(pledge)
        paid = self.clerk.pay(pledge, 100)
        sent = command(cancel=pb.Cancel(pledge=pledge), evidence=[document()])
        with self.refused("MONEY_PLAN_MISSING", INVALID) as box:
            self.clerk.execute(sent)
        self.assertEqual(box[0].refusal.field, "cancel.money_plan")
        if box[0].refusal.seq:
            self.assertGreaterEqual(box[0].refusal.deciding_seq, paid.seq)

    def test_extensions_spent(self):
        pledge = self.clerk.hold("or", self.who).outcome.pledge
        for _ in range(self.reader.GetCatalogue().catalogue.policy.hold_extensions_max):
            self.clerk.execute(extend=pb.Extend(pledge=pledge, for_s=7200), reason="r")
        self.sticky("EXTENSIONS_SPENT", PRECONDITION, reason="r",
                    extend=pb.Extend(pledge=pledge, for_s=7200))

    def test_nobody_passes_the_queue(self):
        """A slot that came free belongs to who waits, also before the promotion is written: here
        the one who waits had another slot until the command just before."""
        taken = self.clerk.hold("diamant", self.other).outcome.pledge
        waits = self.clerk.execute(wait=pb.Wait(tier="diamant", contributor=self.who))
        other = self.clerk.submit_tier("or", self.who).outcome.pledge
        self.clerk.withdraw(taken)  # who waits has a slot already: it stays free
        self.assertEqual(self.clerk.remaining("diamant"), 1)
        first, second = self.clerk.batch([
            command(withdraw=pb.Withdraw(pledge=other), reason="r"),
            command(hold=pb.Hold(tier="diamant", contributor=self.other))])
        self.assertTrue(first.HasField("receipt"), first)
        self.assertIn(pb.Reason.Name(second.refusal.reason)[7:],
                      ("WAITING_AHEAD", "TIER_SOLD_OUT"))
        if second.refusal.reason == pb.REASON_WAITING_AHEAD:
            self.assertEqual(second.refusal.deciding_seq, waits.seq)
        self.eventually(lambda: self.clerk.GetPledge(
            pledge=waits.outcome.pledge).pledge.stage == pb.STAGE_HELD)
        self.clerk.withdraw(waits.outcome.pledge)

    def test_accents_make_no_other_organisation(self):
        first = self.clerk.contributor("Société Générale d’Exemple")
        for name in ("Societe Generale d’Exemple", "Socie\u0301te\u0301 Ge\u0301ne\u0301rale d’Exemple",
                     "SOCIÉTÉ GÉNÉRALE  D’EXEMPLE", "Société Générale d'Exemple", "Societe Generale d'Exemple"):
            ran = self.fails(10, "clerk", "contributor", "add", "--name", name, "--kind",
                             "private-sector", format="json")
            self.assertEqual(ran.error["reason"], "CONTRIBUTOR_DUPLICATE")
        ran = self.fails(10, "clerk", "contributor", "add", "--name", "Societe Generale d’Exemple",
                         "--kind", "private-sector", "--lang", "fr")
        self.assertIn(first, ran.err)
        self.assertIn("que par les accents", ran.err)
        self.pledge("clerk", "contributor", "amend", first, "--name", "Societe Generale d’Exemple",
                    "--kind", "private-sector")
        self.pledge("clerk", "contributor", "add", "--name", "Société Générale d’Exemple (Genève)",
                    "--kind", "private-sector")

    def test_sums_never_wrap(self):
        big = (1 << 63) - 1
        first = self.clerk.submit_free(self.who, big, "VND").outcome.pledge
        self.sticky("SUM_OVERFLOW", PRECONDITION, reason="r", submit=pb.Submit(
            contributor=self.who, free=True, amount=money(1, "VND")))
        self.clerk.pay(first, big, "VND")
        self.sticky("SUM_OVERFLOW", PRECONDITION, pay=pb.Pay(pledge=first,
                                                             amount=money(1, "VND")))
        # all of it becomes free money, which is no second sum beside the first
        self.clerk.withdraw(first)
        line = [line for line in self.reader.GetTotals().line if line.currency == "VND"][0]
        self.assertEqual((line.received_minor, line.unallocated_minor), (big, big))

    def test_things_that_are_not_there(self):
        # Known to nobody; whether such a refusal is an entry is the ledger's choice, so only the
        # verdict and its stability while nothing changes are checked.
        for reason, fields in (
                ("CONTRIBUTOR_UNKNOWN", dict(hold=pb.Hold(tier="or", contributor="C888888"))),
                ("PLEDGE_UNKNOWN", dict(pay=pb.Pay(pledge="P888888", amount=money(1)))),
                ("ENTRY_UNKNOWN", dict(reverse=pb.Reverse(seq=1 << 40), reason="r"))):
            sent = command(**fields)
            for _ in range(2):
                refused = attempt(self.clerk, sent)
                self.assertIsInstance(refused, Refused)
                self.assertEqual((refused.reason, refused.code), (reason, NOT_FOUND))
        for reason, name, fields in (("PLEDGE_UNKNOWN", "GetPledge", dict(pledge="P888888")),
                                     ("PLEDGE_UNKNOWN", "GetHistory", dict(pledge="P888888")),
                                     ("CATALOGUE_UNKNOWN", "ListTiers", dict(catalogue="x-2099")),
                                     ("CATALOGUE_UNKNOWN", "GetCatalogue",
                                      dict(catalogue="x-2099"))):
            with self.subTest(name=name), self.refused(reason, NOT_FOUND):
                self.clerk.call(name, **fields)

    def test_tiers_that_the_catalogue_does_not_have(self):
        for fields in (dict(hold=pb.Hold(tier="bronze", contributor=self.who)),
                       dict(wait=pb.Wait(tier="bronze", contributor=self.who)),
                       dict(submit=pb.Submit(tier="bronze", contributor=self.who), reason="r")):
            with self.refused("TIER_UNKNOWN", INVALID):
                self.clerk.execute(**fields)
        with self.refused("TIER_UNKNOWN"):
            self.reader.GetTier(tier="bronze")

    def test_holds_that_are_too_long(self):
        longest = self.reader.GetCatalogue().catalogue.policy.hold_max_s
        with self.refused("HOLD_TOO_LONG", INVALID):
            self.clerk.hold("or", self.who, longest + 60)

    def test_amounts_that_are_not_the_tiers(self):
        with self.refused("AMOUNT_NOT_TIER", INVALID):
            self.clerk.submit_tier("or", self.who, amount=money(9999999))
        with self.refused("AMOUNT_NOT_TIER", INVALID):
            self.clerk.submit_tier("or", self.who, amount=money(99999999, "EUR"))
        with self.refused("AMOUNT_REQUIRED", INVALID):
            self.clerk.submit_tier("appui", self.who)


class WithoutCatalogue(DaemonTest):
    catalogue = False

    def test_nothing_is_offered_yet(self):
        who = self.clerk.contributor("Early")
        with self.refused("CATALOGUE_UNKNOWN", NOT_FOUND):
            self.clerk.hold("or", who)
        with self.assertRaises(Refused) as caught:
            self.reader.GetCatalogue()
        self.assertEqual(caught.exception.reason, "CATALOGUE_UNKNOWN")
        free = self.clerk.submit_free(who, 5000)  # a gift to the fund needs no offers
        self.assertEqual(free.outcome.pledge, "P000001")
        ran = self.fails(11, "clerk", "hold", "or", "--contributor", who, format="json")
        self.assertEqual(ran.error["reason"], "CATALOGUE_UNKNOWN")


class OnTheCommandLine(DaemonTest):
    """Exit codes and the error object. stdout stays empty on every failure."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.who = cls.clerk.contributor("Command line")
        cls.taken = cls.clerk.hold("diamant", cls.clerk.contributor("Holder"))
        cls.gold = cls.clerk.submit_tier("or", cls.clerk.contributor("Golden")).outcome.pledge

    def failing(self):
        return [
            (10, "TIER_SOLD_OUT", ("hold", "diamant", "--contributor", self.who)),
            (10, "TIER_NOT_FULL", ("wait", "platine", "--contributor", self.who)),
            (10, "SAME_TIER", ("change-tier", self.gold, "or", "--reason", "r")),
            (11, "CONTRIBUTOR_UNKNOWN", ("hold", "or", "--contributor", "C777777")),
            (11, "PLEDGE_UNKNOWN", ("show", "P777777")),
            (11, "PLEDGE_UNKNOWN", ("history", "P777777")),
            (11, "PLEDGE_UNKNOWN", ("pay", "P777777", "1", "CHF")),
            (11, "ENTRY_UNKNOWN", ("reverse", "999999999", "--reason", "r")),
            (65, "TIER_UNKNOWN", ("hold", "bronze", "--contributor", self.who)),
            (65, "TIER_UNKNOWN", ("slots", "bronze")),
            (65, "HOLD_TOO_LONG", ("hold", "or", "--contributor", self.who, "--for", "500w")),
            (65, "AMOUNT_NOT_TIER", ("submit", "--contributor", self.who, "--tier", "or",
                                     "--amount", "1", "--currency", "CHF", "--reason", "r")),
            (65, "AMOUNT_REQUIRED", ("submit", "--contributor", self.who, "--tier", "appui",
                                     "--reason", "r")),
            (65, "REASON_REQUIRED", ("submit", "--contributor", self.who, "--tier", "or")),
            (65, "CURRENCY_UNKNOWN", ("pay", self.gold, "1", "CHX")),
            (65, "AMOUNT_PRECISION", ("pay", self.gold, "1.005", "CHF")),
            (65, "AMOUNT_PRECISION", ("pay", self.gold, "1.5", "JPY")),
            (65, "AMOUNT_NOT_POSITIVE", ("pay", self.gold, "0.00", "CHF")),
            (65, "AMOUNT_OVERFLOW", ("pay", self.gold, "92233720368547758.08", "CHF")),
            (65, "EVIDENCE_MISSING", ("commit", self.gold)),
            (65, "DATE_INVALID", ("pay", self.gold, "1", "CHF", "--value-date", "2026-02-30")),
            (77, "PERMISSION_DENIED", ("catalogue", "adopt", str(CATALOGUE_FILE))),
        ]

    def test_exit_codes_and_the_error_object(self):
        for code, reason, args in self.failing():
            with self.subTest(args=args):
                ran = self.fails(code, "clerk", *args, format="json")
                self.assertEqual(len(ran.err.strip().splitlines()), 1, ran)
                error = ran.error
                self.assertEqual(error["reason"], reason, ran)
                self.assertEqual(error["code"], code)
                self.assertIsInstance(error["message"], str)
                self.assertTrue(error["message"])
                self.assertIs(error["retryable"], False)
                self.assertIn("seq", error)

    def test_people_get_words_in_their_language(self):
        for code, reason, args in self.failing():
            with self.subTest(args=args):
                english = self.fails(code, "clerk", *args, format="table", lang="en")
                french = self.fails(code, "clerk", *args, format="table", lang="fr")
                self.assertTrue(english.err.strip() and french.err.strip())
                self.assertNotEqual(english.err, french.err)
                self.assertNotIn("{", english.err)

    def test_usage(self):
        for args in ((), ("no-such-command",), ("hold",), ("slots",), ("pay", self.gold, "1"),
                     ("hold", "or"), ("slots", "or", "extra"), ("tiers", "--no-such-option"),
                     ("submit", "--contributor", self.who, "--tier", "or", "--free"),
                     ("slots", "platine", "--at-least", "many"),
                     ("dump", "--as", "papyrus"), ("totals", "--by", "colour"),
                     ("contributor", "add", "--name", "X", "--kind", "friend")):
            with self.subTest(args=args):
                ran = self.home.pledge("clerk", *args)
                self.assertIn(ran.code, (64, 65), ran)
                self.assertEqual(ran.out, "", ran)
                self.assertTrue(ran.err.strip())

    def test_the_nearest_command_is_suggested(self):
        ran = self.fails(64, "clerk", "sluts", "platine", lang="en", format="table")
        self.assertIn("slots", ran.err)

    def test_ambiguous_amounts_get_the_form_to_type(self):
        for typed in ("1,500", "1.500", "1.000,50", "150,000.00", "12,345"):
            with self.subTest(typed=typed):
                ran = self.fails(65, "clerk", "pay", self.gold, typed, "CHF", lang="en",
                                 format="table")
                self.assertRegex(ran.err, r"\d+\.\d{2}\b|\d'\d")

    def test_a_decimal_comma_is_understood(self):
        ran = self.home.pledge("clerk", "pay", self.gold, "12 345,67", "CHF", "--dry-run",
                               format="json")
        self.assertEqual(ran.code, 0, ran)

    def test_missing_files(self):
        ran = self.fails(66, "admin", "catalogue", "adopt", "/nonexistent/file.json")
        self.assertIn("/nonexistent/file.json", ran.err)
        ran = self.fails(66, "clerk", "commit", self.gold, "--evidence", "/nonexistent/signed.pdf")
        self.assertIn("/nonexistent/signed.pdf", ran.err)


from harness import CATALOGUE as CATALOGUE_FILE  # noqa: E402

if __name__ == "__main__":
    unittest.main()
