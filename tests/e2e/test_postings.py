# SPDX-License-Identifier: Apache-2.0
"""Goal: the accounting system gets every movement once, in the month it belongs to or the first one
after it was recorded; debits are credits in each currency; the same month printed again is the same
file, byte by byte; the sums of all files are the books that hledger has.
"""
import collections
import csv
import decimal
import io
import shutil
import unittest
import xml.etree.ElementTree as ET

from harness import DaemonTest, ROOT, pb, run

CORPUS = ROOT / "tests" / "camt"
ACCOUNTS = ROOT / "deploy" / "accounts.example.csv"
D = decimal.Decimal


class Postings(DaemonTest):
    def close(self, period):
        """It and the months before it, each in its turn."""
        while (last := self.clerk.ListPeriods().closed_through) < period:
            year, month = (int(part) for part in (last or period).split("-"))
            following = f"{year + month // 12}-{month % 12 + 1:02d}" if last else period
            self.ok(self.home.pledge("approver", "period", "close", following, "--waive",
                                     "--reason", "as it is"))

    def export(self, period, *more, accounts=ACCOUNTS, name=None, close=True):
        if close:
            self.close(period)
        path = self.home.path / (name or f"{period}.csv")
        ran = self.home.pledge("approver", "postings", "--period", period, "--accounts", accounts,
                               "-o", path, *more, format="json")
        rows = list(csv.DictReader(io.StringIO(path.read_text(), newline=""))) \
            if ran.code == 0 and path.exists() else None
        return ran, rows, path

    def balances(self, rows):
        sums = collections.defaultdict(D)
        for r in rows:
            sums[r["debit"], r["currency"]] += D(r["amount"])
            sums[r["credit"], r["currency"]] -= D(r["amount"])
        return {k: v for k, v in sums.items() if v}

    def pay(self, pledge, minor, day, currency="CHF"):
        return self.clerk.pay(pledge, minor, currency=currency, value_date=day)

    def dated(self, day, **fields):
        return self.clerk.execute(effective_date=day, **fields)

    def test_a_year_of_months(self):
        clerk = self.clerk
        platine = self.dated("2026-02-03", submit=pb.Submit(
            contributor=clerk.contributor("Post One"), tier="platine"), reason="r").outcome.pledge
        free = self.dated("2026-02-20", submit=pb.Submit(
            contributor=clerk.contributor("Post Two"), free=True,
            amount=pb.Money(minor=700000, currency="EUR")), reason="r").outcome.pledge
        agreement = [pb.Document(sha256=bytes(32), bytes=1, kind="agreement")]
        self.dated("2026-03-10", commit=pb.Commit(pledge=platine), evidence=agreement)
        self.dated("2026-03-11", commit=pb.Commit(pledge=free), evidence=agreement)
        self.pay(platine, 10000000, "2026-03-20")
        wrong = self.pay(free, 600000, "2026-04-02", "EUR")

        ran, february, path = self.export("2026-02")
        self.ok(ran)
        self.assertEqual([(r["event"], r["amount"], r["currency"], r["date"]) for r in february],
                         [("pledge", "150000.00", "CHF", "2026-02-03"),
                          ("pledge", "7000.00", "EUR", "2026-02-20")])
        first = path.read_bytes()
        again, _, other = self.export("2026-02", name="again.csv")
        self.ok(again)
        self.assertEqual(other.read_bytes(), first)
        facts = [e for e in self.auditor.dump() if e.WhichOneof("fact") == "postings_exported"]
        self.assertEqual(len(facts), 1)
        self.assertEqual({c.currency: c.minor for c in facts[0].postings_exported.control},
                         {"CHF": 15000000, "EUR": 700000})

        # recorded after the export, dated before its end: into the next one, as the books have it
        late = self.dated("2026-02-25", submit=pb.Submit(
            contributor=clerk.contributor("Post Late"), tier="or"), reason="r").outcome.pledge
        ran, march, _ = self.export("2026-03")
        self.ok(ran)
        self.assertIn((late, "2026-03-01", "pledge"),
                      [(r["pledge"], r["date"], r["event"]) for r in march])
        books = self.balances(february + march)
        self.assertEqual(books["2100 deferred income", "CHF"], D("-150000"))
        self.assertEqual(books["4100 contributions", "EUR"], D("-7000"))
        self.assertEqual(books["1020 bank", "CHF"], D("100000"))
        self.assertNotIn(("1020 bank", "EUR"), books)

        self.dated("2026-04-20", reverse=pb.Reverse(seq=wrong.seq), reason="another fund's")
        ran, april, _ = self.export("2026-04")
        self.ok(ran)
        self.assertEqual({r["reversal"] for r in april}, {"yes", "no"})
        self.assertNotIn(("1020 bank", "EUR"), self.balances(february + march + april))
        ran, july, _ = self.export("2026-07")
        self.ok(ran)
        release = [r for r in july if r["event"] == "release"]
        self.assertEqual([(r["pledge"], r["amount"], r["date"]) for r in release],
                         [(platine, "150000.00", "2026-07-10")])
        ran, august, _ = self.export("2026-08")
        self.ok(ran)
        self.assertEqual(august, [])
        self.assertEqual(self.balances(february + march + april + july)
                         ["4000 contributions to the event", "CHF"], D("-150000"))
        rows = february + march + april + july
        self.assertEqual(sum(self.balances(rows).values()), 0)
        self.judged_by_hledger(rows)

        self.journals(rows)

        back, _, nothing = self.export("2026-05")
        self.assertEqual(back.code, 10, back)
        self.assertEqual(back.error["reason"], "EXPORTED_ALREADY")
        self.assertFalse(nothing.exists())
        changed = self.home.path / "changed.csv"
        changed.write_text(ACCOUNTS.read_text().replace("1020 bank", "1021 bank"))
        other, _, nothing = self.export("2026-03", accounts=changed, name="changed-out.csv")
        self.assertEqual(other.code, 10, other)
        self.assertFalse(nothing.exists())
        french = self.home.pledge("approver", "postings", "--period", "2026-05", "--accounts",
                                  ACCOUNTS, "-o", nothing, lang="fr")
        self.assertIn("comptable", french.err)

    def journals(self, rows):
        """The same months as a journal: hledger finds the accountants' balances in it."""
        journal = b""
        for period in ("2026-02", "2026-03", "2026-04", "2026-07"):
            ran, _, path = self.export(period, "--as", "hledger", name=f"{period}.journal")
            self.ok(ran)
            journal += path.read_bytes()
        path = self.home.path / "mapped.journal"
        path.write_bytes(journal)
        self.ok(run(["hledger", "-f", path, "check", "accounts"]))
        said = run(["hledger", "-f", path, "balance", "--flat", "--no-total", "-O", "csv"])
        self.ok(said)
        theirs = {}
        for row in csv.DictReader(io.StringIO(said.out)):
            for part in row["balance"].split(","):
                code, amount = part.split()
                theirs[row["account"], code] = D(amount)
        self.assertEqual(theirs, self.balances(rows))

    def judged_by_hledger(self, rows):
        """The bank, the receivables and the rest are what the ledger's own journal says."""
        if shutil.which("hledger") is None:
            self.skipTest("no hledger")
        journal = self.home.path / "books.journal"
        self.ok(self.home.pledge("auditor", "dump", "--as", "hledger", "-o", journal))
        said = run(["hledger", "-f", journal, "balance", "--flat", "--no-total", "-O", "csv",
                    "--depth", "2", "-e", "2026-09-01"])
        self.ok(said)
        theirs = {}
        for row in csv.DictReader(io.StringIO(said.out)):
            for part in row["balance"].split(","):
                words = part.split()
                if len(words) == 2:
                    code, amount = words if words[0].isalpha() else reversed(words)
                    theirs[row["account"], code] = D(amount)
        ours = self.balances(rows)
        for account, books in [("1020 bank", "Assets:Bank"), ("1100 receivables",
                                                              "Assets:Receivable")]:
            for code in ("CHF", "EUR"):
                self.assertEqual(ours.get((account, code), 0), theirs.get((books, code), 0),
                                 (account, code))


