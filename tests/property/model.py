# SPDX-License-Identifier: Apache-2.0
"""model: what the fund's rules say, in the plainest Python, written from the domain's tables and not
from the daemon.

`Fund.judge(command)` says which refusals would be right (a set of reason names; the daemon may look
at its rules in any order, so any of them will do) and, where the set is empty, what the command
does: a function that changes the model and returns what the receipt has to say. Everything is kept
in the form a clerk would write it down; every sum is added up again each time it is asked for.
"""
import collections

LIVE = {"HELD", "PLEDGED", "COMMITTED", "CLOSED"}
COUNTED = {"PLEDGED", "COMMITTED", "CLOSED"}
KINDS = {1: "government", 2: "private-sector", 3: "civil-society", 4: "academia",
         5: "international-organisation"}


class Allocation:
    def __init__(self, seq, bank, pledge, minor, settled=None):
        self.seq, self.bank, self.pledge, self.minor = seq, bank, pledge, minor
        self.settled = minor if settled is None else settled    # in the pledge's currency
        self.reversed = False


class Pledge:
    def __init__(self, number, contributor, tier, stage, category):
        self.id = f"P{number:06d}"
        self.contributor, self.tier, self.stage, self.category = contributor, tier, stage, category
        self.minor = None       # promised
        self.currency = None
        self.month = None       # of the promise's business date
        self.extensions = 0
        self.written_off = 0
        self.accepted = 0       # differences: fees and exchange


class Bank:
    def __init__(self, number, minor, currency, pledge, seq, reference, day):
        self.id = f"B{number:06d}"
        self.minor, self.currency, self.pledge = minor, currency, pledge
        self.seq, self.reference, self.day = seq, reference, day
        self.reversed = False
        self.refunded = 0


