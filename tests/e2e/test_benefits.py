# SPDX-License-Identifier: Apache-2.0
"""Goal: what a partner has coming is what the catalogue granted when the agreement was signed, each
unit of it is claimed, declined or delivered once, whether money came or not, and the event team gets
sums that add up over all partners.
"""
import unittest

from harness import DaemonTest, Refused, pb, shipped_catalogue


def line(client, pledge, code):
    return next(b for b in client.ListBenefits(pledge=pledge).benefit if b.code == code)


class Benefits(DaemonTest):
    def partner(self, tier, name, commit=True):
        contributor = self.clerk.contributor(name)
        fields = dict(amount=pb.Money(minor=5000000, currency="CHF")) if tier == "appui" else {}
        pledge = self.clerk.submit_tier(tier, contributor, **fields).outcome.pledge
        if commit:
            self.clerk.commit(pledge)
        return pledge

    def move(self, what, pledge, benefit, quantity=0, **fields):
        message = getattr(pb, what.title() + "Benefit")
        return self.clerk.execute(**{what + "_benefit": message(
            pledge=pledge, benefit=benefit, quantity=quantity)}, **fields)

    def refused(self, expected, what, *args, **fields):
        with self.assertRaises(Refused) as caught:
            self.move(what, *args, **fields)
        self.assertEqual(caught.exception.reason, expected)
        return caught.exception.refusal

    def test_granted_claimed_declined_delivered_left(self):
        pledge = self.partner("argent", "Counting")
        self.assertEqual(line(self.clerk, pledge, "VIS6").left, 4)
        self.assertEqual(self.move("claim", pledge, "VIS6", 3).outcome.benefit_left, 4)
        self.assertEqual(self.move("decline", pledge, "VIS6", 1).outcome.benefit_left, 3)
        done = self.move("deliver", pledge, "VIS6", 2).outcome
        self.assertEqual((done.benefit, done.benefit_quantity, done.benefit_left), ("VIS6", 2, 1))
        b = line(self.clerk, pledge, "VIS6")
        self.assertEqual((b.quantity, b.claimed, b.declined, b.delivered, b.left), (4, 3, 1, 2, 1))
        self.assertEqual(self.refused("QUANTITY_SPENT", "deliver", pledge, "VIS6", 2).arg[0].value,
                         "1")
        self.refused("QUANTITY_SPENT", "claim", pledge, "VIS6", 1)
        self.assertEqual(self.move("deliver", pledge, "VIS6").outcome.benefit_quantity, 1)
        self.refused("QUANTITY_SPENT", "deliver", pledge, "VIS6")
        self.refused("QUANTITY_SPENT", "decline", pledge, "VIS6")

    def test_what_was_said_wrongly_is_taken_back(self):
        pledge = self.partner("argent", "Taken Back")
        done = {what: self.move(what, pledge, "VIS6", n).seq
                for what, n in (("claim", 2), ("decline", 1), ("deliver", 3))}
        self.refused("QUANTITY_SPENT", "deliver", pledge, "VIS6", 1)
        told = self.clerk.execute(reverse=pb.Reverse(seq=done["deliver"]), reason="another event")
        self.assertEqual((told.outcome.benefit, told.outcome.benefit_quantity,
                          told.outcome.benefit_left), ("VIS6", -3, 3))
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(reverse=pb.Reverse(seq=done["deliver"]), reason="once more")
        self.assertEqual(caught.exception.reason, "ALREADY_REVERSED")
        self.assertEqual(caught.exception.refusal.deciding_seq, told.seq)
        b = line(self.clerk, pledge, "VIS6")
        self.assertEqual((b.claimed, b.declined, b.delivered, b.left), (2, 1, 0, 3))
        for what in ("decline", "claim"):
            self.clerk.execute(reverse=pb.Reverse(seq=done[what]), reason="said by mistake")
        b = line(self.clerk, pledge, "VIS6")
        self.assertEqual((b.claimed, b.declined, b.delivered, b.left), (0, 0, 0, 4))
        self.assertEqual(self.move("deliver", pledge, "VIS6").outcome.benefit_quantity, 4)
        with self.assertRaises(Refused) as caught:  # of another kind than what a reversal undoes
            self.clerk.execute(reverse=pb.Reverse(seq=told.seq), reason="the reversal was wrong")
        self.assertEqual(caught.exception.reason, "NOT_REVERSIBLE")
        shown = self.pledge("clerk", "reverse", str(self.move("claim", pledge, "VIS2").seq),
                            "--reason", "not theirs", format="json").json
        self.assertEqual((shown["id"], shown["benefit"], shown["benefit_quantity"]),
                         (pledge, "VIS2", -1))

    def test_what_was_not_granted(self):
        pledge = self.partner("argent", "Not Granted")
        refusal = self.refused("NOT_GRANTED", "deliver", pledge, "REC1")
        self.assertEqual({a.name: a.value for a in refusal.arg},
                         {"benefit": "REC1", "tier": "argent"})
        self.refused("BENEFIT_UNKNOWN", "claim", pledge, "XYZ9")
        self.refused("PLEDGE_UNKNOWN", "claim", "P999999", "VIS6")
        self.refused("FIELD_INVALID", "claim", pledge, "VIS6", -1)
        self.refused("FIELD_REQUIRED", "claim", pledge, "")
        contributor = self.clerk.contributor("Free Giver")
        free = self.clerk.submit_free(contributor, 500000).outcome.pledge
        self.refused("NOT_GRANTED", "deliver", free, "VIS6", reason="x")
        for format, code, args in [("json", 10, ("deliver", pledge, "REC1")),
                                   ("json", 65, ("deliver", pledge, "XYZ9"))]:
            ran = self.home.pledge("clerk", *args, format=format)
            self.assertEqual(ran.code, code, ran)

    def test_before_the_agreement_is_signed_a_reason_is_needed(self):
        pledge = self.partner("or", "Early Bird", commit=False)
        self.refused("REASON_REQUIRED", "deliver", pledge, "BRD6")
        receipt = self.move("deliver", pledge, "BRD6", reason="the press conference is tomorrow")
        fact = [e for e in self.auditor.dump() if e.seq == receipt.seq][0].benefit_delivered
        self.assertTrue(fact.before_commitment)
        held = self.clerk.hold("or", self.clerk.contributor("Only Held")).outcome.pledge
        self.refused("STATE_WRONG", "deliver", held, "BRD6", reason="x")
        self.clerk.withdraw(pledge)
        self.refused("STATE_WRONG", "deliver", pledge, "BRD7", reason="x")
        self.assertEqual(list(self.clerk.ListBenefits(pledge=pledge).benefit), [])

    def test_the_command_line(self):
        pledge = self.partner("innovation", "By Hand")
        done = self.home.pledge("clerk", "deliver", pledge, "vis6", "--quantity", "2",
                                format="json")
        self.ok(done)
        self.assertEqual((done.json["benefit"], done.json["benefit_left"]), ("VIS6", 1))
        self.ok(self.home.pledge("clerk", "claim", pledge, "VIS6"))
        self.ok(self.home.pledge("clerk", "decline", pledge, "VIS6", "--quantity", "1"))
        row = next(r for r in self.home.pledge("clerk", "benefits", pledge, format="csv").csv
                   if r["benefit"] == "VIS6")
        self.assertEqual([row[k] for k in ("quantity", "claimed", "declined", "delivered", "left")],
                         ["3", "1", "1", "2", "0"])
        table = self.home.pledge("clerk", "benefits", pledge, format="table", lang="fr")
        self.ok(table)
        self.assertIn("Remis", table.out)
        bad = self.home.pledge("clerk", "deliver", pledge, "VIS6", "--quantity", "0")
        self.assertEqual(bad.code, 64, bad)
        history = self.home.pledge("clerk", "history", pledge, format="csv").csv
        self.assertEqual([r["fact"] for r in history][-3:],
                         ["benefit_delivered", "benefit_claimed", "benefit_declined"])


