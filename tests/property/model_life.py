# SPDX-License-Identifier: Apache-2.0
"""model_life: what the fund's rules say, in the plainest Python, written from the domain's tables and not
from the daemon.

`Fund.judge(person, command)` says which refusals would be right (the daemon may look at its rules in
any order, so any of them will do) and, where there are none, what the command does: a function that
changes the model and returns what the receipt has to say. Everything is kept in the form a clerk
would write it down; every sum is added up again each time it is asked for; every entry that the
ledger has to make is counted, so that its number is known beforehand.
"""
import collections
import datetime
import re
import unicodedata

LIVE = {"HELD", "PLEDGED", "COMMITTED", "CLOSED"}
COUNTED = {"PLEDGED", "COMMITTED", "CLOSED"}
OPEN = {"PLEDGED", "COMMITTED"}
OVER = {"CLOSED", "EXPIRED", "WITHDRAWN", "CANCELLED"}     # what ended it decides
MOST = (1 << 63) - 1
KINDS = {1: "government", 2: "private-sector", 3: "civil-society", 4: "academia",
         5: "international-organisation"}
CURRENCIES = {"CHF", "EUR", "USD", "JPY", "SEK", "VND"}
EXPONENT = {"JPY": 0, "VND": 0}     # digits after the point, where they are not two
# Who may give which command; what is not here is a clerk's alone.
BOTH = {"clerk", "approver"}
MAY = {"commit": BOTH, "amend_pledge": BOTH, "change_tier": BOTH, "cancel": BOTH, "reverse": BOTH,
       "close": {"approver"}, "reallocate": BOTH, "convert": BOTH, "refund": BOTH, "cancel_refund": BOTH,
       "write_off": BOTH, "accept_difference": BOTH, "approve": {"approver"},
       "reject": {"clerk", "approver", "admin"}, "erase_contact": {"admin"},
       "set_legal_hold": {"admin", "approver"}, "close_period": BOTH, "reopen_period": BOTH,
       "export_postings": {"approver"}, "adopt_catalogue": {"admin"}, "set_schedule": BOTH, "record_rates": BOTH}
# What has to go with a command: words, a document, or one of the two.
WORDS = {"extend", "reverse", "cancel_refund", "write_off", "accept_difference", "reject",
         "reopen_period", "match_reversal"}
PAPER = {"commit", "amend_pledge", "cancel", "reallocate", "convert", "refund"}
EITHER = {"submit", "withdraw", "erase_contact", "set_legal_hold", "set_schedule"}
# What has no day to come.
HAS_HAPPENED = {"close", "pay", "reverse", "import_statement", "match_reversal", "allocate", "reallocate",
                "convert", "refund", "cancel_refund", "match_refund", "book_charge", "write_off",
                "accept_difference", "claim_benefit", "decline_benefit", "deliver_benefit",
                "issue_receipt", "issue_certificate"}
NEEDED = {("pay", "amount"), ("amend_pledge", "amount")}
IDS = {"contributor": "C", "pledge": "P", "bank_entry": "B", "original": "B", "refund": "R"}


NEVER = ("", "")


class Wrong(list):
    """Refusals that would be right: reason, the fields that may be named, the entries that may be
    said to decide it. None: the model does not know."""

    def add(self, reason, field=None, seq=None):
        fields = {field} if isinstance(field, str) else field
        seqs = {seq} if isinstance(seq, int) else seq
        self.append((reason, fields, seqs))
        return self

    def allows(self, reason, field, seq):
        def named(fields):
            return fields is None or any(f == field or f.startswith(field + ".") for f in fields)
        return any(why == reason and named(fields) and (seqs is None or seq in seqs)
                   for why, fields, seqs in self)

    def reasons(self):
        return {why for why, _, _ in self}


class Allocation:
    def __init__(self, seq, bank, pledge, minor, settled=None):
        self.seq, self.bank, self.pledge, self.minor = seq, bank, pledge, minor
        self.settled = minor if settled is None else settled    # in the pledge's currency
        self.reversed = 0       # the entry that took it back
        self.receipt = ""


