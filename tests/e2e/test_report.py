# SPDX-License-Identifier: Apache-2.0
"""report: the one-file page says what `totals`, `tiers` and `payments` say, to each role what it may
see, in both languages, and needs nothing from elsewhere.
"""
import html.parser
import re
import unittest

from harness import DaemonTest, money, pb

NBSP = "\u00a0"


class Page(html.parser.HTMLParser):
    """Tables as lists of rows, and every tag with its attributes."""

    VOID = {"meta", "rect", "line", "circle", "polyline"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tables, self.tags, self.open, self.cell = [], [], [], None
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def table(self, first_title):
        return next(t[1:] for t in self.tables if t[0][0] == first_title)


def minor(text):
    """"CHF 1'234.50" as (123450, "CHF"); yen have no decimals."""
    currency, _, number = text.partition(NBSP)
    return int(re.sub(r"[^0-9-]", "", number)), currency


class Report(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        clerk = cls.clerk
        names = ["Ministry <of> Words & Numbers", "Example Telecom SA", "Fondation d’exemple"]
        who = [clerk.contributor(name, kind=kind) for kind, name in enumerate(names, 1)]
        first = clerk.submit_tier("platine", who[0]).outcome.pledge
        clerk.submit_tier("or", who[1])
        cls.rate("USD", "2026-03-31", 8850, 4)
        cls.rate("EUR", "2026-03-20", 94, 2)
        cls.rate("EUR", "2026-01-05", 93, 2)  # values nothing
        clerk.submit_free(who[2], 33_401_000, "JPY")
        clerk.execute(submit=pb.Submit(contributor=who[1], free=True, amount=money(1_000_01, "EUR")),
                      reason="letter", effective_date="2026-03-25")
        gone = clerk.execute(submit=pb.Submit(contributor=who[1], free=True,
                                              amount=money(5_000_00, "USD")),
                             reason="letter", effective_date="2026-04-02").outcome.pledge
        clerk.withdraw(gone)  # its rate is used by the payment alone
        clerk.hold("argent", who[2])
        clerk.commit(first)
        clerk.execute(deliver_benefit=pb.DeliverBenefit(pledge=first, benefit="VIS6", quantity=3))
        clerk.pay(first, 16_000_000, value_date="2026-03-10")
        clerk.pay(first, 700_00, "USD", value_date="2026-04-01")

    @classmethod
    def rate(cls, currency, date, mantissa, scale):
        cls.clerk.execute(record_rates=pb.RecordRates(rate=[pb.Rate(
            currency=currency, date=date, mantissa=mantissa, scale=scale, source="Bank <&> Sons")]))

    def page(self, person="clerk", **fields):
        path = self.home.path / f"report-{person}.html"
        self.pledge(person, "report", "-o", str(path), **fields)
        return path.read_text(encoding="utf-8")

    def test_every_total(self):
        page = Page(self.page())
        rows = {row[0]: row for row in page.table("Currency")}
        answer = self.reader.GetTotals()
        self.assertEqual(set(rows), {line.currency for line in answer.line})
        for line in answer.line:
            row = rows[line.currency]
            self.assertEqual(int(row[1]), line.pledges)
            self.assertEqual([minor(cell) for cell in row[2:]], [
                (number, line.currency) for number in (
                    line.pledged_minor, line.committed_minor, line.received_minor,
                    line.outstanding_minor, line.unallocated_minor)])
        by = self.reader.GetTotals(by=pb.TOTALS_BY_CATEGORY)
        told = sorted(minor(row[2]) for row in page.table("Category"))
        self.assertEqual(told, sorted((line.pledged_minor, line.currency) for line in by.line))

    def test_francs(self):
        text = self.page()
        rows = Page(text).tables[self.titled(text, "without a rate")]
        answer = self.reader.GetTotals()
        for line, row in zip(answer.line, rows[1:-1], strict=True):
            self.assertEqual(row[0], line.currency)
            self.assertEqual([minor(cell)[0] if cell != "–" else 0 for cell in row[1:]], [
                line.pledged_minor, line.pledged_chf_minor, line.pledged_unvalued_minor,
                line.received_minor, line.received_chf_minor, line.received_unvalued_minor])
        promised = sum(line.pledged_chf_minor for line in answer.line)
        received = sum(line.received_chf_minor for line in answer.line)
        self.assertEqual((minor(rows[-1][2]), minor(rows[-1][5])),
                         ((promised, "CHF"), (received, "CHF")))
        chf = next(line for line in answer.line if line.currency == "CHF")
        self.assertEqual(promised, chf.pledged_minor + 940_01)  # 1000.01 EUR at 0.94
        self.assertEqual(received, chf.received_minor + 619_50)  # 700 USD at 0.8850
        self.assertIn("no rate was recorded is not in it", text)
        kinds = {row[0]: row for row in Page(text).tables[self.titled(text, "Whole")][1:]}
        self.assertEqual(sum(minor(row[1])[0] for row in kinds.values()), promised)
        self.assertEqual(sum(minor(row[2])[0] for row in kinds.values()), received)
        self.assertEqual({row[3] for row in kinds.values()}, {"yes", "no: a rate is missing"})

    @staticmethod
    def titled(text, title):
        return next(i for i, t in enumerate(Page(text).tables) if title in t[0])

    def test_rates_that_were_used(self):
        text = self.page()
        rows = Page(text).tables[self.titled(text, "CHF for one")][1:]
        self.assertEqual(rows, [["EUR", "2026-03-20", "0.94", "Bank <&> Sons", "1", "0"],
                                ["USD", "2026-03-31", "0.8850", "Bank <&> Sons", "0", "1"]])
        reader = self.page("reader")
        self.assertNotIn("Bank &lt;", reader)
        self.assertIn("The rates one by one are shown to clerks", reader)

    def test_months_add_up(self):
        last = Page(self.page()).table("Month")[-1]
        line = next(x for x in self.reader.GetTotals().line if x.currency == "CHF")
        self.assertEqual([minor(cell)[0] for cell in last[1:]],
                         [line.pledged_minor, line.committed_minor, line.received_minor])

    def test_tiers(self):
        rows = Page(self.page()).table("Tier")
        answer = self.reader.ListTiers()
        self.assertEqual([[int(n) for n in row[2:5]] for row in rows],
                         [[t.held, t.pledged, t.committed] for t in answer.tier])
        self.assertEqual([row[5] for row in rows],
                         [str(t.remaining.count) if t.remaining.WhichOneof("value") == "count"
                          else "no limit" for t in answer.tier])

    def test_benefits(self):
        rows = Page(self.page()).table("Code")
        answer = self.reader.ListBenefits(totals=True).benefit
        self.assertEqual([(row[0], int(row[2]), int(row[4])) for row in rows],
                         [(b.code, b.quantity, b.delivered) for b in answer])
        self.assertIn(("VIS6", 3), [(row[0], int(row[4])) for row in rows])

    def test_unmatched_money(self):
        rows = Page(self.page()).table("Bank entry")
        self.assertEqual([(row[0], row[1], minor(row[4])) for row in rows],
                         [("B000001", "2026-03-10", (1_000_000, "CHF")),
                          ("B000002", "2026-04-01", (700_00, "USD"))])
        reader = self.page("reader")
        self.assertNotIn("B000001", reader)
        self.assertIn("clerks, approvers and auditors only", reader)

    def test_it_needs_nothing_else(self):
        text = self.page()
        page = Page(text)
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("script", "link", "img", "iframe", "object"))
            self.assertFalse({"src", "href", "onclick", "onload"} & set(attributes), tag)
        self.assertNotRegex(text, r"https?:|@import|url\(")
        figures = [t for t, _ in page.tags if t == "svg"]
        self.assertGreaterEqual(len(figures), 4)
        self.assertEqual(len([t for t, _ in page.tags if t == "title"]), len(figures) + 1)

    def test_both_languages(self):
        text = self.page(lang="fr")
        self.assertIn('<html lang="fr">', text)
        self.assertIn("Le fonds dans le temps", text)
        self.assertIn("En francs suisses", text)
        self.assertNotIn("not matched", text)
        Page(text)

    def test_on_stdout_and_for_whom(self):
        ran = self.pledge("reader", "report")
        self.assertTrue(ran.out.startswith("<!doctype html>"))
        self.fails(77, "public", "report")
        self.fails(74, "clerk", "report", "-o", "/nonexistent/report.html")

    def test_equal_answers_equal_bytes(self):
        def fixed(text):  # the moment of the answer is in the head
            return re.sub(r'<p class="lead">As of entry[^<]*</p>', "", text)
        # the foot says how far the newest checkpoint reaches: it may have to catch up first
        self.eventually(lambda: self.auditor.GetCheckpoint().size == self.reader.GetStatus().size, 20)
        self.assertEqual(fixed(self.page()), fixed(self.page()))


class Empty(DaemonTest):
    catalogue = False

    def test_a_fund_without_offers(self):
        ran = self.pledge("clerk", "report")
        page = Page(ran.out)
        self.assertIn("Nothing yet.", ran.out)
        self.assertEqual(page.table("Currency"), [])


if __name__ == "__main__":
    unittest.main()
