# SPDX-License-Identifier: Apache-2.0
"""lifecycle: hold, extend, expiry, waiting list, submit, commit, amend, change of tier, withdraw,
cancel and money, by the real client, with the entries that they leave."""
import hashlib
import time
import unittest
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from harness import DaemonTest, document, money, opened, pb


class Lifecycle(DaemonTest):
    settings = {"policy": {"time_zone": "Europe/Zurich"}}

    def setUp(self):
        self.files = self.home.path / "evidence"
        self.files.mkdir(exist_ok=True)
        self.agreement = self.files / "agreement.pdf"
        self.agreement.write_bytes(b"%PDF-1.7 the signed agreement")

    def tearDown(self):
        """The scarce slots are free again for the next test, also after a failure."""
        for tier in ("diamant", "platine"):
            for stage in (pb.STAGE_WAITING, pb.STAGE_HELD, pb.STAGE_PLEDGED):
                for pledge in self.clerk.ListPledges(tier=tier, stage=[stage]).pledge:
                    self.clerk.withdraw(pledge.pledge)
            for pledge in self.clerk.ListPledges(tier=tier, stage=[pb.STAGE_COMMITTED]).pledge:
                self.clerk.execute(cancel=pb.Cancel(pledge=pledge.pledge, money_plan=1),
                                   evidence=[document()])

    def who(self, kind=2):
        return self.clerk.contributor(self.name(), kind)

    def status(self, pledge):
        return self.clerk.GetPledge(pledge=pledge).pledge

    def stage(self, pledge):
        return pb.Stage.Name(self.status(pledge).stage)[6:]

    def facts(self, pledge):
        return [e.WhichOneof("fact") for e in self.entries(pledge)]

    def entries(self, pledge):
        return [pb.Entry.FromString(b) for b in self.clerk.GetHistory(pledge=pledge).entry]

    # --- holds ---

    def test_a_hold_expires_as_an_entry_written_by_the_daemon(self):
        row = self.pledge("clerk", "hold", "diamant", "--contributor", self.who(), "--for",
                          "1s").rows[0]
        self.assertEqual(row[3], "0")
        pledge = row[0]
        grace = [c for c in [self.reader.GetCatalogue().catalogue]][0].policy.hold_grace_s
        if grace > 5:
            self.skipTest(f"the shipped catalogue gives {grace} s of grace")
        self.eventually(lambda: self.stage(pledge) == "EXPIRED", timeout=6 + grace)
        self.assertEqual(self.facts(pledge), ["hold_placed", "hold_expired"])
        placed, expired = self.entries(pledge)
        self.assertEqual(expired.actor.role, pb.ROLE_DAEMON)
        self.assertEqual(expired.request_id, b"")
        self.assertGreaterEqual(expired.time_us, placed.hold_placed.expires_us)
        self.assertEqual(expired.prev_seq, placed.seq)
        self.assertEqual(self.pledge("public", "slots", "diamant").out, "1\n")

    def test_hold_until_a_day_means_its_end_in_the_funds_time_zone(self):
        who = self.who()
        zone = ZoneInfo("Europe/Zurich")
        day = (datetime.now(zone) + timedelta(days=3)).date()
        row = self.pledge("clerk", "hold", "or", "--contributor", who, "--until",
                          day.isoformat()).rows[0]
        end = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1)
        grace = self.reader.GetCatalogue().catalogue.policy.hold_grace_s
        stated = self.status(row[0]).expires_us / 1e6 - grace
        self.assertAlmostEqual(stated, end.timestamp(), delta=1.5)
        if grace == 0:  # people read the day that was typed; programs read the moment
            for lang, title in (("en", "Held until"), ("fr", "Réservé jusqu’au")):
                shown = self.pledge("clerk", "show", row[0], "--lang", lang, format="table").out
                self.assertIn(title, shown)
                self.assertIn(f"{day} 24:00:00 CE", shown)
            self.assertNotIn("24:00", self.pledge("clerk", "show", row[0], format="json").out)

    def test_a_hold_without_length_gets_the_catalogues(self):
        pledge = self.pledge("clerk", "hold", "or", "--contributor", self.who()).rows[0][0]
        policy = self.reader.GetCatalogue().catalogue.policy
        shown = self.status(pledge)
        length = (shown.expires_us - shown.made_us) / 1e6
        self.assertAlmostEqual(length, policy.hold_default_s + policy.hold_grace_s, delta=2)

    def test_extend_moves_the_end_until_extensions_are_spent(self):
        pledge = self.clerk.hold("or", self.who(), 3600).outcome.pledge
        before = self.status(pledge).expires_us
        most = self.reader.GetCatalogue().catalogue.policy.hold_extensions_max
        for n in range(most):
            self.pledge("clerk", "extend", pledge, "--for", f"{n + 2}h", "--reason", "board meets")
            self.assertGreater(self.status(pledge).expires_us, before)
            before = self.status(pledge).expires_us
            self.assertEqual(self.status(pledge).extensions, n + 1)
        ran = self.fails(10, "clerk", "extend", pledge, "--for", "9h", "--reason", "again",
                         format="json")
        self.assertEqual(ran.error["reason"], "EXTENSIONS_SPENT")
        ran = self.fails(65, "clerk", "extend", pledge, "--for", "9h", format="json")
        self.assertEqual(ran.error["reason"], "REASON_REQUIRED")
        self.assertIn("(--reason): a reason is needed", ran.error["message"])
        ran = self.fails(65, "clerk", "submit", "--contributor", "C000001", "--tier", "or", format="json")
        self.assertIn("(--reason): a reason or a document is needed", ran.error["message"])

    def test_an_extension_only_moves_the_end_away(self):
        pledge = self.clerk.hold("or", self.who(), 86400).outcome.pledge
        until = self.status(pledge).expires_us
        ran = self.fails(65, "clerk", "extend", pledge, "--for", "2h", "--reason", "shorter",
                         "--lang", "en")
        self.assertIn("would not end later", ran.err)
        self.assertRegex(ran.err, r"ends: \d{4}-\d\d-\d\d .*; asked for: \d{4}-\d\d-\d\d ")
        french = self.fails(65, "clerk", "extend", pledge, "--for", "2h", "--reason", "shorter",
                            "--lang", "fr")
        self.assertIn("se termine : ", french.err.replace("\u00a0", " ").replace("\u202f", " "))
        self.assertEqual(self.status(pledge).expires_us, until)
        self.pledge("clerk", "extend", pledge, "--for", "2d", "--reason", "longer")
        self.assertGreater(self.status(pledge).expires_us, until)
        self.clerk.withdraw(pledge)

    def test_an_expired_hold_can_neither_be_extended_nor_submitted(self):
        pledge = self.clerk.hold("or", self.who(), 1).outcome.pledge
        self.eventually(lambda: self.stage(pledge) == "EXPIRED")
        for args in (("extend", pledge, "--for", "1h", "--reason", "late"),
                     ("submit", pledge, "--reason", "late")):
            ran = self.fails(10, "clerk", *args, format="json")
            self.assertEqual(ran.error["reason"], "STATE_WRONG")
            expired = [e.seq for e in self.entries(pledge)
                       if e.WhichOneof("fact") == "hold_expired"]
            self.assertEqual([int(ran.error["deciding_seq"])], expired)

    def test_expiry_while_the_daemon_was_down_is_written_at_the_next_start(self):
        home = opened()
        self.addCleanup(home.close)
        clerk = home.client("clerk")
        pledge = clerk.hold("diamant", clerk.contributor("A"), 1).outcome.pledge
        home.drop_clients()
        home.terminate()
        time.sleep(1.1)
        home.start()
        clerk = home.client("clerk")
        self.eventually(lambda: clerk.GetPledge(pledge=pledge).pledge.stage == pb.STAGE_EXPIRED)
        self.assertEqual(clerk.remaining("diamant"), 1)

    # --- waiting list ---

    def test_the_queue_is_first_in_first_out_and_promotion_is_one_step(self):
        first = self.clerk.hold("diamant", self.who(), 3600).outcome.pledge
        rows = [self.pledge("clerk", "wait", "diamant", "--contributor", self.who()).rows[0]
                for _ in range(3)]
        pledges = [row[0] for row in rows]
        self.assertEqual([self.status(p).waiting_position for p in pledges], [1, 2, 3])
        tier = self.reader.GetTier(tier="diamant").tier
        self.assertEqual((tier.waiting, tier.held, tier.remaining.count), (3, 1, 0))
        # the second gives up waiting
        self.pledge("clerk", "withdraw", pledges[1], "--reason", "went elsewhere")
        self.assertEqual([self.status(p).waiting_position for p in (pledges[0], pledges[2])],
                         [1, 2])
        # nobody jumps the queue when the slot comes free: it goes to the first at once
        gone = self.pledge("clerk", "withdraw", first, "--reason", "no budget")
        self.assertEqual(gone.rows[0][2], "NEW")
        self.assertEqual(self.stage(pledges[0]), "HELD")
        self.assertEqual(self.facts(pledges[0]), ["wait_added", "wait_promoted", "hold_placed"])
        entries = self.entries(pledges[0])
        self.assertEqual(entries[2].seq, entries[1].seq + 1)
        withdrawn = self.entries(first)[-1]
        self.assertEqual(entries[1].request_id, withdrawn.request_id)
        self.assertEqual(entries[1].cause_seq, withdrawn.seq)
        self.assertEqual(self.pledge("public", "slots", "diamant").out, "0\n")
        policy = self.reader.GetCatalogue().catalogue.policy
        length = (entries[2].hold_placed.expires_us - entries[2].time_us) / 1e6
        self.assertAlmostEqual(length, policy.promotion_hold_s + policy.hold_grace_s, delta=2)
        self.pledge("clerk", "withdraw", pledges[2], "--reason", "end")
        self.pledge("clerk", "withdraw", pledges[0], "--reason", "end")

    def test_expiry_promotes_the_next(self):
        first = self.clerk.hold("diamant", self.who(), 1).outcome.pledge
        second = self.clerk.execute(wait=pb.Wait(tier="diamant",
                                                 contributor=self.who())).outcome.pledge
        self.eventually(lambda: self.stage(second) == "HELD")
        self.assertEqual(self.stage(first), "EXPIRED")
        promoted = self.entries(second)[1]
        self.assertEqual(promoted.actor.role, pb.ROLE_DAEMON)
        self.assertEqual(promoted.cause_seq, self.entries(first)[-1].seq)
        self.clerk.withdraw(second)

    def test_waiting_for_a_tier_that_is_not_full(self):
        ran = self.fails(10, "clerk", "wait", "or", "--contributor", self.who(), format="json")
        self.assertEqual(ran.error["reason"], "TIER_NOT_FULL")

    def test_who_has_a_slot_does_not_wait_for_another(self):
        held = self.clerk.hold("diamant", self.who(), 3600).outcome.pledge
        who = self.who()
        other = self.clerk.hold("or", who, 3600)
        ran = self.fails(10, "clerk", "wait", "diamant", "--contributor", who, format="json")
        self.assertEqual(ran.error["reason"], "HAS_SLOT")
        self.assertEqual(int(ran.error["deciding_seq"]), other.seq)
        self.clerk.withdraw(other.outcome.pledge)
        waits = self.pledge("clerk", "wait", "diamant", "--contributor", who).rows[0][0]
        self.pledge("clerk", "withdraw", waits, "--reason", "end")
        self.clerk.withdraw(held)

    # --- the promise ---

    def test_from_hold_to_commitment_amendment_and_cancellation(self):
        who = self.who()
        pledge = self.pledge("clerk", "hold", "argent", "--contributor", who, "--for",
                             "2h").rows[0][0]
        made = self.pledge("clerk", "submit", pledge, "--contributor", who, "--reason", "letter")
        self.assertEqual(made.rows[0][0], pledge)
        self.assertEqual(self.status(pledge).amount, money(5000000))
        ran = self.fails(65, "clerk", "commit", pledge, format="json")
        self.assertEqual(ran.error["reason"], "EVIDENCE_MISSING")
        self.pledge("clerk", "commit", pledge, "--evidence", str(self.agreement))
        signed = self.entries(pledge)[-1]
        digest = hashlib.sha256(self.agreement.read_bytes()).digest()
        self.assertEqual(signed.commitment_signed.agreement_sha256, digest)
        catalogue = self.reader.GetCatalogue()
        self.assertEqual(signed.commitment_signed.catalogue_sha256, catalogue.sha256)
        self.assertEqual(signed.commitment_signed.grants, 23)
        ran = self.fails(10, "clerk", "withdraw", pledge, "--reason", "no", format="json")
        self.assertEqual(ran.error["reason"], "STATE_WRONG")
        self.pledge("clerk", "amend", pledge, "--amount", "60000.00", "--currency", "CHF",
                    "--evidence", str(self.agreement))
        amended = self.entries(pledge)[-1].commitment_amended
        self.assertEqual((amended.previous.minor, amended.amount.minor), (5000000, 6000000))
        self.pledge("clerk", "pay", pledge, "10000", "CHF")
        ran = self.fails(65, "clerk", "amend", pledge, "--amount", "49999.99", "--currency", "CHF",
                         "--evidence", str(self.agreement), format="json")
        self.assertEqual(ran.error["reason"], "AMOUNT_NOT_TIER")
        ran = self.fails(65, "clerk", "cancel", pledge, "--evidence", str(self.agreement),
                         format="json")
        self.assertEqual(ran.error["reason"], "MONEY_PLAN_MISSING")
        self.pledge("clerk", "cancel", pledge, "--evidence", str(self.agreement), "--money-plan",
                    "refund")
        cancelled = self.entries(pledge)[-1].cancelled
        self.assertEqual(cancelled.money_plan, pb.MONEY_PLAN_REFUND)
        self.assertEqual(cancelled.deallocated, money(1000000))
        shown = self.status(pledge)
        self.assertEqual(shown.money, pb.MONEY_STATE_REFUND_DUE)
        self.assertEqual(shown.unallocated, money(1000000))
        facts = [f for f in self.facts(pledge) if f != "command_refused"]
        self.assertEqual(facts, ["hold_placed", "pledge_made", "commitment_signed",
                                 "commitment_amended", "payment_recorded", "allocated",
                                 "cancelled"])

    def test_cancel_gives_the_slot_back_and_promotes(self):
        holder = self.clerk.submit_tier("diamant", self.who()).outcome.pledge
        self.clerk.commit(holder)
        waits = self.clerk.execute(wait=pb.Wait(tier="diamant",
                                                contributor=self.who())).outcome.pledge
        ran = self.pledge("clerk", "cancel", holder, "--evidence", str(self.agreement),
                          "--money-plan", "keep")
        self.assertEqual(ran.rows[0][2], "NEW")
        self.assertEqual(self.stage(waits), "HELD")
        self.assertEqual(self.clerk.remaining("diamant"), 0)
        self.clerk.withdraw(waits)

    def test_a_free_contribution(self):
        row = self.pledge("clerk", "submit", "--contributor", self.who(), "--free", "--amount",
                          "33401000", "--currency", "JPY", "--reason", "letter").rows[0]
        shown = self.status(row[0])
        self.assertEqual((shown.tier, shown.purpose), ("", pb.PURPOSE_FUND))
        self.assertEqual(shown.amount, money(33401000, "JPY"))
        paid = self.pledge("clerk", "pay", row[0], "33401000", "JPY").rows[0]
        self.assertEqual(paid[3], "0")
        self.assertEqual(self.status(row[0]).money, pb.MONEY_STATE_PAID)

    def test_support_has_no_price_and_needs_an_amount(self):
        who = self.who()
        ran = self.fails(65, "clerk", "submit", "--contributor", who, "--tier", "appui",
                         "--reason", "letter", format="json")
        self.assertEqual(ran.error["reason"], "AMOUNT_REQUIRED")
        row = self.pledge("clerk", "submit", "--contributor", who, "--tier", "support", "--amount",
                          "12 500.00", "--currency", "CHF", "--reason", "letter").rows[0]
        self.assertEqual(self.status(row[0]).amount, money(1250000))
        self.assertEqual(row[3], "unlimited")

    def test_change_of_tier_is_one_step_or_nothing(self):
        pledge = self.clerk.submit_tier("or", self.who()).outcome.pledge
        taken = self.clerk.hold("diamant", self.who()).outcome
        ran = self.fails(10, "clerk", "change-tier", pledge, "diamant", "--reason", "more",
                         format="json")
        self.assertEqual(ran.error["reason"], "TIER_SOLD_OUT")
        self.assertEqual(self.status(pledge).tier, "or")
        before = self.reader.GetTier(tier="or").tier.pledged
        self.pledge("clerk", "change-tier", pledge, "platine", "--reason", "more")
        shown = self.status(pledge)
        self.assertEqual((shown.tier, shown.amount), ("platine", money(15000000)))
        self.assertEqual(self.reader.GetTier(tier="or").tier.pledged, before - 1)
        self.assertEqual(len([e for e in self.entries(pledge)
                              if e.WhichOneof("fact") == "tier_changed"]), 1)
        ran = self.fails(10, "clerk", "change-tier", pledge, "platine", "--reason", "x",
                         format="json")
        self.assertEqual(ran.error["reason"], "SAME_TIER")
        self.clerk.withdraw(pledge)
        self.clerk.withdraw(taken.pledge)

    def test_leaving_a_full_tier_by_change_promotes_its_queue(self):
        holder = self.clerk.submit_tier("diamant", self.who()).outcome.pledge
        waits = self.clerk.execute(wait=pb.Wait(tier="diamant",
                                                contributor=self.who())).outcome.pledge
        self.pledge("clerk", "change-tier", holder, "or", "--reason", "less")
        self.assertEqual(self.stage(waits), "HELD")
        self.clerk.withdraw(waits)

    def test_one_live_slot_a_contributor(self):
        who = self.who()
        first = self.clerk.submit_tier("or", who)
        ran = self.fails(10, "clerk", "hold", "argent", "--contributor", who, format="json")
        self.assertEqual(ran.error["reason"], "HAS_SLOT")
        self.assertEqual(int(ran.error["deciding_seq"]), first.seq)
        self.clerk.withdraw(first.outcome.pledge)
        self.pledge("clerk", "hold", "argent", "--contributor", who)

    def test_amounts_above_the_tier_are_fine_and_below_are_not(self):
        who = self.who()
        ran = self.fails(65, "clerk", "submit", "--contributor", who, "--tier", "or", "--amount",
                         "99999.99", "--currency", "CHF", "--reason", "letter", format="json")
        self.assertEqual(ran.error["reason"], "AMOUNT_NOT_TIER")
        row = self.pledge("clerk", "submit", "--contributor", who, "--tier", "or", "--amount",
                          "100000.05", "--currency", "CHF", "--reason", "letter").rows[0]
        self.assertEqual(self.status(row[0]).amount, money(10000005))

    # --- money ---

    def test_other_currency_is_kept_unallocated_with_a_warning(self):
        pledge = self.clerk.submit_tier("or", self.who()).outcome.pledge
        receipt = self.clerk.pay(pledge, 5000000, "EUR")
        kinds = [w.kind for w in receipt.outcome.warning]
        self.assertIn(pb.WARNING_KIND_PAYMENT_CURRENCY, kinds)
        self.assertEqual(receipt.outcome.unallocated, money(5000000, "EUR"))
        self.assertEqual(self.status(pledge).allocated.minor, 0)
        ran = self.pledge("clerk", "pay", pledge, "7.00", "USD", format="table", lang="en")
        self.assertRegex(ran.err + ran.out, r"(?i)currency|unallocated")
        listed = self.clerk.ListPayments(pledge=pledge, unallocated_only=True).payment
        self.assertEqual([p.amount.currency for p in listed], ["EUR", "USD"])

    def test_payments_are_listed_also_those_that_fit_nowhere(self):
        pledge = self.clerk.submit_tier("innovation", self.who()).outcome.pledge
        self.clerk.pay(pledge, 3000000)
        self.clerk.pay(pledge, 700, bank_ref=self.name("SURPLUS"))

        def payments(*args):
            return self.pledge("clerk", "payments", *args, format="csv").csv
        self.assertEqual([p["amount"] for p in payments("--pledge", pledge)],
                         ["30000.00", "7.00"])
        self.assertEqual([p["amount"] for p in payments("--pledge", pledge, "--unallocated")],
                         ["7.00"])
        self.assertIn(pledge, [p["pledge"] for p in payments("--unallocated")])

    def test_surplus_and_closed_pledges_warn(self):
        pledge = self.clerk.submit_tier("innovation", self.who()).outcome.pledge
        receipt = self.clerk.pay(pledge, 3000001)
        self.assertIn(pb.WARNING_KIND_PAYMENT_SURPLUS, [w.kind for w in receipt.outcome.warning])
        self.assertEqual(receipt.outcome.unallocated, money(1))
        self.assertEqual(receipt.outcome.balance, money(0))
        twin = self.clerk.pay(pledge, 3000001)
        self.assertIn(pb.WARNING_KIND_PAYMENT_SIMILAR, [w.kind for w in twin.outcome.warning])
        held = self.clerk.hold("or", self.who()).outcome.pledge
        self.clerk.withdraw(held)
        ended = self.clerk.GetStatus().size
        for _ in range(2):
            late = self.clerk.pay(held, 100)
            self.assertIn((pb.WARNING_KIND_PLEDGE_NOT_OPEN, ended),
                          [(w.kind, w.seq) for w in late.outcome.warning])

    def test_one_bank_reference_is_booked_once(self):
        pledge = self.clerk.submit_tier("or", self.who()).outcome.pledge
        ref = "BANK-" + self.name()
        first = self.pledge("clerk", "pay", pledge, "10", "CHF", "--bank-ref", ref).rows[0]
        ran = self.fails(10, "clerk", "pay", pledge, "10", "CHF", "--bank-ref", ref, format="json")
        self.assertEqual(ran.error["reason"], "PAYMENT_DUPLICATE")
        self.assertEqual(int(ran.error["deciding_seq"]), int(first[1]))

    def test_reversing_a_payment_takes_the_money_out_again(self):
        pledge = self.clerk.submit_tier("or", self.who()).outcome.pledge
        paid = self.clerk.pay(pledge, 4000000)
        undone = self.pledge("clerk", "reverse", str(paid.seq), "--reason", "bank took it back")
        self.assertEqual(undone.rows[0][2], "NEW")
        shown = self.status(pledge)
        self.assertEqual((shown.allocated.minor, shown.unallocated.minor), (0, 0))
        self.assertEqual(shown.money, pb.MONEY_STATE_NONE)
        self.assertEqual(shown.outstanding, money(10000000))
        entry = self.entries(pledge)[-1]
        self.assertEqual(entry.reversed.target_seq, paid.seq)

    def test_reversing_an_allocation_leaves_the_money_unallocated(self):
        pledge = self.clerk.submit_tier("or", self.who()).outcome.pledge
        self.clerk.pay(pledge, 4000000)
        allocated = [e for e in self.entries(pledge) if e.WhichOneof("fact") == "allocated"][0]
        self.clerk.execute(reverse=pb.Reverse(seq=allocated.seq), reason="for another pledge")
        shown = self.status(pledge)
        self.assertEqual((shown.allocated.minor, shown.unallocated.minor), (0, 4000000))

    def test_what_is_no_payment_cannot_be_reversed(self):
        receipt = self.clerk.submit_tier("or", self.who())
        ran = self.fails(10, "clerk", "reverse", str(receipt.seq), "--reason", "x", format="json")
        self.assertEqual(ran.error["reason"], "NOT_REVERSIBLE")

    # --- the record around it ---

    def test_every_entry_keeps_reason_date_and_evidence_of_its_command(self):
        letter = self.files / "letter.txt"
        letter.write_bytes(b"Dear Sirs")
        row = self.pledge("clerk", "submit", "--contributor", self.who(), "--tier", "or",
                          "--reason", "letter of intent", "--evidence", str(letter),
                          "--effective-date", "2026-01-15").rows[0]
        entry = self.entries(row[0])[-1]
        sent = pb.Command.FromString(entry.command)
        self.assertEqual((sent.reason, sent.effective_date), ("letter of intent", "2026-01-15"))
        self.assertEqual(entry.effective_date, "2026-01-15")
        self.assertEqual(sent.evidence[0].sha256, hashlib.sha256(b"Dear Sirs").digest())
        self.assertEqual(sent.evidence[0].bytes, 9)

    def test_contributors_are_amended_and_listed(self):
        name = self.name("Ministry")
        who = self.pledge("clerk", "contributor", "add", "--name", name, "--kind", "government",
                          "--country", "CH").rows[0][0]
        self.pledge("clerk", "contributor", "amend", who, "--name", name + " of Posts", "--kind",
                    "government", "--country", "FR")
        rows = [r for r in self.pledge("clerk", "contributors").rows if r[0] == who]
        self.assertEqual(len(rows), 1)
        self.assertIn(name + " of Posts", rows[0])
        self.assertIn("FR", rows[0])
        ran = self.fails(10, "clerk", "contributor", "add", "--name",
                         "  " + (name + " of posts").upper() + " ", "--kind", "academia",
                         format="json")
        self.assertEqual(ran.error["reason"], "CONTRIBUTOR_DUPLICATE")

    def test_benefits_of_a_tier_a_pledge_and_all(self):
        tiers = {"diamant": 27, "platine": 26, "or": 26, "argent": 23, "innovation": 19,
                 "appui": 15}
        for tier, count in tiers.items():
            self.assertEqual(len(self.pledge("reader", "benefits", tier).rows), count)
        self.assertEqual(len(self.reader.ListBenefits().benefit), 136)
        pledge = self.clerk.submit_tier("platine", self.who()).outcome.pledge
        self.assertEqual(len(self.pledge("clerk", "benefits", pledge).rows), 26)
        self.clerk.withdraw(pledge)

    def test_totals_of_benefits_follow_the_live_pledges(self):
        def seats():
            lines = self.reader.ListBenefits(totals=True).benefit
            return sum(l.quantity for l in lines if l.code == "VIS6")
        before = seats()
        platine = self.clerk.submit_tier("platine", self.who()).outcome.pledge
        argent = self.clerk.submit_tier("argent", self.who()).outcome.pledge
        self.assertEqual(seats() - before, 14)
        self.clerk.withdraw(platine)
        self.assertEqual(seats() - before, 4)
        self.clerk.withdraw(argent)
        self.assertIn("VIS6", self.pledge("reader", "benefits", "--totals").out)

    def test_dry_run_shows_and_does_nothing(self):
        who = self.who()
        size = self.reader.GetStatus().size
        ran = self.pledge("clerk", "hold", "diamant", "--contributor", who, "--dry-run")
        self.assertIn("DRY", ran.out.upper())
        self.assertEqual(self.reader.GetStatus().size, size)


if __name__ == "__main__":
    unittest.main()
