# SPDX-License-Identifier: Apache-2.0
"""property: random sequences of all commands, given to the real daemon and to a small model that was
written from the domain's tables (model.py). After each command the answers are compared, at every
tenth command all totals and lists, at the end the exports and what a restart makes of it all.

One seed is one sequence. PLEDGED_SEEDS=A:B runs those from A up to B; without it a few fixed ones.
"""
import datetime
import json
import os
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import harness  # noqa: E402
from harness import Refused, command, document, money, pb  # noqa: E402
from model import Fund  # noqa: E402

STEPS = 250
BY = {"tier": pb.TOTALS_BY_TIER, "category": pb.TOTALS_BY_CATEGORY, "month": pb.TOTALS_BY_MONTH,
      "currency": pb.TOTALS_BY_CURRENCY}
TIERS = ["diamant", "platine", "platinum", "platine", "or", "argent", "innovation", "appui"]
CURRENCIES = ["CHF", "CHF", "CHF", "EUR", "USD", "JPY"]


def seeds():
    text = os.environ.get("PLEDGED_SEEDS", "1:6" if harness.SCALE == 1 else "1:2")
    first, _, end = text.partition(":")
    return range(int(first), int(end or int(first) + 1))


class Sequence:
    """Draws commands that are mostly sensible and sometimes are not."""

    def __init__(self, seed, fund):
        self.random = random.Random(seed)
        self.fund = fund

    def contributor(self):
        if not self.fund.contributors or self.random.random() < 0.03:
            return f"C{self.random.randint(90, 99):06d}"
        return self.random.choice(self.fund.contributors)["id"]

    def pledge(self, *stages):
        there = [p.id for p in self.fund.pledges.values() if not stages or p.stage in stages]
        if not there or self.random.random() < 0.12:
            there = list(self.fund.pledges) + ["P000999"]
        return self.random.choice(there)

    def tier(self):
        return "bronze" if self.random.random() < 0.02 else self.random.choice(TIERS)

    def amount(self, most=20_000_000, currency=None):
        minor = self.random.choice([1, 5, self.random.randint(1, most), 2_500_000, 15_000_000])
        return money(minor, currency or self.random.choice(CURRENCIES))

    def draw(self):
        weighted = [("add_contributor", 5), ("amend_contributor", 1), ("hold", 6), ("extend", 2),
                    ("wait", 3), ("submit", 8), ("submit_held", 5), ("commit", 5),
                    ("amend_pledge", 3), ("change_tier", 4), ("withdraw", 4), ("cancel", 3),
                    ("pay", 10), ("reverse", 3), ("allocate", 8)]
        names, weights = zip(*weighted)
        return getattr(self, "draw_" + self.random.choices(names, weights)[0])()

    def draw_add_contributor(self):
        name = f"Organisation {self.random.randint(1, 60)}"
        if self.random.random() < 0.2:
            name = "  " + name.upper() + " "
        return command(add_contributor=pb.AddContributor(name=name, kind=self.random.randint(1, 5)))

    def draw_amend_contributor(self):
        return command(amend_contributor=pb.AmendContributor(
            contributor=self.contributor(), name=f"Organisation {self.random.randint(1, 60)}",
            kind=self.random.randint(1, 5)))

    def draw_hold(self):
        return command(hold=pb.Hold(tier=self.tier(), contributor=self.contributor(),
                                    for_s=self.random.choice([3600, 86400, 99 * 86400])))

    def draw_extend(self):
        return command(extend=pb.Extend(pledge=self.pledge("HELD"), for_s=7200), reason="board")

    def draw_wait(self):
        return command(wait=pb.Wait(tier=self.random.choice(["diamant", "platine", "or"]),
                                    contributor=self.contributor()))

    def submit_fields(self):
        fields = {}
        if self.random.random() < 0.3:
            fields["amount"] = self.amount(40_000_000, self.random.choice(["CHF", "CHF", "EUR"]))
        return fields

    def draw_submit(self):
        date = self.random.choice(["", "", "2026-02-27", "2026-03-01"])
        if self.random.random() < 0.3:
            body = pb.Submit(contributor=self.contributor(), free=True, amount=self.amount())
        else:
            body = pb.Submit(contributor=self.contributor(), tier=self.tier(),
                             **self.submit_fields())
        return command(submit=body, reason="letter", effective_date=date)

    def draw_submit_held(self):
        fields = self.submit_fields()
        if self.random.random() < 0.2:
            fields["contributor"] = self.contributor()
        if self.random.random() < 0.2:
            fields["tier"] = self.tier()
        return command(submit=pb.Submit(pledge=self.pledge("HELD"), **fields), reason="letter")

    def draw_commit(self):
        return command(commit=pb.Commit(pledge=self.pledge("PLEDGED")), evidence=[document()])

    def draw_amend_pledge(self):
        return command(amend_pledge=pb.AmendPledge(
            pledge=self.pledge("COMMITTED"),
            amount=self.amount(60_000_000, self.random.choice(["CHF", "CHF", "EUR"]))),
            evidence=[document("letter")])

    def draw_change_tier(self):
        body = pb.ChangeTier(pledge=self.pledge("HELD", "PLEDGED", "COMMITTED"), tier=self.tier(),
                             **self.submit_fields())
        return command(change_tier=body, reason="asked for it")

    def draw_withdraw(self):
        return command(withdraw=pb.Withdraw(pledge=self.pledge("WAITING", "HELD", "PLEDGED")),
                       reason="letter")

    def draw_cancel(self):
        return command(cancel=pb.Cancel(pledge=self.pledge("COMMITTED"),
                                        money_plan=self.random.randint(0, 3)),
                       evidence=[document("letter")])

    def draw_pay(self):
        fields = {}
        if self.random.random() < 0.5:
            fields["bank_ref"] = f"REF-{self.random.randint(1, 40)}"
        if self.random.random() < 0.5:
            fields["value_date"] = self.random.choice(["2026-01-31", "2026-02-28", "2026-04-01"])
        pledge = self.pledge()
        promised = self.fund.pledges.get(pledge)
        amount = self.amount()
        if promised is not None and promised.currency and self.random.random() < 0.7:
            amount.currency = promised.currency
            if self.random.random() < 0.5:
                amount.minor = max(1, self.fund.balance(promised))
        return command(pay=pb.Pay(pledge=pledge, amount=amount, **fields))

    def draw_reverse(self):
        there = ([b.seq for b in self.fund.banks.values()] +
                 [a.seq for a in self.fund.allocations] + [1, 99999])
        return command(reverse=pb.Reverse(seq=self.random.choice(there)), reason="a mistake")

    def draw_allocate(self):
        bank = self.random.choice(list(self.fund.banks) + ["B009999"])
        body = pb.Allocate(bank_entry=bank, pledge=self.pledge("PLEDGED", "COMMITTED"))
        there, promised = self.fund.banks.get(bank), self.fund.pledges.get(body.pledge)
        if self.random.random() < 0.5:
            currency = there.currency if there and self.random.random() < 0.9 else "SEK"
            body.amount.CopyFrom(self.amount(8_000_000, currency))
        if there and promised and promised.currency and (
                there.currency != promised.currency) != (self.random.random() < 0.1):
            body.settled.CopyFrom(self.amount(8_000_000, promised.currency))
        return command(allocate=body)


