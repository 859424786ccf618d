# SPDX-License-Identifier: Apache-2.0
"""model_desk: what the fund's rules say of benefits, receipts, certificates, persons and closed months
(see model_life.py)."""
import datetime
import re

from harness import EMPTY_ROOT
from model_life import COUNTED, Deed, Wrong


class Desk:
    # --- benefits ---

    def granted(self, pledge, benefit):
        return self.grants.get((pledge.tier, benefit), 0) if pledge.tier else 0

    def owed(self, pledge):
        """Benefits that are neither declined nor delivered."""
        return [b for (tier, b), granted in self.grants.items() if tier == pledge.tier and
                granted > sum(self.fulfilled.get((pledge.id, b), [0, 0, 0])[1:])]

    def moved(self, pledge, benefit):
        """Claimed, declined, delivered."""
        return self.fulfilled.setdefault((pledge.id, benefit), [0, 0, 0])

    def judge_claim_benefit(self, command, body):
        return self.benefit("claim_benefit", command, body, 0)

    def judge_decline_benefit(self, command, body):
        return self.benefit("decline_benefit", command, body, 1)

    def judge_deliver_benefit(self, command, body):
        return self.benefit("deliver_benefit", command, body, 2)

    def benefit(self, name, command, body, which):
        wrong = Wrong()
        pledge = self.known_pledge(name, body.pledge, wrong)
        if body.benefit not in self.benefits:
            wrong.add("BENEFIT_UNKNOWN", f"{name}.benefit")
        if pledge is not None and pledge.stage not in COUNTED:
            wrong += self.stage_trouble(name, pledge, *COUNTED)
        if pledge is not None and pledge.stage in COUNTED \
                and not self.granted(pledge, body.benefit):
            wrong.add("NOT_GRANTED", f"{name}.benefit")
        if wrong:
            return wrong, None
        claimed, declined, delivered = self.moved(pledge, body.benefit)
        left = self.granted(pledge, body.benefit) - declined - (
            delivered if which else max(claimed, delivered))
        quantity = body.quantity or left
        if quantity <= 0 or quantity > left:
            wrong.add("QUANTITY_SPENT", f"{name}.quantity")
        if which == 2 and pledge.stage == "PLEDGED" and not command.reason:
            wrong.add("REASON_REQUIRED", "reason")

        def effect():
            self.deeds.append(self.dated(Deed(self.entry(pledge), pledge, None, body.benefit, which,
                                              quantity)))
            return self.move_benefit(pledge, body.benefit, which, quantity)
        return wrong, effect

    def move_benefit(self, pledge, benefit, which, quantity):
        row = self.moved(pledge, benefit)
        row[which] += quantity
        return dict(pledge=pledge.id, benefit=benefit, benefit_quantity=quantity,
                    benefit_left=self.granted(pledge, benefit) - row[1] - row[2])

    @staticmethod
    def malformed_benefit(name, body, wrong):
        if not body.benefit:
            wrong.add("FIELD_REQUIRED", f"{name}.benefit")
        if body.quantity < 0:
            wrong.add("FIELD_INVALID", f"{name}.quantity")

    def malformed_claim_benefit(self, command, body, wrong):
        self.malformed_benefit("claim_benefit", body, wrong)

    def malformed_decline_benefit(self, command, body, wrong):
        self.malformed_benefit("decline_benefit", body, wrong)

    def malformed_deliver_benefit(self, command, body, wrong):
        self.malformed_benefit("deliver_benefit", body, wrong)

    # --- receipts and certificates ---

    def unreceipted(self, pledge):
        return [a for a in self.live_allocations(pledge=pledge) if not a.receipt][:100]

    def guarded(self, field, allocations):
        """A receipt names this money: only an approver takes it back."""
        wrong = Wrong()
        for each in allocations:
            if each.receipt and not each.reversed and self.role != "approver":
                wrong.add("RECEIPT_ISSUED", field)
        return wrong

    @staticmethod
    def malformed_document(name, letter, body, wrong):
        if not re.fullmatch(letter + r"\d{6,}", body.number) or int(body.number[1:]) == 0:
            wrong.add("FIELD_INVALID", f"{name}.number")
        if len(body.document_sha256) != 32:
            wrong.add("FIELD_INVALID", f"{name}.document_sha256")

    def malformed_issue_receipt(self, command, body, wrong):
        self.malformed_document("issue_receipt", "Q", body, wrong)

    def malformed_issue_certificate(self, command, body, wrong):
        self.malformed_document("issue_certificate", "Z", body, wrong)

    def judge_issue_receipt(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("issue_receipt", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        open_ones = self.unreceipted(pledge)
        if not open_ones:
            return wrong.add("NOTHING_RECEIVED", "issue_receipt.pledge"), None
        if body.number != f"Q{len(self.receipts) + 1:06d}":
            wrong.add("NUMBER_STALE", "issue_receipt.number")
        if list(body.allocation_seq) != [a.seq for a in open_ones]:
            wrong.add("NUMBER_STALE", "issue_receipt.allocation_seq")

        def effect():
            seq = self.entry(pledge)
            for each in open_ones:
                each.receipt = body.number
            self.receipts.append(dict(number=body.number, pledge=pledge, seq=seq,
                                      minor=sum(a.settled for a in open_ones)))
            return dict(pledge=pledge.id, document=body.number)
        return wrong, effect

    def judge_issue_certificate(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("issue_certificate", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage not in ("COMMITTED", "CLOSED"):
            return self.stage_trouble("issue_certificate", pledge, "COMMITTED", "CLOSED"), None
        if body.number != f"Z{len(self.certificates) + 1:06d}":
            wrong.add("NUMBER_STALE", "issue_certificate.number")

        def effect():
            self.certificates.append(dict(number=body.number, pledge=pledge, minor=pledge.minor,
                                          seq=self.entry(pledge)))
            return dict(pledge=pledge.id, document=body.number)
        return wrong, effect

    # --- persons ---

    @staticmethod
    def malformed_record_contact(command, body, wrong):
        if len(body.commitment) != 32:
            wrong.add("FIELD_INVALID", "record_contact.commitment")

    @staticmethod
    def malformed_erase_contact(command, body, wrong):
        if [body.contributor, body.contact, body.bank_entry].count("") != 2:
            wrong.add("FIELD_REQUIRED", {"erase_contact.contact", "erase_contact.contributor",
                                         "erase_contact.bank_entry"})
        elif body.contact and not re.fullmatch(r"K\d{6,}", body.contact):
            wrong.add("FIELD_INVALID", "erase_contact.contact")

    def judge_record_contact(self, command, body):
        wrong = Wrong()
        if not self.known_contributor(body.contributor):
            return wrong.add("CONTRIBUTOR_UNKNOWN", "record_contact.contributor"), None

        def effect():
            row = dict(id=f"K{len(self.contacts) + 1:06d}", contributor=body.contributor,
                       commitment=body.commitment, seq=self.entry(), erased=0)
            self.contacts.append(row)
            return dict(contact=row["id"], contributor=body.contributor)
        return wrong, effect

    def judge_erase_contact(self, command, body):
        wrong = Wrong()
        if body.contributor and not self.known_contributor(body.contributor):
            return wrong.add("CONTRIBUTOR_UNKNOWN", "erase_contact.contributor"), None
        if body.bank_entry:
            return self.judge_erase_payer(body)
        there = [c for c in self.contacts if body.contributor == c["contributor"]
                 or body.contact == c["id"]]
        owner = body.contributor or (there[0]["contributor"] if there else "")
        there = [c for c in there if not c["erased"]]
        payers = [bank for bank in self.banks.values() if bank.payer and not bank.payer_erased
                  and body.contributor and body.contributor in self.payers_of(bank)
                  and not self.payers_of(bank) & set(self.legal_holds)]
        if not there and not payers:
            wrong.add("CONTACT_UNKNOWN", {"erase_contact.contact", "erase_contact.contributor"})
        if owner in self.legal_holds:
            wrong.add("LEGAL_HOLD", {"erase_contact.contact", "erase_contact.contributor"},
                      self.legal_holds[owner])

        def effect():
            seq = self.entry()
            for each in there:
                each["erased"] = seq
            for bank in payers:
                bank.payer_erased = seq
            return dict(erased={c["commitment"] for c in there} | {b.payer for b in payers})
        return wrong, effect

    def payers_of(self, bank):
        """The organisations that the money of a bank entry is of."""
        pledges = [a.pledge for a in self.live_allocations(bank=bank)]
        return {p.contributor for p in [*pledges, bank.pledge] if p is not None}

    def judge_erase_payer(self, body):
        wrong = Wrong()
        bank = self.known_bank("erase_contact", body.bank_entry, wrong)
        if bank is None:
            return wrong, None
        if not bank.payer or bank.payer_erased:
            wrong.add("CONTACT_UNKNOWN", "erase_contact.bank_entry", bank.payer_erased)
        held = {self.legal_holds[who] for who in self.payers_of(bank) if who in self.legal_holds}
        if held:
            wrong.add("LEGAL_HOLD", {"erase_contact", "erase_contact.bank_entry"}, held)

        def effect():
            bank.payer_erased = self.entry()
            return dict(erased={bank.payer}, bank_entry=bank.id)
        return wrong, effect

    def judge_set_legal_hold(self, command, body):
        wrong = Wrong()
        if not self.known_contributor(body.contributor):
            return wrong.add("CONTRIBUTOR_UNKNOWN", "set_legal_hold.contributor"), None
        if (body.contributor in self.legal_holds) == body.on:
            wrong.add("STATE_WRONG", {"set_legal_hold.on", "set_legal_hold.contributor"})

        def effect():
            seq = self.entry()
            if body.on:
                self.legal_holds[body.contributor] = seq
            else:
                del self.legal_holds[body.contributor]
            return dict(contributor=body.contributor)
        return wrong, effect

    # --- months ---

    @staticmethod
    def malformed_close_period(command, body, wrong):
        month_trouble("close_period", body, wrong)
        if len(body.head_root) != 32:
            wrong.add("FIELD_INVALID", "close_period.head_root")
        elif body.head_root != EMPTY_ROOT:  # the only one that is drawn of a ledger without entries
            wrong.add("FIELD_INVALID", "close_period.head_root")
        if body.waive and not command.reason:
            wrong.add("REASON_REQUIRED", "reason")

    @staticmethod
    def malformed_reopen_period(command, body, wrong):
        month_trouble("reopen_period", body, wrong)

    def closed_through(self):
        live = [c for c in self.closings if not c["reopened"]]
        return live[-1]["period"] if live else ""

    def unmatched(self, period):
        """What came or left up to that month and what nobody has given a place for too long."""
        if not self.unallocated_days:
            return []
        return [b for b in self.banks.values() if not b.reversed and self.unexplained_of(b) > 0 and b.day[:7] <= period
                and days(self.today) - days(b.day) > self.unallocated_days]

    def judge_close_period(self, command, body):
        wrong = Wrong()
        last = self.closed_through()
        if last and body.period <= last:
            wrong.add("PERIOD_CLOSED", "close_period.period")
        elif last and body.period > after(last):
            wrong.add("PERIOD_NOT_NEXT", "close_period.period")
        if body.period >= self.today[:7]:
            wrong.add("PERIOD_BLOCKED", "close_period.period")
        blocking = self.unmatched(body.period)
        if blocking and not body.waive:
            wrong.add("PERIOD_BLOCKED", "close_period.period")
        if body.head_size > self.head:
            wrong.add("FIELD_INVALID", "close_period.head_size")

        def effect():
            totals = self.totals("currency")
            self.closings.append(dict(period=body.period, seq=self.entry(), reopened=0,
                                      totals=totals, waived=len(blocking)))
            return dict(period=body.period)
        return wrong, effect

    def judge_reopen_period(self, command, body):
        wrong = Wrong()
        there = [c for c in self.closings if not c["reopened"]]
        if body.period not in [c["period"] for c in there]:
            wrong.add("PERIOD_UNKNOWN", "reopen_period.period")
        elif body.period != there[-1]["period"]:
            wrong.add("PERIOD_NOT_NEXT", "reopen_period.period")

        def effect():
            there[-1]["reopened"] = self.entry()
            return dict(period=body.period)
        return wrong, effect


def month_trouble(name, body, wrong):
    if not body.period:
        wrong.add("FIELD_REQUIRED", f"{name}.period")
    elif not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", body.period):
        wrong.add("DATE_INVALID", f"{name}.period")


def after(month):
    number = int(month[:4]) * 12 + int(month[5:])
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def days(day):
    return datetime.date.fromisoformat(day).toordinal()