class Settled(DaemonTest):
    export, dated, pay, close = Postings.export, Postings.dated, Postings.pay, Postings.close

    def test_only_what_is_closed_is_handed_over_and_as_it_was_closed(self):
        who = self.clerk.contributor("Month's end")
        gift = dict(free=True, amount=pb.Money(minor=5000, currency="CHF"))
        first = self.dated("2026-02-03", submit=pb.Submit(contributor=who, **gift),
                           reason="r").outcome.pledge
        size = len(self.auditor.dump())
        ran, _, path = self.export("2026-02", close=False)
        self.assertEqual((ran.code, ran.error["reason"]), (10, "PERIOD_OPEN"))
        self.assertFalse(path.exists())
        french = self.home.pledge("approver", "postings", "--period", "2026-02", "--accounts",
                                  ACCOUNTS, "-o", path, lang="fr", format="table")
        self.assertIn("clôturer d’abord le mois", french.err)
        ran, rows, _ = self.export("2026-02", "--preliminary", close=False, name="look.csv")
        self.ok(ran)
        self.assertIn("Preliminary", self.home.pledge(
            "approver", "postings", "--period", "2026-02", "--accounts", ACCOUNTS, "-o",
            self.home.path / "look.csv", "--preliminary", lang="en", format="table").err)
        self.assertEqual([(r["pledge"], r["preliminary"]) for r in rows], [(first, "yes")])
        self.assertEqual([e.WhichOneof("fact") for e in self.auditor.dump()][size:],
                         ["command_refused"] * 2)  # a look leaves nothing
        for form, judge in (("hledger", ["hledger", "check", "-f"]), ("beancount", None)):
            ran, _, look = self.export("2026-02", "--preliminary", "--as", form, close=False,
                                       name=f"look.{form}")
            if judge is not None:
                self.ok(ran)
                self.assertIn(" ! (", look.read_text())
                self.ok(run([*judge, look]))
            else:  # the accountants' names do not fit that form, preliminary or not
                self.assertEqual((ran.code, ran.error["reason"]), (65, "ACCOUNT_UNKNOWN"))

        # what is recorded between the closing and the export belongs to the next month
        self.close("2026-02")
        late = self.dated("2026-02-20", submit=pb.Submit(contributor=who, **gift),
                          reason="r").outcome.pledge
        ran, february, _ = self.export("2026-02")
        self.ok(ran)
        self.assertEqual([r["pledge"] for r in february], [first])
        self.assertNotIn("preliminary", february[0])
        ran, _, _ = self.export("2026-02", "--preliminary", name="look.csv")
        self.assertEqual((ran.code, ran.error["reason"]), (10, "EXPORTED_ALREADY"))
        ran, march, _ = self.export("2026-03", "--preliminary", close=False, name="look.csv")
        self.assertEqual([(r["pledge"], r["date"]) for r in march], [(late, "2026-03-01")])

        # an exported month that is opened again is not exported again
        self.ok(self.home.pledge("approver", "period", "reopen", "2026-02", "--reason", "r"))
        added = self.dated("2026-02-21", submit=pb.Submit(contributor=who, **gift),
                           reason="r").outcome.pledge
        self.close("2026-02")
        ran, again, _ = self.export("2026-02", name="again.csv")
        self.ok(ran)
        self.assertEqual(again, february)
        ran, march, _ = self.export("2026-03")
        self.ok(ran)
        self.assertEqual([r["pledge"] for r in march], [late, added])


