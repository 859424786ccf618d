# SPDX-License-Identifier: Apache-2.0
"""model_books: what the fund looks like in somebody else's books: the balance of every account of the
journals, the sums of the IATI file, the months handed to the accounting system (see model_life.py)."""
import collections

from model_desk import month_trouble
from model_life import EXPONENT, OPEN, Wrong, money_trouble


class Books:
    def balances(self):
        """{(account, currency): minor units}; a debit is positive; nothing that is zero."""
        sums = collections.Counter()

        def move(debit, credit, currency, minor):
            sums[debit, currency] += minor
            sums[credit, currency] -= minor
        for p in self.pledges.values():
            if p.stage == "PLEDGED":
                move(f"Equity:Memo:Pledged:{p.id}", "Equity:Memo:Contra", p.currency, p.minor)
            elif p.stage in ("COMMITTED", "CLOSED"):
                move(f"Assets:Receivable:{p.id}", f"Liabilities:Deferred:{p.id}", p.currency,
                     p.minor)
        for b in self.banks.values():
            if not b.debit and not b.reversed:
                move(f"Assets:Bank:{b.currency}", f"Liabilities:Unallocated:{b.id}", b.currency,
                     b.minor)
            elif b.debit and b.confirmed and not b.matched:  # waits until it is explained
                move(f"Assets:Suspense:{b.id}", f"Assets:Bank:{b.currency}", b.currency, b.minor)
        for d in self.deeds:
            if d.charge is not None and not d.reversed:
                side = f"Assets:Suspense:{d.charge.id}" if d.charge.debit else \
                    f"Liabilities:Unallocated:{d.charge.id}"
                move("Expenses:BankCharges", side, d.charge.currency,
                     d.quantity if d.charge.debit else -d.quantity)
            if d.credit is not None and not d.reversed:
                move(f"Liabilities:Unallocated:{d.credit.id}", f"Assets:Suspense:{d.debit.id}",
                     d.credit.currency, d.quantity)
        for r in self.refunds.values():
            if r.state != "CANCELLED":
                move(f"Liabilities:Unallocated:{r.bank.id}", f"Liabilities:Refund:{r.bank.id}",
                     r.bank.currency, r.minor)
            if r.state == "PAID":
                seen = r.debit.confirmed
                move(f"Liabilities:Refund:{r.bank.id}", f"Assets:Suspense:{r.debit.id}" if seen
                     else f"Assets:Bank:{r.bank.currency}", r.bank.currency, r.minor)
        for a in self.live_allocations():
            from_bank, to_pledge = f"Liabilities:Unallocated:{a.bank.id}", self.side_of(a.pledge)
            if a.bank.currency == a.pledge.currency:
                move(from_bank, to_pledge, a.bank.currency, a.minor)
            else:
                move(from_bank, "Equity:Exchange", a.bank.currency, a.minor)
                move("Equity:Exchange", to_pledge, a.pledge.currency, a.settled)
        for w in self.waivers:
            if not w.reversed and w.pledge.stage in (*OPEN, "CLOSED"):
                kind = "WrittenOff" if w.bank is None else "Difference"
                move(f"Expenses:{kind}:{w.pledge.id}", self.side_of(w.pledge), w.pledge.currency,
                     w.minor)
        return {key: minor for key, minor in sums.items() if minor}

    @staticmethod
    def side_of(pledge):
        """Where money for a pledge goes: what it owes, or what came before it owes anything."""
        return ("Liabilities:Advance:" if pledge.stage == "PLEDGED" else
                "Assets:Receivable:") + pledge.id

    def iati(self):
        """{(transaction type, currency): minor units}: promised, signed less written off, received
        less paid back."""
        sums = collections.Counter()
        for p in self.pledges.values():
            if p.stage == "PLEDGED":
                sums["13", p.currency] += p.minor
            elif p.stage in ("COMMITTED", "CLOSED"):
                sums["11", p.currency] += p.minor - self.written_off(p)
        for b in self.banks.values():
            if not b.debit and not b.reversed:
                sums["1", b.currency] += b.minor - self.explained(b)
        for r in self.refunds.values():
            if r.state == "PAID":
                sums["1", r.bank.currency] -= r.minor
        return {key: minor for key, minor in sums.items() if minor}

    # --- months handed to the accounting system ---

    @staticmethod
    def malformed_export_postings(command, body, wrong):
        month_trouble("export_postings", body, wrong)
        if not body.period:
            wrong.add("DATE_INVALID", "export_postings.period")
        for each in body.control:
            money_trouble(each, "export_postings.control", wrong)
        if len(body.sha256) != 32:
            wrong.add("FIELD_INVALID", "export_postings.sha256")

    def judge_export_postings(self, command, body):
        wrong = Wrong()
        month, to_seq, seq = self.exported
        if body.period <= month:
            wrong.add("EXPORTED_ALREADY", "export_postings.period", seq)
        if body.period >= self.today[:7]:
            wrong.add("FIELD_INVALID", "export_postings.period")
        if not to_seq <= body.to_seq <= self.head:
            wrong.add("ENTRY_UNKNOWN" if body.to_seq > self.head else "FIELD_INVALID",
                      "export_postings.to_seq")

        closing = next((c["seq"] for c in reversed(self.closings) if not c["reopened"]), 0)
        if body.period > (self.closed_through() or "") or body.to_seq < closing:
            wrong.add("PERIOD_OPEN", {"export_postings.period", "export_postings.to_seq"}, closing)

        def effect():
            self.exported = (body.period, body.to_seq, self.entry())
            return {}
        return wrong, effect


def in_minor(text, currency):
    """A decimal number in the currency's smallest units."""
    whole, _, part = text.lstrip("-").partition(".")
    exponent = EXPONENT.get(currency, 2)
    assert len(part) <= exponent or set(part[exponent:]) <= {"0"}, f"{text} {currency}"
    minor = int(whole + part.ljust(exponent, "0")[:exponent])
    return -minor if text.startswith("-") else minor
