# SPDX-License-Identifier: Apache-2.0
"""period: months close in order, unmatched money holds them up, what comes later keeps its date and is
posted to the open month, in the entries and in the books of the exports.
"""
import datetime
import re
import unittest

from harness import EMPTY_ROOT, DaemonTest, command, document, money, pb, signed_root


class Period(DaemonTest):
    def close(self, month, *more):
        return self.home.pledge("clerk", "period", "close", month, *more)

    def test_a_year(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.execute(
            submit=pb.Submit(contributor=who, free=True, amount=money(100_000)),
            reason="letter", effective_date="2026-01-20").outcome.pledge
        self.clerk.pay(pledge, 30_000, value_date="2026-01-31")
        size = self.auditor.GetCheckpoint().size
        done = self.pledge("clerk", "period", "close", "2026-01", format="plain")
        self.assertEqual(done.out.split("\t")[0], "2026-01")
        entry = self.auditor.dump(from_seq=int(done.out.split("\t")[1]))[0]
        fact = entry.period_closed
        self.assertEqual((fact.period, fact.waived), ("2026-01", 0))
        self.assertGreaterEqual(fact.head_size, size)
        line = next(t for t in fact.totals if t.currency == "CHF")
        told = next(t for t in self.reader.GetTotals().line if t.currency == "CHF")
        self.assertEqual((line.pledged_minor, line.received_minor, line.outstanding_minor),
                         (told.pledged_minor, told.received_minor, told.outstanding_minor))
        # late facts keep their date and are posted to February
        late = self.clerk.pay(pledge, 5_000, value_date="2026-01-15")
        entry = self.auditor.dump(from_seq=late.seq, to_seq=late.seq)[0]
        self.assertEqual((entry.payment_recorded.value_date, entry.posting_date),
                         ("2026-01-15", "2026-02-01"))
        signed = self.clerk.execute(command(commit=pb.Commit(pledge=pledge), evidence=[document()],
                                            effective_date="2026-01-25"))
        entry = self.auditor.dump(from_seq=signed.seq, to_seq=signed.seq)[0]
        self.assertEqual((entry.effective_date, entry.posting_date), ("2026-01-25", "2026-02-01"))
        on_time = self.clerk.pay(pledge, 5_000, value_date="2026-02-15")
        self.assertEqual(self.auditor.dump(from_seq=on_time.seq)[0].posting_date, "")
        # the books have it in February
        book = self.pledge("auditor", "dump", "--as", "hledger").out
        self.assertEqual(re.findall(r"^(\S+) \* \(%d\)" % late.seq, book, re.M), ["2026-02-01"])
        self.in_order()
        self.unmatched(pledge)
        self.reopened()
        self.listed()

    def in_order(self):
        with self.refused("PERIOD_CLOSED"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-01", head_root=EMPTY_ROOT))
        with self.refused("PERIOD_NOT_NEXT"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-03", head_root=EMPTY_ROOT))
        with self.refused("PERIOD_UNKNOWN"):
            self.clerk.execute(reopen_period=pb.ReopenPeriod(period="2025-12"), reason="r")
        with self.refused("DATE_INVALID"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-13", head_root=EMPTY_ROOT))
        with self.refused("FIELD_INVALID"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-02", head_root=b"short"))
        head = self.auditor.GetCheckpoint()
        with self.refused("FIELD_INVALID"):  # a root of another ledger never gets in
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-02", head_size=head.size - 1,
                                                           head_root=signed_root(head)))
        with self.refused("FIELD_INVALID"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-02", head_size=head.size + 99,
                                                           head_root=signed_root(head)))
        told = self.clerk.batch([command(close_period=pb.ClosePeriod(period="2026-02",
                                                                     head_root=bytes(32)))])
        self.assertEqual(told[0].refusal.field, "close_period.head_root")
        with self.refused("REASON_REQUIRED"):
            self.clerk.execute(reopen_period=pb.ReopenPeriod(period="2026-01"))

    def unmatched(self, pledge):
        surplus = self.clerk.pay(pledge, 90_000, value_date="2026-02-20").outcome.bank_entry
        ran = self.close("2026-02")
        self.assertEqual((ran.code, ran.out), (10, ""), ran)
        self.assertIn(surplus, ran.err)
        french = self.home.pledge("clerk", "period", "close", "2026-02", lang="fr")
        self.assertEqual(french.code, 10)
        self.assertIn("période", french.err)
        with self.refused("REASON_REQUIRED"):
            self.clerk.execute(close_period=pb.ClosePeriod(period="2026-02", waive=True,
                                                           head_root=EMPTY_ROOT))
        ran = self.close("2026-02", "--waive", "--reason", "the donor is asked what it is for")
        self.assertEqual(ran.code, 0, ran)
        fact = self.auditor.dump()[-1].period_closed
        self.assertEqual((fact.waived, list(fact.waived_bank_entry)), (1, [surplus]))

    def reopened(self):
        with self.refused("PERIOD_NOT_NEXT"):
            self.clerk.execute(reopen_period=pb.ReopenPeriod(period="2026-01"), reason="r")
        self.pledge("clerk", "period", "reopen", "2026-02", "--reason", "the bank corrected it")
        self.assertEqual(self.clerk.ListPeriods().closed_through, "2026-01")
        self.home.restart(kill=True)
        self.home.drop_clients()
        for name in ("clerk", "auditor", "reader", "admin"):
            setattr(type(self), name, self.home.client(name))
        self.assertEqual(self.clerk.ListPeriods().closed_through, "2026-01")
        self.assertEqual(self.close("2026-02", "--waive", "--reason", "as before").code, 0)

    def listed(self):
        rows = self.pledge("clerk", "periods", format="plain").rows
        self.assertEqual([row[:2] for row in rows],
                         [["2026-01", "closed"], ["2026-02", "reopened"], ["2026-02", "closed"]])

    def test_the_future_does_not_close(self):
        ran = self.close("2999-01")
        self.assertEqual((ran.code, ran.out), (10, ""), ran)


class OpenedAgain(DaemonTest):
    def test_nothing_is_posted_before_what_it_rests_on(self):
        """Paid in January, told when January was closed: the books have it in February, and keep it there."""
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.execute(
            submit=pb.Submit(contributor=who, free=True, amount=money(100_000)),
            reason="letter", effective_date="2026-01-05").outcome.pledge
        self.pledge("clerk", "period", "close", "2026-01")
        late = self.clerk.pay(pledge, 20_000, value_date="2026-01-20")
        self.pledge("clerk", "period", "reopen", "2026-01", "--reason", "the bank corrected it")
        back = ("unallocate", late.seq + 1, "--reason", "another one", "--effective-date")
        for lang, words in ((None, ("this day is not possible here (because: the books have what it rests on "
                                    "only in a later month; day: 2026-01-21; earliest day possible: "
                                    "2026-02-01)")),
                            ("fr", "premier jour possible : 2026-02-01")):
            ran = self.fails(65, "clerk", *back, "2026-01-21", lang=lang)
            self.assertIn(words, ran.err.replace("\u00a0", " "))
            for form in ("YYYY-MM-DD", "AAAA-MM-JJ"):
                self.assertNotIn(form, ran.err)
        for lang, form in ((None, "YYYY-MM-DD"), ("fr", "AAAA-MM-JJ")):
            self.assertIn(form, self.fails(65, "clerk", *back, "21.1.2026", lang=lang).err)
        # what has the form and is in no calendar is told so, wherever it is read
        for lang, words in ((None, "there is no such day"), ("fr", "ce jour n’existe pas")):
            for day in ("2026-13-01", "2026-02-30"):
                self.assertIn(words, self.fails(65, "clerk", *back, day, lang=lang).err)
                self.assertIn(words, self.fails(64, "clerk", "due", "--at", day, lang=lang).err)
                self.assertIn(words, self.fails(65, "clerk", "hold", "innovation", "--contributor", who,
                                                "--until", day, lang=lang).err)
        for lang, words in ((None, "there is no such month"), ("fr", "ce mois n’existe pas")):
            self.assertIn(words, self.fails(65, "clerk", "period", "close", "2026-13", lang=lang).err)
        done = self.pledge("clerk", *back, "2026-02-01", format="json").json
        book = self.pledge("auditor", "dump", "--as", "hledger").out
        self.assertEqual([re.findall(r"^(\S+) \* \(%d\)" % seq, book, re.M)
                          for seq in (late.seq, late.seq + 1, done["seq"])],
                         [["2026-02-01"], ["2026-02-01"], ["2026-02-01"]])


class Midnight(DaemonTest):
    """Where the fund is it is another day than in UTC, whatever the time is now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    east = 14 if now.hour >= 11 else -12
    settings = {"policy": {"time_zone": f"<{east:+03d}>{-east}"}}

    def test_what_has_no_date_is_of_the_day_there(self):
        day = (self.now + datetime.timedelta(hours=self.east)).strftime("%Y-%m-%d")
        self.assertNotEqual(day, self.now.strftime("%Y-%m-%d"))
        who = self.clerk.contributor(self.name())
        cmd = command(submit=pb.Submit(contributor=who, free=True, amount=money(1000)), reason="r")
        made = self.clerk.execute(cmd)
        paid = self.clerk.pay(made.outcome.pledge, 1000)
        entries = self.auditor.dump(from_seq=made.seq)
        self.assertEqual([e.effective_date for e in entries], [day] * 3)
        self.assertEqual(entries[1].payment_recorded.value_date, day)
        # a repeat is the same command, which has no date
        self.assertEqual(self.clerk.execute(cmd).kind, pb.RECEIPT_KIND_REPLAY)
        book = self.pledge("auditor", "dump", "--as", "hledger").out
        self.assertEqual(re.findall(r"^(\S+) \* \(%d\)" % paid.seq, book, re.M), [day])
        rate = pb.Rate(currency="USD", date=day, mantissa=9, scale=1, source="s")
        self.clerk.execute(record_rates=pb.RecordRates(rate=[rate]))
        rate.date = (self.now + datetime.timedelta(hours=self.east, days=1)).strftime("%Y-%m-%d")
        with self.refused("RATE_INVALID"):
            self.clerk.execute(record_rates=pb.RecordRates(rate=[rate]))
        self.home.restart(kill=True)
        self.home.drop_clients()
        for name in ("clerk", "auditor", "reader", "admin"):
            setattr(type(self), name, self.home.client(name))


if __name__ == "__main__":
    unittest.main()
