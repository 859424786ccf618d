# SPDX-License-Identifier: Apache-2.0
"""draw: commands at random, mostly sensible, often not quite, sometimes not at all."""
import hashlib
import hmac
import random

from harness import EMPTY_ROOT, command, document, money, pb
from model_bank import scor
from model_desk import after

TIERS = ["diamant", "platine", "platinum", "platine", "or", "argent", "innovation", "appui"]
TO_COME = "2999-01-01"
CURRENCIES = ["CHF", "CHF", "CHF", "EUR", "USD", "JPY"]
WEIGHTS = {"add_contributor": 5, "amend_contributor": 1, "hold": 6, "extend": 3, "wait": 5,
           "submit": 8, "submit_held": 5, "commit": 7, "amend_pledge": 8, "change_tier": 5,
           "withdraw": 3, "cancel": 2, "pay": 12, "reverse": 5, "allocate": 10, "reallocate": 7,
           "convert": 4, "refund": 6, "pay_back": 4, "cancel_refund": 2, "write_off": 5,
           "accept_difference": 4, "close": 5, "approve": 14, "reject": 3,
           "claim_benefit": 3, "decline_benefit": 2, "deliver_benefit": 4, "issue_receipt": 5,
           "issue_certificate": 4, "record_contact": 3, "erase_contact": 4, "set_legal_hold": 2,
           "close_period": 3, "reopen_period": 2, "import_statement": 12, "match_reversal": 4, "match_refund": 4, "book_charge": 4, "export_postings": 3, "set_schedule": 5, "record_rates": 5,
           "adopt_catalogue": 4}