class Beancount(DaemonTest):
    export, dated, pay, balances = Postings.export, Postings.dated, Postings.pay, Postings.balances
    close = Postings.close

    def test_names_of_beancount(self):
        pledge = self.dated("2026-02-03", submit=pb.Submit(
            contributor=self.clerk.contributor("Bean"), tier="or"), reason="r").outcome.pledge
        self.pay(pledge, 2500000, "2026-02-10")
        self.close("2026-02")
        path = self.home.path / "2026-02.beancount"
        words = ["approver", "postings", "--period", "2026-02", "--accounts"]
        size = len(self.auditor.dump())
        ran = self.home.pledge(*words, ACCOUNTS, "-o", path, "--as", "beancount", format="json")
        self.assertEqual((ran.code, ran.error["reason"]), (65, "ACCOUNT_UNKNOWN"))
        self.assertEqual(len(self.auditor.dump()), size)  # nothing was handed over
        self.assertFalse(path.exists())
        names = {}
        table = ["event,debit,credit,cost_centre"]
        for row in csv.DictReader(io.StringIO(ACCOUNTS.read_text())):
            for side in ("debit", "credit"):
                names.setdefault(row[side], f"Assets:A{len(names):02d}")
            table.append(f"{row['event']},{names[row['debit']]},{names[row['credit']]},X")
        mine = self.home.path / "bean.csv"
        # as a spreadsheet saves it where numbers have a decimal comma
        mine.write_text("\ufeff" + "\r\n".join(table).replace(",", ";") + "\r\n", encoding="utf-8", newline="")
        self.assertEqual(self.home.pledge(*words, mine, "-o", path, "--as", "excel").code, 64)
        self.ok(self.home.pledge(*words, mine, "-o", path, "--as", "beancount"))
        self.ok(run(["bean-check", path]))
        said = run(["bean-query", "-f", "csv", path,
                    "select account, sum(number) as n where number != 0 group by account"])
        self.ok(said)
        _, rows, _ = self.export("2026-02", accounts=mine)
        self.assertEqual({r["account"].strip(): D(r["n"]) for r in csv.DictReader(io.StringIO(said.out))
                          if D(r["n"])}, {k[0]: v for k, v in self.balances(rows).items()})


