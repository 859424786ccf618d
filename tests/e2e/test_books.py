# SPDX-License-Identifier: Apache-2.0
"""books: the exports, judged by the programs they are for. What hledger and beancount add up must be
what `pledge totals` says; the IATI file must be valid by the published schema; every export names
the checkpoint that it belongs to."""
import collections
import csv
import decimal
import io
import json
import os
import pathlib
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ET

import audit
from harness import DaemonTest, patience

D = decimal.Decimal
# Published schemas are not copied into the project: they are looked for beside it.
SCHEMAS = pathlib.Path(os.environ.get("PLEDGED_SCHEMAS") or
                       pathlib.Path(__file__).resolve().parents[3] / "shared" / "schemas")


def have(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


class Books(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.story = audit.tell_story(cls.home)
        cls.exports = {}
        for form in ("hledger", "beancount", "iati", "csv", "jsonl"):
            path = cls.home.path / f"ledger.{form}"
            ran = cls.home.pledge("auditor", "dump", "--as", form, "-o", path)
            assert ran.code == 0, ran
            cls.exports[form] = path
        ran = cls.home.pledge("reader", "totals", format="json")
        cls.totals = {row["currency"]: {
            name: D(row[name]) for name in ("pledged", "committed", "received", "outstanding",
                                            "unallocated", "refunded", "written_off",
                                            "difference")} for row in ran.json["totals"]}

    def tool(self, *args, stdin=None):
        ran = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=patience(60),
                             env=self.home.environment())
        self.assertEqual(ran.returncode, 0, f"{args}\n{ran.stdout}\n{ran.stderr}")
        return ran.stdout

    def test_the_story_has_something_of_everything(self):
        self.assertEqual(set(self.totals), {"CHF", "JPY", "USD"})
        for name in ("pledged", "committed", "received", "outstanding", "unallocated",
                     "refunded", "written_off", "difference"):
            self.assertNotEqual(self.totals["CHF"][name], 0, name)
        self.assertNotEqual(self.totals["CHF"]["pledged"], self.totals["CHF"]["committed"])

    def totals_of(self, balance):
        """Totals as the header of export_books says, from {(account, currency): amount}."""
        out = {}
        for currency in {currency for _, currency in balance}:
            def total(prefix):
                return sum((amount for (account, unit), amount in balance.items()
                            if unit == currency and (account + ":").startswith(prefix + ":")),
                           D(0))
            committed = -total("Liabilities:Deferred")
            pledged = total("Equity:Memo:Pledged") + committed
            received = total("Assets:Bank") + total("Liabilities:Refund")  # less refunded
            unallocated = -total("Liabilities:Unallocated")
            written_off, difference = total("Expenses:WrittenOff"), total("Expenses:Difference")
            out[currency] = {"pledged": pledged, "committed": committed, "received": received,
                             "unallocated": unallocated, "written_off": written_off,
                             "difference": difference,
                             "outstanding": pledged - received + unallocated - written_off
                             - difference - total("Equity:Exchange")}
        return out

    def net_totals(self):
        """What the books can tell: refunds are not in what was received any more."""
        return {currency: {name: value for name, value in dict(
            line, received=line["received"] - line["refunded"]).items() if name != "refunded"}
            for currency, line in self.totals.items()}

    # --- hledger ---

    @have("hledger")
    def test_hledger_accepts_the_journal(self):
        self.assertEqual(self.tool("hledger", "-f", self.exports["hledger"], "check", "-s"), "")

    @have("hledger")
    def test_hledger_adds_up_to_the_totals(self):
        rows = csv.reader(io.StringIO(self.tool(
            "hledger", "-f", self.exports["hledger"], "balance", "--flat", "-N", "-O", "csv",
            "--layout", "bare", "-E")))
        balance = collections.defaultdict(D)
        for account, currency, amount in list(rows)[1:]:
            if currency:
                balance[account, currency] += D(amount)
        self.assertEqual(self.totals_of(balance), self.net_totals())

    @have("hledger")
    def test_hledger_by_pledge(self):
        signed = self.story.pledges["or"]
        out = self.tool("hledger", "-f", self.exports["hledger"], "balance", "--flat", "-N",
                        "Receivable:" + signed)
        self.assertIn("CHF 64950.00", out)  # 100 000 less 25 000 before, 10 000 and 50 after
        self.assertEqual("", self.tool("hledger", "-f", self.exports["hledger"], "balance",
                                       "--flat", "-N", "Advance:" + signed).strip())

    @have("hledger")
    def test_hledger_of_one_pledge_and_of_a_range(self):
        pledge = self.story.pledges["or"]
        ran = self.pledge("auditor", "dump", "--as", "hledger", "--pledge", pledge)
        one = self.home.path / "one.journal"
        one.write_text(ran.out)
        self.tool("hledger", "-f", one, "check", "-s")
        self.assertIn(f"Assets:Receivable:{pledge}", ran.out)
        self.assertNotIn(f"Pledged:{self.story.pledges['free']}", ran.out)
        whole = self.exports["hledger"].read_text()
        seqs = [line for line in whole.splitlines() if "  ; seq:" in line]
        from_seq = int(seqs[3].split("(")[1].split(")")[0])
        ran = self.pledge("auditor", "dump", "--as", "hledger", "--from-seq", str(from_seq))
        one.write_text(ran.out)
        self.tool("hledger", "-f", one, "check", "-s")
        later = [line for line in ran.out.splitlines() if "  ; seq:" in line]
        self.assertEqual(later[:len(seqs) - 3], seqs[3:])  # the ledger may have grown since

    def test_journals_name_no_contributor(self):
        for form in ("hledger", "beancount"):
            text = self.exports[form].read_text()
            text = text.split("; their checkpoint:")[0]  # base64 may spell anything
            for word in ("SUM", "Ünïon", "Plain", "Co"):
                self.assertNotIn(word, text.replace("Contra", "").replace("Committed", ""))

    # --- beancount ---

    @have("bean-check")
    def test_beancount_accepts_the_journal(self):
        self.assertEqual(self.tool("bean-check", self.exports["beancount"]), "")

    @have("bean-query")
    def test_beancount_adds_up_to_the_totals(self):
        out = self.tool("bean-query", "-q", "-f", "csv", self.exports["beancount"],
                        "SELECT account, currency, sum(number) GROUP BY account, currency")
        balance = collections.defaultdict(D)
        for row in list(csv.reader(io.StringIO(out)))[1:]:
            account, currency, amount = (cell.strip() for cell in row)
            balance[account, currency] += D(amount)
        self.assertEqual(self.totals_of(balance), self.net_totals())

    # --- IATI ---

    @have("xmllint")
    def test_iati_is_valid(self):
        schema = SCHEMAS / "iati-2.03" / "iati-activities-schema.xsd"
        if not schema.exists():
            self.skipTest("the IATI 2.03 schema is not here: set PLEDGED_SCHEMAS to its directory")
        self.tool("xmllint", "--noout", "--nonet", "--schema", schema, self.exports["iati"])

    def transactions(self):
        activity = ET.parse(self.exports["iati"]).getroot().find("iati-activity")
        return activity, activity.findall("transaction")

    def test_iati_sums(self):
        sums = collections.defaultdict(D)
        for one in self.transactions()[1]:
            value = one.find("value")
            sums[value.get("currency"), one.find("transaction-type").get("code")] += D(value.text)
        paid = collections.defaultdict(D)  # a refund that is only ordered has not left yet
        for line in self.exports["jsonl"].read_text().splitlines():
            fact = json.loads(line).get("entry", {}).get("refundPaid")
            if fact:
                paid[fact["amount"]["currency"]] += D(fact["amount"]["minor"]) / 100
        self.assertGreater(paid["CHF"], 0)
        for currency, totals in self.totals.items():
            self.assertEqual(sums[currency, "13"], totals["pledged"] - totals["committed"])
            self.assertEqual(sums[currency, "11"], totals["committed"] - totals["written_off"])
            self.assertEqual(sums[currency, "1"], totals["received"] - paid[currency])

    def test_iati_rules_above_the_schema(self):
        activity, transactions = self.transactions()
        identifier = activity.find("iati-identifier").text
        reporter = activity.find("reporting-org").get("ref")
        self.assertTrue(identifier.startswith(reporter + "-"))
        self.assertFalse(set(identifier) & set("/&|?"))
        self.assertEqual(activity.get("default-currency"), "CHF")
        self.assertIsNotNone(activity.find("sector"))
        self.assertIsNotNone(activity.find("recipient-region"))
        self.assertIn(activity.find("activity-date").get("type"), ("1", "2"))
        for one in transactions:
            self.assertTrue(one.find("provider-org/narrative").text)
            self.assertIn(one.find("transaction-type").get("code"), ("1", "11", "13"))
        names = {one.find("provider-org/narrative").text for one in transactions}
        self.assertIn('=SUM(A1) & "Co" <0>', names)

    def test_iati_hides_who_does_not_want_to_be_named(self):
        who = self.clerk.contributor("Shy Foundation", kind=3)
        self.clerk.submit_free(who, 1000, publish=2)
        out = self.pledge("auditor", "dump", "--as", "iati").out
        self.assertNotIn("Shy Foundation", out)
        self.assertIn("<narrative>not published</narrative>", out)

    # --- csv ---

    def test_csv_for_spreadsheets(self):
        self.clerk.execute(withdraw=audit.pb.Withdraw(pledge=self.story.pledges["platine"]),
                           reason='=HYPERLINK("http://x","y")')
        raw = self.pledge("auditor", "dump", "--as", "csv").csv
        safe = self.pledge("auditor", "dump", "--as", "csv", "--safe").csv
        self.assertEqual(len(raw), len(safe))
        changed = 0
        for one, other in zip(raw, safe):
            for name, text in one.items():
                if text[:1] in "=+-@\t\r" and text and not text.lstrip("-").replace(
                        ".", "", 1).isdigit():
                    self.assertEqual(other[name], "'" + text)
                    changed += 1
                else:
                    self.assertEqual(other[name], text)
        self.assertGreater(changed, 0)

    # --- all ---

    def test_options_that_do_not_go_together(self):
        for args in (("--safe",), ("--as", "jsonl", "--safe"), ("--as", "ledger"),
                     ("--pledge", "P000001", "-o", self.home.path / "x"),
                     ("--as", "csv", "--pledge", "platine")):
            self.fails(64, "auditor", "dump", *args)

    def test_resumed_dumps_are_the_whole(self):
        whole = self.pledge("auditor", "dump", "--as", "jsonl").out.splitlines()[:-1]
        parts = []
        for first in range(1, len(whole) + 1, 7):
            last = min(first + 6, len(whole))
            parts += self.pledge("auditor", "dump", "--as", "jsonl", "--from-seq", str(first),
                                 "--to-seq", str(last)).out.splitlines()[:-1]
        self.assertEqual(parts, whole)


class Unmatched(DaemonTest):
    settings = {"account CHF01": {"iban": "CH9300762011623852957", "currency": "CHF"}}

    def test_iati_of_money_that_nobody_matched(self):
        self.clerk.execute(import_statement=audit.pb.ImportStatement(
            file_sha256=bytes(32), statement=[audit.pb.BankStatement(
                kind=audit.pb.STATEMENT_KIND_NOTIFICATION, account="CH9300762011623852957",
                currency="CHF", id="books-1", created="2026-04-01", movement=[audit.pb.Movement(
                    kind=1, minor=4711, booking_date="2026-04-01", value_date="2026-04-01",
                    bank_ref="NOBODYS")])]))
        out = self.pledge("auditor", "dump", "--as", "iati").out
        activity = ET.fromstring(out[:out.rindex("<!--")]).find("iati-activity")
        found = [one for one in activity.findall("transaction") if one.find("value").text == "47.11"]
        self.assertEqual([one.find("provider-org/narrative").text for one in found],
                         ["not known yet"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