class Sequence:
    def __init__(self, seed, fund):
        self.random = random.Random(seed)
        self.fund = fund
        self.records = {}   # of payers, by their commitment
        self.planned = []   # commands that belong together, drawn one after another

    def chance(self, share):
        return self.random.random() < share

    def draw(self):
        """Who gives which command."""
        if self.planned:
            return self.planned.pop(0)()
        if self.chance(0.03):
            self.plan()
        names, weights = zip(*WEIGHTS.items())
        if self.returns() and self.chance(0.1):     # rare enough
            names, weights = ("match_refund", "match_reversal"), (3, 1)
        elif self.undoable() and self.chance(0.1):
            names, weights = ("reverse",), (1,)
        elif self.crowded(self.fund.offers) and self.chance(0.05):
            names, weights = ("adopt_catalogue",), (1,)
        drawn = getattr(self, "draw_" + self.random.choices(names, weights)[0])()
        if self.chance(0.1):
            self.spoil(drawn)
        return self.person(drawn), drawn

    def plan(self):
        """What chance alone hardly ever leads to."""
        held = [p for p in self.fund.pledges.values() if p.stage == "HELD"]
        if held:
            pledge = self.random.choice(held).id
            self.planned += [lambda: ("clerk", command(
                extend=pb.Extend(pledge=pledge, for_s=5_000_000), reason="again"))] * 4

    def person(self, drawn):
        """Mostly somebody who may."""
        odds = dict(clerk=20, clerk2=2, approver=4, approver2=1, admin=0.3)
        if drawn.WhichOneof("command") == "approve":
            odds = dict(clerk=1, approver=10, approver2=5)
        if drawn.WhichOneof("command") in ("export_postings", "close"):
            odds = dict(approver=10, clerk=1)
        if drawn.WhichOneof("command") in ("erase_contact", "set_legal_hold", "adopt_catalogue"):
            odds = dict(clerk=1, approver=2, admin=10)
        return self.random.choices(list(odds), odds.values())[0]

    # --- what goes into a command ---

    def spoil(self, drawn):
        """Something in it is wrong in itself."""
        body = getattr(drawn, drawn.WhichOneof("command"))
        moneys = [getattr(body, f.name) for f in body.DESCRIPTOR.fields
                  if f.message_type is not None and f.message_type.name == "Money"
                  and f.label != f.LABEL_REPEATED and body.HasField(f.name)]
        ids = [f.name for f in body.DESCRIPTOR.fields
               if f.name in ("contributor", "pledge", "bank_entry", "refund", "original")]
        ways = [lambda: drawn.ClearField("evidence"), lambda: drawn.ClearField("reason"),
                lambda: setattr(drawn, "effective_date", "2026-02-30"),
                lambda: setattr(drawn, "effective_date", "2999-01-01"),
                lambda: setattr(drawn, "reason", "a\tb"),
                lambda: setattr(drawn, "reason", "é" * 501),
                lambda: setattr(drawn, "request_id", b"short")]
        for amount in moneys:
            ways += [lambda a=amount: setattr(a, "minor", self.random.choice([0, -1])),
                     lambda a=amount: setattr(a, "currency", self.random.choice(["chf", "XXX"]))]
        if moneys:
            ways.append(lambda: body.ClearField("amount"))
        for name in ids:
            ways += [lambda n=name: body.ClearField(n), lambda n=name: setattr(body, n, "X1")]
        if hasattr(body, "seq"):
            ways.append(lambda: setattr(body, "seq", 0))
        for name in ("document_sha256", "commitment", "head_root", "file_sha256", "sha256"):
            if hasattr(body, name):
                ways.append(lambda n=name: setattr(body, n, b"short"))
        for name, text in (("number", "7"), ("period", "2026-13"), ("benefit", "")):
            if hasattr(body, name):
                ways.append(lambda n=name, t=text: setattr(body, n, t))
        if hasattr(body, "quantity"):
            ways.append(lambda: setattr(body, "quantity", -1))
        if hasattr(body, "value_date"):
            ways.append(lambda: setattr(body, "value_date", "yesterday"))
        self.random.choice(ways)()

    def contributor(self):
        if not self.fund.contributors or self.chance(0.03):
            return f"C{self.random.randint(90, 99):06d}"
        return self.random.choice(self.fund.contributors)["id"]

    def pledge(self, *stages):
        there = [p.id for p in self.fund.pledges.values() if not stages or p.stage in stages]
        if not there or self.chance(0.12):
            there = list(self.fund.pledges) + ["P000999"]
        return self.random.choice(there)

    def owing(self):
        """Mostly one that money is still to come for."""
        there = [p.id for p in self.fund.pledges.values()
                 if p.stage in ("PLEDGED", "COMMITTED") and self.fund.balance(p) > 0]
        return self.random.choice(there) if there and self.chance(0.8) else \
            self.pledge("PLEDGED", "COMMITTED")

    def bank(self, free=False):
        there = [b.id for b in self.fund.banks.values() if not free or self.fund.free(b) > 0]
        if not there or self.chance(0.12):
            there = list(self.fund.banks) + ["B009999"]
        return self.random.choice(there)

    def tier(self):
        return "bronze" if self.chance(0.02) else self.random.choice(TIERS)

    def amount(self, most=20_000_000, currency=None):
        minor = self.random.choice([1, 5, self.random.randint(1, most), 2_500_000, 15_000_000])
        return money(minor, currency or self.random.choice(CURRENCIES))

    def part(self, body, whole, currency, field="amount"):
        """A part of so much in a field: nothing, a fitting one, all, one too much, another currency."""
        if self.chance(0.3):
            return
        minor = self.random.choice([max(1, whole), whole + 1, self.random.randint(1, max(1, whole)),
                                    self.random.randint(1, max(1, whole)), max(1, whole // 3)])
        getattr(body, field).CopyFrom(money(minor, "SEK" if self.chance(0.08) else currency))

    def letter(self):
        return dict(evidence=[document("letter")])

    # --- what is on offer ---

    def crowded(self, offers):
        """Tiers that could have fewer places than are taken."""
        return [t for t in offers.tier if self.fund.taken(t.code) > 1 and
                t.capacity.WhichOneof("value") == "count"]

    def draw_adopt_catalogue(self):
        """Another version of it: more places or fewer, another price, at times without a tier."""
        drawn = command(adopt_catalogue=pb.AdoptCatalogue(catalogue=self.fund.offers))
        offered = drawn.adopt_catalogue.catalogue
        offered.version = self.fund.version + self.random.choice([1] * 8 + [0, 3])
        for tier in self.random.sample(list(offered.tier), 2):
            taken = self.fund.taken(tier.code)
            if tier.capacity.WhichOneof("value") == "count":
                tier.capacity.count = max(1, taken + self.random.choice([-1, 0, 1, 1, 2]))
            if tier.HasField("amount") and self.chance(0.3):
                tier.amount.minor += self.random.choice([-1, 1]) * 100_000
        used = [t for t in offered.tier if self.fund.taken(t.code) or self.fund.queues[t.code]]
        full = self.crowded(offered)
        if full and self.chance(0.8):
            less = self.random.choice(full)
            less.capacity.count = self.fund.taken(less.code) - 1
        elif used and self.chance(0.15):
            gone = self.random.choice(used)
            for grant in [g for g in offered.grant if g.tier == gone.code]:
                offered.grant.remove(grant)
            offered.tier.remove(gone)
        return drawn

    # --- the life of a pledge ---

    def name(self):
        """The same one in many spellings."""
        name = f"Organisation d'{self.random.randint(1, 60)}"
        if self.chance(0.2):
            name = name.replace("'", "\u2019")
        if self.chance(0.3):
            name = name.replace("O", self.random.choice(["Ö", "O\u0308", "ó"])).replace(
                "i", self.random.choice(["ï", "i\u0308", "i"]))
        return name

    def draw_add_contributor(self):
        name = self.name()
        if self.chance(0.2):
            name = "  " + name.upper() + " "
        return command(add_contributor=pb.AddContributor(name=name, kind=self.random.randint(1, 5)))

    def draw_amend_contributor(self):
        return command(amend_contributor=pb.AmendContributor(
            contributor=self.contributor(), name=self.name(),
            kind=self.random.randint(1, 5)))

    def draw_hold(self):
        return command(hold=pb.Hold(tier=self.tier(), contributor=self.contributor(),
                                    for_s=self.random.choice([3600, 86400, 99 * 86400])))

    def draw_extend(self):
        held = [p for p in self.fund.pledges.values() if p.stage == "HELD"]
        pledge = max(held, key=lambda p: p.extensions).id if held and self.chance(0.6) else \
            self.pledge("HELD")
        return command(extend=pb.Extend(pledge=pledge, for_s=self.random.choice(
            [7200, 90000, 5_000_000, 99 * 86400])), reason="board")

    def draw_wait(self):
        return command(wait=pb.Wait(tier=self.random.choice(["diamant", "platine", "or", self.tier()]),
                                    contributor=self.contributor()))

    def submit_fields(self):
        fields = {}
        if self.chance(0.3):
            fields["amount"] = self.amount(40_000_000, self.random.choice(["CHF", "CHF", "EUR"]))
        return fields

    def huge(self):
        return any(p.currency == "VND" for p in self.fund.pledges.values())

    def draw_submit(self):
        date = self.random.choice(["", "", "", "", "2026-02-27", "2026-02-27", "2026-03-01",
                                   "2026-03-01", TO_COME])
        if self.chance(0.3):
            body = pb.Submit(contributor=self.contributor(), free=True, amount=self.amount())
            if self.chance(0.8 if self.huge() else 0.2):
                body.amount.CopyFrom(money(1 << 62, "VND"))
        else:
            body = pb.Submit(contributor=self.contributor(), tier=self.tier(),
                             **self.submit_fields())
        return command(submit=body, reason="letter", effective_date=date)

    def draw_submit_held(self):
        fields = self.submit_fields()
        if self.chance(0.2):
            fields["contributor"] = self.contributor()
        if self.chance(0.2):
            fields["tier"] = self.tier()
        return command(submit=pb.Submit(pledge=self.pledge("HELD"), **fields), reason="letter")

    def draw_commit(self):
        return command(commit=pb.Commit(pledge=self.pledge("PLEDGED")), evidence=[
            document("letter" if self.chance(0.05) else "agreement")])

    def draw_amend_pledge(self):
        body = pb.AmendPledge(pledge=self.pledge("COMMITTED"), amount=self.amount(
            60_000_000, self.random.choice(["CHF", "CHF", "EUR"])))
        undone = [p.id for p in self.fund.pledges.values()
                  if p.stage == "COMMITTED" and p.owed > p.terms and p.minor < 1 << 40]
        if undone and self.chance(0.6):    # money went: more was promised before, or no less than that
            body.pledge = self.random.choice(undone)
            there = self.fund.pledges[body.pledge]
            minor = self.random.choice([there.minor + 100, there.peak, max(1, there.peak - 1)])
            body.amount.CopyFrom(money(minor, there.currency))
            return command(amend_pledge=body, effective_date=self.day_of_word(there), **self.letter())
        there = self.fund.pledges.get(body.pledge)
        if there is not None and there.minor and self.chance(0.3):
            bound = there.minor - self.fund.balance(there)
            body.amount.CopyFrom(money(max(1, bound - self.random.randint(0, 1)), there.currency))
        elif there is not None and there.signed and there.tier and self.chance(0.4):
            prices = self.random.choice([there.signed, self.fund.price])  # then, or now
            if prices[there.tier]:
                body.amount.CopyFrom(money(prices[there.tier] - self.random.randint(0, 1), "CHF"))
        return command(amend_pledge=body, effective_date=self.day_of_word(there), **self.letter())

    def day_of_word(self, there):
        """Papers come late, or before their day; what they rest on may be of the day after."""
        if there is not None and there.terms < there.owed and self.chance(0.7):
            return self.random.choice([there.terms[0], max(there.terms[0], "2026-04-15")])
        days = ["", "", "2026-02-27", "2026-03-01", "2026-04-15", self.fund.today, TO_COME]
        if there is not None and there.terms[0]:
            days += [there.terms[0], there.owed[0] or there.terms[0]] * 2
        return self.random.choice(days)

    def draw_change_tier(self):
        body = pb.ChangeTier(pledge=self.pledge("HELD", "PLEDGED", "COMMITTED"), tier=self.tier(),
                             **self.submit_fields())
        return command(change_tier=body, reason="asked for it", effective_date=self.day_of_word(
            self.fund.pledges.get(body.pledge)))

    def draw_withdraw(self):
        return command(withdraw=pb.Withdraw(pledge=self.pledge("WAITING", "HELD", "PLEDGED")),
                       reason="letter")

    def draw_cancel(self):
        return command(cancel=pb.Cancel(pledge=self.pledge("COMMITTED"),
                                        money_plan=self.random.randint(0, 3)), **self.letter())

    # --- money ---

    def bank_words(self):
        fields = {}
        if self.chance(0.5):
            fields["bank_ref"] = f"REF-{self.random.randint(1, 40)}"
        imported = [b.reference for b in self.fund.banks.values() if b.movement is not None]
        if imported and self.chance(0.1):
            fields["bank_ref"] = self.random.choice(imported)
        if self.chance(0.5):
            fields["value_date"] = self.random.choice(["2026-01-31", "2026-02-28", "2026-04-01"])
            if self.chance(0.05):
                fields["value_date"] = "2999-12-31"
        return fields

    def draw_pay(self):
        pledge = self.pledge()
        promised = self.fund.pledges.get(pledge)
        amount = self.amount()
        if promised is not None and promised.currency and self.chance(0.7):
            amount.currency = promised.currency
            if self.chance(0.5):
                amount.minor = max(1, self.fund.balance(promised) + self.random.choice([0, 0, -7]))
            elif self.chance(0.3):
                amount.minor = max(1, self.fund.balance(promised) + 120_000)
            elif promised.currency == "VND":
                amount.minor = 1 << 62
        body = pb.Pay(pledge=pledge, amount=amount, **self.bank_words())
        imported = [b for b in self.fund.banks.values() if b.movement is not None and not b.debit]
        if imported and self.chance(0.15):  # what a statement brought already
            there = self.random.choice(imported)
            body.amount.CopyFrom(money(there.minor, there.currency))
            body.value_date = there.day
            body.bank_ref = self.random.choice(["", there.reference])
        return command(pay=body)

    def draw_reverse(self):
        back = [d.seq for d in self.fund.deeds if d.credit is not None and not d.reversed]
        if back and self.chance(0.5):
            return command(reverse=pb.Reverse(seq=self.random.choice(back)), reason="a gift")
        there = ([b.seq for b in self.fund.banks.values()] +
                 [a.seq for a in self.fund.allocations] +
                 [w.seq for w in self.fund.waivers] * 3 + [d.seq for d in self.fund.deeds] +
                 self.undoable() * 9 +
                 [1, 99999])
        return command(reverse=pb.Reverse(seq=self.random.choice(there)), reason="a mistake")

    def draw_allocate(self):
        crossing = self.crossing() if self.chance(0.4) else None
        if crossing is not None:
            return crossing
        bank = self.bank(free=self.chance(0.7))
        body = pb.Allocate(bank_entry=bank, pledge=self.owing())
        there, promised = self.fund.banks.get(bank), self.fund.pledges.get(body.pledge)
        if there is not None:
            self.part(body, self.fund.free(there), there.currency)
        self.settle(body, there, promised)
        if there is not None and not body.HasField("amount") and promised is not None \
                and there.currency != promised.currency and self.fund.free(there):
            body.amount.CopyFrom(money(self.fund.free(there), there.currency))
        return command(allocate=body)

    def crossing(self):
        """Money of one currency for a pledge in another, both there and said."""
        pairs = [(b, p) for b in self.fund.banks.values() if self.fund.free(b) > 0
                 for p in self.fund.pledges.values() if p.stage in ("PLEDGED", "COMMITTED")
                 and p.currency != b.currency and self.fund.balance(p) > 0]
        if not pairs:
            return None
        bank, pledge = self.random.choice(pairs)
        return command(allocate=pb.Allocate(
            bank_entry=bank.id, pledge=pledge.id,
            amount=money(self.random.randint(1, self.fund.free(bank)), bank.currency),
            settled=money(self.random.randint(1, self.fund.balance(pledge)), pledge.currency)))

    def settle(self, body, there, promised):
        if there and promised and promised.currency and (
                there.currency != promised.currency) != self.chance(0.1):
            self.part(body, max(1, self.fund.balance(promised)), promised.currency, "settled")

    def draw_reallocate(self):
        live = [a for a in self.fund.allocations if not a.reversed]
        other = [a for a in live if a.minor != a.settled
                 and a.pledge.stage != "CLOSED"] if self.chance(0.5) else []
        there = self.random.choice(other or live) if live and not self.chance(0.1) else None
        seq = there.seq if there else self.random.choice(
            [a.seq for a in self.fund.allocations] + [1, 99999])
        body = pb.Reallocate(seq=seq, pledge=self.owing())
        if there:
            self.part(body, there.minor, there.bank.currency)
            self.settle(body, there.bank, self.fund.pledges.get(body.pledge))
        return command(reallocate=body, **self.letter())

    def of_free(self, kind, **fields):
        body = kind(bank_entry=self.bank(free=True), **fields)
        there = self.fund.banks.get(body.bank_entry)
        if there is not None:
            self.part(body, self.fund.free(there), there.currency)
        return body

    def draw_convert(self):
        return command(convert=self.of_free(pb.Convert), **self.letter())

    def draw_refund(self):
        whose = self.contributor() if self.chance(0.3) else ""
        return command(refund=self.of_free(pb.Refund, other_payee=self.chance(0.15), contributor=whose),
                       reason="as they wrote", **self.letter())

    def refund(self):
        there = [r.id for r in self.fund.refunds.values() if r.state == "ORDERED"]
        if not there or self.chance(0.15):
            there = list(self.fund.refunds) + ["R000999"]
        return self.random.choice(there)

    def draw_pay_back(self):
        body = pb.Pay(refund=self.refund(), **self.bank_words())
        there = self.fund.refunds.get(body.refund)
        body.amount.CopyFrom(money(there.minor, there.bank.currency) if there is not None
                             and not self.chance(0.2) else self.amount())
        return command(pay=body)

    def draw_cancel_refund(self):
        return command(cancel_refund=pb.CancelRefund(refund=self.refund()), reason="they give it")

    def draw_write_off(self):
        body = pb.WriteOff(pledge=self.pledge("COMMITTED"))
        later = [p.id for p in self.fund.pledges.values() if p.stage == "COMMITTED" and p.schedule
                 and p.schedule[-1][0] > self.fund.today]
        if later and self.chance(0.3):
            body.pledge = self.random.choice(later)
        to_come = [p.id for p in self.fund.pledges.values() if p.stage == "COMMITTED"
                   and p.schedule and p.schedule[-1][0] >= self.fund.today]
        if to_come and self.chance(0.3):
            body.pledge = self.random.choice(to_come)
        there = self.fund.pledges.get(body.pledge)
        if there is not None and there.minor:
            self.part(body, self.fund.balance(there), there.currency)
        day = self.random.choice(["", "", "", "2026-02-27", "2999-01-01"])
        return command(write_off=body, reason="dissolved", effective_date=day)

    def draw_accept_difference(self):
        live = [a for a in self.fund.allocations if not a.reversed
                and self.fund.balance(a.pledge) > 0]
        body = pb.AcceptDifference(kind=self.random.choice([1, 2]))
        if live and not self.chance(0.15):
            there = self.random.choice(live)
            body.bank_entry, body.pledge = there.bank.id, there.pledge.id
        else:
            body.bank_entry, body.pledge = self.bank(), self.pledge("PLEDGED", "COMMITTED")
        there = self.fund.pledges.get(body.pledge)
        if there is not None and there.minor:
            limit = self.fund.limits.get(there.currency, 0)
            if self.chance(0.4):  # what one person may accept alone, and one more
                body.amount.CopyFrom(money(max(1, limit + self.random.choice([0, 0, 1])),
                                           there.currency))
            else:
                self.part(body, self.fund.balance(there), there.currency)
        return command(accept_difference=body, reason="the bank on the way")

    def draw_close(self):
        ready = [p.id for p in self.fund.pledges.values()
                 if p.stage == "COMMITTED" and self.fund.balance(p) == 0]
        pledge = self.random.choice(ready) if ready and self.chance(0.6) else \
            self.pledge("COMMITTED")
        waive = self.chance(0.7)
        return command(close=pb.Close(pledge=pledge, waive_benefits=waive),
                       reason="they did not come" if waive else "")

    def draw_set_schedule(self):
        body = pb.SetSchedule(pledge=self.pledge("PLEDGED", "COMMITTED"))
        there = self.fund.pledges.get(body.pledge)
        whole = there.minor if there is not None and there.minor else 1000
        count = min(self.random.choice([1, 2, 3, 4]), whole)
        cuts = sorted(self.random.sample(range(1, whole), count - 1)) if whole < 1 << 40 else []
        amounts = [b - a for a, b in zip([0] + cuts, cuts + [whole])]
        if self.chance(0.12):
            amounts[-1] += 1
        year = self.random.choice([2025, 2025, 2025, 2030])
        for number, minor in enumerate(amounts):
            part = body.instalment.add(due=f"{year}-{number + 1:02d}-15")
            part.amount.CopyFrom(money(minor, there.currency if there is not None and there.currency
                                       and not self.chance(0.03) else "SEK"))
        if len(amounts) > 1 and self.chance(0.05):
            body.instalment[0].due = body.instalment[1].due
        words = self.letter() if self.chance(0.85) else dict(reason="as agreed")
        return command(set_schedule=body, **words)

    def draw_record_rates(self):
        body = pb.RecordRates()
        for _ in range(self.random.choice([1, 1, 2, 3])):
            body.rate.add(currency=self.random.choice(["USD", "EUR", "JPY", "USD", "EUR", "CHF", "XXX"]
                                                      if self.chance(0.3) else ["USD", "EUR", "JPY"]),
                          date=self.random.choice(["2026-02-28", "2026-03-11", "2026-04-01", "2026-03-10", "2026-01-31",
                                                   self.fund.today] +
                                                  (["2999-01-01"] if self.chance(0.2) else [])),
                          mantissa=self.random.choice([0, 10**15] if self.chance(0.05) else
                                                      [8850, 11213, 97]),
                          scale=13 if self.chance(0.04) else 4,
                          source="" if self.chance(0.03) else "UN Treasury")
        return command(record_rates=body)

    # --- the second person ---

    def proposal(self):
        there = [p.seq for p in self.fund.proposals.values() if p.state == "OPEN"]
        if not there or self.chance(0.12):
            there = list(self.fund.proposals) + [1, 99999]
        return self.random.choice(there)

    def draw_approve(self):
        return command(approve=pb.Approve(seq=self.proposal()))

    def draw_reject(self):
        return command(reject=pb.Reject(seq=self.proposal()), reason="not countersigned")

    # --- the bank ---

    def draw_import_statement(self):
        past = [s["each"] for s in self.fund.statements.values()]
        body = pb.ImportStatement(file_sha256=self.random.randbytes(32), message_id="M")
        if past and self.chance(0.15):  # the same once more
            again = body.statement.add()
            again.CopyFrom(self.random.choice(past))
            if self.chance(0.25) and again.kind == 1:  # under another balance
                again.opening_minor += 5
                again.closing_minor += 5
        else:
            apart = self.chance(0.25) and self.details(body.statement.add(), past)
            if not apart:
                del body.statement[:]
            for _ in range(0 if apart else self.random.choice([1, 1, 1, 2])):
                self.statement(body.statement.add(), past)
        self.crooked(body.statement[-1])
        return command(import_statement=body)

    def statement(self, made, past):
        """A new statement; some of its movements may be known from another one."""
        self.head(made, self.random.choice([1, 1, 1, 2]),
                  *self.random.choice(list(self.fund.accounts.items())))
        known = [m for s in past if s.account == made.account for m in s.movement]
        for _ in range(self.random.randint(1, 4)):
            movement = made.movement.add()
            if known and self.chance(0.15):
                movement.CopyFrom(self.random.choice(known))
                movement.detail_commitment = b""
            else:
                self.movement(movement, made.currency)
                self.sum_of_details(movement, made.account)
            if self.chance(0.08):
                made.movement.add().CopyFrom(movement)  # a twin
            self.paid_by(movement)
        if made.kind == 1:
            made.opening_minor = self.random.randint(0, 1_000_000)
            made.closing_minor = made.opening_minor + sum(m.minor for m in made.movement)

    def paid_by(self, movement):
        """Who paid, as the bank names them: a record of its own, of which the ledger keeps a hash."""
        if movement.minor > 0 and self.chance(0.3):
            self.payers = getattr(self, "payers", 0) + 1
            record = pb.PayerDetail(name=f"Payer {self.payers}").SerializeToString()
            movement.detail_commitment = hmac.new(bytes(32), record, hashlib.sha256).digest()
            self.records[movement.detail_commitment] = pb.PrivateRecord(
                record=record, salt=bytes(32), commitment=movement.detail_commitment)

    def head(self, made, kind, account, currency):
        self.statements = getattr(self, "statements", 0) + 1
        made.kind, made.account, made.currency = kind, account, currency
        made.id, made.sequence = f"STM-{self.statements}", self.statements
        made.created = self.random.choice(["2026-03-12", "2026-04-02", "2025-12-31"])

    def details(self, made, past):
        """A notification with the parts of a sum: one that a statement brought, or will bring."""
        sums = [(s, m) for s in past if s.kind == 1 for m in s.movement
                if m.minor > 3 and m.bank_ref and not m.batch_ref and m.kind in (1, 3)]
        if not sums:
            return False
        said, whole = self.random.choice(sums[-12:])
        self.head(made, 2, said.account, said.currency)
        minor, ref = whole.minor, whole.bank_ref
        if self.chance(0.3):
            self.names = getattr(self, "names", 0) + 1
            ref = f"ASR-{self.names}"
            self.later = [*getattr(self, "later", []), (said.account, ref, minor, whole.booking_date)]
        cuts = sorted(self.random.sample(range(1, minor), self.random.choice([1, 1, 2])))
        for begin, end in zip([0] + cuts, cuts + [minor]):
            self.names = getattr(self, "names", 0) + 1
            part = made.movement.add(kind=1, minor=end - begin, batch_ref=ref,
                                     booking_date=whole.booking_date, value_date=whole.value_date,
                                     end_to_end_id=f"E2E-{self.names}")
            if self.chance(0.5):
                part.reference = scor(self.owing())
        if self.chance(0.1):
            part.minor += 1
        return True

    def sum_of_details(self, movement, account):
        """The sum whose details came first."""
        there = [each for each in getattr(self, "later", []) if each[0] == account]
        if there and self.chance(0.5):
            _, movement.bank_ref, movement.minor, movement.booking_date = self.random.choice(there)
            movement.kind, movement.end_to_end_id, movement.reference = 3, "", ""
            movement.minor += self.chance(0.1)

    def movement(self, made, currency):
        made.booking_date = self.random.choice(["2026-03-10", "2026-04-01", "2026-02-28"])
        made.value_date = self.random.choice([made.booking_date, "2026-03-11"])
        made.kind, sign = self.random.choices([(1, 1), (1, -1), (2, -1), (4, -1), (5, 1)],
                                              [16, 4, 1, 2, 2])[0]
        made.minor = sign * self.random.choice([1, 2500, self.random.randint(1, 9_000_000)])
        name = self.random.random()
        if name < 0.7:
            self.names = getattr(self, "names", 0) + 1
            made.bank_ref = f"ASR-{self.names}"
        elif name < 0.8:
            self.names = getattr(self, "names", 0) + 1
            made.end_to_end_id = f"E2E-{self.names}"
        if made.kind == 1 and sign < 0:
            self.pays_back(made, currency)
        credits = [b for b in self.fund.banks.values() if b.currency == currency and not b.debit]
        typed = [b for b in credits if b.movement is None and not b.confirmed]
        if sign > 0 and self.chance(0.5):
            self.comes_back(made, currency)
        if made.kind == 1 and sign > 0:
            self.meant(made, currency)
            if typed and self.chance(0.25):
                self.like_typed(made, self.random.choice(typed))
        elif made.kind == 4 and credits:
            made.minor = -self.random.choice(credits).minor

    def pays_back(self, made, currency):
        """A refund that leaves the account, named or not, typed already or not."""
        there = [r for r in self.fund.refunds.values() if r.bank.currency == currency]
        if there and self.chance(0.8):
            refund = self.random.choice(there)
            made.minor = -refund.minor
            if self.chance(0.6):
                made.end_to_end_id = refund.id
            if refund.debit is not None and self.chance(0.6):
                made.value_date = made.booking_date = refund.debit.day
                if refund.debit.reference and self.chance(0.5):
                    made.bank_ref = refund.debit.reference

    def comes_back(self, made, currency):
        """A refund that was paid, named or not, whole or less what the banks kept."""
        there = [r for r in self.fund.refunds.values() if r.bank.currency == currency
                 and r.state == "PAID"]
        if there:
            refund = self.random.choice(there)
            made.minor = max(1, refund.minor - self.random.choice([0, 0, 20, 100]))
            if self.chance(0.5):
                made.end_to_end_id = refund.id

    def meant(self, made, currency):
        """A reference that fits, and an amount that fits, or not."""
        owing = [p for p in self.fund.pledges.values() if p.currency == currency
                 and p.stage in ("PLEDGED", "COMMITTED") and self.fund.balance(p) > 0]
        if owing and self.chance(0.6):
            pledge = self.random.choice(owing)
            made.reference = scor(pledge.id)
            if self.chance(0.7):
                made.minor = self.fund.balance(pledge)
        elif self.chance(0.3):
            made.reference = scor(self.pledge())
        elif self.chance(0.2):
            made.reference = "RF18539007547034"

    def like_typed(self, made, bank):
        """Nearly or exactly what somebody typed."""
        made.minor = bank.minor
        if bank.reference and self.chance(0.6):
            made.bank_ref = bank.reference
        if self.chance(0.6):
            made.value_date = made.booking_date = bank.day
        made.reference = scor(bank.pledge.id) if self.chance(0.5) else ""

    def crooked(self, made):
        if self.chance(0.2):
            self.random.choice([
                *[lambda: setattr(made, "closing_minor", made.closing_minor + 1)] * 2,
                lambda: setattr(made, "account", "CH4309000000159999999"),
                lambda: setattr(made, "currency", "SEK"),
                lambda: setattr(made, "created", "2026-02-30"),
                lambda: (setattr(made, "opening_minor", made.opening_minor + 5),
                         setattr(made, "closing_minor", made.closing_minor + 5))])()

    def draw_match_reversal(self):
        back = [b for b in self.fund.banks.values() if b.movement is not None
                and b.movement.kind in (4, 5)]
        body = pb.MatchReversal(bank_entry=self.random.choice(back).id if back and
                                not self.chance(0.15) else self.bank(), original=self.bank())
        returns = self.returns()
        if returns and self.chance(0.3):
            credit, refund = self.random.choice(returns)
            body.bank_entry, body.original = credit.id, refund.debit.id
            return command(match_reversal=body, reason="their account is closed")
        there = self.fund.banks.get(body.bank_entry)
        fitting = [b.id for b in self.fund.banks.values() if there and not b.reversed
                   and (b.minor, b.currency) == (there.minor, there.currency)
                   and b.debit != there.debit]
        if fitting and not self.chance(0.15):
            body.original = self.random.choice(fitting)
        return command(match_reversal=body, reason="the bank took it back")

    def undoable(self):
        return [d.seq for d in self.fund.deeds if d.credit is not None and not d.reversed]

    def returns(self):
        """Credits, and refunds whose money they may be."""
        return [(b, r) for b in self.fund.banks.values() for r in self.fund.refunds.values()
                if not b.debit and b.word is not None and not b.reversed and r.state == "PAID"
                and b.currency == r.bank.currency and 0 < self.fund.free(b) <= r.minor]

    def draw_match_refund(self):
        body = pb.MatchRefund(bank_entry=self.bank(), refund=self.refund())
        returns = self.returns()
        if returns and self.chance(0.7):
            credit, refund = self.random.choice(returns)
            return command(match_refund=pb.MatchRefund(bank_entry=credit.id, refund=refund.id))
        pairs = [(b.id, i) for b in self.fund.banks.values() for i, r in self.fund.refunds.items()
                 if b.debit and b.movement is not None and r.state == "ORDERED"
                 and b.currency == r.bank.currency and b.minor >= r.minor]
        if pairs and self.chance(0.6):
            bank, refund = self.random.choice(pairs)
            return command(match_refund=pb.MatchRefund(bank_entry=bank, refund=refund))
        there = self.fund.refunds.get(body.refund)
        fitting = [b.id for b in self.fund.banks.values() if there and b.debit
                   and b.movement is not None and b.minor == there.minor]
        if fitting and not self.chance(0.2):
            body.bank_entry = self.random.choice(fitting)
        return command(match_refund=body)

    def draw_book_charge(self):
        debits = [b.id for b in self.fund.banks.values() if b.debit]
        some = debits and self.chance(0.8)
        return command(book_charge=pb.BookCharge(
            bank_entry=self.random.choice(debits) if some else self.bank()))

    # --- benefits, papers, persons, months ---

    def benefit(self, kind, which):
        there = [p for p in self.fund.pledges.values() if p.tier
                 and p.stage in ("PLEDGED", "COMMITTED", "CLOSED")]
        pledge = self.random.choice(there) if there and not self.chance(0.15) else None
        begun = [code for name, code in self.fund.fulfilled if pledge and name == pledge.id]
        body = kind(pledge=pledge.id if pledge else self.pledge(), benefit=self.random.choice(
            begun if begun and self.chance(0.5) else
            ["VIS1", "VIS6", "REC1", "REC4", "PRO5", "EXH1", "XYZ9"]))
        if self.chance(0.6):
            body.quantity = self.random.choice([1, 1, 2, 3, 7, 30])
        reason = "" if self.chance(0.4) else "the conference is tomorrow"
        return command(**{which + "_benefit": body}, reason=reason)

    def draw_claim_benefit(self):
        return self.benefit(pb.ClaimBenefit, "claim")

    def draw_decline_benefit(self):
        return self.benefit(pb.DeclineBenefit, "decline")

    def draw_deliver_benefit(self):
        return self.benefit(pb.DeliverBenefit, "deliver")

    def number(self, letter, issued):
        """Mostly the next one."""
        return f"{letter}{len(issued) + self.random.choice([1] * 9 + [0, 2]):06d}"

    def draw_issue_receipt(self):
        there = [p.id for p in self.fund.pledges.values() if self.fund.unreceipted(p)]
        name = self.random.choice(there) if there and not self.chance(0.15) else self.pledge()
        body = pb.IssueReceipt(pledge=name, number=self.number("Q", self.fund.receipts),
                               document_sha256=self.random.randbytes(32))
        if name in self.fund.pledges:
            body.allocation_seq.extend(a.seq for a in self.fund.unreceipted(
                self.fund.pledges[name])[self.chance(0.1):])
        return command(issue_receipt=body)

    def draw_issue_certificate(self):
        return command(issue_certificate=pb.IssueCertificate(
            pledge=self.pledge("COMMITTED", "CLOSED"), document_sha256=self.random.randbytes(32),
            number=self.number("Z", self.fund.certificates)))

    def draw_record_contact(self):
        """The record itself travels beside it: its salt is zeros, its bytes the request id's."""
        drawn = command(record_contact=pb.RecordContact(contributor=self.contributor()))
        drawn.record_contact.commitment = private_record(drawn).commitment
        return drawn

    def draw_erase_contact(self):
        body = pb.EraseContact()
        there = [c["id"] for c in self.fund.contacts if not c["erased"]]
        named = [b.id for b in self.fund.banks.values() if b.payer]
        if named and self.chance(0.3):
            body.bank_entry = self.random.choice(named) if self.chance(0.85) else self.bank()
        elif there and self.chance(0.5):
            body.contact = self.random.choice(there)
        elif self.chance(0.3):
            body.contact = self.random.choice([c["id"] for c in self.fund.contacts] + ["K000999"])
        else:
            body.contributor = self.contributor()
        return command(erase_contact=body, reason="asked for it")

    def draw_set_legal_hold(self):
        there = list(self.fund.legal_holds)
        if there and self.chance(0.5):
            body = pb.SetLegalHold(contributor=self.random.choice(there), on=False)
        else:
            body = pb.SetLegalHold(contributor=self.contributor(), on=not self.chance(0.2))
        return command(set_legal_hold=body, reason="audit")

    def month(self):
        last = self.fund.closed_through()
        following = after(last) if last else self.random.choice(["2025-12", "2026-01", "2026-02"])
        return self.random.choice([following] * 6 + [last or "2026-01", "2026-01", "2026-09",
                                                     self.fund.today[:7]])

    def draw_close_period(self):
        waive = self.chance(0.7)
        return command(close_period=pb.ClosePeriod(
            period=self.month(), head_root=self.random.randbytes(32) if self.chance(0.1) else EMPTY_ROOT,
            waive=waive), reason="asked" if waive else "")

    def draw_export_postings(self):
        last, to_seq, _ = self.fund.exported
        period = self.random.choice([after(last) if last else "2025-11"] * 5 +
                                    [last or "2025-12", "2025-10", self.fund.today[:7]])
        most = self.fund.head if not self.chance(0.1) else self.fund.head + 3
        closing = next((c["seq"] for c in reversed(self.fund.closings) if not c["reopened"]), 0)
        if self.chance(0.8):
            to_seq = max(to_seq, closing)
        return command(export_postings=pb.ExportPostings(
            period=period, sha256=self.random.randbytes(32), count=self.random.randint(0, 9),
            to_seq=self.random.randint(max(0, to_seq - self.chance(0.15)), most),
            control=[money(self.random.randint(1, 900), "CHF")]))

    def draw_reopen_period(self):
        return command(reopen_period=pb.ReopenPeriod(period=self.random.choice(
            [self.fund.closed_through() or "2026-01", self.month()])), reason="the bank erred")


def private_record(drawn):
    record = pb.Contact(name=bytes(drawn.request_id).hex()).SerializeToString()
    return pb.PrivateRecord(record=record, salt=bytes(32),
                            commitment=hmac.new(bytes(32), record, hashlib.sha256).digest())