def balances_of(path):
    """What a statement of the corpus says of its account: closing less opening balance."""
    sums = {}
    for balance in ET.parse(path).findall(".//{*}Bal"):
        amount = balance.find("{*}Amt")
        sign = 1 if balance.find("{*}CdtDbtInd").text == "CRDT" else -1
        sums[balance.find("{*}Tp/{*}CdOrPrtry/{*}Cd").text] = sign * D(amount.text)
    return sums["CLBD"] - sums["OPBD"]


class Reconciled(DaemonTest):
    """Every movement of a statement is on the account of the bank once, whatever it turns out to
    be: the postings' bank moves by closing less opening balance."""
    settings = {"account CHF01": {"iban": "CH8109000000150001234", "currency": "CHF"}}
    export, balances, close = Postings.export, Postings.balances, Postings.close
    BANK, SUSPENSE = ("1020 bank", "CHF"), ("2310 debits not explained", "CHF")
    CHARGES, REFUNDS = ("6910 bank charges and differences", "CHF"), ("2400 refunds ordered", "CHF")
    FILES = ["reference-blanks.xml", "charges.xml", "charges-debit.xml", "reversal.xml",
             "batch-alone.xml", "twins.xml"]

    def setUp(self):
        """A ledger of its own for every test: numbers of pledges are in the files."""
        type(self).tearDownClass()
        type(self).setUpClass()
        partner = self.clerk.contributor(self.id())
        for minor in (1, 2, 3, 4, 5, 6, 152600, 8, 9, 10000):
            self.clerk.execute(submit=pb.Submit(contributor=partner, free=True,
                                                amount=pb.Money(minor=minor, currency="CHF")),
                               reason="letter", effective_date="2026-03-01")

    def bring(self, *names):
        for name in names:
            self.ok(self.home.pledge("clerk", "import", CORPUS / name))

    def month(self, period, *more, **kw):
        ran, rows, _ = self.export(period, *more, **kw)
        self.ok(ran)
        return rows

    def test_the_bank_moves_by_what_the_statements_say(self):
        moved = sum(balances_of(CORPUS / name) for name in self.FILES)
        self.assertNotEqual(moved, 0)
        self.bring(*self.FILES)
        april = self.month("2026-04")
        books = self.balances(april)
        self.assertEqual(books[self.BANK], moved)
        self.assertEqual(books[self.SUSPENSE], D("26") + 1500 + 26 + 100)
        bank = [(r["bank_entry"], r["event"]) for r in april
                if self.BANK[0] in (r["debit"], r["credit"])]
        self.assertEqual(len(bank), len(set(bank)))  # each movement once

        # what they turn out to be takes them out of suspense, and never touches the bank
        entries = self.home.pledge("clerk", "entries", format="json").json["bank_entries"]
        charges = [r for r in entries if r["kind"] == "charge"]
        self.assertEqual(len(charges), 2)
        for row in charges:
            self.ok(self.home.pledge("clerk", "charge", row["bank_entry"]))
        back = next(r for r in entries if r["kind"] == "reversal")["bank_entry"]
        credit = next(r for r in entries if r["amount"] == "100.00")["bank_entry"]
        day = ("--effective-date", "2026-05-20", "--reason", "as the bank says")
        match = self.home.pledge("clerk", "match", back, credit, *day, format="json")
        self.ok(match)
        ran = self.home.pledge("clerk", "reverse", str(match.json["seq"]), *day, format="json")
        self.assertEqual((ran.code, ran.error["reason"]), (10, "NOT_REVERSIBLE"))
        self.assertIn("itself a reversal", ran.error["message"])
        wrong = next(r for r in entries if r["amount"] == "-1500.00")["bank_entry"]
        done = self.home.pledge("clerk", "charge", wrong, format="json")
        self.ok(done)
        self.ok(self.home.pledge("clerk", "reverse", str(done.json["seq"]), *day))
        may = self.month("2026-05")
        self.assertEqual([(r["event"], r["date"][:7], r["amount"], r["reversal"]) for r in may
                          if r["event"] in ("charge", "reversal")],
                         [("charge", "2026-05", "26.00", "no"), ("charge", "2026-05", "26.00", "no"),
                          ("reversal", "2026-05", "100.00", "no"),
                          ("charge", "2026-05", "1500.00", "no"),
                          ("charge", "2026-05", "1500.00", "yes")])
        books = self.balances(april + may)
        self.assertEqual(books[self.BANK], moved)
        self.assertEqual(books[self.SUSPENSE], 1500)
        self.assertEqual(books[self.CHARGES], 52)
        self.assertEqual(sum(books.values()), 0)
        self.assertNotIn(self.BANK[0], {r[side] for r in may for side in ("debit", "credit")})
        self.journal(moved)

    def journal(self, moved):
        """The ledger's own journal says so as well, in hledger's and beancount's words."""
        for form, judge in (("hledger", ["hledger", "-f"]), ("beancount", ["bean-check"])):
            path = self.home.path / f"own.{form}"
            self.ok(self.home.pledge("auditor", "dump", "--as", form, "-o", path))
            self.ok(run([*judge, path, *(["check", "-s"] if form == "hledger" else [])]))
        said = run(["hledger", "-f", self.home.path / "own.hledger", "balance", "--flat",
                    "--no-total", "-O", "csv", "--depth", "2"])
        self.ok(said)
        theirs = {row["account"]: D(row["balance"].split()[1])
                  for row in csv.DictReader(io.StringIO(said.out)) if " " in row["balance"]}
        self.assertEqual((theirs["Assets:Bank"], theirs["Assets:Suspense"],
                          theirs["Expenses:BankCharges"]), (moved, 1500, 52))

    def test_a_table_without_a_line_for_what_the_bank_gave_back(self):
        self.bring("charge-back.xml")
        self.ok(self.home.pledge("clerk", "charge", "B1", "--effective-date", "2026-06-11"))
        table = self.home.path / "older.csv"
        table.write_text("".join(line for line in ACCOUNTS.read_text().splitlines(True)
                                 if not line.startswith("charge-back,")))
        ran, _, path = self.export("2026-06", accounts=table)
        self.assertEqual((ran.code, ran.error["reason"], ran.error["field"]),
                         (65, "ACCOUNT_UNKNOWN", "accounts"))
        self.assertIn("'charge-back'", ran.error["message"])
        self.assertFalse(path.exists())
        rows = self.month_again("2026-06")
        self.assertEqual([r["amount"] for r in rows if r["event"] == "charge-back"], ["26.00"])

    def month_again(self, period):
        """Of a month that is closed."""
        ran, rows, _ = self.export(period, close=False)
        self.ok(ran)
        return rows

    def test_a_refund_leaves_once(self):
        """Typed by hand, seen by the bank, reversed, matched again: one debit of the bank."""
        self.bring("reference-blanks.xml")
        letter = self.home.path / "letter.txt"
        letter.write_text("as we wrote")
        pay = ("--effective-date", "2026-06-01")
        self.ok(self.home.pledge("clerk", "pay", "P000001", "800.00", "CHF", "--value-date",
                                 "2026-05-30"))
        self.ok(self.home.pledge("clerk", "refund", "B2", "--amount", "500", "--currency", "CHF",
                                 "--evidence", letter, *pay))
        self.ok(self.home.pledge("clerk", "refund-paid", "R1", "500", "CHF", "--value-date",
                                 "2026-06-01"))
        self.bring("refund.xml")
        moved = balances_of(CORPUS / "reference-blanks.xml") + balances_of(CORPUS / "refund.xml")
        rows = self.month("2026-06")
        self.assertEqual(self.balances(rows)[self.BANK], moved + 800)
        paid = [e.seq for e in self.auditor.dump() if e.HasField("refund_paid")][0]
        day = ("--effective-date", "2026-07-02", "--reason", "it was another debit")
        self.ok(self.home.pledge("clerk", "reverse", str(paid), *day))
        july = self.month("2026-07")
        books = self.balances(rows + july)
        self.assertEqual((books[self.BANK], books[self.SUSPENSE], books[self.REFUNDS]),
                         (moved + 800, 500, -500))
        self.ok(self.home.pledge("clerk", "match", "B3", "R1"))
        august = self.month("2026-08")
        books = self.balances(rows + july + august)
        self.assertEqual(books[self.BANK], moved + 800)
        self.assertNotIn(self.SUSPENSE, books)
        self.assertNotIn(self.REFUNDS, books)
        self.assertEqual([r["event"] for r in august], ["refund-matched"])