class Restarted(DaemonTest):
    partner = Benefits.partner
    move = Benefits.move

    def test_what_was_claimed_may_be_declined_and_the_rest_delivered(self):
        """All seats are wanted, then two are not, then some are given: and the daemon comes back."""
        pledge = self.partner("argent", "Claims All")
        for what, quantity in (("claim", 4), ("decline", 2), ("deliver", 1), ("decline", 1)):
            self.move(what, pledge, "VIS6", quantity)
        self.home.restart(kill=True)
        b = line(self.home.client("clerk"), pledge, "VIS6")
        self.assertEqual((b.claimed, b.declined, b.delivered, b.left), (4, 3, 1, 0))
        self.assertEqual(self.home.pledged("snapshot").code, 0)
        self.home.restart()
        type(self).auditor = self.home.client("auditor")


class Totals(DaemonTest):
    move = Benefits.move
    partner = Benefits.partner

    def total(self, code, size=None):
        rows = self.home.pledge("reader", "benefits", "--totals", format="csv").csv
        rows = [r for r in rows if r["benefit"] == code and
                (size is None or f"size={size}" in r["attributes"].split(";"))]
        return {k: sum(int(r[k]) for r in rows) for k in ("quantity", "delivered", "left")}

    def test_what_the_event_team_asks(self):
        tiers = ["diamant", "platine", "platine", "or", "or", "or", "argent", "innovation",
                 "appui"]
        pledges = [self.partner(t, f"Team {i}") for i, t in enumerate(tiers)]
        self.assertEqual(self.total("VIS1")["quantity"], 7 + 2 * 5 + 3 * 3)
        self.assertEqual(self.total("VIS6")["quantity"], 15 + 2 * 10 + 3 * 7 + 4 + 3 + 2)
        self.assertEqual(self.total("REC4")["quantity"], 11 + 2 * 6 + 3 * 4 + 3 + 2 + 1)
        self.assertEqual(self.total("PRO5")["quantity"], 60 + 2 * 45 + 3 * 30 + 15)
        self.assertEqual({s: self.total("EXH1", s)["quantity"] for s in ("xl", "l", "m", "s")},
                         {"xl": 1, "l": 5, "m": 1, "s": 2})
        self.move("deliver", pledges[0], "VIS1", 5)
        self.move("deliver", pledges[3], "VIS1")
        self.move("deliver", pledges[1], "EXH1")
        self.move("deliver", pledges[0], "EXH1")
        self.assertEqual(self.total("VIS1"), {"quantity": 26, "delivered": 8, "left": 18})
        self.assertEqual(self.total("EXH1", "l"), {"quantity": 5, "delivered": 1, "left": 4})
        self.assertEqual(self.total("EXH1", "xl"), {"quantity": 1, "delivered": 1, "left": 0})
        self.home.restart(kill=True)
        self.assertEqual(self.total("VIS1"), {"quantity": 26, "delivered": 8, "left": 18})
        self.assertEqual(self.home.pledged("snapshot").code, 0)
        self.home.restart()
        self.assertEqual(self.total("EXH1", "l"), {"quantity": 5, "delivered": 1, "left": 4})


