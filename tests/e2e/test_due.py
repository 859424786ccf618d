# SPDX-License-Identifier: Apache-2.0
"""Goal: one list says what is owed, what ends and what is late as of a day, and nothing else: paid,
delivered, withdrawn things are not in it.
"""
import unittest

from harness import DaemonTest, pb


class Due(DaemonTest):
    def setUp(self):
        self.name = self.id().rsplit(".", 1)[1]

    def due(self, at, days=0, pledge=None, format="csv"):
        ran = self.home.pledge("clerk", "due", "--at", at, "--days", str(days), format=format)
        self.ok(ran)
        if format != "csv":
            return ran
        return [r for r in ran.csv if pledge is None or r["pledge"] == pledge]

    def signed(self, tier="argent"):
        pledge = self.clerk.submit_tier(tier, self.clerk.contributor(self.name)).outcome.pledge
        self.clerk.commit(pledge)
        return pledge

    def test_a_balance_until_it_is_paid(self):
        pledge = self.signed()

        def balance():
            return [(r["state"], r["due"], r["amount"], r["currency"]) for r in
                    self.due("2026-01-15", pledge=pledge) if r["kind"] == "balance"]
        self.assertEqual(balance(), [("open", "", "50000.00", "CHF")])
        self.clerk.pay(pledge, 2000000)
        self.assertEqual(balance(), [("open", "", "30000.00", "CHF")])
        self.clerk.pay(pledge, 3000000)
        self.assertEqual(balance(), [])

    def test_a_reservation_that_ends(self):
        pledge = self.clerk.hold("or", self.clerk.contributor(self.name),
                                 seconds=3 * 86400).outcome.pledge
        today = self.auditor.dump()[-1].time_us // 86400_000000
        days = [str(d) for d in range(0, 4)]
        found = {d: [r["kind"] for r in self.home.pledge("clerk", "due", "--days", d,
                                                         format="csv").csv
                     if r["pledge"] == pledge] for d in days}
        self.assertEqual(found["3"], ["hold"])
        self.assertEqual(found["1"], [])
        self.assertGreater(today, 0)
        self.clerk.withdraw(pledge)
        self.assertEqual(self.home.pledge("clerk", "due", "--days", "9", format="csv").out.count(
            pledge), 0)

    def test_benefits_and_what_partners_supply(self):
        pledge = self.signed()
        before = self.due("2026-07-06", pledge=pledge)
        self.assertIn(("due", "BRD6", "2026-07-06"),
                      [(r["state"], r["benefit"], r["due"]) for r in before
                       if r["kind"] == "benefit"])
        self.assertIn("BRD6", [r["benefit"] for r in before if r["kind"] == "asset"])
        self.assertNotIn("VIS6", [r["benefit"] for r in before])
        after = {(r["kind"], r["benefit"]): r for r in self.due("2026-07-12", pledge=pledge)}
        self.assertEqual([after["benefit", "VIS6"][k] for k in ("state", "days_late", "quantity")],
                         ["late", "2", "4"])
        self.clerk.execute(claim_benefit=pb.ClaimBenefit(pledge=pledge, benefit="BRD6"))
        self.clerk.execute(deliver_benefit=pb.DeliverBenefit(pledge=pledge, benefit="VIS6",
                                                             quantity=3))
        after = {(r["kind"], r["benefit"]): r for r in self.due("2026-07-12", pledge=pledge)}
        self.assertEqual(after["benefit", "VIS6"]["quantity"], "1")
        self.assertIn(("benefit", "BRD6"), after)
        self.assertNotIn(("asset", "BRD6"), after)
        self.clerk.execute(deliver_benefit=pb.DeliverBenefit(pledge=pledge, benefit="VIS6"))
        after = {(r["kind"], r["benefit"]) for r in self.due("2026-07-12", pledge=pledge)}
        self.assertNotIn(("benefit", "VIS6"), after)

    def test_money_that_belongs_to_nothing_ages(self):
        pledge = self.signed()
        entry = self.clerk.pay(pledge, 7000000, value_date="2026-02-01").outcome.bank_entry
        row = [r for r in self.due("2026-03-03") if r["bank_entry"] == entry]
        self.assertEqual([(r["kind"], r["state"], r["days_late"], r["amount"]) for r in row],
                         [("unmatched", "late", "30", "20000.00")])

    def test_forms_and_order(self):
        self.signed()
        days = [r["due"] for r in self.due("2026-08-01") if r["due"]]
        self.assertEqual(days, sorted(days))
        self.assertEqual(self.due("2026-08-01", format="json").json["at"], "2026-08-01")
        french = self.home.pledge("clerk", "due", "--at", "2026-08-01", format="table", lang="fr")
        self.ok(french)
        self.assertIn("en retard", french.out)
        self.assertEqual(self.home.pledge("clerk", "due", "--at", "tomorrow").code, 64)
        self.assertEqual(self.home.pledge("reader", "due").code, 77)


if __name__ == "__main__":
    unittest.main()