class Waiver:
    """What will not come: written off (no bank entry), or a difference that was accepted."""

    def __init__(self, seq, pledge, minor, bank=None, kind=0):
        self.seq, self.pledge, self.minor, self.bank, self.kind = seq, pledge, minor, bank, kind
        self.reversed = 0
        self.day = ""           # that the books have it on


class Refund:
    def __init__(self, number, bank, minor, other_payee, seq):
        self.id = f"R{number:06d}"
        self.bank, self.minor, self.other_payee, self.seq = bank, minor, other_payee, seq
        self.state, self.debit, self.last = "ORDERED", None, seq


class Deed:
    """That something was done: a refund was paid, or came back, a bank entry is a charge, a pledge
    was closed, a benefit was claimed, declined or delivered."""

    def __init__(self, seq, pledge, refund=None, benefit="", which=0, quantity=0, charge=None):
        self.seq, self.pledge, self.refund, self.charge = seq, pledge, refund, charge
        self.benefit, self.which, self.quantity = benefit, which, quantity
        self.credit = self.debit = None     # of a refund that came back
        self.alone = True       # of a charge: no second person booked it
        self.reversed = 0
        self.day = ""           # that the books have it on

    @property
    def closing(self):
        return self.refund is None and self.charge is None and not self.benefit


class Pledge:
    def __init__(self, number, contributor, tier, stage, category):
        self.id = f"P{number:06d}"
        self.contributor, self.tier, self.stage, self.category = contributor, tier, stage, category
        self.minor = None       # promised
        self.currency = None
        self.month = None       # of the promise's business date
        # days, and those of the books: of the last word on its amount, on which more of it became
        # due for the last time, and the same of what was to come when it was said
        self.terms = self.owed = self.announced = NEVER
        self.peak = 0           # the most that was settled before some of that was taken back
        self.worth = None       # of one, in francs, as it was known then; None: nobody knew
        self.signed = None      # prices of the offers that it was signed under
        self.extensions = 0
        self.length = 0         # of the hold, in seconds, since somebody last said so
        self.schedule = []      # day and amount of each part
        self.seqs = []          # entries about it, oldest first


class Bank:
    def __init__(self, number, minor, currency, pledge, seq, reference, day):
        self.id = f"B{number:06d}"
        self.minor, self.currency, self.pledge = minor, currency, pledge
        self.seq, self.reference, self.day = seq, reference, day
        self.worth = None       # of one, in francs, as it was known when it came
        self.reversed = 0
        self.debit = self.confirmed = False
        self.payer, self.payer_erased = b"", 0  # whose record it names, and the entry that erased it
        self.part_of, self.part_key, self.completed = "", None, 0  # of a batch; newest copy that said more
        self.matched = 0        # of a reversal: the entry that says what it takes back
        self.movement, self.statement, self.occurrence = None, "", 0  # where the bank said it first
        self.word = None        # the movement of a statement that it is, whoever said it first


