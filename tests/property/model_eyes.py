# SPDX-License-Identifier: Apache-2.0
"""model_eyes: what needs a second person: a command of a class under the policy waits as a proposal and
is decided when somebody else approves it (see model_life.py)."""
from model_desk import after
from model_life import Wrong

CLASSES = ["commit", "cancel", "refund", "write-off", "difference", "catalogue", "period", "exception",
           "extension", "erase", "surplus"]
ALWAYS = {"commit": "commit", "amend_pledge": "commit", "cancel": "cancel", "refund": "refund", "cancel_refund": "refund",
          "adopt_catalogue": "catalogue", "erase_contact": "erase", "close_period": "period", "reopen_period": "period",
          "write_off": "write-off", "reallocate": "surplus", "convert": "surplus"}


class Proposal:
    def __init__(self, seq, maker, command, sort, pledge):
        self.seq, self.maker, self.command, self.sort, self.pledge = \
            seq, maker, command, sort, pledge
        self.state, self.closed, self.amount = "OPEN", 0, None


def wanted(command):
    """What is to happen, without who says so, why and when."""
    name = command.WhichOneof("command")
    body = type(getattr(command, name))()
    body.CopyFrom(getattr(command, name))
    if name == "close_period":
        body.ClearField("head_size")
        body.ClearField("head_root")
    return name, body.SerializeToString(deterministic=True)


