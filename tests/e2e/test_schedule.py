# SPDX-License-Identifier: Apache-2.0
"""schedule: a promise in parts, as a clerk sets, reads, invoices, pays and amends it; what is wrong is
said by field, and nothing of it is recorded.
"""
import unittest

from harness import DaemonTest, pb


class Schedule(DaemonTest):
    def setUp(self):
        self.name = self.id().rsplit(".", 1)[1]

    def pledged(self, signed=True):
        name = f"{self.name} {'signed' if signed else 'not signed'}"
        pledge = self.clerk.submit_tier("argent", self.clerk.contributor(name)).outcome.pledge
        if signed:
            self.clerk.commit(pledge)
        return pledge

    def set(self, pledge, *words, person="clerk", reason=True, **more):
        letter = self.home.path / "letter.txt"
        letter.write_text("as agreed\n", encoding="ascii")
        reason = ["--evidence", letter] if reason else []
        return self.home.pledge(person, "schedule", "set", pledge, *words, *reason, **more)

    def parts(self, pledge):
        ran = self.home.pledge("clerk", "schedule", pledge, format="csv")
        self.ok(ran)
        return [(r["due"], r["amount"], r["outstanding"]) for r in ran.csv]

    def test_equal_parts_the_last_takes_the_rest(self):
        pledge = self.pledged()
        self.assertEqual(self.parts(pledge), [])
        self.ok(self.set(pledge, "--parts", 3, "--first", "2026-01-31"))
        self.assertEqual(self.parts(pledge), [("2026-01-31", "16666.66", "16666.66"),
                                              ("2026-02-28", "16666.66", "16666.66"),
                                              ("2026-03-31", "16666.68", "16666.68")])
        self.ok(self.set(pledge, "--parts", 2, "--first", "2024-02-29", "--every", "1y"))
        self.assertEqual([p[0] for p in self.parts(pledge)], ["2024-02-29", "2025-02-28"])
        self.ok(self.set(pledge, "--parts", 2, "--first", "2026-12-25", "--every", "2w"))
        self.assertEqual([p[0] for p in self.parts(pledge)], ["2026-12-25", "2027-01-08"])

    def test_money_fills_the_parts_in_order(self):
        pledge = self.pledged()
        self.ok(self.set(pledge, "--due", "2026-03-31:20000.00", "--due", "2026-09-30:30'000.00"))
        self.clerk.pay(pledge, 2500000)
        self.assertEqual(self.parts(pledge), [("2026-03-31", "20000.00", "0.00"),
                                              ("2026-09-30", "30000.00", "25000.00")])
        shown = self.home.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual([p["outstanding"] for p in shown["instalments"]], ["0.00", "25000.00"])
        due = [r for r in self.home.pledge("clerk", "due", "--at", "2026-10-10", format="csv").csv
               if r["pledge"] == pledge and r["kind"] in ("instalment", "balance")]
        self.assertEqual([(r["kind"], r["state"], r["due"], r["days_late"], r["amount"]) for r in due],
                         [("instalment", "late", "2026-09-30", "10", "25000.00")])

    def test_an_amendment_changes_the_last_part(self):
        pledge = self.pledged()
        self.ok(self.set(pledge, "--due", "2026-03-31:20000.00", "--due", "2026-09-30:30000.00"))
        self.clerk.execute(amend_pledge=pb.AmendPledge(pledge=pledge, amount=pb.Money(
            minor=6000000, currency="CHF")), evidence=[pb.Document(
                sha256=bytes(32), bytes=1, kind="letter")])
        self.assertEqual([p[1] for p in self.parts(pledge)], ["20000.00", "40000.00"])

    def test_wrong_schedules(self):
        pledge, free = self.pledged(), self.pledged(signed=False)
        size = len(self.auditor.dump())
        for code, words, said in (
                (64, [], "--parts"),
                (64, ["--parts", 2], "--first"),
                (64, ["--parts", 61, "--first", "2026-01-01"], "60"),
                (64, ["--parts", 2, "--first", "2026-01-01", "--every", "5"], "--every 5"),
                (64, ["--parts", 2, "--first", "2026-02-30"], "--first 2026-02-30: there is no such day"),
                (64, ["--parts", 2, "--first", "30.2.2026"], "YYYY-MM-DD"),
                (64, ["--parts", 2, "--first", "2999-12-31"], "due after 2999"),
                (64, ["--parts", 2, "--first", "3026-01-01"], "a year from 1900 to 2999"),
                (64, ["--parts", 2, "--first", "2026-01-01", "--due", "2026-01-01:1"], "--due"),
                (64, ["--due", "2026-01-01"], "DAY:AMOUNT"),
                (65, ["--due", "2026-01-01:1.234"], "amount"),
                (65, ["--due", "2026-01-01:0.00"], "set_schedule.instalment.amount"),
                (65, ["--due", "01.02.2026:50000.00"], "set_schedule.instalment.due"),
                (65, ["--due", "2026-05-01:20000.00", "--due", "2026-04-01:30000.00"],
                 "set_schedule.instalment.due")):
            ran = self.set(pledge, *words)
            self.assertEqual(ran.code, code, (words, ran.err))
            self.assertIn(said, ran.err)
        self.assertEqual(self.set(pledge, "--due", "2026-04-01:50000.00", reason=False).code, 65)
        self.assertEqual(len(self.auditor.dump()), size)  # not one of them is recorded
        ran = self.set(pledge, "--due", "2026-04-01:49999.99")
        self.assertEqual(ran.code, 65)
        self.assertIn("49999.99", ran.err)
        self.assertEqual(self.home.pledge("clerk", "schedule", "set", pledge, "--due",
                                          "2026-04-01:50000.00", "--reason", "r").code, 65)
        self.ok(self.home.pledge("clerk", "schedule", "set", free, "--parts", 2, "--first",
                                 "2026-04-01", "--reason", "r"))
        self.assertEqual(self.set("P999999", "--parts", 2, "--first", "2026-04-01").code, 11)
        self.assertEqual(self.set(pledge, "--parts", 2, "--first", "2026-04-01",
                                  person="reader").code, 77)

    def test_a_write_off_waits_for_the_last_part(self):
        pledge = self.pledged()
        self.ok(self.set(pledge, "--parts", 2, "--first", "2900-01-01"))
        ran = self.home.pledge("clerk", "write-off", pledge, "--reason", "gone", "--lang", "fr")
        self.assertEqual(ran.code, 10)
        self.assertIn("2900-02-01", ran.err)
        ran = self.home.pledge("clerk", "write-off", pledge, "--reason", "gone",
                               "--effective-date", "2901-01-01")
        self.assertEqual(ran.code, 10, ran)
        self.ok(self.set(pledge, "--parts", 2, "--first", "2020-01-01"))
        self.ok(self.home.pledge("clerk", "write-off", pledge, "--reason", "gone"))
        self.assertEqual([p[2] for p in self.parts(pledge)], ["0.00", "0.00"])


if __name__ == "__main__":
    unittest.main()
