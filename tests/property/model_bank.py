# SPDX-License-Identifier: Apache-2.0
"""model_bank: what the fund's rules say of statements of the bank: taken whole or not at all, each movement
booked once, allocated only if reference and amount fit (see model_life.py)."""
import datetime
import re

from model_life import OPEN, Allocation, Bank, Deed, Wrong

NEAR = 10  # days between a payment typed by hand and the bank's day, where both name the pledge
PAYMENT, CHARGE, BATCH, REVERSAL, RETURN = 1, 2, 3, 4, 5


class Statements:
    def pledge_of(self, reference):
        """The pledge that a creditor reference names."""
        there = re.fullmatch(r"RF\d\d(P\d{6,})", reference)
        pledge = self.pledges.get(there.group(1)) if there else None
        return pledge if pledge is not None and scor(pledge.id) == reference else None

    # --- what is wrong ---

    def malformed_import_statement(self, command, body, wrong):
        if len(body.file_sha256) != 32:
            wrong.add("FIELD_INVALID", "import_statement.file_sha256")
        if not body.statement:
            wrong.add("FIELD_REQUIRED", "import_statement.statement")
        for each in body.statement:
            moved = sum(m.minor for m in each.movement) + each.remainder.minor
            if each.kind == 1 and each.opening_minor + moved != each.closing_minor:
                wrong.add("STATEMENT_UNBALANCED")
            if each.kind == 2 and (each.opening_minor or each.closing_minor):
                wrong.add("FIELD_INVALID")
            if any(m.minor == 0 for m in each.movement):
                wrong.add("AMOUNT_REQUIRED").add("AMOUNT_NOT_POSITIVE")
            for text in [each.created, *(m.value_date for m in each.movement),
                         *(m.booking_date for m in each.movement)]:
                try:
                    datetime.date.fromisoformat(text)
                except ValueError:
                    wrong.add("DATE_INVALID")

    def statement_trouble(self, each):
        wrong = Wrong()
        if self.accounts.get(each.account) is None:
            wrong.add("ACCOUNT_UNKNOWN", "import_statement.statement.account")
        elif self.accounts[each.account] != each.currency:
            wrong.add("ACCOUNT_UNKNOWN").add("FIELD_INVALID")
        there = self.statements.get(statement_key(each))
        if there is not None and there["balances"] != (each.opening_minor, each.closing_minor):
            wrong.add("STATEMENT_CONFLICT", None, there["seq"])
        return wrong

    # --- a sum of the bank, and its details ---

    def parts_of(self, each, key):
        return [m for m in each.movement if m.batch_ref and batch_of(each, m) == key]

    def may_be_split(self, bank):
        return bank.minor != 0 and not bank.reversed and not bank.matched \
            and not self.refunded(bank) and not self.explained(bank) \
            and not self.live_allocations(bank=bank)

    def batch_trouble(self, each):
        """Details that are not those of the sum that is in, or come once more in another form."""
        wrong, taken = Wrong(), set()
        for movement in each.movement:
            number = self.known_as(names_of(each, movement), taken)
            key = batch_of(each, movement)
            if number is not None:
                taken.add(number)
                continue
            whole, bank = self.batches.get(key, (None, None))
            if not movement.batch_ref or bank is None:
                continue
            if not whole or bank.minor == 0 or \
                    sum(m.minor for m in self.parts_of(each, key)) != bank.minor:
                wrong.add("STATEMENT_CONFLICT", None, bank.seq)
        return wrong

    def is_in(self, each, movement, divided):
        """Of a new movement: whether its money is in as a sum or as details. Else what it is a
        part of gives way to it."""
        key = batch_of(each, movement)
        whole, bank = self.batches.get(key, (None, None))
        if bank is None or bank in divided:
            return False
        if not movement.batch_ref:
            return not whole and sum(b.minor for b in self.parts[key]) == movement.minor
        if not whole:
            return False        # the details of one notification
        if not self.may_be_split(bank):
            return True
        bank.minor = 0
        divided.append(bank)
        self.divided += 1
        return False

    def keep_row(self, each, movement, levels, bank):
        key = batch_of(each, movement)
        self.movements.append((levels, bank))
        if key is not None:
            self.batches.setdefault(key, (not movement.batch_ref, bank))
        if movement.batch_ref:
            self.parts[key].append(bank)

    # --- what it does ---

    def judge_import_statement(self, command, body):
        wrong = Wrong()
        for each in body.statement:
            wrong += self.statement_trouble(each)
            wrong += self.batch_trouble(each)
            coming = sum(m.minor for m in each.movement if m.minor > 0)
            if "VND" == each.currency:
                wrong += self.received_sum_trouble(None, coming, each.currency)
        return wrong, lambda: dict(statement=[self.take(each) for each in body.statement])

    def take(self, each):
        key, told = statement_key(each), dict(recorded=0, known=0, confirmed=0, allocated=0, refunded=0,
                                              queued=0, learned=0, completed=0)
        repeated = self.statements.get(key)
        if repeated is None:
            repeated = dict(id=f"S{len(self.statements) + 1:06d}", seq=self.entry(), each=each,
                            balances=(each.opening_minor, each.closing_minor))
            self.statements[key] = repeated
        else:
            self.entry()
        taken = set()   # within a statement two movements are never one
        divided = []    # sums that its details take apart
        for movement in each.movement:
            self.take_movement(repeated["id"], each, movement, (taken, divided), told)
        told["already_in"] = not any(told[how] for how in ("recorded", "confirmed", "learned", "completed"))
        return (repeated["id"], told)

    def learn(self, each, movement, levels, number, divided, told):
        """What this copy says that the ones before did not; nothing of one of several that look the
        same, and nobody who is erased. Its sum, if that came in between, gives way to it."""
        there, bank = self.movements[number]
        gave = self.sum_before(each, movement, bank, divided)
        key = next((name, levels[name]) for name in levels if name in there)
        alike = [other for other, _ in self.movements if other.get(key[0]) == key[1]]
        beside = [m for m in each.movement if names_of(each, m).get(key[0]) == key[1]]
        alone = len(alike) == len(beside) == 1
        fresh = {name: levels[name] for name in levels if alone and name not in there
                 and all(other.get(name) != levels[name] for other, _ in self.movements)}
        kind = alone and bank.word.kind == PAYMENT and movement.kind in (BATCH, RETURN)
        part = alone and self.is_late_part(each, movement, bank)
        payer = alone and movement.detail_commitment and not bank.payer
        if not (fresh or kind or part or payer or gave):
            return
        there.update(fresh)
        bank.completed = self.entry()
        if payer:
            bank.payer = movement.detail_commitment
        if gave:
            bank.part_of = gave.id
        if part:
            self.be_part(batch_of(each, movement), number)
        self.say(bank, movement)
        told["learned"] += bool(payer)
        told["completed"] += bool(fresh or kind or part or gave)

    def sum_before(self, each, movement, bank, divided):
        """The sum that a movement which came alone is a detail of, as a copy says."""
        key = batch_of(each, movement)
        whole, there = self.batches.get(key, (False, None))
        if not movement.batch_ref or not whole or there is bank or bank.part_of:
            return None
        if there in divided:
            return there
        if not self.may_be_split(there) or sum(m.minor for m in self.parts_of(each, key)) != there.minor:
            return None
        there.minor = 0
        divided.append(there)
        self.divided += 1
        return there

    def is_late_part(self, each, movement, bank):
        """It came alone, and its sum is still to come."""
        return movement.batch_ref and not bank.word.batch_ref and not bank.part_key \
            and not self.batches.get(batch_of(each, movement), (False, None))[0]

    def be_part(self, key, number):
        bank = self.movements[number][1]
        bank.part_key = key
        self.parts[key].append(bank)
        first = [there for _, there in self.movements if there in self.parts[key]]
        self.batches[key] = (False, first[0])

    @staticmethod
    def say(bank, movement):
        """The movement as it is shown: what is there, filled by what the copy has."""
        word = type(movement).FromString(bank.word.SerializeToString())
        for name in ("bank_ref", "batch_ref", "entry_ref", "uetr", "end_to_end_id", "reference",
                     "return_reason", "bank_code", "batch_count"):
            if not getattr(word, name):
                setattr(word, name, getattr(movement, name))
        if word.kind == PAYMENT and movement.kind in (BATCH, RETURN):
            word.kind = movement.kind
        word.detail_commitment = bank.payer
        bank.word = word
        if bank.movement is not None:
            bank.movement = word

    def known_as(self, levels, taken):
        """The movement that this one is: by the surest of the names that both have."""
        for level, key in levels.items():
            for number, (there, bank) in enumerate(self.movements):
                common = next(name for name in levels if name in there)
                if number not in taken and common == level and there[level] == key:
                    return number
        return None

    def take_movement(self, statement, each, movement, seen, told):
        taken, divided = seen
        levels = names_of(each, movement)
        number = self.known_as(levels, taken)
        if number is not None or self.is_in(each, movement, divided):
            taken.update({number} - {None})
            told["known"] += 1
            if number is not None:
                self.learn(each, movement, levels, number, divided, told)
            return
        taken.add(len(self.movements))
        part = self.batches.get(batch_of(each, movement), (None, None))[1] in divided
        paid = None if part else self.paid_by_hand(each, movement)
        surest = next(iter(levels))
        twins = sum(1 for there, _ in self.movements if there.get(surest) == levels[surest])
        if paid is not None:
            refund = next((r for r in self.refunds.values() if r.debit is paid), None)
            self.entry(refund.bank.pledge if refund else paid.pledge)
            paid.confirmed, paid.word, paid.payer = True, movement, movement.detail_commitment
            self.keep_row(each, movement, levels, paid)
            told["confirmed"] += 1
            return
        bank = Bank(len(self.banks) + 1, abs(movement.minor), each.currency, None, self.entry(),
                    movement.bank_ref, movement.value_date)
        bank.movement = bank.word = movement
        bank.payer = movement.detail_commitment
        bank.part_of = self.batches[batch_of(each, movement)][1].id if part else ""
        bank.debit, bank.statement = movement.minor < 0, statement
        bank.confirmed, bank.occurrence = True, twins + 1
        bank.worth = self.worth(bank.currency, bank.day)
        self.banks[bank.id] = bank
        self.keep_row(each, movement, levels, bank)
        told["recorded"] += 1
        pledge = self.pledge_of(movement.reference)
        named = self.refunds.get(movement.end_to_end_id)
        if movement.kind == PAYMENT and movement.minor > 0 and pledge is not None \
                and not (named and named.state == "PAID") and pledge.stage in OPEN and pledge.currency == each.currency \
                and self.balance(pledge) == movement.minor:
            self.allocations.append(Allocation(self.entry(pledge), bank, pledge, movement.minor))
            bank.pledge = pledge
            told["allocated"] += 1
        elif self.pays_refund(bank, movement):
            told["refunded"] += 1
        else:
            told["queued"] += 1

    def pays_refund(self, bank, movement):
        """A debit that names an ordered refund, of its amount."""
        refund = self.refunds.get(movement.end_to_end_id)
        if movement.kind != PAYMENT or not bank.debit or refund is None \
                or refund.state != "ORDERED" \
                or (refund.minor, refund.bank.currency) != (bank.minor, bank.currency):
            return False
        self.pay_refund(refund, bank)
        return True

    def paid_by_hand(self, each, movement):
        """The payment that somebody typed and that this movement is; the surest of them."""
        if movement.kind != PAYMENT:
            return None
        fits = [(self.fit(bank, movement), bank) for bank in self.banks.values()
                if not bank.confirmed and not bank.reversed and bank.debit == (movement.minor < 0)
                and (bank.minor, bank.currency) == (abs(movement.minor), each.currency)]
        best = max((how for how, _ in fits), default=0)
        return next((bank for how, bank in fits if how == best and how > 0), None)

    def fit(self, bank, movement):
        """By the bank's reference, else by pledge and day, else by the day alone."""
        names = {movement.bank_ref, movement.batch_ref, movement.end_to_end_id} - {""}
        if bank.reference and bank.reference in names:
            return 3
        pledge = None if bank.debit else self.pledge_of(movement.reference)
        apart = abs(datetime.date.fromisoformat(bank.day)
                    - datetime.date.fromisoformat(movement.value_date)).days
        refund = self.refunds.get(movement.end_to_end_id) if bank.debit else None
        if refund is not None:
            return 2 * (refund.debit is bank and apart <= NEAR)
        if pledge is not None:
            return 2 * (bank.pledge is pledge and apart <= NEAR
                        and not (bank.reference and names))
        return int(not bank.reference and bank.day in (movement.value_date, movement.booking_date))

    def imported_as(self, body, pledge):
        """The entry of a statement that a payment typed by hand means."""
        day = body.value_date or self.day
        same = [b for b in self.banks.values() if b.word is not None and not b.debit
                and (b.minor, b.currency) == (body.amount.minor, body.amount.currency)]
        if body.bank_ref:
            return next((b for b in same if b.word.bank_ref == body.bank_ref), None)
        same = [b for b in same if day in (b.day, b.word.booking_date) and not b.reversed
                and b.word.kind == PAYMENT]
        for bank in same:
            if bank.pledge is None and self.pledge_of(bank.word.reference) in (None, pledge):
                return bank
        return next((b for b in reversed(same) if b.pledge is pledge), None)

    def imported_debit(self, body):
        """The debit of a statement that a refund typed as paid means."""
        day = body.value_date or self.day
        same = [b for b in self.banks.values() if b.word is not None and b.debit
                and (b.minor, b.currency) == (body.amount.minor, body.amount.currency)]
        if body.bank_ref:
            return next((b for b in same if b.word.bank_ref == body.bank_ref), None)
        return next((b for b in same if day in (b.day, b.word.booking_date)
                     and b.word.kind == PAYMENT and self.unexplained(b) >= body.amount.minor), None)

    def judge_match_refund(self, command, body):
        wrong = Wrong()
        debit = self.known_bank("match_refund", body.bank_entry, wrong)
        if debit is not None and not debit.debit:
            refund = self.open_refund("match_refund", body.refund, wrong, "PAID")
            return self.judge_return(wrong, debit, refund, "match_refund.bank_entry")
        refund = self.open_refund("match_refund", body.refund, wrong)
        if debit is None or refund is None:
            return wrong, None
        if debit.movement is None or debit.movement.kind != PAYMENT or not debit.debit \
                or debit.currency != refund.bank.currency:
            wrong.add("STATEMENT_CONFLICT", {"match_refund.bank_entry", "match_refund.refund"})
        elif self.unexplained(debit) < refund.minor:
            wrong.add("ENTRY_SPENT", "match_refund.bank_entry", {
                debit.seq, *(r.last for r in self.refunds.values() if r.debit is debit)})

        def effect():
            self.pay_refund(refund, debit)
            return dict(refund=refund.id)
        return wrong, effect

    # --- a refund that comes back ---

    def judge_return(self, wrong, credit, refund, field):
        """A credit that brings back what was paid: what did not arrive is left with the debit."""
        if wrong:
            return wrong, None
        if credit.word is None or credit.reversed or refund.debit.word is None \
                or credit is refund.bank or credit.currency != refund.bank.currency:
            wrong.add("STATEMENT_CONFLICT", field, {credit.seq, credit.reversed})
        elif self.free(credit) == 0:
            wrong.add("ENTRY_SPENT", field, set(self.bank_seqs(credit)))

        def effect():
            arrived = min(self.free(credit), refund.minor)
            paid = next(d for d in reversed(self.deeds) if d.refund is refund
                        and d.credit is None and not d.reversed)
            closing = self.closing_of(refund.bank.pledge) if refund.bank.pledge else None
            if closing is not None and paid.seq < closing.seq:
                closing.reversed = self.entry(refund.bank.pledge)   # it owes something again
                self.opened_again(refund.bank.pledge)
            back = Deed(self.entry(refund.bank.pledge), refund.bank.pledge, refund, quantity=arrived)
            back.credit, back.debit = credit, refund.debit
            self.deeds.append(back)
            paid.reversed = refund.last = back.seq
            refund.state, refund.debit = "ORDERED", None
            return dict(refund=refund.id, bank_entry=credit.id)
        return wrong, effect

    def may_undo_return(self, back):
        """Only while nothing followed it."""
        refund = back.refund
        return refund.state == "ORDERED" and refund.last == back.seq \
            and self.unexplained(back.debit) >= refund.minor - back.quantity

    def undo_return(self, back):
        paid = next(d for d in self.deeds if d.refund is back.refund and d.reversed == back.seq)
        paid.reversed, back.refund.last = 0, back.reversed
        back.refund.state, back.refund.debit = "PAID", back.debit
        return dict(refund=back.refund.id, bank_entry=back.credit.id)

    # --- what the bank takes for itself, and gives back of that ---

    def unexplained_of(self, bank):
        return self.unexplained(bank) if bank.debit else self.free(bank)

    def judge_book_charge(self, command, body):
        wrong = Wrong()
        bank = self.known_bank("book_charge", body.bank_entry, wrong)
        if bank is None:
            return wrong, None
        used = bank.reversed or self.refunded(bank) or self.live_allocations(bank=bank)
        if bank.word is None or (bank.word.kind in (REVERSAL, RETURN) if bank.debit else used):
            wrong.add("STATEMENT_CONFLICT", "book_charge.bank_entry")
        elif self.unexplained_of(bank) == 0:
            wrong.add("ENTRY_SPENT", "book_charge.bank_entry", {
                bank.seq, *(r.last for r in self.refunds.values() if r.debit is bank)})

        def effect():
            self.deeds.append(Deed(self.entry(), None, quantity=self.unexplained_of(bank),
                                   charge=bank))
            return dict(bank_entry=bank.id)
        return wrong, effect

    def pay_imported(self, pledge, bank):
        """It is there already: allocated, not booked again."""
        wrong = Wrong()
        part = 0
        if bank.pledge is None and pledge.stage in OPEN and pledge.currency == bank.currency:
            part = min(self.free(bank), self.balance(pledge))
        if part <= 0:
            return wrong.add("PAYMENT_DUPLICATE"), None

        def effect():
            self.allocations.append(Allocation(self.entry(pledge), bank, pledge, part))
            self.mean(bank, pledge)
            warned = {"PAYMENT_IMPORTED"} | ({"PAYMENT_SURPLUS"} if self.free(bank) else set())
            return self.after_bank(bank, pledge, warnings=warned)
        return wrong, effect

    @staticmethod
    def mean(bank, pledge):
        """The pledge that a bank entry is meant for is the first that it pays for."""
        if bank.pledge is None:
            bank.pledge = pledge

    # --- what the bank takes back ---

    def judge_match_reversal(self, command, body):
        wrong = Wrong()
        back, original = self.banks.get(body.bank_entry), self.banks.get(body.original)
        for field, bank in (("bank_entry", back), ("original", original)):
            if bank is None:
                wrong.add("BANK_ENTRY_UNKNOWN", f"match_reversal.{field}")
        if wrong:
            return wrong, None
        if original.debit and not back.debit:
            paid = [r for r in self.refunds.values() if r.debit is original]
            if len(paid) == 1:
                return self.judge_return(wrong, back, paid[0], "match_reversal.bank_entry")
            return wrong.add("STATEMENT_CONFLICT", "match_reversal.original",
                             {original.seq, original.reversed, original.matched}), None
        if back.movement is None or back.movement.kind not in (REVERSAL, RETURN) \
                or not back.debit or back.matched:
            wrong.add("STATEMENT_CONFLICT", "match_reversal.bank_entry",
                      {back.seq, back.matched, back.reversed})
        others = [a for a in self.live_allocations(bank=original) if a.pledge is not original.pledge]
        if original.minor != back.minor or original.currency != back.currency or original.debit \
                or original.reversed or self.refunded(original) or self.explained(original) \
                or others:
            wrong.add("STATEMENT_CONFLICT", "match_reversal.original",
                      {original.seq, original.reversed, original.matched})

        def effect():
            closing = self.closing_of(original.pledge)
            if closing is not None and self.live_allocations(bank=original):
                closing.reversed = self.entry(original.pledge)  # it is paid no more
                self.opened_again(original.pledge)
            seq = self.entry(original.pledge)
            for each in self.live_allocations(bank=original):
                self.undone(each.pledge)
                each.reversed = seq
            original.reversed = back.matched = seq
            return {}
        return wrong, effect