def said_by(outcome):
    """A receipt's outcome in the model's words; only what is there."""
    said = {name: getattr(outcome, name) for name in ("contributor", "pledge", "bank_entry")
            if getattr(outcome, name)}
    if outcome.stage:
        said["stage"] = pb.Stage.Name(outcome.stage)[6:]
    if outcome.HasField("remaining"):
        unlimited = outcome.remaining.WhichOneof("value") == "unlimited"
        said["remaining"] = None if unlimited else outcome.remaining.count
    for name in ("balance", "unallocated"):
        if outcome.HasField(name):
            said[name] = (getattr(outcome, name).minor, getattr(outcome, name).currency)
    if outcome.waiting_position:
        said["waiting_position"] = outcome.waiting_position
    return said


class Property(unittest.TestCase):
    def setUp(self):
        self.home = harness.opened()
        self.addCleanup(self.home.close)
        catalogue = json.loads(harness.CATALOGUE.read_text())
        today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        self.fund = Fund(catalogue, today)
        self.clerk = self.home.client("clerk")
        self.reader = self.home.client("reader")

    def one_step(self, cmd):
        self.fund.settle()
        wrong, effect = self.fund.judge(cmd)
        try:
            receipt = self.clerk.execute(cmd)
        except Refused as refused:
            self.assertIn(refused.reason, wrong, f"{cmd}\n{refused}")
            return
        self.assertEqual(wrong, set(), f"accepted, but the model says no: {cmd}\n{receipt}")
        expected = effect(receipt.seq)
        said = said_by(receipt.outcome)
        for name, value in expected.items():
            self.assertEqual(said.get(name), value, f"{name} of {cmd}\n{receipt}")

    def compare_totals(self):
        self.fund.settle()
        for by, number in BY.items():
            answer = self.reader.GetTotals(by=number)
            said = {(line.key, line.currency): {
                "pledges": line.pledges, "pledged": line.pledged_minor,
                "committed": line.committed_minor, "received": line.received_minor,
                "outstanding": line.outstanding_minor, "unallocated": line.unallocated_minor}
                for line in answer.line}
            for key, line in self.fund.totals(by).items():
                told = said.pop(key, {})
                for name, value in line.items():
                    self.assertEqual(told.get(name, 0), value, f"{name} of {key} by {by}")
                    told.pop(name, None)
                self.assertFalse(any(told.values()), f"{key} by {by}: {told}")
            self.assertFalse([key for key, line in said.items() if any(line.values())], by)

    def compare_pledges(self):
        told, token = {}, ""
        while True:
            page = self.clerk.ListPledges(page_size=500, page_token=token)
            told.update((p.pledge, p) for p in page.pledge)
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(set(told), set(self.fund.pledges))
        for name, pledge in self.fund.pledges.items():
            there = told[name]
            self.assertEqual(pb.Stage.Name(there.stage)[6:], pledge.stage, name)
            self.assertEqual(there.tier, pledge.tier or "", name)
            if pledge.stage in ("PLEDGED", "COMMITTED", "CLOSED"):
                self.assertEqual((there.amount.minor, there.outstanding.minor),
                                 (pledge.minor, self.fund.balance(pledge)), name)
        for name, pledge in self.fund.pledges.items():
            told = [(a.seq, a.bank_entry, a.amount.minor, a.settled.minor)
                    for a in self.clerk.GetPledge(pledge=name).allocation]
            self.assertEqual(told, [(a.seq, a.bank.id, a.minor, a.settled)
                                    for a in self.fund.live_allocations(pledge=pledge)], name)
        for tier in self.fund.capacity:
            self.assertEqual(self.reader.remaining(tier), self.fund.left(tier), tier)

    def compare_book(self, form, program):
        """The export, added up by somebody else's program, has the model's sums."""
        out = self.home.path / f"books.{form}"
        ran = self.home.pledge("auditor", "dump", "--as", form, "-o", str(out))
        self.assertEqual(ran.code, 0, ran)
        judged = harness.run([*program, str(out)], timeout=60)
        self.assertEqual(judged.code, 0, judged)

    def run_seed(self, seed):
        sequence = Sequence(seed, self.fund)
        for step in range(STEPS):
            try:
                self.one_step(sequence.draw())
                if step % 10 == 9:
                    self.compare_totals()
            except AssertionError as error:
                raise AssertionError(f"PLEDGED_SEEDS={seed}, step {step}: {error}") from None
        self.compare_pledges()
        harness.check_ledger(self.home.client("auditor").dump())
        self.compare_book("hledger", ["hledger", "check", "-f"])
        self.compare_book("beancount", ["bean-check"])
        self.home.restart(kill=True)
        self.home.drop_clients()
        self.clerk, self.reader = self.home.client("clerk"), self.home.client("reader")
        self.compare_totals()
        self.compare_pledges()


def _add(seed):
    setattr(Property, f"test_seed_{seed}", lambda self: self.run_seed(seed))


for _seed in seeds():
    _add(_seed)

if __name__ == "__main__":
    unittest.main()