class Frozen(DaemonTest):
    partner = Benefits.partner
    move = Benefits.move
    refused = Benefits.refused

    def catalogue_of(self, version, seats):
        catalogue = shipped_catalogue()
        catalogue.version = version
        for grant in catalogue.grant:
            if grant.tier == "argent" and grant.benefit == "VIS6":
                grant.quantity = seats
        return catalogue

    def test_a_commitment_keeps_what_it_was_granted(self):
        first = shipped_catalogue().version
        old = self.partner("argent", "Signed Early")
        self.home.adopt(self.catalogue_of(first + 1, 9))
        middle = self.partner("argent", "Signed Between")
        late = self.partner("argent", "Not Signed Yet", commit=False)
        self.home.adopt(self.catalogue_of(first + 2, 1))
        clerk = self.clerk

        def check():
            self.assertEqual([line(clerk, p, "VIS6").quantity for p in (old, middle, late)],
                             [4, 9, 1])
            versions = [clerk.ListBenefits(pledge=p).catalogue_version
                        for p in (old, middle, late)]
            self.assertEqual(versions, [first, first + 1, first + 2])
        check()
        self.move("deliver", old, "VIS6", 4)
        self.move("deliver", middle, "VIS6", 9)
        self.refused("QUANTITY_SPENT", "deliver", middle, "VIS6", 1)
        self.assertEqual(self.home.pledged("snapshot").code, 0)
        self.home.restart(kill=True)
        clerk = self.clerk = self.home.client("clerk")
        self.admin, self.auditor = self.home.client("admin"), self.home.client("auditor")
        check()
        self.assertEqual(self.home.pledged("fsck").code, 0)


if __name__ == "__main__":
    unittest.main()