def scor(pledge):
    """The ISO 11649 reference of a pledge."""
    def number(text):
        return int("".join(str(int(letter, 36)) for letter in text))
    return f"RF{98 - number(pledge + 'RF00') % 97:02d}{pledge}"


def statement_key(each):
    return each.account, each.id, each.sequence, each.created[:4], each.kind


def batch_of(each, movement):
    """What a sum and its details have in common; None: nothing."""
    ref = movement.batch_ref or movement.bank_ref
    return (each.account, ref, movement.booking_date[:4]) if ref else None


def names_of(each, movement):
    """What a movement can be known by, the surest first: what the bank calls it, what the payer
    called it, what it is. Banks use their names again in another year, and do not agree on the
    sign of a reversal."""
    minor = ("R", abs(movement.minor)) if movement.kind == REVERSAL else movement.minor
    day = movement.booking_date, movement.value_date
    names = {"bank_ref": movement.bank_ref and (movement.bank_ref, movement.booking_date[:4]),
             "batch_ref": movement.batch_ref and (movement.batch_ref, movement.booking_date[:4],
                                                  movement.kind == CHARGE),
             "end_to_end_id": movement.end_to_end_id and (movement.end_to_end_id, day),
             "reference": movement.reference and (movement.reference, day),
             "content": (day, movement.kind == CHARGE)}
    return {name: (each.account, each.currency, minor, *what) for name, what in names.items() if what}
