# SPDX-License-Identifier: Apache-2.0
"""Goal: rates of exchange are recorded with day and source, exactly as typed; wrong ones change
nothing; a second one for a day takes the place of the first; the books get them as prices.
"""
import json
import re
import unittest

from harness import DaemonTest, check_ledger, money, pb


def rate(currency="USD", date="2026-03-31", mantissa=8850, scale=4, source="UN Treasury"):
    return pb.Rate(currency=currency, date=date, mantissa=mantissa, scale=scale, source=source)


class Rates(DaemonTest):
    def add(self, day, currency, number, *more):
        return self.pledge("clerk", "rates", "add", day, currency, number, "--source", "UN Treasury",
                           *more, format="plain")

    promises = 0

    def tearDown(self):
        check_ledger(self.auditor.dump())

    def rates(self, *words):
        return [(r["currency"], r["date"], r["rate"]) for r in
                self.pledge("auditor", "rates", *words, format="csv").csv]

    def test_a_rate_and_what_follows_it(self):
        self.fails(11, "clerk", "rates", "NOK", "--at", "2026-03-31")
        done = self.add("2026-03-31", "NOK", "0.0850")
        self.assertEqual(done.out.split("\t")[0], "NOK 2026-03-31")
        first = int(done.out.split("\t")[1])
        self.add("2026-01-31", "NOK", "0.08")
        self.assertEqual(self.rates("NOK", "--at", "2026-03-30"), [("NOK", "2026-01-31", "0.08")])
        self.assertEqual(self.rates("NOK"), [("NOK", "2026-03-31", "0.0850")])
        self.fails(11, "clerk", "rates", "NOK", "--at", "2026-01-30")
        self.add("2026-03-31", "NOK", "0.0842")
        self.assertEqual(self.rates("NOK", "--at", "2026-04-01"), [("NOK", "2026-03-31", "0.0842")])
        rows = json.loads(self.pledge("clerk", "rates", "NOK", "--all", format="json").out)["rates"]
        self.assertEqual([(r["rate"], r["source"]) for r in rows],
                         [("0.08", "UN Treasury"), ("0.0850", "UN Treasury"),
                          ("0.0842", "UN Treasury")])
        self.assertEqual(rows[1]["seq"], first)
        self.assertEqual(rows[1]["superseded_by"], rows[2]["seq"])
        self.assertNotIn("superseded_by", {k for k, v in rows[2].items() if v})
        self.assertIn("UN Treasury", self.pledge("clerk", "rates").out)
        fact = self.auditor.dump(from_seq=rows[2]["seq"], to_seq=rows[2]["seq"])[0]
        self.assertEqual((fact.rate_recorded.rate.mantissa, fact.rate_recorded.rate.scale,
                          fact.rate_recorded.supersedes), (842, 4, first))

    def test_wrong_input(self):
        size = self.auditor.dump()[-1].seq
        for day, currency, number, reason in (
                ("2026-03-31", "USD", "0", "RATE_INVALID"),
                ("2026-03-31", "USD", "0.000", "RATE_INVALID"),
                ("2026-03-31", "USD", "1,885", "RATE_INVALID"),
                ("2026-03-31", "USD", "eins", "RATE_INVALID"),
                ("2026-03-31", "USD", "1e3", "RATE_INVALID"),
                ("2026-03-31", "USD", "0.1234567890123", "RATE_INVALID"),
                ("2026-03-31", "USD", "1234567890123456", "RATE_INVALID"),
                ("2026-03-31", "CHF", "1", "RATE_INVALID"),
                ("2026-03-31", "XXX", "1", "CURRENCY_UNKNOWN"),
                ("2026-03-31", "usd", "1", "CURRENCY_UNKNOWN"),
                ("2026-02-30", "USD", "1", "DATE_INVALID"),
                ("31.3.2026", "USD", "1", "DATE_INVALID")):
            ran = self.fails(65, "clerk", "rates", "add", day, currency, number, "--source", "s",
                             format="json")
            self.assertEqual(json.loads(ran.err)["reason"], reason, ran)
        self.fails(65, "clerk", "rates", "add", "--source", "s", "--", "2026-03-31", "USD", "-1")
        self.fails(65, "clerk", "rates", "add", "2026-03-31", "USD", "1", "--source", "s" * 101)
        self.fails(64, "clerk", "rates", "add", "2026-03-31", "USD", "1")
        self.fails(64, "clerk", "rates", "add", "2026-03-31", "USD", "--source", "s")
        self.fails(64, "clerk", "rates", "--all", "--at", "2026-03-31")
        self.fails(65, "clerk", "rates", "--at", "yesterday")
        self.fails(65, "clerk", "rates", "XXX")
        self.assertEqual(self.auditor.dump()[-1].seq, size, "wrong input is no entry")
        ran = self.fails(65, "clerk", "rates", "add", "2999-01-01", "USD", "1", "--source", "s",
                         format="json")
        self.assertEqual(json.loads(ran.err)["reason"], "RATE_INVALID")
        self.fails(77, "auditor", "rates", "add", "2026-03-31", "USD", "1", "--source", "s")
        self.fails(77, "reader", "rates")

    def test_wrong_input_of_other_clients(self):
        for wrong in (rate(mantissa=0), rate(mantissa=-1), rate(mantissa=10**15), rate(scale=13),
                      rate(currency="CHF")):
            with self.refused("RATE_INVALID"):
                self.clerk.execute(record_rates=pb.RecordRates(rate=[wrong]))
        with self.refused("CURRENCY_UNKNOWN"):
            self.clerk.execute(record_rates=pb.RecordRates(rate=[rate(currency="")]))
        with self.refused("FIELD_REQUIRED"):
            self.clerk.execute(record_rates=pb.RecordRates())
        with self.refused("RATE_INVALID"):
            self.clerk.execute(record_rates=pb.RecordRates(rate=[rate(), rate(mantissa=1)]))
        done = self.clerk.execute(record_rates=pb.RecordRates(rate=[rate(currency="SEK")]))
        with self.refused("NOT_REVERSIBLE"):
            self.clerk.execute(reverse=pb.Reverse(seq=done.seq), reason="r")

    def file(self, text):
        path = self.home.path / "rates.csv"
        path.write_bytes(text.encode())
        return path

    def test_a_file(self):
        path = self.file("date,currency,rate,source\r\n2026-02-28,DKK,0.1312,ECB\r\n\r\n"
                         "2026-02-28,PLN,0.2301,\r\n")
        done = self.pledge("clerk", "rates", "add", "--file", path, "--source", "SNB",
                           format="plain")
        self.assertEqual(done.out.split("\t")[0], "2")
        rows = {r["currency"]: r for r in self.pledge("clerk", "rates", format="csv").csv}
        self.assertEqual((rows["DKK"]["rate"], rows["DKK"]["source"]), ("0.1312", "ECB"))
        self.assertEqual((rows["PLN"]["rate"], rows["PLN"]["source"]), ("0.2301", "SNB"))
        size = self.auditor.dump()[-1].seq
        for text, line in (("currency,date,rate\n", 1), ("", 1),
                           ("date,currency,rate\n2026-02-28,HUF\n", 2),
                           ("date,currency,rate\n2026-02-28,HUF,0.002,x\n", 2),
                           ("date,currency,rate\n2026-02-28,HUF,0.002\n2026-02-28,CZK,0\n", 3),
                           ("date,currency,rate\n" + "2026-02-28,HUF,0.002\n" * 101, 102)):
            ran = self.fails(65, "clerk", "rates", "add", "--file", self.file(text), "--source", "s")
            self.assertIn(f"rates.csv, line {line}: ", ran.err)
        # as spreadsheets save it where numbers have a decimal comma, and with a mark in front
        saved = self.file("\ufeffdate;currency;rate\r\n2026-02-27;HUF;0,0021\r\n2026-02-27;CZK;0.04\r\n")
        self.pledge("clerk", "rates", "add", "--file", saved, "--source", "s")
        rows = {r["currency"]: r["rate"] for r in self.pledge("clerk", "rates", "--at", "2026-02-27", format="csv").csv}
        self.assertEqual((rows["HUF"], rows["CZK"]), ("0.0021", "0.04"))
        self.pledge("clerk", "rates", "add", "--file", self.file("\ufeffdate,currency,rate\n2026-02-26,HUF,0.0022\n"),
                    "--source", "s")
        size += 3
        for text in ("date;currency,rate\n2026-02-28;HUF,0.002\n", "date;currency;rate\n2026-02-28,HUF,0.002\n",
                     "date,currency,rate\n2026-02-28;HUF;0.002\n"):
            self.fails(65, "clerk", "rates", "add", "--file", self.file(text), "--source", "s")
        self.fails(64, "clerk", "rates", "add", "--file",
                   self.file("date,currency,rate\n2026-02-28,HUF,0.002\n"))
        self.fails(66, "clerk", "rates", "add", "--file", self.home.path / "none.csv")
        self.fails(64, "clerk", "rates", "add", "2026-03-31", "USD", "1", "--file", path)
        self.fails(65, "clerk", "rates", "add", "--source", "s", "--file",
                   self.file("date,currency,rate\n2026-02-28,HUF,0.002\n2026-02-28,HUF,0.003\n"))
        self.assertEqual(self.auditor.dump()[-1].seq, size, "all of them or none")

    def promise(self, minor, currency, day):
        self.promises += 1
        who = self.clerk.contributor(f"{self.id()} {self.promises}")
        return self.clerk.execute(submit=pb.Submit(contributor=who, free=True,
                                                   amount=money(minor, currency)),
                                  reason="letter", effective_date=day).outcome.pledge

    def test_values_in_francs(self):
        early = self.promise(100_000, "AUD", "2026-01-15")
        self.add("2026-02-01", "AUD", "0.58")
        late = self.promise(100_000, "AUD", "2026-02-15")
        self.clerk.pay(late, 50_050, currency="AUD", value_date="2026-02-20")
        self.add("2026-02-01", "AUD", "0.60")  # too late for these two
        self.clerk.pay(early, 10_000, currency="AUD", value_date="2026-01-20")
        shown = json.loads(self.pledge("clerk", "show", late, format="json").out)
        pledge = shown["pledge"] if isinstance(shown["pledge"], dict) else shown
        self.assertEqual([pledge[k] for k in ("value_chf", "rate", "rate_date", "rate_source")],
                         ["580.00", "0.58", "2026-02-01", "UN Treasury"])
        rows = {r["pledge"]: r for r in self.pledge("clerk", "payments", format="csv").csv}
        self.assertEqual([rows[late][k] for k in ("value_chf", "rate", "rate_date")],
                         ["290.29", "0.58", "2026-02-01"])
        self.assertEqual([rows[early][k] for k in ("value_chf", "rate")], ["", ""])
        line = next(r for r in self.pledge("reader", "totals", format="csv").csv
                    if r["currency"] == "AUD")
        self.assertEqual([line[k] for k in ("pledged_chf", "received_chf", "pledged_unvalued",
                                            "received_unvalued")],
                         ["580.00", "290.29", "1000.00", "100.00"])
        told = self.home.pledge("reader", "totals", "--by", "currency", format="table")
        self.assertRegex(told.err, "no rate was recorded: .*1.000.00.* promised.*AUD")
        tiers = [r for r in self.pledge("reader", "totals", "--by", "tier", format="csv").csv
                 if r["currency"] == "AUD"]
        self.assertEqual(sum(float(r["received_chf"]) for r in tiers), 290.29)
        self.assertIn("580.00", self.pledge("clerk", "show", late, format="table").out)

    def test_money_in_another_currency_is_settled_by_the_rate(self):
        pledge = self.promise(100_000, "CHF", "2026-05-02")
        entry = self.clerk.pay(pledge, 50_000, currency="SGD",
                               value_date="2026-05-20").outcome.bank_entry
        ran = self.fails(10, "clerk", "allocate", entry, pledge, format="json")
        self.assertEqual(json.loads(ran.err)["reason"], "RATE_REQUIRED")
        self.add("2026-04-18", "SGD", "0.65")  # 32 days before
        self.fails(10, "clerk", "allocate", entry, pledge)
        self.add("2026-05-18", "SGD", "0.6625")
        self.pledge("clerk", "allocate", entry, pledge)
        fact = self.auditor.dump()[-1].allocated
        self.assertEqual((fact.amount.minor, fact.settled.minor, fact.settled.currency),
                         (50_000, 33_125, "CHF"))
        self.assertEqual([(a.rate.currency, a.rate.date) for a in fact.rate],
                         [("SGD", "2026-05-18")])
        said = self.clerk.pay(pledge, 100, currency="SGD",
                              value_date="2026-05-20").outcome.bank_entry
        self.pledge("clerk", "allocate", said, pledge, "--settled", "0.70 CHF")
        fact = self.auditor.dump()[-1].allocated
        self.assertEqual((fact.settled.minor, len(fact.rate)), (70, 0))

    def test_prices_of_the_books(self):
        self.add("2026-03-31", "JPY", "0.0058")
        for form, line in (("hledger", r"P 2026-03-31 JPY CHF 0\.0058"),
                           ("beancount", r"2026-03-31 price JPY 0\.0058 CHF")):
            book = self.pledge("auditor", "dump", "--as", form).out
            self.assertEqual(len(re.findall(f"^{line}$", book, re.M)), 1, book)

    def test_in_french(self):
        ran = self.fails(65, "clerk", "rates", "add", "2026-03-31", "USD", "0", "--source", "s",
                         lang="fr")
        self.assertIn("pas un cours", ran.err)
        self.add("2026-03-31", "CAD", "0.64")
        self.assertIn("CHF pour un", self.pledge("clerk", "rates", lang="fr", format="table").out)


if __name__ == "__main__":
    unittest.main()
