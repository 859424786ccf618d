# SPDX-License-Identifier: Apache-2.0
"""money: what the desk does with money that is not where it should be: refunds, write-offs, differences,
money that moves by the donor's choice, the close of a commitment; by the API and by the client's
commands, with every refusal in words, and a dump that the oracle accepts."""
import unittest

from harness import DaemonTest, document, money, pb

LETTER = dict(reason="as they wrote", evidence=[document("letter")])


class Money(DaemonTest):
    def ready(self, name, minor):
        """A commitment of 100 000 with a payment of so much: (pledge, bank entry, allocation)."""
        pledge = self.clerk.submit_tier("or", self.clerk.contributor(name)).outcome.pledge
        self.clerk.commit(pledge)
        paid = self.clerk.pay(pledge, minor, value_date="2026-06-01")
        return pledge, paid.outcome.bank_entry, paid.seq + 1

    def letter(self):
        path = self.home.path / "letter.txt"
        path.write_text("as we wrote")
        return path

    def show(self, pledge):
        return self.pledge("clerk", "show", pledge, format="json").json

    def test_a_refund_from_order_to_debit(self):
        pledge, bank, _ = self.ready("Refund", 10_060_000)
        ran = self.pledge("clerk", "refund", bank, "--amount", "500", "--currency", "CHF",
                          "--evidence", self.letter(), format="json")
        refund = ran.json["id"]
        self.assertTrue(refund.startswith("R"))
        self.assertEqual(ran.json["unallocated"], "100.00")
        self.assertEqual(self.show(pledge)["refunds"][0]["state"], "ordered")
        self.assertIn("not so much", self.fails(10, "clerk", "refund", bank, "--amount", "100.01",
                                                "--currency", "CHF", "--evidence",
                                                self.letter(), "--lang", "en").err)
        self.fails(65, "clerk", "refund", bank)  # without the donor's choice
        self.fails(77, "clerk", "refund", bank, "--evidence", self.letter(), "--other-payee",
                   "--reason", "their bank")
        self.fails(65, "clerk", "refund-paid", refund, "499", "CHF")
        self.pledge("clerk", "refund-paid", refund, "500", "CHF", "--value-date", "2026-06-02")
        self.fails(10, "clerk", "refund-cancel", refund, "--reason", "too late")
        self.fails(11, "clerk", "refund-cancel", "R009999", "--reason", "none")
        shown = self.show(pledge)
        self.assertEqual(shown["refunds"][0]["state"], "paid")
        self.assertEqual(shown["unallocated"], "100.00")
        other = self.pledge("approver", "refund", bank, "--evidence", self.letter(),
                            "--other-payee", "--reason", "their bank", format="json")
        free = {row["bank_entry"]: row["unallocated"]
                for row in self.pledge("clerk", "payments", "--unallocated", format="csv").csv}
        seen = self.pledge("clerk", "entries", "--unallocated", format="csv").csv
        self.assertEqual({row["bank_entry"]: row["unmatched"] for row in seen}, free)
        own = self.pledge("clerk", "entries", bank, format="json").json["bank_entries"]
        self.assertEqual([(row["statement"], row["booking_date"], row["seq"]) for row in own],
                         [(None, None, own[0]["seq"])])
        listed = self.pledge("clerk", "payments", "--unallocated", format="csv").csv
        self.assertNotIn(bank, [row["bank_entry"] for row in listed])  # all of it goes back
        self.pledge("clerk", "refund-cancel", other.json["id"], "--reason", "they give it")
        self.assertEqual(self.show(pledge)["unallocated"], "100.00")

    def test_unallocate_takes_nothing_back_but_an_allocation(self):
        """`pay` prints the number of the payment, which is at hand: with it the payment would be gone."""
        pledge, bank, allocated = self.ready("Unallocate", 1_000_000)
        before = self.clerk.GetStatus().size
        for seq, kind in ((allocated - 1, "payment recorded"), (allocated - 2, "commitment signed"), (1, "ledger created")):
            with self.subTest(seq=seq):
                ran = self.fails(65, "clerk", "unallocate", str(seq), "--reason", "not for them", lang="en")
                self.assertIn(f"entry {seq} is no allocation (it is: {kind})", ran.err)
        self.fails(11, "clerk", "unallocate", "999999", "--reason", "none")
        self.assertEqual(self.clerk.GetStatus().size, before)
        done = self.pledge("clerk", "unallocate", str(allocated), "--reason", "not for them", format="json").json
        self.assertEqual((done["id"], done["kind"], done["unallocated"]), (bank, "NEW", "10000.00"))
        again = self.pledge("clerk", "--request-id", done["request_id"], "unallocate", str(allocated), "--reason",
                            "not for them", format="json").json
        self.assertEqual((again["seq"], again["kind"]), (done["seq"], "REPLAY"))
        [row] = self.pledge("clerk", "payments", pledge, format="csv").csv
        self.assertEqual((row["reversed"], row["unallocated"]), ("false", "10000.00"))

    def test_a_write_off_and_its_reversal(self):
        pledge, _, _ = self.ready("Off", 6_000_000)
        self.fails(65, "clerk", "write-off", pledge)  # without a reason
        self.fails(10, "clerk", "write-off", pledge, "--amount", "40000.01", "--currency", "CHF",
                   "--reason", "dissolved")
        done = self.pledge("clerk", "write-off", pledge, "--reason", "dissolved", format="json")
        shown = self.show(pledge)
        self.assertEqual((shown["amount"], shown["written_off"], shown["outstanding"],
                          shown["money"]), ("100000.00", "40000.00", "0.00", "paid"))
        self.pledge("clerk", "reverse", str(done.json["seq"]), "--reason", "they live")
        self.assertEqual(self.show(pledge)["outstanding"], "40000.00")
        self.fails(10, "clerk", "reverse", str(done.json["seq"]), "--reason", "again")

    def test_what_has_happened_has_no_day_to_come(self):
        """The books would have it in a year that nobody closes yet."""
        partner = self.clerk.contributor(self.name())
        pledge = self.clerk.execute(
            submit=pb.Submit(contributor=partner, free=True, amount=money(90000)), reason="letter",
            effective_date="2999-01-01").outcome.pledge     # a promise may begin one day
        day = ("--effective-date", "2999-01-01")
        ran = self.fails(65, "clerk", "pay", pledge, "100.00", "CHF", "--value-date", "2026-01-05", *day)
        self.assertIn("what has happened has no day to come", ran.err)
        paid = self.pledge("clerk", "pay", pledge, "100.00", "CHF", "--value-date", "2026-01-05",
                           format="json").json
        bank = self.clerk.ListPayments(pledge=pledge).payment[0].bank_entry
        allocated = paid["seq"] + 1
        ran = self.fails(65, "clerk", "unallocate", str(allocated), "--reason", "no", *day, lang="fr")
        self.assertIn("ce qui est fait n’a pas de jour à venir", ran.err)
        self.pledge("clerk", "unallocate", str(allocated), "--reason", "another one")
        self.fails(65, "clerk", "allocate", bank, pledge, *day)
        self.pledge("clerk", "allocate", bank, pledge)
        # its money would be free for others today, and in the books years later
        ran = self.fails(65, "clerk", "withdraw", pledge, "--reason", "letter", *day)
        self.assertIn("what has happened has no day to come", ran.err)
        self.pledge("clerk", "withdraw", pledge, "--reason", "letter")

    def test_nothing_is_dated_before_what_it_rests_on(self):
        """Else the books of a day that is past would have money that was not there."""
        partner, days = self.clerk.contributor(self.name()), [f"2026-03-{day:02d}" for day in range(1, 29)]
        first, second = (self.clerk.execute(
            submit=pb.Submit(contributor=partner, free=True, amount=money(90_000)), reason="letter",
            effective_date=day).outcome.pledge for day in (days[2], days[4]))
        paid = self.clerk.execute(pay=pb.Pay(pledge=first, amount=money(50_000), value_date=days[9]),
                                  effective_date=days[0])
        bank, allocated = paid.outcome.bank_entry, paid.seq + 1
        made = self.auditor.dump(from_seq=allocated, to_seq=allocated)[0]
        # what a payment brings about by itself is of the first day that may be
        self.assertEqual((made.WhichOneof("fact"), made.effective_date), ("allocated", days[9]))

        def too_early(earliest, *words, field="effective_date", person="clerk"):
            head = self.auditor.GetStatus().size
            ran = self.fails(65, person, *words, format="json")
            self.assertEqual((ran.error["reason"], ran.error["field"]), ("DATE_INVALID", field))
            self.assertIn(f"earliest day possible: {earliest}", ran.error["message"])
            self.assertEqual(self.auditor.GetStatus().size, head + 1)  # the refusal
            return ran

        def on(day, reason="wrong"):
            return "--effective-date", day, "--reason", reason

        too_early(days[9], "unallocate", allocated, *on(days[8]))
        too_early(days[9], "reverse", paid.seq, *on(days[8]))
        french = self.fails(65, "clerk", "reverse", paid.seq, *on(days[8]), lang="fr")
        self.assertIn(f"premier jour possible : {days[9]}", french.err.replace("\u00a0", " "))
        self.pledge("clerk", "unallocate", allocated, *on(days[11]))
        # in between it paid for the first one: it cannot have been free for another
        again = ("allocate", bank, second, "--amount", "300.00", "--currency", "CHF")
        too_early(days[11], *again, *on(days[10]))
        there = self.pledge("clerk", *again, *on(days[11]), format="json").json
        letter = ("--evidence", self.letter())
        too_early(days[11], "refund", bank, *letter, *on(days[10]))
        refund = self.pledge("clerk", "refund", bank, *letter, *on(days[13]), format="json").json["id"]
        too_early(days[13], "refund-cancel", refund, *on(days[12]))
        too_early(days[9], "refund-paid", refund, "200.00", "CHF", "--value-date", days[8],
                  field="pay.value_date")
        self.pledge("clerk", "refund-cancel", refund, *on(days[14]))
        # a paper is of its own day, whenever the promise was typed
        signed = self.pledge("clerk", "commit", second, "--evidence", self.letter(), "--effective-date",
                             days[3], format="json").json["seq"]
        self.assertEqual(self.auditor.dump(from_seq=signed, to_seq=signed)[0].effective_date, days[3])
        too_early(days[11], "accept-difference", bank, second, "--kind", "fee", "--amount", "1",
                  "--currency", "CHF", *on(days[10]))
        off = self.pledge("clerk", "write-off", second, "--amount", "2", "--currency", "CHF",
                          *on(days[6]), format="json").json["seq"]
        too_early(days[6], "reverse", off, *on(days[5]))
        self.pledge("clerk", "reverse", off, *on(days[15]))
        too_early(days[15], "write-off", second, "--amount", "2", "--currency", "CHF", *on(days[14]))
        # more was promised whatever was paid: of the day of that paper, if not before the one before
        too_early(days[4], "amend", second, "--amount", "950.00", "--currency", "CHF", *letter,
                  *on(days[3]))
        self.pledge("clerk", "amend", second, "--amount", "950.00", "--currency", "CHF", *letter,
                    *on(days[13]))
        # and less, if not than what was paid then: the write-off went on the day after
        less = ("amend", second, "--currency", "CHF", *letter, *on(days[14]), "--amount")
        too_early(days[15], *less, "301.99")
        self.pledge("clerk", *less, "302.00")
        too_early(days[14], "amend", second, "--amount", "1000.00", "--currency", "CHF", *letter,
                  *on(days[13]))
        self.pledge("clerk", "amend", second, "--amount", "1000.00", "--currency", "CHF", *letter,
                    *on(days[17]))
        # of what more was promised only later, no more was paid before
        too_early(days[17], *again[:3], *on(days[16]))
        too_early(days[17], "cancel", second, "--money-plan", "keep", *letter, *on(days[16]))
        self.pledge("clerk", "reallocate", there["seq"], first, *letter, *on(days[17]))
        too_early(days[17], "withdraw", first, *on(days[16]))
        self.pledge("clerk", "withdraw", first, *on(days[17]))

    def test_a_difference_then_the_close(self):
        pledge, bank, _ = self.ready("Fee", 9_997_500)
        open_items = self.fails(10, "approver", "close", pledge, "--lang", "fr")
        self.assertIn("encore ouvert", open_items.err)
        self.assertIn("25.00", open_items.err)
        self.fails(64, "clerk", "accept-difference", bank, pledge, "--kind", "loss", "--reason", "x")
        self.fails(65, "clerk", "accept-difference", bank, pledge, "--reason", "no kind")
        self.pledge("clerk", "accept-difference", bank, pledge, "--kind", "fee", "--reason",
                    "correspondent bank")
        self.assertEqual(self.show(pledge)["adjustments"][0]["kind"], "fee")
        owed = self.fails(10, "approver", "close", pledge, "--lang", "en")
        self.assertIn("neither delivered nor declined", owed.err)
        self.assertIn("VIS6", owed.err)
        self.assertNotIn("still to be paid", owed.err)
        self.fails(65, "approver", "close", pledge, "--waive")  # without a reason
        self.fails(77, "clerk", "close", pledge, "--waive", "--reason", "they did not come")
        self.pledge("approver", "close", pledge, "--waive", "--reason", "they did not come")
        self.assertEqual(self.show(pledge)["stage"], "closed")
        self.fails(10, "approver", "close", pledge)

    def test_a_closed_commitment_keeps_its_money_until_the_closing_is_taken_back(self):
        pledge, _, allocation = self.ready("Closed", 10_000_000)
        closed = self.pledge("approver", "close", pledge, "--waive", "--reason",
                             "the forum is over", format="json").json["seq"]
        for seq in (allocation, allocation - 1):
            ran = self.fails(10, "approver", "reverse", seq, "--reason", "wrong", format="json")
            self.assertEqual((ran.error["reason"], int(ran.error["deciding_seq"])),
                             ("STATE_WRONG", closed))
        self.assertIn("annuler d’abord la clôture", self.fails(
            10, "clerk", "reverse", allocation, "--reason", "faux", "--lang", "fr").err)
        self.fails(65, "clerk", "pay", pledge, "1", "CHF", "--value-date", "2999-12-31")
        ran = self.fails(77, "clerk", "reverse", closed, "--reason", "ce n’était pas fini", "--lang", "fr")
        self.assertIn("clôturer un engagement revient à un approbateur", ran.err)
        self.assertEqual(self.show(pledge)["stage"], "closed")
        self.pledge("approver", "reverse", closed, "--reason", "it was not over")
        self.assertEqual(self.show(pledge)["stage"], "committed")
        self.pledge("clerk", "reverse", allocation - 1, "--reason", "never came")
        self.clerk.pay(pledge, 10_000_000)
        self.pledge("approver", "close", pledge, "--waive", "--reason", "now it is")
        facts = [pb.Entry.FromString(b).WhichOneof("fact")
                 for b in self.clerk.GetHistory(pledge=pledge).entry]
        self.assertEqual(facts.count("pledge_closed"), 2)
        self.assertEqual(self.show(pledge)["stage"], "closed")

    def test_a_refund_that_a_closing_rests_on_is_paid_until_the_closing_is_taken_back(self):
        pledge, bank, _ = self.ready("Paid back", 10_000_100)
        letter = self.home.path / "back.txt"
        letter.write_text("please")
        self.pledge("clerk", "refund", bank, "--evidence", letter)
        refund = self.show(pledge)["refunds"][0]["refund"]
        paid = self.pledge("clerk", "refund-paid", refund, "1.00", "CHF", format="json").json["seq"]
        closed = self.pledge("approver", "close", pledge, "--waive", "--reason", "over",
                             format="json").json["seq"]
        ran = self.fails(10, "approver", "reverse", paid, "--reason", "it was not", format="json")
        self.assertEqual((ran.error["reason"], int(ran.error["deciding_seq"])),
                         ("STATE_WRONG", closed))
        self.pledge("approver", "reverse", closed, "--reason", "a refund is open")
        self.pledge("clerk", "reverse", paid, "--reason", "it was not")
        self.assertEqual(self.show(pledge)["refunds"][0]["state"], "ordered")

    def test_money_moves_by_the_donors_choice(self):
        pledge, bank, allocation = self.ready("Moves", 10_000_500)
        other, _, _ = self.ready("Other", 1)
        self.fails(65, "clerk", "reallocate", str(allocation), other)
        self.pledge("clerk", "reallocate", str(allocation), other, "--amount", "3000",
                    "--currency", "CHF", "--evidence", self.letter())
        self.assertEqual(self.show(pledge)["allocated"], "97000.00")
        self.assertEqual(self.show(other)["allocated"], "3000.01")
        self.fails(10, "clerk", "reallocate", str(allocation), other, "--evidence", self.letter())
        self.fails(65, "clerk", "convert", bank)
        made = self.pledge("clerk", "convert", bank, "--evidence", self.letter(), format="json")
        free = self.show(made.json["id"])
        self.assertEqual((free["amount"], free["allocated"], free["purpose"]),
                         ("5.00", "5.00", "fund"))
        none = self.fails(10, "clerk", "convert", bank, "--evidence", self.letter(), "--lang", "fr")
        self.assertIn("argent libre", none.err)

    def test_totals_say_all_of_it_by_every_key(self):
        before = {by: self.sums(by) for by in (1, 2, 3, 4)}
        pledge, bank, _ = self.ready("Totals", 9_000_000)
        over, spare, _ = self.ready("Over", 10_000_300)
        self.clerk.execute(write_off=pb.WriteOff(pledge=pledge, amount=money(700_000)), reason="r")
        self.clerk.execute(accept_difference=pb.AcceptDifference(
            bank_entry=bank, pledge=pledge, kind=2, amount=money(11)), reason="rate")
        self.clerk.execute(refund=pb.Refund(bank_entry=spare, amount=money(100)), **LETTER)
        for by, was in before.items():
            now = self.sums(by)
            self.assertEqual([a - b for a, b in zip(now, was)],
                             [20_000_000, 19_000_300, 299_989, 100, 200, 700_000, 11], by)

    def sums(self, by):
        lines = [line for line in self.reader.GetTotals(by=by).line if line.currency == "CHF"]
        return [sum(getattr(line, name + "_minor") for line in lines)
                for name in ("pledged", "received", "outstanding", "refunded", "unallocated",
                             "written_off", "difference")]


if __name__ == "__main__":
    unittest.main(verbosity=2)
