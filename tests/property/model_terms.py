# SPDX-License-Identifier: Apache-2.0
"""model_terms: what the fund's rules say of schedules of instalments and of rates of exchange (see
model_life.py)."""
import fractions

from model_desk import days
from model_life import CURRENCIES, EXPONENT, NEVER, OPEN, Wrong, date_there_is, money_trouble

RATE_DAYS = 31   # a rate that money is settled by is not older


class Terms:
    # --- when a promise is to be paid ---

    @staticmethod
    def malformed_set_schedule(command, body, wrong):
        parts = list(body.instalment)
        if not parts:
            wrong.add("FIELD_REQUIRED", "set_schedule.instalment")
        if len(parts) > 60:
            wrong.add("FIELD_TOO_LONG", "set_schedule.instalment")
        for part in parts:
            if not date_there_is(part.due):
                wrong.add("DATE_INVALID", "set_schedule.instalment.due")
            money_trouble(part.amount, "set_schedule.instalment.amount", wrong)
        if any(one.due >= two.due for one, two in zip(parts, parts[1:])):
            wrong.add("FIELD_INVALID", "set_schedule.instalment.due")

    def judge_set_schedule(self, command, body):
        wrong = Wrong()
        pledge = self.known_pledge("set_schedule", body.pledge, wrong)
        if pledge is None:
            return wrong, None
        if pledge.stage not in OPEN:
            return self.stage_trouble("set_schedule", pledge, *OPEN), None
        if pledge.stage == "COMMITTED" and not command.evidence:
            wrong.add("EVIDENCE_MISSING", "evidence")
        if any(part.amount.currency != pledge.currency for part in body.instalment) or \
                sum(part.amount.minor for part in body.instalment) != pledge.minor:
            wrong.add("SCHEDULE_SUM", {"set_schedule.instalment", "set_schedule.instalment.amount"})

        def effect():
            self.entry(pledge)
            pledge.schedule = [[part.due, part.amount.minor] for part in body.instalment]
            return self.about(pledge, tier=False)
        return wrong, effect

    def instalments(self, pledge):
        """Day, amount, and what of it is still to come: money fills them from the first one on."""
        came, rows = pledge.minor - self.balance(pledge), []
        for due, minor in pledge.schedule:
            filled = min(came, minor)
            came -= filled
            rows.append((due, minor, minor - filled))
        return rows

    def stretch(self, pledge, minor):
        """Another amount: the last part takes the difference, those before it what is then left."""
        more = minor - pledge.minor
        pledge.terms = self.later(pledge.terms)
        if more > 0:
            self.more_due(pledge)
        while pledge.schedule and more:
            last = pledge.schedule[-1]
            if last[1] + more > 0:
                last[1] += more
                more = 0
            else:
                more += last[1]
                pledge.schedule.pop()
        pledge.minor = minor

    # --- which days its words may have ---

    def later(self, known):
        """Than what is known of a pledge: the day, and that of the books."""
        return max(known[0], self.day), max(known[1], self.in_books(self.day))

    def more_due(self, pledge):
        if self.day > self.today:
            pledge.announced = self.later(pledge.announced)
        else:
            pledge.owed = self.later(pledge.owed)

    def undone(self, pledge):
        """Something that settled it is taken back; it is still there."""
        pledge.owed = self.later(pledge.owed)
        pledge.peak = max(pledge.peak, pledge.minor - self.balance(pledge))

    def due_since(self, pledge):
        come = pledge.announced if pledge.announced[0] <= self.today else NEVER
        return tuple(map(max, pledge.owed, come))

    def early(self, command, first):
        """A day that somebody chose and that is before the first one; without it is that one."""
        if self.day >= first[0] and self.in_books(self.day) >= first[1]:
            return Wrong()
        if command.effective_date:
            return Wrong().add("DATE_INVALID", "effective_date")
        self.day = first[0] if self.in_books(first[0]) >= first[1] else first[1]
        return Wrong()

    def word_trouble(self, command, pledge, minor):
        """The words on an amount are of the order of their days; less than was settled once is not
        promised before that was taken back."""
        first = pledge.terms
        if minor < pledge.minor and minor < pledge.peak:
            first = tuple(map(max, first, self.due_since(pledge)))
        return self.early(command, first)

    # --- rates ---

    def rate_of(self, currency, day):
        """Francs for one, by the rate of that day or one that is not much older."""
        if currency == "CHF":
            return fractions.Fraction(1)
        there = [r for r in self.rates if r["rate"].currency == currency
                 and r["rate"].date <= day and not r["superseded"]]
        rate = max((r["rate"] for r in there), key=lambda r: r.date, default=None)
        if rate is None or days(day) - days(rate.date) > RATE_DAYS:
            return None
        return fractions.Fraction(rate.mantissa, 10**rate.scale)

    # --- what it is worth in francs ---

    def worth(self, currency, day):
        """Francs for one, by the last rate up to that day, however old, that is known by now."""
        if currency == "CHF":
            return fractions.Fraction(1)
        there = [r["rate"] for r in self.rates if r["rate"].currency == currency
                 and r["rate"].date <= day and not r["superseded"]]
        rate = max(there, key=lambda r: r.date, default=None)
        return rate and fractions.Fraction(rate.mantissa, 10**rate.scale)

    @staticmethod
    def value(minor, of):
        """In centimes and parts of them; of a pledge or a bank entry that has a worth."""
        return fractions.Fraction(minor, 10**EXPONENT.get(of.currency, 2)) * of.worth * 100

    def valued(self, line, name, minor, of):
        if of.worth is None:
            line[name + "_unvalued"] += minor
        else:
            line[name + "_chf"] += self.value(minor, of)

    def valuation(self, of):
        """As it is told: None for francs, and where there is none."""
        if of.worth is None or of.currency == "CHF":
            return None
        return round(self.value(of.minor, of))

    def exchanged(self, minor, bank, currency):
        """What money of a bank entry counts in another currency on its value date; halves to the
        even number."""
        one, two = self.rate_of(bank.currency, bank.day), self.rate_of(currency, bank.day)
        if one is None or two is None:
            return None
        return round(fractions.Fraction(minor, 10**EXPONENT.get(bank.currency, 2)) * one / two *
                     10**EXPONENT.get(currency, 2))

    @staticmethod
    def malformed_record_rates(command, body, wrong):
        if not body.rate:
            wrong.add("FIELD_REQUIRED", "record_rates.rate")
        for rate in body.rate:
            if rate.currency not in CURRENCIES:
                wrong.add("CURRENCY_UNKNOWN", "record_rates.rate.currency")
            if not date_there_is(rate.date):
                wrong.add("DATE_INVALID", "record_rates.rate.date")
            if not rate.source:
                wrong.add("FIELD_REQUIRED", "record_rates.rate.source")
            if not 0 < rate.mantissa < 10**15 or rate.scale > 12 or rate.currency == "CHF":
                wrong.add("RATE_INVALID")
        if len({(rate.currency, rate.date) for rate in body.rate}) < len(body.rate):
            wrong.add("RATE_INVALID")

    def judge_record_rates(self, command, body):
        wrong = Wrong()
        if any(rate.date > self.today for rate in body.rate):
            wrong.add("RATE_INVALID", "record_rates.rate.date")

        def effect():
            for rate in body.rate:
                row = dict(rate=rate, seq=self.entry(), superseded=0)
                for there in self.rates:
                    if (there["rate"].currency, there["rate"].date) == (rate.currency, rate.date) \
                            and not there["superseded"]:
                        there["superseded"] = row["seq"]
                self.rates.append(row)
            return {}
        return wrong, effect