class Fund:
    def __init__(self, catalogue, today):
        self.today = today
        self.price, self.capacity = {}, {}
        self.alias = {}
        for tier in catalogue["tier"]:
            code = tier["code"]
            self.price[code] = int(tier["amount"]["minor"]) if "amount" in tier else None
            self.capacity[code] = (int(tier["capacity"]["count"])
                                   if "count" in tier["capacity"] else None)
            for word in [code, *tier.get("alias", [])]:
                self.alias[word] = code
        self.policy = catalogue["policy"]
        self.contributors = []      # dicts
        self.pledges = {}           # id -> Pledge
        self.banks = {}             # id -> Bank
        self.allocations = []       # Allocation
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

    def allocated(self, pledge):
        return sum(a.settled for a in self.live_allocations(pledge=pledge))

    def spent(self, bank):
        return sum(a.minor for a in self.live_allocations(bank=bank)) + bank.refunded

    def balance(self, pledge):
        return pledge.minor - self.allocated(pledge) - pledge.written_off - pledge.accepted

    def next_in_queue(self, tier, freed=None):
        for waiting in self.queues[tier]:
            if not self.slots_of(waiting.contributor, but=freed):
                return waiting
        return None

    # --- judging ---

    def judge(self, command):
        name = command.WhichOneof("command")
        self.day = command.effective_date or self.today
        return getattr(self, "judge_" + name)(command, getattr(command, name))

    def known_contributor(self, text):
        return text in [c["id"] for c in self.contributors]

    def twin(self, name, but=None):
        def fold(text):
            return " ".join(text.split()).lower()
        return [c for c in self.contributors if fold(c["name"]) == fold(name) and c["id"] != but]

    def judge_add_contributor(self, command, body):
        if self.twin(body.name):
            return {"CONTRIBUTOR_DUPLICATE"}, None

        def effect(seq):
            row = dict(id=f"C{len(self.contributors) + 1:06d}", name=body.name, kind=body.kind)
            self.contributors.append(row)
            return dict(contributor=row["id"])
        return set(), effect

    def judge_amend_contributor(self, command, body):
        wrong = set()
        if not self.known_contributor(body.contributor):
            return {"CONTRIBUTOR_UNKNOWN"}, None
        if self.twin(body.name, but=body.contributor):
            wrong.add("CONTRIBUTOR_DUPLICATE")

        def effect(seq):
            row = next(c for c in self.contributors if c["id"] == body.contributor)
            row.update(name=body.name, kind=body.kind)
            return dict(contributor=row["id"])
        return wrong, effect

    def slot_trouble(self, tier, contributor, own=None):
        wrong = set()
        if self.slots_of(contributor, but=own):
            wrong.add("HAS_SLOT")
        if self.capacity[tier] is not None:
            if self.left(tier) <= 0:
                wrong.add("TIER_SOLD_OUT")
            else:
                ahead = self.next_in_queue(tier)
                if ahead is not None and ahead.contributor != contributor:
                    wrong.add("WAITING_AHEAD")
        return wrong

    def amount_trouble(self, tier, body):
        given = body.amount if body.HasField("amount") else None
        price = self.price[tier]
        if price is None:
            return set() if given is not None else {"AMOUNT_REQUIRED"}
        if given is not None and (given.currency != "CHF" or given.minor < price):
            return {"AMOUNT_NOT_TIER"}
        return set()

    def new_pledge(self, contributor, tier, stage):
        kind = next(c["kind"] for c in self.contributors if c["id"] == contributor)
        pledge = Pledge(len(self.pledges) + 1, contributor, tier, stage, KINDS[kind])
        self.pledges[pledge.id] = pledge
        return pledge

    def about(self, pledge, tier=True):
        said = dict(pledge=pledge.id, stage=pledge.stage)
        if tier and pledge.tier:
            said["remaining"] = self.left(pledge.tier)
        if pledge.minor is not None and pledge.stage in COUNTED:
            said["balance"] = (self.balance(pledge), pledge.currency)
        return said

    def judge_hold(self, command, body):
        tier = self.alias.get(body.tier)
        wrong = set()
        if tier is None:
            wrong.add("TIER_UNKNOWN")
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN")
        if body.WhichOneof("until") == "for_s" and body.for_s > int(self.policy["holdMaxS"]):
            wrong.add("HOLD_TOO_LONG")
        if not wrong:
            wrong |= self.slot_trouble(tier, body.contributor)

        def effect(seq):
            return self.about(self.new_pledge(body.contributor, tier, "HELD"))
        return wrong, effect

    def judge_extend(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        wrong = set() if pledge.stage == "HELD" else {"STATE_WRONG"}
        if pledge.extensions >= self.policy["holdExtensionsMax"]:
            wrong.add("EXTENSIONS_SPENT")
        if body.for_s > int(self.policy["holdMaxS"]):
            wrong.add("HOLD_TOO_LONG")

        def effect(seq):
            pledge.extensions += 1
            return self.about(pledge)
        return wrong, effect

    def judge_wait(self, command, body):
        tier = self.alias.get(body.tier)
        wrong = set()
        if tier is None:
            wrong.add("TIER_UNKNOWN")
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN")
        if wrong:
            return wrong, None
        if self.left(tier) is None or self.left(tier) > 0:
            wrong.add("TIER_NOT_FULL")
        if any(p.contributor == body.contributor for p in self.queues[tier]):
            wrong.add("STATE_WRONG")

        def effect(seq):
            pledge = self.new_pledge(body.contributor, tier, "WAITING")
            self.queues[tier].append(pledge)
            return dict(self.about(pledge), waiting_position=len(self.queues[tier]))
        return wrong, effect

    def promise(self, pledge, minor, currency):
        pledge.stage, pledge.minor, pledge.currency = "PLEDGED", minor, currency
        pledge.month = self.day[:7]
        return self.about(pledge)

    def judge_submit(self, command, body):
        if body.pledge:
            return self.judge_submit_held(body)
        wrong = set()
        if not self.known_contributor(body.contributor):
            wrong.add("CONTRIBUTOR_UNKNOWN")
        if body.WhichOneof("offer") == "free":
            def effect(seq):
                return self.promise(self.new_pledge(body.contributor, None, "PLEDGED"),
                                    body.amount.minor, body.amount.currency)
            return wrong, effect
        tier = self.alias.get(body.tier)
        if tier is None:
            return wrong | {"TIER_UNKNOWN"}, None
        wrong |= self.amount_trouble(tier, body)
        if "CONTRIBUTOR_UNKNOWN" not in wrong:
            wrong |= self.slot_trouble(tier, body.contributor)

        def effect_tier(seq):
            minor, currency = self.amount_of(tier, body)
            return self.promise(self.new_pledge(body.contributor, tier, "PLEDGED"), minor, currency)
        return wrong, effect_tier

    def amount_of(self, tier, body):
        if body.HasField("amount"):
            return body.amount.minor, body.amount.currency
        return self.price[tier], "CHF"

    def judge_submit_held(self, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        if pledge.stage != "HELD":
            return {"STATE_WRONG"}, None
        wrong = self.amount_trouble(pledge.tier, body)
        if body.contributor and body.contributor != pledge.contributor:
            wrong.add("FIELD_INVALID")
        if body.WhichOneof("offer") == "free":
            wrong.add("FIELD_INVALID")
        if body.WhichOneof("offer") == "tier":
            named = self.alias.get(body.tier)
            if named is None:
                wrong.add("TIER_UNKNOWN")
            elif named != pledge.tier:
                wrong.add("FIELD_INVALID")
        return wrong, lambda seq: self.promise(pledge, *self.amount_of(pledge.tier, body))

    def judge_commit(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None

        def effect(seq):
            pledge.stage = "COMMITTED"
            return self.about(pledge)
        return (set() if pledge.stage == "PLEDGED" else {"STATE_WRONG"}), effect

    def new_amount_trouble(self, pledge, tier, body):
        wrong = set()
        if tier is not None:
            wrong |= self.amount_trouble(tier, body)
        if wrong:
            return wrong
        minor, currency = self.amount_of(tier, body)
        if currency != pledge.currency:
            wrong.add("FIELD_INVALID")
        if minor < self.allocated(pledge) + pledge.written_off + pledge.accepted:
            wrong.add("BELOW_ALLOCATED")
        return wrong

    def judge_amend_pledge(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        if pledge.stage != "COMMITTED":
            return {"STATE_WRONG"}, None

        def effect(seq):
            pledge.minor = body.amount.minor
            return self.about(pledge)
        return self.new_amount_trouble(pledge, pledge.tier, body), effect

    def judge_change_tier(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        if pledge.stage not in ("HELD", "PLEDGED", "COMMITTED") or pledge.tier is None:
            return {"STATE_WRONG"}, None
        tier = self.alias.get(body.tier)
        if tier is None:
            return {"TIER_UNKNOWN"}, None
        if tier == pledge.tier:
            return {"SAME_TIER"}, None
        wrong = self.slot_trouble(tier, pledge.contributor, own=pledge)
        if pledge.stage != "HELD":
            wrong |= self.new_amount_trouble(pledge, tier, body)

        def effect(seq):
            freed, pledge.tier = pledge.tier, tier
            if pledge.stage != "HELD":
                pledge.minor, _ = self.amount_of(tier, body)
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
        first.stage = "HELD"
        return True

    def settle(self):
        """What the daemon does by itself between two commands."""
        while any(self.promote(tier) for tier in self.capacity):
            pass

    def judge_withdraw(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        wrong = set() if pledge.stage in ("WAITING", "HELD", "PLEDGED") else {"STATE_WRONG"}

        def effect(seq):
            if pledge.stage == "WAITING":
                self.queues[pledge.tier].remove(pledge)
            self.end(pledge, "WITHDRAWN")
            return self.about(pledge)
        return wrong, effect

    def end(self, pledge, stage):
        for allocation in self.live_allocations(pledge=pledge):
            allocation.reversed = True
        pledge.stage = stage
        if pledge.tier:
            self.promote(pledge.tier)

    def judge_cancel(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        wrong = set() if pledge.stage == "COMMITTED" else {"STATE_WRONG"}
        money = [b for b in self.banks.values() if b.pledge is pledge and not b.reversed]
        if (money or self.live_allocations(pledge=pledge)) and body.money_plan == 0:
            wrong.add("MONEY_PLAN_MISSING")

        def effect(seq):
            self.end(pledge, "CANCELLED")
            return self.about(pledge)
        return wrong, effect

    # --- money ---

    def judge_pay(self, command, body):
        pledge = self.pledges.get(body.pledge)
        if pledge is None:
            return {"PLEDGE_UNKNOWN"}, None
        wrong = set()
        if body.bank_ref and any(b.reference == body.bank_ref and not b.reversed
                                 for b in self.banks.values()):
            wrong.add("PAYMENT_DUPLICATE")

        def effect(seq):
            bank = Bank(len(self.banks) + 1, body.amount.minor, body.amount.currency, pledge, seq,
                        body.bank_ref, body.value_date or self.day)
            self.banks[bank.id] = bank
            part = 0
            if pledge.stage in ("PLEDGED", "COMMITTED") and bank.currency == pledge.currency:
                part = min(bank.minor, max(0, self.balance(pledge)))
            if part > 0:
                self.allocations.append(Allocation(seq + 1, bank, pledge, part))
            said = self.about(pledge, tier=False)
            return dict(said, bank_entry=bank.id,
                        unallocated=(bank.minor - self.spent(bank), bank.currency))
        return wrong, effect

    def judge_reverse(self, command, body):
        bank = next((b for b in self.banks.values() if b.seq == body.seq), None)
        allocation = next((a for a in self.allocations if a.seq == body.seq), None)
        if bank is None and allocation is None:
            return {"NOT_REVERSIBLE", "ENTRY_UNKNOWN"}, None
        if bank is not None:
            def effect(seq):
                for each in self.live_allocations(bank=bank):
                    each.reversed = True
                bank.reversed = True
                return dict(bank_entry=bank.id)
            return ({"ALREADY_REVERSED"} if bank.reversed else set()), effect

        def effect_allocation(seq):
            allocation.reversed = True
            return dict(bank_entry=allocation.bank.id)
        gone = allocation.reversed or allocation.bank.reversed
        return ({"ALREADY_REVERSED"} if gone else set()), effect_allocation

    def judge_allocate(self, command, body):
        bank, pledge = self.banks.get(body.bank_entry), self.pledges.get(body.pledge)
        wrong = set()
        if bank is None:
            wrong.add("BANK_ENTRY_UNKNOWN")
        if pledge is None:
            wrong.add("PLEDGE_UNKNOWN")
        if wrong:
            return wrong, None
        if pledge.stage not in ("PLEDGED", "COMMITTED"):
            return {"PLEDGE_NOT_OPEN"}, None
        free = 0 if bank.reversed else bank.minor - self.spent(bank)
        due, same = self.balance(pledge), bank.currency == pledge.currency
        minor = body.amount.minor if body.HasField("amount") else (min(free, due) if same else free)
        if body.HasField("amount") and body.amount.currency != bank.currency:
            wrong.add("FIELD_INVALID")
        if body.HasField("settled"):
            settled = body.settled.minor
            if body.settled.currency != pledge.currency or (same and settled != minor):
                wrong.add("FIELD_INVALID")
        elif same:
            settled = minor
        else:
            return wrong | {"RATE_REQUIRED"}, None
        if free == 0 or minor > free:
            wrong.add("ENTRY_SPENT")
        if settled > due or due == 0:
            wrong.add("OVER_REMAINDER")

        def effect(seq):
            self.allocations.append(Allocation(seq, bank, pledge, minor, settled))
            return dict(self.about(pledge, tier=False), bank_entry=bank.id,
                        unallocated=(bank.minor - self.spent(bank), bank.currency))
        return wrong, effect

    # --- sums ---

    def totals(self, by):
        """{(key, currency): dict} as GetTotals has to say it."""
        lines = collections.defaultdict(collections.Counter)

        def key_of(pledge, month, currency):
            return {"tier": pledge.tier or "free", "category": pledge.category,
                    "month": month, "currency": currency}[by]
        for p in self.pledges.values():
            if p.stage not in COUNTED:
                continue
            line = lines[key_of(p, p.month, p.currency), p.currency]
            line["pledges"] += 1
            line["pledged"] += p.minor
            line["committed"] += p.minor if p.stage != "PLEDGED" else 0
            line["outstanding"] += self.balance(p)
        for b in self.banks.values():
            if b.reversed:
                continue
            free = b.minor - self.spent(b)
            line = lines[key_of(b.pledge, b.day[:7], b.currency), b.currency]
            line["received"] += free
            line["unallocated"] += free
            for a in self.live_allocations(bank=b):
                lines[key_of(a.pledge, b.day[:7], b.currency), b.currency]["received"] += a.minor
        return {key: dict(line) for key, line in lines.items() if any(line.values())}
