# SPDX-License-Identifier: Apache-2.0
"""model_money: what the fund's rules say of money: payments, allocations, what moves by the donor's
choice, refunds, what will not come, and all the sums (see model_life.py)."""
import collections
import datetime

from model_life import (COUNTED, MOST, OPEN, Allocation, Bank, Deed, Refund, Waiver, Wrong)


class Money:
    def after_bank(self, bank, pledge=None, **more):
        """What a receipt says of a bank entry, and of the pledge concerned."""
        said = {} if pledge is None else self.about(pledge, tier=False)
        return dict(said, bank_entry=bank.id, unallocated=(self.free(bank), bank.currency), **more)

    def known_bank(self, name, text, wrong):
        bank = self.banks.get(text)
        if bank is None:
            wrong.add("BANK_ENTRY_UNKNOWN", f"{name}.bank_entry", 0)
        return bank

    def received_sum_trouble(self, field, minor, currency):
        there = sum(b.minor for b in self.banks.values()
                    if b.currency == currency and not b.reversed and not b.debit)
        return Wrong().add("SUM_OVERFLOW", field) if there + minor > MOST else Wrong()

    def booked_already(self, name, reference):
        wrong = Wrong()
        returns = {b.matched for b in self.banks.values() if b.matched}  # it had come, and went back
        for bank in self.banks.values():
            if reference and bank.reference == reference and bank.movement is None \
                    and (not bank.reversed or bank.reversed in returns):
                wrong.add("PAYMENT_DUPLICATE", f"{name}.bank_ref", bank.seq)
        return wrong

    def day_to_come(self, body):
        """Money that was seen has come, though somewhere it may be tomorrow already."""
        tomorrow = str(datetime.date.fromisoformat(self.today) + datetime.timedelta(1))
        late = (body.value_date or self.day) > tomorrow
        return Wrong().add("DATE_INVALID", {"pay.value_date", "effective_date"}) if late else Wrong()

    def judge_pay(self, command, body):
        if body.refund:
            return self.judge_pay_back(body)
        wrong = Wrong()
        pledge = self.known_pledge("pay", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        wrong += self.booked_already("pay", body.bank_ref) + self.day_to_come(body)
        imported = None if wrong else self.imported_as(body, pledge)
        if imported is not None:
            return self.pay_imported(pledge, imported)
        wrong += self.received_sum_trouble("pay.amount.minor", body.amount.minor,
                                           body.amount.currency)

        def effect():
            warned = self.pay_warnings(pledge, body)
            bank = self.new_bank(body, pledge, self.entry(pledge))
            part = 0
            if pledge.stage in OPEN and bank.currency == pledge.currency:
                part = min(bank.minor, max(0, self.balance(pledge)))
            if part > 0:
                self.allocations.append(Allocation(self.entry(pledge), bank, pledge, part))
            return self.after_bank(bank, pledge, warnings=warned)
        return wrong, effect

    def pay_warnings(self, pledge, body):
        warned = set()
        day = body.value_date or self.day
        if any(b.pledge is pledge and b.minor == body.amount.minor and not b.reversed
               and b.currency == body.amount.currency and b.day == day and not b.debit
               for b in self.banks.values()):
            warned.add("PAYMENT_SIMILAR")
        if pledge.stage not in OPEN:
            warned.add("PLEDGE_NOT_OPEN")
        elif pledge.currency != body.amount.currency:
            warned.add("PAYMENT_CURRENCY")
        elif body.amount.minor > self.balance(pledge):
            warned.add("PAYMENT_SURPLUS")
        return warned

    def new_bank(self, body, pledge, seq):
        bank = Bank(len(self.banks) + 1, body.amount.minor, body.amount.currency, pledge, seq,
                    body.bank_ref, body.value_date or self.day)
        bank.worth = self.worth(bank.currency, bank.day)
        self.banks[bank.id] = bank
        return bank

    def judge_pay_back(self, body):
        """The money that left the account for a refund."""
        wrong = Wrong()
        refund = self.open_refund("pay", body.refund, wrong)
        wrong += self.booked_already("pay", body.bank_ref) + self.day_to_come(body)
        if refund is None:
            return wrong, None
        if (body.amount.minor, body.amount.currency) != (refund.minor, refund.bank.currency):
            wrong.add("FIELD_INVALID", {"pay.amount", "pay.amount.minor", "pay.amount.currency"})

        imported = None if wrong else self.imported_debit(body)
        if imported is not None and self.unexplained(imported) < refund.minor:
            return wrong.add("PAYMENT_DUPLICATE"), None
        # what only a person has seen cannot have left before it came
        if not wrong and imported is None and (body.value_date or self.day) < refund.bank.day:
            wrong.add("DATE_INVALID", {"pay.value_date", "effective_date"})

        def effect():
            seq = self.pay_refund(refund, imported)
            if imported is not None:
                return dict(refund=refund.id, warnings={"PAYMENT_IMPORTED"})
            refund.debit = self.new_bank(body, refund.bank.pledge, seq)
            refund.debit.debit = True
            return dict(refund=refund.id)
        return wrong, effect

    def pay_refund(self, refund, debit):
        refund.last, refund.state, refund.debit = self.entry(refund.bank.pledge), "PAID", debit
        self.deeds.append(Deed(refund.last, refund.bank.pledge, refund))
        return refund.last

    def unexplained(self, debit):
        """How much of what left the account neither a refund nor a charge explains."""
        return 0 if debit.matched else debit.minor - sum(
            r.minor for r in self.refunds.values() if r.debit is debit) - sum(
                d.quantity for d in self.deeds if debit in (d.charge, d.debit) and not d.reversed)

    def open_refund(self, name, text, wrong, state="ORDERED"):
        refund = self.refunds.get(text)
        if refund is None:
            wrong.add("REFUND_UNKNOWN", f"{name}.refund", 0)
        elif refund.state != state:
            wrong.add("REFUND_STATE", f"{name}.refund", refund.last)
        return refund

    def judge_cancel_refund(self, command, body):
        wrong = Wrong()
        refund = self.open_refund("cancel_refund", body.refund, wrong)

        def effect():
            refund.last, refund.state = self.entry(refund.bank.pledge), "CANCELLED"
            return dict(self.after_bank(refund.bank), refund=refund.id)
        return wrong, effect

    def amount_free(self, name, bank, body, reason):
        """The amount of a bank entry's free money that a command means, and what is wrong with it."""
        wrong, free = Wrong(), self.free(bank)
        minor = body.amount.minor if body.HasField("amount") else free
        if body.HasField("amount") and body.amount.currency != bank.currency:
            wrong.add("FIELD_INVALID", f"{name}.amount.currency")
        if free == 0 or minor > free:
            wrong.add(reason, {f"{name}.amount", f"{name}.amount.minor", f"{name}.bank_entry"},
                      set(self.bank_seqs(bank)))
        return minor, wrong

    def bank_seqs(self, bank):
        """Entries that say what became of a bank entry's money."""
        return ([bank.seq, bank.reversed, bank.matched] + [a.seq for a in self.allocations if a.bank is bank]
                + [r.last for r in self.refunds.values() if r.bank is bank])

    def judge_refund(self, command, body):
        wrong = Wrong()
        bank = self.known_bank("refund", body.bank_entry, wrong)
        if bank is None:
            return wrong, None
        minor, wrong = self.amount_free("refund", bank, body, "OVER_REFUND")
        if body.contributor and not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN", "refund.contributor")
        elif body.contributor and bank.pledge:
            wrong.add("FIELD_INVALID", "refund.contributor", bank.seq)
        if body.other_payee and self.role != "approver":
            wrong.add("PERMISSION_DENIED", "refund.other_payee")

        def effect():
            refund = Refund(len(self.refunds) + 1, bank, minor, body.other_payee,
                            self.entry(bank.pledge))
            self.refunds[refund.id] = refund
            return self.after_bank(bank, bank.pledge, refund=refund.id)
        return wrong, effect

    def judge_convert(self, command, body):
        wrong = Wrong()
        bank = self.known_bank("convert", body.bank_entry, wrong)
        if bank is None:
            return wrong, None
        if bank.pledge is None or self.free(bank) == 0:
            return wrong.add("NO_SURPLUS", "convert.bank_entry", set(self.bank_seqs(bank))), None
        minor, wrong = self.amount_free("convert", bank, body, "ENTRY_SPENT")
        wrong += self.sum_trouble("convert.amount.minor", minor, bank.currency)

        def effect():
            pledge = self.new_pledge(bank.pledge.contributor, None, "PLEDGED")
            self.promise(pledge, minor, bank.currency)
            self.allocations.append(Allocation(self.entry(pledge), bank, pledge, minor))
            return self.after_bank(bank, pledge)
        return wrong, effect

    def judge_reverse(self, command, body):
        bank = next((b for b in self.banks.values() if b.seq == body.seq), None)
        if bank is not None and bank.movement is None and not bank.debit:
            return self.judge_reverse_bank(bank)
        there = next((a for a in self.allocations + self.waivers + self.deeds
                      if a.seq == body.seq), None)
        wrong = Wrong()
        if there is None:
            return wrong.add("NOT_REVERSIBLE" if body.seq <= self.head else "ENTRY_UNKNOWN",
                             "reverse.seq"), None
        if there.reversed:
            wrong.add("ALREADY_REVERSED", "reverse.seq", there.reversed)
        if there in self.allocations:
            wrong += self.guarded("reverse.seq", [there])
        wrong += self.rested_on([there])

        if getattr(there, "closing", False) and self.role != "approver":
            wrong.add("PERMISSION_DENIED", "reverse.seq", there.seq)
        if there in self.deeds:
            if there.credit is not None and not there.reversed and not self.may_undo_return(there):
                wrong.add("NOT_REVERSIBLE", "reverse.seq", there.refund.last)
            return wrong, lambda: self.undo_deed(there)

        def effect():
            self.undone(there.pledge)
            there.reversed = self.entry(there.pledge)
            return {} if there.bank is None else dict(bank_entry=there.bank.id)
        return wrong, effect

    def closing_of(self, pledge):
        return next((d for d in reversed(self.deeds) if d.closing and d.pledge is pledge
                     and not d.reversed), None)

    def rested_on(self, undone):
        """What a pledge was closed for stays while it is closed."""
        wrong = Wrong()
        for each in undone:
            refund = getattr(each, "refund", None)     # whose money it is may be known later
            pledge = refund.bank.pledge if refund else each.pledge
            closing = pledge and self.closing_of(pledge)
            if closing is not None and each.seq < closing.seq and not each.reversed:
                wrong.add("STATE_WRONG", "reverse.seq", closing.seq)
        return wrong

    def undo_deed(self, deed):
        deed.reversed = self.entry(deed.refund.bank.pledge if deed.refund else deed.pledge)
        if deed.charge is not None:
            return dict(bank_entry=deed.charge.id)
        if deed.closing:
            self.opened_again(deed.pledge)
            return self.about(deed.pledge, tier=False)
        if deed.credit is not None:
            return self.undo_return(deed)
        if deed.refund is None:
            return self.move_benefit(deed.pledge, deed.benefit, deed.which, -deed.quantity)
        refund, debit = deed.refund, deed.refund.debit
        if not debit.confirmed:     # only a person has seen it
            debit.reversed = deed.reversed
        refund.state, refund.debit, refund.last = "ORDERED", None, deed.reversed
        return dict(refund=refund.id, bank_entry=debit.id)

    def judge_reverse_bank(self, bank):
        wrong = Wrong()
        if bank.reversed:
            wrong.add("ALREADY_REVERSED", "reverse.seq", bank.reversed)
        elif bank.debit or bank.confirmed or self.refunded(bank):
            wrong.add("NOT_REVERSIBLE", "reverse.seq")
        wrong += self.guarded("reverse.seq", self.live_allocations(bank=bank))
        wrong += self.rested_on(self.live_allocations(bank=bank))

        def effect():
            for each in self.live_allocations(bank=bank):
                self.undone(each.pledge)
                if each.pledge is not bank.pledge:  # part of that pledge's history
                    each.reversed = self.entry(each.pledge)
            bank.reversed = self.entry(bank.pledge)
            for each in self.live_allocations(bank=bank):
                each.reversed = bank.reversed
            return dict(bank_entry=bank.id)
        return wrong, effect

    # --- allocations ---

    def settled_for(self, name, bank, pledge, minor, body):
        """What an amount of a bank entry counts for a pledge, and what is wrong with that."""
        wrong, same = Wrong(), bank.currency == pledge.currency
        if body.HasField("settled"):
            if body.settled.currency != pledge.currency or (same and body.settled.minor != minor):
                wrong.add("FIELD_INVALID", {f"{name}.settled", f"{name}.settled.currency",
                                            f"{name}.settled.minor"})
            return body.settled.minor, wrong
        if same:
            return minor, wrong
        settled = self.exchanged(minor, bank, pledge.currency)
        if settled is None:
            wrong.add("RATE_REQUIRED", f"{name}.settled")
        return settled or 0, wrong

    def judge_allocate(self, command, body):
        wrong = Wrong()
        bank = self.known_bank("allocate", body.bank_entry, wrong)
        pledge = self.known_pledge("allocate", body.pledge, wrong)
        if wrong:
            return wrong, None
        if pledge.stage not in OPEN:
            return wrong.add("PLEDGE_NOT_OPEN", "allocate.pledge", pledge.changed), None
        free, due = self.free(bank), self.balance(pledge)
        same = bank.currency == pledge.currency
        minor = body.amount.minor if body.HasField("amount") else (min(free, due) if same else free)
        if body.HasField("amount") and body.amount.currency != bank.currency:
            wrong.add("FIELD_INVALID", "allocate.amount.currency")
        settled, trouble = self.settled_for("allocate", bank, pledge, minor, body)
        wrong += trouble
        if free == 0 or minor > free:
            wrong.add("ENTRY_SPENT", {"allocate.bank_entry", "allocate.amount",
                                      "allocate.amount.minor"}, set(self.bank_seqs(bank)))
        if settled > due or due == 0 or (settled == 0 and "RATE_REQUIRED" not in wrong.reasons()):
            wrong.add("OVER_REMAINDER", {"allocate.amount", "allocate.settled", "allocate.pledge",
                                         "allocate.amount.minor", "allocate.settled.minor"},
                      set(pledge.seqs))

        def effect():
            self.allocations.append(Allocation(self.entry(pledge), bank, pledge, minor, settled))
            self.mean(bank, pledge)
            return self.after_bank(bank, pledge)
        return wrong, effect

    def judge_reallocate(self, command, body):
        wrong = Wrong()
        there = next((a for a in self.allocations if a.seq == body.seq), None)
        pledge = self.known_pledge("reallocate", body.pledge, wrong)
        if there is None:
            for reason in ("ENTRY_UNKNOWN", "NOT_REVERSIBLE"):
                wrong.add(reason, "reallocate.seq")
        elif there.reversed:
            wrong.add("ALREADY_REVERSED", "reallocate.seq", there.reversed)
        else:
            wrong += self.guarded("reallocate.seq", [there])
        if wrong:
            return wrong, None
        if pledge is there.pledge:
            return wrong.add("FIELD_INVALID", "reallocate.pledge"), None
        for field, each in (("reallocate.pledge", pledge), ("reallocate.seq", there.pledge)):
            if each.stage not in OPEN:
                wrong.add("PLEDGE_NOT_OPEN", field, each.changed)
        if pledge.minor is None:
            return wrong, None
        minor = body.amount.minor if body.HasField("amount") else there.minor
        if body.HasField("amount") and body.amount.currency != there.bank.currency:
            wrong.add("FIELD_INVALID", "reallocate.amount.currency")
        settled, trouble = self.settled_for("reallocate", there.bank, pledge, minor, body)
        wrong += trouble
        if minor > there.minor:
            wrong.add("ENTRY_SPENT", {"reallocate.amount", "reallocate.amount.minor"})
        if settled > self.balance(pledge) or (settled == 0 and "RATE_REQUIRED" not in wrong.reasons()):
            wrong.add("OVER_REMAINDER", {"reallocate.amount", "reallocate.settled",
                                         "reallocate.pledge"}, set(pledge.seqs))
        return wrong, lambda: self.move(there, pledge, minor, settled)

    def move(self, there, pledge, minor, settled):
        """Taken back, the rest given again, the part given to the other: three entries at most."""
        self.undone(there.pledge)
        there.reversed = self.entry(there.pledge)
        if minor < there.minor:
            rest = there.minor - minor
            kept = rest if there.settled == there.minor else \
                half_even(there.settled * rest, there.minor)
            self.allocations.append(Allocation(self.entry(there.pledge), there.bank, there.pledge,
                                               rest, kept))
        self.allocations.append(Allocation(self.entry(pledge), there.bank, pledge, minor, settled))
        return self.about(pledge, tier=False)

    # --- what will not come ---

    def remainder(self, name, pledge, body):
        wrong, due = Wrong(), self.balance(pledge)
        minor = body.amount.minor if body.HasField("amount") else due
        if body.HasField("amount") and body.amount.currency != pledge.currency:
            wrong.add("FIELD_INVALID", f"{name}.amount.currency")
        if due == 0 or minor > due:
            wrong.add("OVER_REMAINDER", {f"{name}.amount", f"{name}.amount.minor",
                                         f"{name}.pledge"}, set(pledge.seqs))
        return minor, wrong

    def judge_write_off(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("write_off", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage != "COMMITTED":
            return self.stage_trouble("write_off", pledge, "COMMITTED"), None
        minor, wrong = self.remainder("write_off", pledge, body)
        if pledge.schedule and pledge.schedule[-1][0] >= min(self.day, self.today):
            wrong.add("NOT_DUE", "write_off.pledge")
        if not wrong:
            wrong = self.early(command, self.due_since(pledge))

        def effect():
            self.waivers.append(self.dated(Waiver(self.entry(pledge), pledge, minor)))
            return self.about(pledge, tier=False)
        return wrong, effect

    def judge_accept_difference(self, command, body):
        wrong = Wrong()
        bank = self.known_bank("accept_difference", body.bank_entry, wrong)
        pledge = self.known_pledge("accept_difference", body.pledge, wrong)
        if pledge is None or bank is None:
            if pledge is not None:
                wrong += self.stage_trouble("accept_difference", pledge, *OPEN)
            return wrong, None
        if pledge.stage not in OPEN:
            return self.stage_trouble("accept_difference", pledge, *OPEN), None
        minor, wrong = self.remainder("accept_difference", pledge, body)
        if not self.live_allocations(pledge=pledge, bank=bank):
            wrong.add("FIELD_INVALID", "accept_difference.bank_entry")

        def effect():
            self.waivers.append(self.dated(Waiver(self.entry(pledge), pledge, minor, bank,
                                                  body.kind)))
            return dict(self.about(pledge, tier=False), bank_entry=bank.id)
        return wrong, effect

    def judge_close(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("close", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage != "COMMITTED":
            return self.stage_trouble("close", pledge, "COMMITTED"), None
        meant = [b for b in self.banks.values() if b.pledge is pledge]
        if self.balance(pledge) or any(self.free(b) for b in meant) or any(
                r.bank in meant and r.state == "ORDERED" for r in self.refunds.values()) or (
                self.owed(pledge) and not body.waive_benefits):
            wrong.add("OPEN_ITEMS", "close.pledge", set(pledge.seqs) | {
                seq for b in meant for seq in self.bank_seqs(b)})

        def effect():
            self.deeds.append(self.dated(Deed(self.entry(pledge), pledge)))
            pledge.stage = "CLOSED"
            return self.about(pledge)
        return wrong, effect

    # --- sums ---

    def totals(self, by):
        """{(key, currency): dict} as GetTotals has to say it."""
        lines = collections.defaultdict(collections.Counter)

        def key_of(pledge, month, currency):
            return {"tier": pledge.tier or "free" if pledge else "unmatched",
                    "category": pledge.category if pledge else "unmatched", "month": month, "currency": currency}[by]
        for p in self.pledges.values():
            if p.stage not in COUNTED:
                continue
            line = lines[key_of(p, p.month, p.currency), p.currency]
            line["pledges"] += 1
            line["pledged"] += p.minor
            self.valued(line, "pledged", p.minor, p)
            line["committed"] += p.minor if p.stage != "PLEDGED" else 0
            line["outstanding"] += self.balance(p)
            line["written_off"] += self.written_off(p)
            line["difference"] += self.accepted(p)
        for b in self.banks.values():
            if b.reversed or b.debit:
                continue
            line = lines[key_of(b.pledge, b.day[:7], b.currency), b.currency]
            line["received"] += self.free(b) + self.refunded(b)
            self.valued(line, "received", self.free(b) + self.refunded(b), b)
            line["refunded"] += self.refunded(b)
            line["unallocated"] += self.free(b)
            for a in self.live_allocations(bank=b):
                line = lines[key_of(a.pledge, b.day[:7], b.currency), b.currency]
                line["received"] += a.minor
                self.valued(line, "received", a.minor, b)
        return {key: rounded(line) for key, line in lines.items() if any(line.values())}


def rounded(line):
    """The sums in francs are rounded once, to the even number."""
    return {name: round(minor) for name, minor in line.items()}


def half_even(count, of):
    """count / of in whole numbers, halves to the even one."""
    whole, rest = divmod(count, of)
    return whole + (2 * rest > of or (2 * rest == of and whole % 2 == 1))
