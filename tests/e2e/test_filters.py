# SPDX-License-Identifier: Apache-2.0
"""filters: all filters of the lists, alone and combined, against a model that is nothing but a
Python list comprehension; and paging, which must neither lose nor repeat."""
import itertools
import random
import time
import unittest

from harness import DaemonTest, Refused, command, document, money, pb

STAGES = {name: getattr(pb, "STAGE_" + name) for name in
          ("WAITING", "HELD", "PLEDGED", "COMMITTED", "EXPIRED", "WITHDRAWN", "CANCELLED")}
MONEY = {"none": 1, "part": 2, "paid": 3, "over": 4, "refund-due": 5}
KINDS = {"government": 1, "private-sector": 2, "civil-society": 3, "academia": 4,
         "international-organisation": 5}


class Filters(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rnd = random.Random(2026)
        clerk = cls.clerk
        cls.who = [clerk.contributor(f"Filter {n:02d}", kind=1 + n % 5) for n in range(60)]
        free = iter(cls.who)
        made = []
        # every stage, every tier, every state of money
        for tier in ("diamant", "platine", "platine", "or", "or", "or", "argent", "argent",
                     "innovation"):
            made.append(clerk.submit_tier(tier, next(free)).outcome.pledge)
        for _ in range(2):
            made.append(clerk.submit_tier("appui", next(free), amount=money(700000)).outcome.pledge)
        for n in range(5):
            clerk.hold("or", next(free), 3600 * (n + 1))
        for _ in range(3):
            clerk.execute(wait=pb.Wait(tier="diamant", contributor=next(free)))
        for currency in ("CHF", "EUR", "JPY", "CHF"):
            made.append(clerk.submit_free(cls.who[0], 100000, currency).outcome.pledge)
        for pledge in made[1:9:2]:
            clerk.commit(pledge)
        for n, pledge in enumerate(made):
            amount = clerk.GetPledge(pledge=pledge).pledge.amount
            for part in [(), (amount.minor // 3,), (amount.minor,), (amount.minor, 99)][n % 4]:
                clerk.pay(pledge, part, amount.currency)
        clerk.execute(cancel=pb.Cancel(pledge=made[7], money_plan=pb.MONEY_PLAN_REFUND),
                      evidence=[document()])
        for pledge in (made[6], made[9]):
            clerk.withdraw(pledge)
        gone = [clerk.hold("or", next(free), 1).outcome.pledge for _ in range(2)]
        deadline = time.monotonic() + 20
        while any(clerk.GetPledge(pledge=p).pledge.stage != pb.STAGE_EXPIRED for p in gone):
            assert time.monotonic() < deadline, "holds do not expire"
            time.sleep(0.05)
        cls.all = cls.everything(page_size=1000)
        cls.rnd = rnd

    @classmethod
    def everything(cls, **fields):
        found, token = [], ""
        while True:
            page = cls.clerk.ListPledges(page_token=token, **fields)
            found += page.pledge
            token = page.next_page_token
            if not token:
                return found

    @staticmethod
    def model(pledges, tier=None, stage=(), contributor=None, contributor_kind=0, money=0,
              currency=None, expires_before_us=0, since_seq=0):
        return [p.pledge for p in pledges
                if (tier is None or (p.tier or "free") == tier)
                and (not stage or p.stage in stage)
                and (not contributor or p.contributor == contributor)
                and (not contributor_kind or p.contributor_kind == contributor_kind)
                and (not money or p.money == money)
                and (not currency or p.amount.currency == currency)
                and (not expires_before_us
                     or (p.stage == pb.STAGE_HELD and p.expires_us < expires_before_us))
                and p.last_seq >= since_seq]

    def choices(self):
        ends = sorted(p.expires_us for p in self.all if p.stage == pb.STAGE_HELD)
        return {
            "tier": ["diamant", "platine", "or", "appui", "free"],
            "stage": [(s,) for s in STAGES.values()]
            + [(STAGES["HELD"], STAGES["WAITING"]), (STAGES["PLEDGED"], STAGES["COMMITTED"])],
            "contributor": [self.who[0], self.who[3], self.who[59]],
            "contributor_kind": list(KINDS.values()),
            "money": list(MONEY.values()),
            "currency": ["CHF", "JPY", "USD"],
            "expires_before_us": [ends[0], ends[2], ends[-1] + 1],
            "since_seq": [1, self.all[len(self.all) // 2].last_seq, 1 << 50],
        }

    def check(self, **fields):
        wanted = self.model(self.all, **fields)
        found = [p.pledge for p in self.everything(**fields)]
        self.assertEqual(found, wanted, fields)
        return wanted

    def test_the_data_has_every_stage_and_every_state_of_money(self):
        self.assertEqual({p.stage for p in self.all}, set(STAGES.values()))
        self.assertEqual({p.money for p in self.all if p.stage not in (1, 2)} | {1},
                         set(MONEY.values()))
        self.assertEqual([p.pledge for p in self.all], sorted(p.pledge for p in self.all))

    def test_each_filter_alone_and_each_pair(self):
        choices = self.choices()
        found = 0
        for name, values in choices.items():
            for value in values:
                found += len(self.check(**{name: value}))
        for a, b in itertools.combinations(choices, 2):
            for x in choices[a]:
                for y in self.rnd.sample(choices[b], 2):
                    found += len(self.check(**{a: x, b: y}))
        self.assertGreater(found, 100, "filters that find nothing prove nothing")

    def test_many_at_once(self):
        choices = self.choices()
        for _ in range(300):
            names = self.rnd.sample(list(choices), self.rnd.randint(3, 8))
            self.check(**{n: self.rnd.choice(choices[n]) for n in names})

    def test_aliases_and_the_catalogue_filter(self):
        alias = [p.pledge for p in self.everything(tier="platinum")]
        self.assertEqual(alias, self.model(self.all, tier="platine"))
        named = [p.pledge for p in self.everything(catalogue="wsis-forum-2026")]
        self.assertEqual(named, [p.pledge for p in self.all if p.tier])

    def test_pages_of_any_size_are_the_same_list(self):
        wanted = [p.pledge for p in self.all]
        for size in (1, 2, 7, len(wanted), len(wanted) + 1):
            self.assertEqual([p.pledge for p in self.everything(page_size=size)], wanted)
        for size in (1, 3):
            self.assertEqual([p.pledge for p in self.everything(page_size=size, tier="or")],
                             self.model(self.all, tier="or"))
        with self.assertRaises(Refused):
            self.clerk.ListPledges(page_token="no such page")
        self.assertLessEqual(len(self.clerk.ListPledges(page_size=100000).pledge), 1000)

    def test_a_filter_that_cannot_match_anything_is_refused_not_ignored(self):
        for fields in (dict(tier="bronze"), dict(currency="chf"), dict(contributor="x"),
                       dict(contributor_kind=99), dict(money=99), dict(stage=[99])):
            with self.subTest(fields=fields), self.assertRaises(Refused) as caught:
                self.clerk.ListPledges(**fields)
            self.assertTrue(caught.exception.refusal.field, caught.exception)

    # --- the same by the client ---

    def listed(self, *args):
        return [row[0] for row in self.pledge("clerk", "list", *args).rows]

    def test_the_clients_options(self):
        held_first = min(p.expires_us for p in self.all if p.stage == pb.STAGE_HELD)
        since = self.all[len(self.all) // 2].last_seq
        for args, fields in (
                ((), {}),
                (("--tier", "platine"), dict(tier="platine")),
                (("--tier", "free"), dict(tier="free")),
                (("--stage", "held"), dict(stage=[STAGES["HELD"]])),
                (("--contributor", self.who[0]), dict(contributor=self.who[0])),
                (("--kind", "academia"), dict(contributor_kind=4)),
                (("--kind", "international-organisation"), dict(contributor_kind=5)),
                (("--money", "part"), dict(money=2)),
                (("--money", "refund-due"), dict(money=5)),
                (("--currency", "JPY"), dict(currency="JPY")),
                (("--since-seq", str(since)), dict(since_seq=since)),
                (("--tier", "or", "--stage", "held", "--kind", "government"),
                 dict(tier="or", stage=[STAGES["HELD"]], contributor_kind=1)),
                (("--tier", "or", "--money", "paid", "--currency", "CHF"),
                 dict(tier="or", money=3, currency="CHF")),
        ):
            with self.subTest(args=args):
                self.assertEqual(self.listed(*args), self.model(self.all, **fields))
        both = self.model(self.all, stage=[STAGES["HELD"], STAGES["WAITING"]])
        ran = self.home.pledge("clerk", "list", "--stage", "held", "--stage", "waiting")
        if ran.code != 0:
            ran = self.pledge("clerk", "list", "--stage", "held,waiting")
        self.assertEqual([row[0] for row in ran.rows], both)
        self.assertTrue(held_first)

    # --- contributors and payments ---

    def test_contributors(self):
        accented = self.clerk.contributor("Société générale d’exemple")
        everybody = self.clerk.ListContributors(page_size=1000).contributor
        for kind in KINDS.values():
            found = self.clerk.ListContributors(kind=kind, page_size=1000).contributor
            self.assertEqual([c.contributor for c in found],
                             [c.contributor for c in everybody if c.kind == kind])
        for needle in ("filter 0", "FILTER 1", "r 59", "nobody"):
            for kind in (0, 2):
                found = self.clerk.ListContributors(name_contains=needle, kind=kind,
                                                    page_size=1000).contributor
                self.assertEqual([c.contributor for c in found],
                                 [c.contributor for c in everybody
                                  if needle.lower() in c.name.lower()
                                  and (not kind or c.kind == kind)])
        for needle in ("societe generale", "SOCIÉTÉ", "Ge\u0301ne\u0301rale"):
            rows = self.pledge("clerk", "contributors", "--name-contains", needle).rows
            self.assertEqual([r[0] for r in rows], [accented])
        pages, token = [], ""
        while True:
            page = self.clerk.ListContributors(page_size=7, page_token=token)
            pages += page.contributor
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(list(pages), list(everybody))
        rows = self.pledge("clerk", "contributors", "--kind", "academia").rows
        self.assertEqual([r[0] for r in rows], [c.contributor for c in everybody if c.kind == 4])

    def test_payments(self):
        everything = self.clerk.ListPayments(page_size=1000).payment
        self.assertTrue(everything)
        for pledge in {p.pledge for p in everything}:
            for only in (False, True):
                for currency in ("", "CHF", "JPY"):
                    found = self.clerk.ListPayments(pledge=pledge, unallocated_only=only,
                                                    currency=currency).payment
                    self.assertEqual(
                        [p.bank_entry for p in found],
                        [p.bank_entry for p in everything if p.pledge == pledge
                         and (not only or (p.allocated.minor < p.amount.minor and not p.reversed))
                         and (not currency or p.amount.currency == currency)])
        loose = self.clerk.ListPayments(unallocated_only=True, page_size=1000).payment
        self.assertEqual([p.bank_entry for p in loose],
                         [p.bank_entry for p in everything if p.allocated.minor < p.amount.minor])

    def test_totals_are_the_sums_of_the_list(self):
        live = [p for p in self.everything(page_size=1000)
                if p.stage in (pb.STAGE_PLEDGED, pb.STAGE_COMMITTED)]
        lines = self.reader.GetTotals(by=pb.TOTALS_BY_TIER).line
        for line in lines:
            mine = [p for p in live if (p.tier or "free") == line.key
                    and p.amount.currency == line.currency]
            self.assertEqual(line.pledged_minor, sum(p.amount.minor for p in mine), line.key)
            self.assertEqual(line.committed_minor, sum(p.amount.minor for p in mine
                                                       if p.stage == pb.STAGE_COMMITTED))
            self.assertEqual(line.outstanding_minor,
                             line.pledged_minor - sum(p.allocated.minor for p in mine))
        for by in (pb.TOTALS_BY_CATEGORY, pb.TOTALS_BY_MONTH, pb.TOTALS_BY_CURRENCY):
            other = self.reader.GetTotals(by=by).line
            for currency in {l.currency for l in lines}:
                for field in ("pledged_minor", "committed_minor", "received_minor",
                              "outstanding_minor", "unallocated_minor"):
                    self.assertEqual(
                        sum(getattr(l, field) for l in other if l.currency == currency),
                        sum(getattr(l, field) for l in lines if l.currency == currency))
        payments = []
        token = ""
        while True:
            page = self.clerk.ListPayments(page_size=1000, page_token=token)
            payments += page.payment
            token = page.next_page_token
            if not token:
                break
        for line in self.reader.GetTotals(by=pb.TOTALS_BY_CURRENCY).line:
            mine = [p for p in payments if p.amount.currency == line.currency and not p.reversed]
            self.assertEqual(line.received_minor, sum(p.amount.minor for p in mine))
            self.assertEqual(line.unallocated_minor,
                             sum(p.amount.minor - p.allocated.minor for p in mine))


class LongLists(DaemonTest):
    def test_lists_longer_than_a_page_come_whole(self):
        who = self.clerk.contributor("Generous")
        results = self.clerk.batch([command(submit=pb.Submit(
            contributor=who, free=True, amount=money(1, "NOK")), reason="r")
            for _ in range(2300)])
        wanted = [r.receipt.outcome.pledge for r in results]
        self.assertEqual([row[0] for row in self.pledge("clerk", "list", "--currency",
                                                        "NOK").rows], wanted)
        self.assertEqual(len(self.pledge("clerk", "list", "--currency", "NOK",
                                         format="csv").csv), 2300)


if __name__ == "__main__":
    unittest.main()