class Eyes:
    def class_of(self, name, body):
        """The class of a command that the rules allow; none: one person is always enough."""
        if name in ("approve", "reject"):
            return None
        if self.excepted:
            return "exception"
        if name == "reverse":
            return self.class_of_reversal(body.seq)
        if name == "amend_contributor":
            theirs = [p.id for p in self.pledges.values() if p.contributor == body.contributor]
            return "commit" if any(self.signature_waits(pledge) for pledge in theirs) else None
        if name in ("change_tier", "set_schedule") and \
                (self.pledges[body.pledge].stage == "COMMITTED" or self.signature_waits(body.pledge)):
            return "commit"
        if name == "extend" and self.pledges[body.pledge].extensions > 0:
            return "extension"
        if name == "accept_difference":
            pledge = self.pledges[body.pledge]
            minor = body.amount.minor if body.HasField("amount") else self.balance(pledge)
            minor += self.accepted(pledge)
            return "difference" if minor > self.limits.get(pledge.currency, 0) else None
        if name == "book_charge":
            debit = self.banks[body.bank_entry]
            minor = self.unexplained_of(debit) + sum(
                d.quantity for d in self.deeds if d.charge and d.alone and not d.reversed and
                (d.charge.currency, d.charge.day[:7]) == (debit.currency, debit.day[:7]))
            return "difference" if minor > self.limits.get(debit.currency, 0) else None
        return ALWAYS.get(name)

    def class_of_reversal(self, seq):
        """What took a second person is not undone by one alone."""
        if self.closed_money(seq):
            return "period"
        waiver = next((w for w in self.waivers if w.seq == seq), None)
        if waiver is None:
            charge = next((d for d in self.deeds if d.seq == seq and d.charge), None)
            over = charge and (not charge.alone or
                               charge.quantity > self.limits.get(charge.charge.currency, 0))
            return "difference" if over else None
        if waiver.bank is None:
            return "write-off"
        pledge = waiver.pledge
        return "difference" if self.accepted(pledge) > self.limits.get(pledge.currency, 0) else None

    def signature_waits(self, pledge):
        """Is somebody asked to sign it as it is?"""
        return any(p.state == "OPEN" and p.command.WhichOneof("command") == "commit" and
                   p.command.commit.pledge == pledge for p in self.proposals.values())

    def closed_money(self, seq):
        """What the bank dates, or the books, in a closed month."""
        banks = [b for b in self.banks.values() if b.seq == seq] + \
            [a.bank for a in self.allocations if a.seq == seq] + \
            [d.credit or (d.refund.debit if d.refund else d.charge) for d in self.deeds
             if d.seq == seq and (d.refund or d.charge)]
        own = [w for w in self.waivers if w.seq == seq] + \
            [d for d in self.deeds if d.seq == seq and not d.refund and not d.charge]
        return any(each.day[:7] <= self.closed_through() for each in banks + own)

    def dated(self, each):
        each.day = self.in_books(self.day)
        return each

    def in_books(self, day):
        """The business day, or the first one that the closed months leave for it."""
        closed = self.closed_through()
        return day if day[:7] > closed else f"{after(closed)}-01"

    def propose(self, person, command, body, sort):
        pledge = self.pledges.get(self.meant(body))
        similar = any(p.state == "OPEN" and p.pledge is pledge and wanted(p.command) == wanted(command)
                      for p in self.proposals.values())
        proposal = Proposal(self.entry(pledge, False), person, command, sort, pledge)
        proposal.amount = self.meant_amount(command)
        self.proposals[proposal.seq] = proposal
        return dict(proposal_seq=proposal.seq, **(dict(warnings={"PROPOSAL_SIMILAR"}) if similar else {}))

    def meant(self, body):
        """The pledge that a command is about, where it says so itself or by what it names; of a
        free contribution to come it is not there yet."""
        if body.DESCRIPTOR.name in ("Convert", "EraseContact", "BookCharge"):
            return None
        if body.DESCRIPTOR.name == "CancelRefund":
            pledge = self.refunds[body.refund].bank.pledge
            return pledge.id if pledge else None
        if getattr(body, "bank_entry", "") and not getattr(body, "pledge", ""):
            bank = self.banks[body.bank_entry]
            return bank.pledge.id if bank.pledge else None
        if body.DESCRIPTOR.name in ("Reallocate", "Reverse"):
            pledge = next(each for each in [*self.allocations, *self.waivers, *self.deeds,
                                            *self.banks.values()] if each.seq == body.seq).pledge
            return pledge.id if pledge else None
        return getattr(body, "pledge", None)

    def open_proposal(self, name, seq, wrong):
        proposal = self.proposals.get(seq)
        if proposal is None:
            wrong.add("PROPOSAL_UNKNOWN", f"{name}.seq")
        elif proposal.state != "OPEN":
            wrong.add("PROPOSAL_CLOSED", f"{name}.seq", proposal.closed)
        return proposal

    def judge_approve(self, command, body):
        wrong = Wrong()
        proposal = self.open_proposal("approve", body.seq, wrong)
        if wrong:
            return wrong, None
        if proposal.maker == self.who:
            return wrong.add("SAME_PERSON", "approve.seq"), None
        then = proposal.command
        name = then.WhichOneof("command")
        self.day = then.effective_date or self.today
        wrong, effect = self.decide(name, then, getattr(then, name))
        if not wrong and self.meant_amount(then) != proposal.amount:
            return wrong.add("AMOUNT_CHANGED", "approve.seq", proposal.seq), None
        return wrong, lambda: self.closing(proposal, effect)

    def meant_amount(self, command):
        """What a command is about that does not say how much: (minor units, currency); None: it does."""
        name = command.WhichOneof("command")
        body = getattr(command, name)
        if name == "cancel_refund":
            refund = self.refunds[body.refund]
            return refund.minor, refund.bank.currency
        if name == "commit":
            return self.pledges[body.pledge].minor, self.pledges[body.pledge].currency
        if name == "cancel" or name in ("write_off", "accept_difference") and not body.HasField("amount"):
            pledge = self.pledges[body.pledge]
            return self.balance(pledge), pledge.currency
        if name == "book_charge" or name in ("refund", "convert") and not body.HasField("amount"):
            bank = self.banks[body.bank_entry]
            return self.unexplained_of(bank), bank.currency
        return None

    def closing(self, proposal, effect):
        proposal.state, proposal.closed = "APPROVED", self.head + 1
        known, said = len(self.deeds), effect()
        for deed in self.deeds[known:]:
            deed.alone = False
        return said

    def expired(self, seq):
        proposal = self.proposals[seq]
        proposal.closed, proposal.state = self.entry(proposal.pledge, False), "EXPIRED"

    def judge_reject(self, command, body):
        wrong = Wrong()
        proposal = self.open_proposal("reject", body.seq, wrong)
        if proposal is None:
            return wrong, None
        if self.role != "approver" and proposal.maker != self.who:
            wrong.add("PERMISSION_DENIED")

        def effect():
            proposal.closed, proposal.state = self.entry(proposal.pledge, False), "REJECTED"
            return {}
        return wrong, effect