class Life:
    def __init__(self, catalogue, today, head, roles, four_eyes, limits, unallocated_days,
                 accounts):
        self.today, self.head, self.roles = today, head, roles
        self.four_eyes, self.limits = four_eyes, limits
        self.unallocated_days, self.accounts = unallocated_days, accounts
        self.price, self.capacity = {}, {}
        self.newest_taking = {}  # tier: the entry that did it
        self.alias = {}
        for tier in catalogue["tier"]:
            code = tier["code"]
            self.price[code] = int(tier["amount"]["minor"]) if "amount" in tier else None
            self.capacity[code] = (int(tier["capacity"]["count"])
                                   if "count" in tier["capacity"] else None)
            for word in [code, *tier.get("alias", [])]:
                self.alias[word] = code
        self.policy, self.version, self.adopted = catalogue["policy"], catalogue["version"], head
        self.born = head
        self.benefits = {b["code"] for b in catalogue["benefit"]}
        self.grants = {(g["tier"], g["benefit"]): int(g["quantity"]) for g in catalogue["grant"]}
        self.fulfilled = {}         # (pledge, benefit) -> claimed, declined, delivered
        self.receipts, self.certificates, self.contacts, self.closings = [], [], [], []
        self.statements, self.movements = {}, []
        self.batches, self.parts = {}, collections.defaultdict(list)
        self.divided = 0            # sums that gave way to their details
        self.exported = ("", 0, 0)  # the newest month, up to which entry, and where that stands
        self.legal_holds = {}       # contributor -> entry
        self.contributors = []      # dicts
        self.pledges = {}           # id -> Pledge
        self.banks = {}             # id -> Bank
        self.refunds = {}           # id -> Refund
        self.allocations = []
        self.waivers = []
        self.deeds, self.rates = [], []
        self.proposals = {}         # seq -> Proposal
        self.queues = collections.defaultdict(list)  # tier -> pledges

    # --- looking ---

    def taken(self, tier):
        return sum(1 for p in self.pledges.values() if p.tier == tier and p.stage in LIVE)

    def left(self, tier):
        room = self.capacity[tier]
        return None if room is None else room - self.taken(tier)

    def slots_of(self, contributor, but=None):
        return [p for p in self.pledges.values()
                if p.contributor == contributor and p.tier and p.stage in LIVE and p is not but]

    def live_allocations(self, pledge=None, bank=None):
        return [a for a in self.allocations if not a.reversed
                and (pledge is None or a.pledge is pledge) and (bank is None or a.bank is bank)]

    def live_waivers(self, pledge):
        return [w for w in self.waivers if not w.reversed and w.pledge is pledge]

    def allocated(self, pledge):
        return sum(a.settled for a in self.live_allocations(pledge=pledge))

    def written_off(self, pledge):
        return sum(w.minor for w in self.live_waivers(pledge) if w.bank is None)

    def accepted(self, pledge):
        return sum(w.minor for w in self.live_waivers(pledge) if w.bank is not None)

    def refunded(self, bank):
        return sum(r.minor for r in self.refunds.values()
                   if r.bank is bank and r.state != "CANCELLED")

    def explained(self, bank):
        """What of a credit is no contribution."""
        return sum(d.quantity for d in self.deeds if bank in (d.credit, d.charge)
                   and not bank.debit and not d.reversed)

    def free(self, bank):
        if bank.reversed or bank.debit:
            return 0
        return bank.minor - self.refunded(bank) - self.explained(bank) - sum(
            a.minor for a in self.live_allocations(bank=bank))

    def balance(self, pledge):
        return (pledge.minor - self.allocated(pledge) - self.written_off(pledge)
                - self.accepted(pledge))

    def next_in_queue(self, tier, freed=None):
        for waiting in self.queues[tier]:
            if not self.slots_of(waiting.contributor, but=freed):
                return waiting
        return None

    # --- what is on offer ---

    def judge_adopt_catalogue(self, command, body):
        wrong, offered = Wrong(), body.catalogue
        if offered.version <= self.version:
            wrong.add("CATALOGUE_NOT_NEWER", "adopt_catalogue.catalogue.version", self.adopted)
        tiers = {tier.code: tier for tier in offered.tier}
        place = {tier.code: number for number, tier in enumerate(offered.tier)}
        for code in self.capacity:
            if code not in tiers:
                if self.taken(code) or self.queues[code]:
                    wrong.add("TIER_IN_USE", "adopt_catalogue.catalogue.tier")
            elif tiers[code].capacity.WhichOneof("value") == "count" \
                    and tiers[code].capacity.count < self.taken(code):
                wrong.add("CAPACITY_BELOW_TAKEN",
                          f"adopt_catalogue.catalogue.tier[{place[code]}].capacity")

        def effect():
            self.adopted, self.version, self.offers = self.entry(), offered.version, offered
            for code, tier in tiers.items():
                if tier.HasField("amount"):
                    self.price[code] = tier.amount.minor
                if tier.capacity.WhichOneof("value") == "count":
                    self.capacity[code] = tier.capacity.count
            return {}
        return wrong, effect

    # --- judging ---

    def judge(self, person, command):
        name = command.WhichOneof("command")
        self.day = command.effective_date or self.today
        self.who, self.role = person, self.roles[person]
        body = getattr(command, name)
        wrong = self.malformed(name, command, body)
        if self.role not in MAY.get(name, {"clerk"}):
            wrong.add("PERMISSION_DENIED")
        if wrong:
            return wrong, None
        wrong, effect = self.decide(name, command, body)
        sort = None if wrong else self.class_of(name, body)
        if sort in self.four_eyes:
            return wrong, lambda: self.propose(person, command, body, sort)
        if sort is not None:
            return wrong, lambda: warned(effect(), "FOUR_EYES_OFF")
        return wrong, effect

    def decide(self, name, command, body):
        self.excepted, self.reason = False, command.reason
        wrong, effect = getattr(self, "judge_" + name)(command, body)
        tomorrow = str(datetime.date.fromisoformat(self.today) + datetime.timedelta(1))
        if not wrong and self.day > tomorrow and (name in HAS_HAPPENED or self.frees_money(name, body)):
            wrong.add("DATE_INVALID", "effective_date")
        return wrong, effect

    def frees_money(self, name, body):
        """An end of a promise is of any day, but where money was given to it."""
        pledge = self.pledges.get(body.pledge) if name in ("withdraw", "cancel") else None
        return pledge is not None and self.allocated(pledge) != 0

    def malformed(self, name, command, body):
        """What is wrong whatever the ledger says."""
        wrong = Wrong()
        if len(command.request_id) != 16:
            wrong.add("REQUEST_ID_INVALID", "request_id")
        if len(command.reason.encode()) > 1000:
            wrong.add("FIELD_TOO_LONG", "reason")
        if any(ord(letter) < 32 for letter in command.reason):
            wrong.add("FIELD_INVALID", "reason")
        for path, text in [("effective_date", command.effective_date)] + [
                (f"{name}.value_date", text) for text in [getattr(body, "value_date", "")]]:
            if text and not date_there_is(text):
                wrong.add("DATE_INVALID", path)
        self.accompanied(name, command, wrong)
        for field in body.DESCRIPTOR.fields:
            path = f"{name}.{field.name}"
            if field.label == field.LABEL_REPEATED:
                continue
            if field.message_type is not None and field.message_type.name == "Money":
                if body.HasField(field.name):
                    money_trouble(getattr(body, field.name), path, wrong)
                elif (name, field.name) in NEEDED:
                    wrong.add("AMOUNT_REQUIRED", path)
            elif field.name in IDS:
                self.id_trouble(name, body, field.name, path, wrong)
            elif field.name == "seq" and body.seq == 0:
                wrong.add("FIELD_REQUIRED", path)
        trouble = getattr(self, "malformed_" + name, None)
        if trouble is not None:
            trouble(command, body, wrong)
        return wrong

    def accompanied(self, name, command, wrong):
        if name in WORDS and not command.reason:
            wrong.add("REASON_REQUIRED", "reason")
        if name in PAPER and not any(d.kind == "agreement" or name != "commit"
                                     for d in command.evidence):
            wrong.add("EVIDENCE_MISSING", {"evidence", "evidence.kind"})
        if name in EITHER and not command.reason and not command.evidence:
            wrong.add("REASON_REQUIRED", {"reason", "evidence"})
            wrong.add("EVIDENCE_MISSING", {"reason", "evidence"})

    @staticmethod
    def id_trouble(name, body, field, path, wrong):
        text = getattr(body, field)
        instead = {("submit", "pledge"): ("contributor",), ("submit", "contributor"): ("pledge",),
                   ("pay", "pledge"): ("refund",), ("pay", "refund"): ("pledge",),
                   ("erase_contact", "contributor"): ("contact", "bank_entry"),
                   ("erase_contact", "bank_entry"): ("contact", "contributor"),
                   ("refund", "contributor"): ("bank_entry",)}    # which is missed by itself
        if text:
            if not re.fullmatch(IDS[field] + r"\d{6,}", text):
                wrong.add("FIELD_INVALID", path)
        elif not any(getattr(body, other) for other in instead.get((name, field), ())):
            wrong.add("FIELD_REQUIRED", {path, *(f"{name}.{o}" for o in
                                                 instead.get((name, field), ()))})

    @staticmethod
    def malformed_submit(command, body, wrong):
        if body.WhichOneof("offer") is None and not body.pledge:
            wrong.add("FIELD_REQUIRED")
        if body.WhichOneof("offer") == "free" and not body.pledge and not body.HasField("amount"):
            wrong.add("AMOUNT_REQUIRED", "submit.amount")

    @staticmethod
    def malformed_add_contributor(command, body, wrong):
        if not body.name.strip():
            wrong.add("FIELD_REQUIRED", "add_contributor.name")

    @staticmethod
    def malformed_pay(command, body, wrong):
        if body.pledge and body.refund:
            wrong.add("FIELD_INVALID", {"pay.refund", "pay.pledge"})

    @staticmethod
    def malformed_accept_difference(command, body, wrong):
        if body.kind == 0:
            wrong.add("FIELD_REQUIRED", "accept_difference.kind")

    @staticmethod
    def malformed_close(command, body, wrong):
        if body.waive_benefits and not command.reason:
            wrong.add("REASON_REQUIRED", "reason")

    def malformed_refund(self, command, body, wrong):
        if body.other_payee and not command.reason:
            wrong.add("REASON_REQUIRED", "reason")

    def entry(self, pledge=None, changes=True):
        """The next entry of the ledger; the pledge that it is about, and whether it changes it."""
        self.head += 1
        if pledge is not None:
            pledge.seqs.append(self.head)
            if changes and pledge.stage not in OVER:
                pledge.changed = self.head
        return self.head

    def opened_again(self, pledge):
        """By the newest entry."""
        pledge.stage, pledge.changed = "COMMITTED", self.head

    # --- contributors and the life of a pledge ---

    def known_contributor(self, text):
        return text in [c["id"] for c in self.contributors]

    def twin(self, name, but=None):
        def fold(text):
            plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
            if not text.isascii():
                plain = plain.replace("’", "'").replace("‑", "-").replace("œ", "oe")
            return " ".join("".join(c for c in plain if unicodedata.category(c) != "Mn").split())
        return [c for c in self.contributors if fold(c["name"]) == fold(name) and c["id"] != but]

    def judge_add_contributor(self, command, body):
        wrong = Wrong()
        for there in self.twin(body.name):
            wrong.add("CONTRIBUTOR_DUPLICATE", "add_contributor.name", there["seq"])

        def effect():
            row = dict(id=f"C{len(self.contributors) + 1:06d}", name=body.name, kind=body.kind,
                       seq=self.entry())
            self.contributors.append(row)
            return dict(contributor=row["id"])
        return wrong, effect

    def judge_amend_contributor(self, command, body):
        wrong = Wrong()
        if not self.known_contributor(body.contributor):
            return wrong.add("CONTRIBUTOR_UNKNOWN", "amend_contributor.contributor"), None
        for there in self.twin(body.name, but=body.contributor):
            wrong.add("CONTRIBUTOR_DUPLICATE", "amend_contributor.name", there["seq"])

        def effect():
            row = next(c for c in self.contributors if c["id"] == body.contributor)
            row.update(name=body.name, kind=body.kind, seq=self.entry())
            return dict(contributor=row["id"])
        return wrong, effect

    def slot_trouble(self, name, tier, contributor, own=None):
        wrong = Wrong()
        for slot in self.slots_of(contributor, but=own):
            wrong.add("HAS_SLOT", {f"{name}.contributor", f"{name}.pledge", f"{name}.tier"},
                      {slot.took, slot.changed})
        if self.capacity[tier] is not None:
            if self.left(tier) <= 0:
                # who took it may have left again, where the capacity was cut meanwhile
                wrong.add("TIER_SOLD_OUT", f"{name}.tier", self.newest_taking[tier])
            else:
                ahead = self.next_in_queue(tier)
                if ahead is not None and ahead.contributor != contributor:
                    wrong.add("WAITING_AHEAD", f"{name}.tier", ahead.seqs[0])
        return wrong

    def amount_trouble(self, name, tier, body, prices=None):
        wrong = Wrong()
        given = body.amount if body.HasField("amount") else None
        price = (prices or self.price)[tier]
        if price is None and given is None:
            wrong.add("AMOUNT_REQUIRED", f"{name}.amount")
        if price is not None and given is not None and given.currency != "CHF":
            wrong.add("AMOUNT_NOT_TIER", {f"{name}.amount.currency", f"{name}.amount"})
        elif price is not None and given is not None and given.minor < price:
            if "exception" in self.four_eyes and self.reason:
                self.excepted = True
                return wrong
            wrong.add("AMOUNT_NOT_TIER", {f"{name}.amount.minor", f"{name}.amount"})
        return wrong

    def new_pledge(self, contributor, tier, stage):
        kind = next(c["kind"] for c in self.contributors if c["id"] == contributor)
        pledge = Pledge(len(self.pledges) + 1, contributor, tier, stage, KINDS[kind])
        self.pledges[pledge.id] = pledge
        self.take_slot(pledge, tier)
        return pledge

    def take_slot(self, pledge, tier):
        pledge.took = self.entry(pledge)
        if pledge.stage in LIVE:
            self.newest_taking[tier] = pledge.took

    def about(self, pledge, tier=True):
        said = dict(pledge=pledge.id, stage=pledge.stage)
        if tier and pledge.tier:
            said["remaining"] = self.left(pledge.tier)
        if pledge.minor is not None and pledge.stage in COUNTED:
            said["balance"] = (self.balance(pledge), pledge.currency)
        return said

    def known_pledge(self, name, text, wrong):
        pledge = self.pledges.get(text)
        if pledge is None:
            wrong.add("PLEDGE_UNKNOWN", f"{name}.pledge", 0)
        return pledge

    def stage_trouble(self, name, pledge, *stages):
        wrong = Wrong()
        if pledge.stage not in stages:
            wrong.add("STATE_WRONG", f"{name}.pledge", pledge.changed)
        return wrong

    def judge_hold(self, command, body):
        tier = self.alias.get(body.tier)
        wrong = Wrong()
        if tier is None:
            wrong.add("TIER_UNKNOWN", "hold.tier")
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN", "hold.contributor")
        if body.WhichOneof("until") == "for_s" and body.for_s > int(self.policy["holdMaxS"]):
            wrong.add("HOLD_TOO_LONG", "hold.for_s")
        if not wrong:
            wrong += self.slot_trouble("hold", tier, body.contributor)

        def effect():
            pledge = self.new_pledge(body.contributor, tier, "HELD")
            pledge.length = self.length_of(body)
            return self.about(pledge)
        return wrong, effect

    def length_of(self, body):
        return body.for_s if body.WhichOneof("until") else int(self.policy["holdDefaultS"])

    def judge_extend(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("extend", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        wrong += self.stage_trouble("extend", pledge, "HELD")
        if pledge.extensions >= self.policy["holdExtensionsMax"]:
            wrong.add("EXTENSIONS_SPENT", "extend.pledge", set(pledge.seqs))
        if body.for_s > int(self.policy["holdMaxS"]):
            wrong.add("HOLD_TOO_LONG", "extend.for_s")
        if self.length_of(body) < pledge.length:    # no test takes as long as they differ
            wrong.add("FIELD_INVALID", "extend.for_s", pledge.changed)

        def effect():
            pledge.extensions += 1
            pledge.length = self.length_of(body)
            self.entry(pledge)
            return self.about(pledge)
        return wrong, effect

    def judge_wait(self, command, body):
        tier = self.alias.get(body.tier)
        wrong = Wrong()
        if tier is None:
            wrong.add("TIER_UNKNOWN", "wait.tier")
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN", "wait.contributor")
        if wrong:
            return wrong, None
        if self.left(tier) is None or self.left(tier) > 0:
            wrong.add("TIER_NOT_FULL", "wait.tier")
        for slot in self.slots_of(body.contributor):    # passed over as long as it is there
            wrong.add("HAS_SLOT", "wait.contributor", {slot.took, slot.changed})
        for there in self.queues[tier]:
            if there.contributor == body.contributor:
                wrong.add("STATE_WRONG", {"wait.contributor", "wait.tier"}, set(there.seqs))

        def effect():
            pledge = self.new_pledge(body.contributor, tier, "WAITING")
            self.queues[tier].append(pledge)
            return dict(self.about(pledge), waiting_position=len(self.queues[tier]))
        return wrong, effect

    def sum_trouble(self, field, minor, currency):
        """A promise that the ledger's sums could not hold."""
        there = sum(p.minor for p in self.pledges.values()
                    if p.stage in COUNTED and p.currency == currency)
        return Wrong().add("SUM_OVERFLOW", field) if there + minor > MOST else Wrong()

    def promise(self, pledge, minor, currency):
        pledge.stage, pledge.minor, pledge.currency = "PLEDGED", minor, currency
        pledge.month, pledge.worth = self.day[:7], self.worth(currency, self.day)
        pledge.terms = self.later(NEVER)
        pledge.owed, pledge.announced = NEVER, NEVER
        self.more_due(pledge)
        return self.about(pledge)

    def judge_submit(self, command, body):
        if body.pledge:
            return self.judge_submit_held(body)
        wrong = Wrong()
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN", "submit.contributor")
        if body.WhichOneof("offer") == "free":
            wrong += self.sum_trouble("submit.amount.minor", body.amount.minor,
                                      body.amount.currency)

            def effect():
                return self.promise(self.new_pledge(body.contributor, None, "PLEDGED"),
                                    body.amount.minor, body.amount.currency)
            return wrong, effect
        tier = self.alias.get(body.tier)
        if tier is None:
            return wrong.add("TIER_UNKNOWN", "submit.tier"), None
        wrong += self.amount_trouble("submit", tier, body)
        if "CONTRIBUTOR_UNKNOWN" not in wrong.reasons():
            wrong += self.slot_trouble("submit", tier, body.contributor)

        def effect_tier():
            minor, currency = self.amount_of(tier, body)
            return self.promise(self.new_pledge(body.contributor, tier, "PLEDGED"), minor, currency)
        return wrong, effect_tier

    def amount_of(self, tier, body):
        if body.HasField("amount"):
            return body.amount.minor, body.amount.currency
        return self.price[tier], "CHF"

    def judge_submit_held(self, body):
        wrong = Wrong()
        pledge = self.known_pledge("submit", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage != "HELD":
            return self.stage_trouble("submit", pledge, "HELD"), None
        wrong = self.amount_trouble("submit", pledge.tier, body)
        if body.contributor and body.contributor != pledge.contributor:
            wrong.add("FIELD_INVALID", "submit.contributor")
        if body.WhichOneof("offer") == "free":
            wrong.add("FIELD_INVALID", "submit.offer")
        if body.WhichOneof("offer") == "tier":
            named = self.alias.get(body.tier)
            if named is None:
                wrong.add("TIER_UNKNOWN", "submit.tier")
            elif named != pledge.tier:
                wrong.add("FIELD_INVALID", {"submit.tier", "submit.offer"})

        def effect():
            self.entry(pledge)
            return self.promise(pledge, *self.amount_of(pledge.tier, body))
        return wrong, effect

    def judge_commit(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("commit", body.pledge, wrong)
        if pledge is None:
            return wrong, None

        def effect():
            self.entry(pledge)
            pledge.stage, pledge.signed = "COMMITTED", dict(self.price)
            return self.about(pledge)
        return self.stage_trouble("commit", pledge, "PLEDGED"), effect

    def new_amount_trouble(self, name, pledge, tier, body, prices=None):
        wrong = Wrong()
        if tier is not None:
            wrong += self.amount_trouble(name, tier, body, prices)
        if wrong:
            return wrong
        minor, currency = self.amount_of(tier, body)
        if currency != pledge.currency:
            wrong.add("FIELD_INVALID", {f"{name}.amount.currency", f"{name}.tier"})
        elif minor < pledge.minor - self.balance(pledge):
            wrong.add("BELOW_ALLOCATED", {f"{name}.amount", f"{name}.amount.minor", f"{name}.tier"},
                      set(pledge.seqs))
        return wrong

    def judge_amend_pledge(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("amend_pledge", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage != "COMMITTED":
            return self.stage_trouble("amend_pledge", pledge, "COMMITTED"), None

        wrong = self.new_amount_trouble("amend_pledge", pledge, pledge.tier, body, pledge.signed)
        if not wrong:
            wrong = self.word_trouble(command, pledge, body.amount.minor)

        def effect():
            self.entry(pledge)
            self.stretch(pledge, body.amount.minor)
            return self.about(pledge)
        return wrong, effect

    def judge_change_tier(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("change_tier", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage not in ("HELD", "PLEDGED", "COMMITTED") or pledge.tier is None:
            return wrong.add("STATE_WRONG", "change_tier.pledge", set(pledge.seqs)), None
        tier = self.alias.get(body.tier)
        if tier is None:
            return wrong.add("TIER_UNKNOWN", "change_tier.tier"), None
        if tier == pledge.tier:
            return wrong.add("SAME_TIER", "change_tier.tier", set(pledge.seqs)), None
        wrong = self.slot_trouble("change_tier", tier, pledge.contributor, own=pledge)
        if pledge.stage != "HELD":
            wrong += self.new_amount_trouble("change_tier", pledge, tier, body)
            if not wrong:
                wrong = self.word_trouble(command, pledge, self.amount_of(tier, body)[0])

        def effect():
            self.take_slot(pledge, tier)
            freed, pledge.tier = pledge.tier, tier
            if pledge.stage != "HELD":
                self.stretch(pledge, self.amount_of(tier, body)[0])
            said = self.about(pledge)
            self.promote(freed)
            return said
        return wrong, effect

    def promote(self, tier, freed=None):
        """Who waits gets what is free; the daemon does so before the next command at the latest."""
        if self.capacity[tier] is None or self.left(tier) <= 0:
            return False
        first = self.next_in_queue(tier, freed)
        if first is None:
            return False
        self.queues[tier].remove(first)
        first.stage, first.length = "HELD", int(self.policy["promotionHoldS"])
        self.entry(first)
        self.take_slot(first, tier)
        return True

    def settle(self):
        """What the daemon does by itself between two commands."""
        while any(self.promote(tier) for tier in self.capacity):
            pass

    def judge_withdraw(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("withdraw", body.pledge, wrong)
        if pledge is None:
            return wrong, None

        def effect():
            if pledge.stage == "WAITING":
                self.queues[pledge.tier].remove(pledge)
            self.end(pledge, "WITHDRAWN")
            return self.about(pledge)
        return self.stage_trouble("withdraw", pledge, "WAITING", "HELD", "PLEDGED"), effect

    def end(self, pledge, stage):
        seq = self.entry(pledge)
        for allocation in self.live_allocations(pledge=pledge):
            self.undone(pledge)
            allocation.reversed = seq
        pledge.stage = stage
        if pledge.tier:
            self.promote(pledge.tier)

    def judge_cancel(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("cancel", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        wrong += self.stage_trouble("cancel", pledge, "COMMITTED")
        money = [b for b in self.banks.values() if b.pledge is pledge and not b.reversed]
        if (money or self.live_allocations(pledge=pledge)) and body.money_plan == 0:
            wrong.add("MONEY_PLAN_MISSING", "cancel.money_plan")

        def effect():
            self.end(pledge, "CANCELLED")
            return self.about(pledge)
        return wrong, effect


def warned(said, word):
    return dict(said, warnings=said.get("warnings", set()) | {word})


def date_there_is(text):
    try:
        return len(text) == 10 and bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def money_trouble(money, path, wrong):
    if money.currency not in CURRENCIES:
        wrong.add("CURRENCY_UNKNOWN", path + ".currency")
    if money.minor <= 0:
        wrong.add("AMOUNT_NOT_POSITIVE", path + ".minor")