class Refusals(DaemonTest):
    export, close = Postings.export, Postings.close

    def test_what_is_refused(self):
        bad = self.home.path / "bad.csv"
        for text, code in [("event,debit,credit\n", 65), ("event,debit,credit,cost_centre\n", 65),
                           ("event,debit,credit,cost_centre\npledge,1\n", 65),
                           ("event,debit,credit,cost_centre\na,1,2,\na,1,2,\n", 65)]:
            bad.write_text(text)
            ran, _, path = self.export("2026-01", accounts=bad, close=False)
            self.assertEqual(ran.code, code, ran)
            self.assertEqual(ran.error["reason"], "ACCOUNT_UNKNOWN")
            self.assertFalse(path.exists())
        for period, code in [("2026-13", 64), ("soon", 64), ("2999-01", 65)]:
            ran, _, _ = self.export(period, close=False)
            self.assertEqual(ran.code, code, ran)
        ran, _, path = self.export("2025-01", close=False)
        self.assertEqual((ran.code, ran.error["reason"]), (10, "PERIOD_OPEN"))
        self.assertFalse(path.exists())
        ran, _, path = self.export("2025-01", "--dry-run")
        self.ok(ran)
        self.assertFalse(path.exists())
        for person in ("clerk", "auditor", "reader"):
            ran = self.home.pledge(person, "postings", "--period", "2026-01", "--accounts",
                                   ACCOUNTS, "-o", self.home.path / "x.csv")
            self.assertEqual(ran.code, 77, ran)


if __name__ == "__main__":
    unittest.main()
