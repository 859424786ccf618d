# SPDX-License-Identifier: Apache-2.0
"""import: the corpus of tests/camt through the real client into the real daemon: every trap of bank
statements, twice and in other orders, and what a clerk does with what is left over."""
import hashlib
import hmac
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import unittest
import uuid
from datetime import date, datetime
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import audit
from harness import BIN, DaemonTest, Proxy, Refused, check_ledger, command, id_text, pb, run

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "camt"
SCHEMAS = pathlib.Path(os.environ.get("PLEDGED_SCHEMAS") or
                       pathlib.Path(__file__).resolve().parents[3] / "shared" / "schemas")
CHF, USD, OTHER = "CH8109000000150001234", "CH8209000000150005678", "CH4309000000159999999"
ACCOUNTS = {"account CHF01": {"iban": CHF, "currency": "CHF"},
            "account USD01": {"iban": USD, "currency": "USD"},
            "account JPY01": {"number": "JPACCOUNT0001", "currency": "JPY"}}
# what is no statement of the fund's, by what the client or the daemon says
REFUSED = {
    "other-account.xml": (65, "ACCOUNT_UNKNOWN"),
    "unbalanced.xml": (65, "STATEMENT_UNBALANCED"),
    "second-unbalanced.xml": (65, "STATEMENT_UNBALANCED"),
    "precision.xml": (65, "AMOUNT_PRECISION"),
    "wrong-version.xml": (65, "FIELD_INVALID"),
    "wrong-date.xml": (65, "DATE_INVALID"),
    "wrong-count.xml": (65, "FIELD_INVALID"),
    "xxe.xml": (65, "FIELD_INVALID"),
    "billion-laughs.xml": (65, "FIELD_INVALID"),
    "deep.xml": (65, "FIELD_INVALID"),
    "cut.xml": (65, "FIELD_INVALID"),
}
# no schema can like these
INVALID = {"xxe.xml", "billion-laughs.xml", "deep.xml", "cut.xml", "wrong-date.xml",
           "wrong-version.xml"}
# contradict others of the corpus, or stand for them
APART = {"conflict.xml", "batch-conflict.054.xml", "batch-alone.054-v04.xml", "yen.xml"}
# pledges that references of the corpus name: number -> (minor, currency)
PLEDGES = [(15000000, "CHF"), (10000000, "CHF"), (5000000, "CHF"), (50000, "CHF"), (30000, "CHF"),
           (20000, "CHF"), (152600, "CHF"), (15045000, "CHF"), (500000, "USD"), (10000, "CHF"),
           (10000, "CHF"), (3000000, "CHF")]


def good_files():
    return [f.name for f in sorted(CORPUS.glob("*.xml"))
            if f.name not in REFUSED and f.name not in APART]


class Bank(DaemonTest):
    settings = ACCOUNTS | {"policy": {"time_zone": "Europe/Zurich"}}

    def setUp(self):
        """A ledger of its own for every test: numbers of pledges are in the files."""
        type(self).tearDownClass()
        type(self).setUpClass()
        self.partner = self.clerk.contributor(self.name())
        for minor, currency in PLEDGES:
            self.clerk.submit_free(self.partner, minor, currency)

    def bring(self, *files, **fields):
        """Imports files of the corpus; their rows."""
        trial = ["--dry-run"] if fields.pop("dry", False) else []
        ran = self.pledge("clerk", "import", *[CORPUS / f for f in files], *trial, format="json", **fields)
        return json.loads(ran.out)["statements"]

    def listed(self, *args):
        return json.loads(self.pledge("clerk", "entries", *args, format="json").out)["bank_entries"]

    def outstanding(self, pledge):
        return self.clerk.GetPledge(pledge=pledge).pledge.outstanding.minor

    def dump(self):
        return self.auditor.dump()

    def received(self, currency="CHF"):
        lines = self.reader.GetTotals().line
        return sum(line.received_minor for line in lines if line.currency == currency)


class Judges(unittest.TestCase):
    def test_the_corpus_is_what_banks_may_send(self):
        if not (SCHEMAS / "camt").is_dir():
            self.skipTest("the published schemas are not beside the checkout")
        judged = 0
        for path in sorted(CORPUS.glob("*.xml")):
            if path.name in INVALID:
                continue
            version = next(v for v in ("camt.053.001.04", "camt.053.001.08", "camt.054.001.04",
                                       "camt.054.001.08") if v in path.read_text())
            ran = subprocess.run(["xmllint", "--nonet", "--noout", "--schema",
                                  SCHEMAS / "camt" / (version + ".xsd"), path],
                                 capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            judged += 1
        self.assertGreater(judged, 35)


class Corpus(Bank):
    def totals(self):
        return {(line.currency): (line.received_minor, line.unallocated_minor)
                for line in self.reader.GetTotals().line}

    def picture(self):
        """What is in, whatever the order in which it came."""
        rows = []
        for row in self.listed():
            if row["batch_count"] is not None and row["unmatched"] == "0.00" and \
                    row["allocated"] == "0.00":
                continue  # a sum that gave way to its details
            rows.append((row["booking_date"], row["amount"], row["currency"], row["unmatched"],
                         row["pledge"], row["kind"], row["queue"], row["reference"], row["payer"],
                         row["payer_account"], row["bank_ref"], row["end_to_end_id"], row["uetr"]))
        return sorted(rows, key=str)

    def everything(self, files):
        for name in files:
            self.bring(name)

    def test_all_of_it_twice_books_nothing_twice(self):
        files = good_files()
        self.everything(files)
        once, totals = self.picture(), self.totals()
        self.assertGreater(len(files), 31)  # a month of daily files is one call
        for row in self.bring(*files):
            self.assertTrue(row["already_in"], row)
            self.assertEqual((row["recorded"], row["confirmed"], row["allocated"]), (0, 0, 0))
        self.assertEqual(self.picture(), once)
        self.assertEqual(self.totals(), totals)
        check_ledger(self.dump())

    def test_the_order_in_which_files_come_does_not_matter(self):
        files = good_files()
        self.everything(files)
        once, totals = self.picture(), self.totals()
        for seed in range(3):
            self.setUp()
            shuffled = list(files)
            random.Random(seed).shuffle(shuffled)
            self.everything(shuffled)
            self.assertEqual(self.picture(), once, shuffled)
            self.assertEqual(self.totals(), totals, shuffled)
            check_ledger(self.dump())

    def test_what_is_wrong_changes_nothing(self):
        before = len(self.dump())
        for name, (code, reason) in REFUSED.items():
            for lang in ("en", "fr"):
                ran = self.fails(code, "clerk", "import", CORPUS / name, lang=lang)
                self.assertIn(name if reason != "ACCOUNT_UNKNOWN" else OTHER, ran.err)
            told = json.loads(self.fails(code, "clerk", "import", CORPUS / name,
                                         format="json").err)
            self.assertEqual(told["reason"], reason, told)
        self.assertEqual(self.listed(), [])
        # not even as a refusal: what others do with their account is not for this ledger
        self.assertEqual(len(self.dump()), before)

    def test_one_wrong_file_and_none_is_sent(self):
        self.fails(65, "clerk", "import", CORPUS / "exact-v08.xml", CORPUS / "unbalanced.xml")
        self.assertEqual(self.listed(), [])
        self.fails(66, "clerk", "import", CORPUS / "exact-v08.xml", CORPUS / "not-there.xml")
        self.assertEqual(self.listed(), [])

    def test_which_of_several_files_was_refused(self):
        """Those before it are in; the refusal alone would say that nothing was."""
        self.bring("exact-v08.xml")
        files = [CORPUS / one for one in ("twins.xml", "conflict.xml", "dollars.xml", "manual.xml")]
        ran = self.fails(10, "clerk", "import", *files)
        self.assertIn("conflict.xml: ", ran.err)
        self.assertIn("files before it, imported: 1; files after it, not sent: 2", ran.err)
        self.assertIn("twins", str(self.pledge("clerk", "statements").out).lower())
        told = json.loads(self.fails(10, "clerk", "import", *files, format="json").err)
        refused = self.dump()[told["seq"] - 1]
        self.assertEqual(told["request_id"], id_text(refused.request_id), "that of the file it was")
        ran = self.fails(10, "clerk", "import", "--dry-run", *files, lang="fr")
        self.assertIn("conflict.xml : ", ran.err.replace("\u00a0", " "))
        self.assertNotIn("importés", ran.err)

    def test_many_files(self):
        """More than would fit if each took the memory of the largest that there may be."""
        self.bring(*["exact-v08.xml"] * 70)
        self.assertEqual(len(self.listed()), 1)

    def test_it_is_all_there_after_a_restart(self):
        self.everything(good_files())
        once = self.picture()
        self.home.restart()
        self.assertEqual(self.picture(), once)
        self.assertEqual(self.bring("twins.xml")[0]["known"], 2)


class Traps(Bank):
    def test_reference_and_amount_fit(self):
        row = self.bring("exact-v08.xml")[0]
        self.assertEqual((row["recorded"], row["allocated"], row["queued"]), (1, 1, 0))
        self.assertEqual(self.outstanding("P000001"), 0)
        row = self.bring("exact-v04.xml")[0]
        self.assertEqual((row["recorded"], row["allocated"]), (1, 1))
        self.assertEqual(self.outstanding("P000002"), 0)

    def test_blanks_and_free_text(self):
        self.bring("reference-blanks.xml", "reference-text.xml")
        self.assertEqual(self.outstanding("P000010"), 0)
        self.assertEqual(self.outstanding("P000011"), 0)
        left = self.listed("--unallocated")
        self.assertEqual([(r["queue"], r["bank_ref"]) for r in left], [("no-reference", "ASR-TEXT2")])

    def test_twins_are_two(self):
        row = self.bring("twins.xml")[0]
        self.assertEqual(row["recorded"], 2)
        self.assertEqual([r["occurrence"] for r in self.listed()], [1, 2])
        self.assertEqual(self.bring("twins.xml")[0]["known"], 2)
        self.assertEqual(self.received(), 8000)

    def test_an_id_reused_in_another_year_is_another_statement(self):
        self.bring("id-reused-2025.xml", "exact-v08.xml")
        rows = json.loads(self.pledge("clerk", "statements", format="json").out)["statements"]
        self.assertEqual([(r["statement"], r["id"], r["created"]) for r in rows],
                         [("S000001", "STM-2026-0001", "2025-04-03"),
                          ("S000002", "STM-2026-0001", "2026-04-03")])

    def gaps(self):
        rows = json.loads(self.pledge("clerk", "statements", format="json").out)["statements"]
        return [r["gap"] for r in rows]

    def test_a_statement_that_is_missing_between_two_is_seen(self):
        self.bring("exact-v08.xml", "wrong-amount.xml")
        self.assertEqual(self.gaps(), [None, "253106.50"])
        table = self.pledge("clerk", "statements", format="table", lang="fr").out
        self.assertIn("Manque avant", table)
        between = (CORPUS / "wrong-amount.xml").read_text()
        for there, instead in (("49000.00", "253106.50"), (">404106.50", ">151000.00"),
                               (">453106.50", ">404106.50"), ("2026-04-20", "2026-04-10"),
                               ("STM-AMOUNT", "STM-BETWEEN"), ("ASR-AMOUNT", "ASR-BETWEEN")):
            self.assertIn(there, between)
            between = between.replace(there, instead)
        path = self.home.path / "between.xml"
        path.write_text(between)
        self.pledge("clerk", "import", path)
        self.assertEqual(self.gaps(), [None, None, None])

    def test_the_same_statement_with_other_balances_is_refused(self):
        self.bring("exact-v08.xml")
        for lang, word in (("en", "contradicts"), ("fr", "contredit")):
            ran = self.fails(10, "clerk", "import", CORPUS / "conflict.xml", lang=lang)
            self.assertIn(word, ran.err)
            self.assertIn("S000001", ran.err)
        self.assertEqual(len(self.listed()), 1)

    def test_overlapping_statements_share_their_movements(self):
        self.bring("exact-v08.xml", "exact-v04.xml")
        row = self.bring("overlap-month.xml")[0]
        self.assertEqual((row["known"], row["recorded"]), (2, 1))
        self.assertEqual(self.received(), 15000000 + 10000000 + 500)

    def test_statement_and_notification_of_one_credit(self):
        self.bring("exact-v08.xml")
        self.assertEqual(self.bring("same-movements.054.xml")[0]["known"], 1)
        self.setUp()
        self.bring("same-movements.054.xml")
        self.assertEqual(self.bring("exact-v08.xml")[0]["known"], 1)
        self.assertEqual(self.received(), 15000000)

    def test_a_report_of_the_day_is_as_good_as_a_notification(self):
        text = (CORPUS / "same-movements.054.xml").read_text()
        for there, instead in (("camt.054", "camt.052"), ("BkToCstmrDbtCdtNtfctn", "BkToCstmrAcctRpt"),
                               ("Ntfctn>", "Rpt>"), ("NTF-0001", "RPT-0001"),
                               ("<RltdPties><Dbtr><Pty><Nm>Example Ministry</Nm></Pty></Dbtr></RltdPties>", "")):
            self.assertIn(there, text)
            text = text.replace(there, instead)
        pending = text.replace("<Sts><Cd>BOOK", "<Sts><Cd>PDNG").replace("RPT-0001", "RPT-0000")
        for name, report in (("pending.xml", pending), ("report.xml", text)):
            (self.home.path / name).write_text(report)
        self.assertEqual(self.bring(self.home.path / "pending.xml")[0]["recorded"], 0)
        row = self.bring(self.home.path / "report.xml")[0]
        self.assertEqual((row["kind"], row["recorded"], row["allocated"]), ("notification", 1, 1))
        rows = self.bring("same-movements.054.xml", "exact-v08.xml")
        self.assertEqual([(r["known"], r["recorded"], r["learned"]) for r in rows], [(1, 0, 1), (1, 0, 1)])  # a name, then an account
        self.assertEqual([r["payer"] for r in self.listed()], ["Example Ministry"])
        self.assertEqual(self.received(), 15000000)

    def test_a_batch_waits_for_its_details(self):
        self.bring("batch-alone.xml")
        self.assertEqual([(r["queue"], r["unmatched"], r["batch_count"]) for r in self.listed()],
                         [("batch-details", "550.00", 2)])
        row = self.bring("batch-alone.054.xml")[0]
        self.assertEqual((row["recorded"], row["allocated"]), (2, 1))
        self.assertEqual(self.received(), 55000)
        self.assertEqual(self.outstanding("P000006"), 0)
        self.assertEqual([(r["amount"], r["batch"]) for r in self.listed()[1:]],
                         [("200.00", "B000001"), ("350.00", "B000001")])
        for again in ("batch-alone.xml", "batch-alone.054.xml", "batch-alone.054-v04.xml"):
            self.assertEqual(self.bring(again)[0]["recorded"], 0, again)
        self.assertEqual(self.received(), 55000)

    def test_details_before_their_batch(self):
        self.bring("batch-alone.054-v04.xml")
        self.assertEqual(self.bring("batch-alone.xml")[0]["known"], 1)
        self.assertEqual(self.received(), 55000)

    def test_details_of_another_sum_are_refused(self):
        self.bring("batch-alone.xml")
        ran = self.fails(10, "clerk", "import", CORPUS / "batch-conflict.054.xml")
        self.assertIn("B000001", ran.err)
        self.assertEqual(len(self.listed()), 1)

    def test_a_batch_that_was_dealt_with_stays(self):
        self.bring("batch-alone.xml")
        self.pledge("clerk", "allocate", "B000001", "P000003")
        row = self.bring("batch-alone.054.xml")[0]
        self.assertEqual((row["known"], row["recorded"], row["learned"]), (2, 0, 2))
        self.assertEqual(self.received(), 55000)
        # its money stays where somebody put it; who paid each part is told by the details, once
        self.assertEqual([r["payer"] for r in self.listed()], ["Detail One; Detail Two"])
        self.assertEqual([self.bring("batch-alone.054.xml")[0][how] for how in ("learned", "already_in")],
                         [0, True])
        gone = self.pledge("admin", "contributor", "erase", "B1", "--reason", "asked", format="json").json
        self.assertEqual(gone["erased"], 2)
        self.bring("batch-alone.054.xml", "batch-alone.054-v04.xml")
        self.assertEqual([r["payer"] for r in self.listed()], [None])
        check_ledger(self.dump())

    def test_details_are_booked_not_their_sum(self):
        row = self.bring("batch-details.xml")[0]
        self.assertEqual((row["recorded"], row["allocated"], row["queued"]), (3, 2, 1))
        self.assertEqual(self.bring("same-ref-details.xml")[0]["recorded"], 3)
        self.assertEqual(self.bring("same-ref-details.xml")[0]["known"], 3)
        self.assertEqual(self.received(), 150000 + 6000)

    def test_charges_are_in_sight(self):
        self.bring("charges.xml", "charges-debit.xml")
        self.assertEqual([(r["kind"], r["amount"], r["queue"]) for r in self.listed()],
                         [("payment", "1526.00", None), ("charge", "-26.00", "charge"),
                          ("payment", "-1500.00", "debit"), ("charge", "-26.00", "charge")])
        self.assertEqual(self.outstanding("P000007"), 0)

    def test_foreign_currency(self):
        self.bring("foreign.xml", "foreign-txamt.xml", "dollars.xml")
        rows = self.listed()
        self.assertEqual([(r["amount"], r["currency"], r["instructed"], r["instructed_currency"],
                           r["rate"]) for r in rows],
                         [("150450.00", "CHF", "170000.00", "USD", "0.885"),
                          ("90.00", "CHF", "100.00", "EUR", "0.9"),
                          ("5000.00", "USD", None, None, None)])
        self.assertEqual(self.outstanding("P000008"), 0)
        self.assertEqual(self.outstanding("P000009"), 0)

    def test_a_currency_without_decimals(self):
        self.bring("yen.xml")
        row = self.listed()[0]
        self.assertEqual((row["amount"], row["currency"], row["queue"]),
                         ("33401000", "JPY", "currency-differs"))

    def test_reversals_wait_for_a_person(self):
        self.bring("reversal.xml", "reversal-original-sign.xml", "return.xml")
        self.assertEqual([(r["kind"], r["amount"], r["queue"], r["return_reason"])
                          for r in self.listed()],
                         [("reversal", "-100.00", "reversal", None),
                          ("reversal", "-100.00", "reversal", None),
                          ("return", "50.00", "return", "AC04")])

    def test_a_reversal_takes_back_what_was_allocated(self):
        self.bring("reference-blanks.xml", "reversal.xml")
        self.assertEqual(self.outstanding("P000010"), 0)
        self.fails(65, "clerk", "match", "B000002", "B000001")  # a reason is needed
        self.fails(10, "clerk", "match", "B000001", "B000002", "--reason", "turned round")
        self.fails(11, "clerk", "match", "B000002", "B000099", "--reason", "nothing there")
        self.pledge("clerk", "match", "B000002", "B000001", "--reason", "the bank took it back")
        self.assertEqual(self.outstanding("P000010"), 10000)
        self.assertEqual(self.received(), 0)
        self.assertEqual(self.listed("--unallocated"), [])
        self.fails(10, "clerk", "match", "B000002", "B000001", "--reason", "once more")
        check_ledger(self.dump())

    def test_amount_unknown_pledge_closed_pledge(self):
        self.clerk.withdraw("P000001")
        self.bring("wrong-amount.xml", "unknown-pledge.xml", "exact-v08.xml")
        self.assertEqual([r["queue"] for r in self.listed()],
                         ["amount-differs", "pledge-unknown", "pledge-not-open"])
        self.assertEqual([r["queue"] for r in self.listed("--queue", "pledge-unknown")],
                         ["pledge-unknown"])

    def test_money_that_nobody_knows_is_in_every_export(self):
        self.bring("no-payer.xml")
        for form in ("hledger", "beancount", "iati", "csv", "jsonl"):
            out = self.pledge("auditor", "dump", "--as", form).out
            self.assertIn("B000001", out, form)
        self.assertIn("not known yet", self.pledge("auditor", "dump", "--as", "iati").out)

    def test_a_reference_with_a_slip_is_shown_to_who_has_to_find_the_pledge(self):
        path = self.home.path / "slip.xml"
        path.write_text((CORPUS / "exact-v08.xml").read_text()
                        .replace("<RmtInf>", "<RmtInf><Ustrd>for the forum</Ustrd>")
                        .replace("RF85P000001", "RF86 P000001"))
        self.bring(path)
        row, = self.listed()
        self.assertEqual((row["queue"], row["reference"], row["payer_text"]),
                         ("no-reference", None, "RF86P000001 for the forum"))

    def test_a_payer_who_turns_the_line_is_kept_and_shown_as_blanks(self):
        """What a bank sends is a fact; what it does to a terminal or a spreadsheet is none."""
        name, text = "Ltd\u202e00.000\u2066 FHC\u009b2J", "line\u2028two"
        path = self.home.path / "turns.xml"
        path.write_text((CORPUS / "no-payer.xml").read_text().replace("</BkTxCd>", f"""</BkTxCd>
            <NtryDtls><TxDtls>
              <RltdPties><Dbtr><Pty><Nm>{name}</Nm></Pty></Dbtr></RltdPties>
              <RmtInf><Ustrd>{text}</Ustrd></RmtInf>
            </TxDtls></NtryDtls>"""))
        self.bring(path)
        ran = self.pledge("clerk", "entries", format="json")
        self.assertEqual([(r["payer"], r["payer_text"]) for r in ran.json["bank_entries"]], [(name, text)])
        steering = set(name + text) - set(map(chr, range(0x20, 0x7f)))
        self.assertEqual(len(steering), 4)
        for format in ("json", "plain", "csv", "table"):
            out = self.pledge("clerk", "entries", format=format).out
            self.assertIn("Ltd", out)
            self.assertFalse(steering & set(out), format)

    def age(self):
        """Days since the corpus was booked, where the fund is."""
        return (datetime.now(ZoneInfo("Europe/Zurich")).date() - date(2026, 4, 20)).days

    def test_filters(self):
        self.bring("wrong-amount.xml", "dollars.xml", "exact-v08.xml", "charges.xml")
        self.assertEqual([r["bank_entry"] for r in self.listed("--currency", "USD")], ["B000002"])
        self.assertEqual([r["bank_entry"] for r in self.listed("--statement", "s1")], ["B000001"])
        self.assertEqual([r["bank_entry"] for r in self.listed("B3")], ["B000003"])
        days = None
        while days != self.age():  # again if it got midnight in between
            days = self.age()
            rows = [self.listed("--older-than", f"{past}d", "--statement", "S1")
                    for past in (days, days - 1)]
            aged = self.listed("B1")[0]["age_days"]
        self.assertEqual([len(r) for r in rows], [0, 1])
        self.assertEqual(aged, days)
        self.fails(64, "clerk", "entries", "--older-than", "soon")
        self.fails(11, "clerk", "entries", "--statement", "S000099")

    def test_dry_run_tells_and_does_nothing(self):
        size = len(self.dump())
        row = json.loads(self.pledge("clerk", "import", CORPUS / "exact-v08.xml", "--dry-run",
                                     format="json").out)["statements"][0]
        self.assertEqual((row["recorded"], row["allocated"], row["result"]), (1, 1, "DRY_RUN"))
        self.assertEqual(len(self.dump()), size)


class ByHand(Bank):
    def test_what_was_recorded_by_hand_is_confirmed(self):
        self.pledge("clerk", "pay", "P000012", "30000.00", "CHF", "--bank-ref", "EBANK-4711")
        row = self.bring("manual.xml")[0]
        self.assertEqual((row["confirmed"], row["recorded"]), (1, 0))
        self.assertEqual(self.received(), 3000000)
        self.assertTrue(self.clerk.ListPayments(pledge="P000012").payment[0].confirmed)
        with self.refused("NOT_REVERSIBLE"):
            seq = self.clerk.ListPayments(pledge="P000012").payment[0].seq
            self.clerk.execute(reverse=pb.Reverse(seq=seq), reason="the bank has it")

    def test_by_the_pledge_that_the_reference_names(self):
        self.pledge("clerk", "pay", "P000012", "30000.00", "CHF", "--value-date", "2026-04-20")
        self.assertEqual(self.bring("manual.xml")[0]["confirmed"], 1)
        self.assertEqual(self.received(), 3000000)

    def test_by_amount_and_day_alone(self):
        self.pledge("clerk", "pay", "P000003", "100.00", "CHF", "--value-date", "2026-04-16")
        self.assertEqual(self.bring("no-payer.xml")[0]["confirmed"], 1)
        self.assertEqual(self.received(), 10000)

    def test_another_pledge_or_reference_is_another_payment(self):
        self.pledge("clerk", "pay", "P000003", "30000.00", "CHF", "--value-date", "2026-04-22")
        self.pledge("clerk", "pay", "P000003", "100.00", "CHF", "--value-date", "2026-04-16",
                    "--bank-ref", "SOMETHING-ELSE")
        self.assertEqual(self.bring("manual.xml")[0]["recorded"], 1)
        self.assertEqual(self.bring("no-payer.xml")[0]["recorded"], 1)

    def test_two_references_that_differ_are_two_payments(self):
        """Also of one pledge and one amount: the second instalment is not the first one."""
        self.pledge("clerk", "pay", "P000012", "30000.00", "CHF", "--value-date", "2026-04-20",
                    "--bank-ref", "EBANK-4710")
        self.assertEqual(self.bring("manual.xml")[0]["recorded"], 1)
        self.assertEqual(self.received(), 6000000)

    def test_paying_by_hand_what_was_imported(self):
        self.bring("no-payer.xml")
        ran = self.pledge("clerk", "pay", "P000003", "100.00", "CHF", "--bank-ref", "ASR-NOPAYER",
                          "--value-date", "2026-04-16", format="json")
        told = json.loads(ran.out)
        self.assertEqual(told["bank_entry"], "B000001")
        self.assertEqual([w["kind"] for w in told["warnings"]], ["PAYMENT_IMPORTED"])
        self.assertEqual(self.received(), 10000)
        self.fails(10, "clerk", "pay", "P000003", "100.00", "CHF", "--bank-ref", "ASR-NOPAYER",
                   "--value-date", "2026-04-16")
        self.assertEqual(self.received(), 10000)

    def test_paying_by_hand_without_a_reference(self):
        self.bring("no-payer.xml", "exact-v08.xml")
        self.pledge("clerk", "pay", "P000003", "100.00", "CHF", "--value-date", "2026-04-16")
        self.assertEqual(self.received(), 10000 + 15000000)
        self.fails(10, "clerk", "pay", "P000001", "150000.00", "CHF", "--value-date", "2026-04-02")
        self.assertEqual(self.received(), 10000 + 15000000)


class Refunds(Bank):
    def listed(self, *args):
        """What statements brought: what these tests pay is typed by hand."""
        return [row for row in super().listed(*args) if row["statement"]]

    def setUp(self):
        super().setUp()
        self.letter = self.home.path / "letter.txt"
        self.letter.write_text("as we wrote")
        self.pledge("clerk", "pay", "P000012", "31000.00", "CHF", "--value-date", "2026-04-22")
        self.refund = self.order("500")

    def order(self, amount):
        ran = self.pledge("clerk", "refund", "B000001", "--amount", amount, "--currency", "CHF",
                          "--evidence", self.letter, format="json")
        return ran.json["id"]

    def state(self, refund="R000001"):
        shown = self.pledge("clerk", "show", "P000012", format="json").json["refunds"]
        return next((r["state"], r["debit"]) for r in shown if r["refund"] == refund)

    def seq_of(self, fact):
        return [e.seq for e in self.dump() if e.HasField(fact)]

    def test_a_debit_that_names_it_closes_it(self):
        row = self.bring("refund.xml")[0]
        self.assertEqual((row["recorded"], row["refunded"], row["queued"]), (1, 1, 0))
        self.assertEqual(self.state(), ("paid", "B000002"))
        self.assertEqual(self.listed("--unallocated"), [])
        self.assertTrue(self.bring("refund.xml")[0]["already_in"])
        self.fails(10, "clerk", "refund-paid", "R1", "500", "CHF", "--value-date", "2026-06-02")
        check_ledger(self.dump())

    def test_another_amount_waits_for_a_person(self):
        other = self.order("400")
        self.pledge("clerk", "refund-cancel", "R1", "--reason", "another amount")
        row = self.bring("refund.xml")[0]
        self.assertEqual((row["refunded"], row["queued"]), (0, 1))
        self.assertEqual([(r["queue"], r["unmatched"]) for r in self.listed("--unallocated")],
                         [("debit", "-500.00")])
        self.fails(10, "clerk", "match", "B000002", "R000001")  # cancelled
        self.fails(11, "clerk", "match", "B000002", "R000009")
        self.fails(11, "clerk", "match", "B000099", other)
        self.fails(10, "clerk", "match", "B000001", other)      # a credit
        self.fails(65, "clerk", "match", "B000002", "Rx")
        for person in ("approver", "auditor", "reader"):
            self.fails(77, person, "match", "B000002", other)
        self.pledge("clerk", "match", "B000002", other)
        self.assertEqual(self.state(other), ("paid", "B000002"))
        self.assertEqual([r["unmatched"] for r in self.listed("--unallocated")], ["-100.00"])
        third = self.order("100.01")
        ran = self.fails(10, "clerk", "match", "B000002", third, lang="fr")
        self.assertIn("100", ran.err)
        check_ledger(self.dump())

    def test_the_likeliest_refund_first(self):
        self.pledge("clerk", "refund-cancel", "R1", "--reason", "to be ordered again")
        self.bring("refund.xml")
        second, third = self.order("500"), self.order("100")
        ran = self.pledge("clerk", "suggest", "B2", format="json").json["suggestions"]
        self.assertEqual([(r["refund"], r["why"], r["outstanding"], r["pledge"]) for r in ran],
                         [(second, "refund-amount", "500.00", "P000012")])
        self.assertIn("montant du remboursement",
                      self.pledge("clerk", "suggest", "B2", format="table", lang="fr").out)
        self.pledge("clerk", "match", "B2", second)
        self.assertEqual(self.pledge("clerk", "suggest", "B2", format="json").json["suggestions"],
                         [])
        self.assertEqual(self.state(third)[0], "ordered")

    def test_what_was_paid_by_hand_is_confirmed(self):
        self.pledge("clerk", "refund-paid", "R1", "500", "CHF", "--value-date", "2026-06-01")
        row = self.bring("refund.xml")[0]
        self.assertEqual((row["confirmed"], row["recorded"], row["refunded"]), (1, 0, 0))
        self.assertEqual(self.state(), ("paid", "B000002"))
        self.assertEqual(len(self.listed()), 1)
        self.assertEqual(self.bring("refund.xml")[0]["known"], 1)
        check_ledger(self.dump())

    def test_by_the_bank_reference_or_the_day_alone(self):
        self.pledge("clerk", "refund-cancel", "R1", "--reason", "to be ordered again")
        second, third = self.order("500"), self.order("500")
        self.pledge("clerk", "refund-paid", third, "500", "CHF", "--value-date", "2026-06-01")
        self.pledge("clerk", "refund-paid", second, "500", "CHF", "--bank-ref", "ASR-REFUND")
        self.assertEqual(self.bring("refund.xml")[0]["confirmed"], 1)
        confirmed = [e.payment_confirmed for e in self.dump() if e.HasField("payment_confirmed")]
        self.assertEqual([(c.refund, c.pledge) for c in confirmed], [(second, "P000012")])

    def test_paying_by_hand_what_was_imported(self):
        self.pledge("clerk", "refund-cancel", "R1", "--reason", "to be ordered again")
        self.bring("refund.xml")
        second, third = self.order("500"), self.order("500")
        told = self.pledge("clerk", "refund-paid", second, "500", "CHF", "--value-date",
                           "2026-06-02", format="json").json
        self.assertEqual([w["kind"] for w in told["warnings"]], ["PAYMENT_IMPORTED"])
        self.assertEqual(self.state(second), ("paid", "B000002"))
        self.fails(10, "clerk", "refund-paid", third, "500", "CHF", "--bank-ref", "ASR-REFUND",
                   "--value-date", "2026-06-02")
        check_ledger(self.dump())

    def test_a_wrong_refund_paid_is_reversed(self):
        self.pledge("clerk", "refund-paid", "R1", "500", "CHF", "--bank-ref", "OUT-1")
        seq = self.seq_of("refund_paid")[0]
        self.fails(65, "clerk", "reverse", str(seq))  # a reason is needed
        done = self.pledge("clerk", "reverse", str(seq), "--reason", "it never left", format="json")
        self.assertEqual((done.json["id"], done.json["pledge"]), ("B000002", "P000012"))
        self.assertEqual(self.state(), ("ordered", None))
        self.fails(10, "clerk", "reverse", str(seq), "--reason", "once more")
        self.pledge("clerk", "refund-paid", "R1", "500", "CHF", "--bank-ref", "OUT-1")
        self.assertEqual(self.state(), ("paid", "B000003"))
        again = self.seq_of("refund_paid")[1]
        self.pledge("clerk", "reverse", str(again), "--reason", "nor did this")
        self.pledge("clerk", "refund-cancel", "R1", "--reason", "they give it after all")
        self.assertEqual(self.received(), 3100000)
        check_ledger(self.dump())
        self.home.restart()
        self.assertEqual(self.state(), ("cancelled", None))

    def test_the_debit_of_a_statement_stays_when_its_refund_was_another(self):
        second = self.order("500")
        self.bring("refund.xml")
        self.pledge("clerk", "reverse", str(self.seq_of("refund_paid")[0]), "--reason",
                    "they wrote the wrong number")
        self.assertEqual(self.state(), ("ordered", None))
        self.assertEqual([r["queue"] for r in self.listed("--unallocated")], ["debit"])
        self.assertTrue(self.bring("refund.xml")[0]["already_in"])
        ran = self.pledge("clerk", "suggest", "B2", format="json").json["suggestions"]
        self.assertEqual([(r["refund"], r["why"]) for r in ran],
                         [("R000001", "refund-named"), (second, "refund-amount")])
        self.pledge("clerk", "match", "B2", second)
        self.assertEqual((self.state(), self.state(second)),
                         (("ordered", None), ("paid", "B000002")))
        check_ledger(self.dump())

    def test_it_comes_back(self):
        """The account was closed: the refund waits again, and the money is no contribution."""
        self.bring("refund.xml")
        received = self.received()
        self.bring("refund-returned.xml")
        row = self.listed("--queue", "return")[0]
        self.assertEqual((row["bank_entry"], row["amount"], row["return_reason"]),
                         ("B000003", "480.00", "AC04"))
        told = self.pledge("clerk", "suggest", "B3", format="json").json["suggestions"][0]
        self.assertEqual((told["why"], told["refund"], told["outstanding"]),
                         ("return-named", "R000001", "500.00"))
        self.assertIn("revient", self.pledge("clerk", "suggest", "B3", format="table", lang="fr").out)
        self.fails(65, "clerk", "match", "B3", "B2")    # a reason is needed
        self.fails(10, "clerk", "match", "B2", "R1")    # it has paid it
        for person in ("approver", "auditor", "reader"):
            self.fails(77, person, "match", "B3", "R1")
        done = self.pledge("clerk", "match", "B3", "B2", "--reason", "their account is closed",
                           format="json").json
        self.assertEqual(done["id"], "B000003")
        self.assertEqual(self.state(), ("ordered", None))
        self.assertEqual(self.received(), received)
        self.assertEqual(self.published(), received)    # nor for those who read what is published
        self.assertEqual([(r["bank_entry"], r["unmatched"], r["explained"]) for r in self.listed()],
                         [("B000002", "-20.00", "0.00"), ("B000003", "0.00", "480.00")])
        self.fails(10, "clerk", "allocate", "B3", "P1")
        self.pledge("clerk", "charge", "B2")            # what a bank kept
        self.fails(10, "clerk", "reverse", str(done["seq"]), "--reason", "it did not come")
        again = self.home.path / "again.xml"
        again.write_text((CORPUS / "refund.xml").read_text().replace("ASR-REFUND", "ASR-AGAIN")
                         .replace("STM-REFUND", "STM-AGAIN").replace("2026-06-0", "2026-06-2"))
        self.pledge("clerk", "import", again)
        self.assertEqual(self.state(), ("paid", "B000004"))
        self.assertEqual(self.listed("--unallocated"), [])
        self.assertEqual(self.published(), received - 50000)    # the bank's 20.00 are in neither
        history = self.pledge("clerk", "history", "P000012", format="table", lang="fr").out
        self.assertIn("remboursement revenu", history)
        self.books_hold("30480.00")
        self.home.restart()
        self.assertEqual(self.state(), ("paid", "B000004"))

    def published(self):
        """Incoming funds of the IATI file, in rappen."""
        path = self.home.path / "own.iati.xml"
        self.pledge("auditor", "dump", "--as", "iati", "-o", path)
        return sum(round(float(t.find("value").text) * 100)
                   for t in ElementTree.parse(path).iter("transaction")
                   if t.find("transaction-type").get("code") == "1")

    def test_a_refund_of_money_that_was_for_no_pledge(self):
        """The statement of whom it came from has it, and adds up to what came and went."""
        self.bring("no-payer.xml")
        row = next(r for r in self.listed("--unallocated") if r["pledge"] is None)
        bank, amount = row["bank_entry"], row["amount"]
        before = self.pledge("clerk", "statement", self.partner, format="csv").csv
        give = ("refund", bank, "--evidence", self.letter)
        self.fails(11, "clerk", *give, "--contributor", "C000999")
        ran = self.fails(65, "clerk", "refund", "B1", "--amount", "1", "--currency", "CHF",
                         "--evidence", self.letter, "--contributor", self.partner)
        self.assertIn("meant for a pledge", ran.err)
        done = self.pledge("clerk", *give, "--contributor", self.partner, format="json").json
        lines = self.pledge("clerk", "statement", self.partner, format="csv").csv
        new = [r for r in lines if r not in before]
        self.assertEqual([(r["date"], r["received"], r["returned"], r["pledge"], r["bank_entry"])
                          for r in new], [(row["value_date"], amount, "0.00", "", bank)])
        self.pledge("clerk", "refund-paid", done["id"], amount, "CHF", "--value-date", "2026-07-01")
        lines = self.pledge("clerk", "statement", self.partner, format="csv").csv
        new = [r for r in lines if r not in before]
        self.assertEqual([(r["what"], r["received"], r["returned"]) for r in new],
                         [("payment_recorded", amount, "0.00"), ("refund_paid", "0.00", amount)])
        total = self.reader.GetTotals().line
        self.assertEqual(sum(line.received_minor - line.refunded_minor for line in total),
                         sum(round(100 * (float(r["received"]) - float(r["returned"])))
                             for r in lines) - 50000)    # another refund is ordered, not paid
        check_ledger(self.dump())
        self.home.restart()
        self.assertEqual(self.pledge("clerk", "statement", self.partner, format="csv").csv, lines)

    def test_more_than_the_refund_comes_back(self):
        self.bring("refund.xml")
        more = self.home.path / "more.xml"
        more.write_text((CORPUS / "refund-returned.xml").read_text().replace("480.00", "520.00")
                        .replace("499980.00", "500020.00"))
        self.pledge("clerk", "import", more)
        self.pledge("clerk", "match", "B3", "R1")
        self.assertEqual(self.state(), ("ordered", None))
        self.assertEqual([(r["bank_entry"], r["unmatched"], r["explained"])
                          for r in self.listed("--unallocated")], [("B000003", "20.00", "500.00")])
        shown = self.pledge("clerk", "payments", "--unallocated", format="csv").csv
        self.assertIn(("B000003", "20.00"), [(r["bank_entry"], r["unallocated"]) for r in shown])
        self.pledge("clerk", "allocate", "B3", "P000001")
        self.assertEqual(self.listed("--unallocated"), [])
        self.books_hold("31020.00")

    def test_a_return_that_was_none(self):
        self.bring("refund.xml", "refund-returned.xml")
        done = self.pledge("clerk", "match", "B3", "R1", format="json").json
        self.assertEqual((done["id"], self.state()), ("R000001", ("ordered", None)))
        self.fails(10, "clerk", "reverse", str(self.seq_of("refund_paid")[0]), "--reason", "wrong")
        self.pledge("clerk", "reverse", str(done["seq"]), "--reason", "it was a gift")
        self.assertEqual(self.state(), ("paid", "B000002"))
        self.fails(10, "clerk", "reverse", str(done["seq"]), "--reason", "once more")
        self.pledge("clerk", "allocate", "B3", "P000001")
        check_ledger(self.dump())
        shown = self.pledge("clerk", "statement", self.partner, format="json").json["lines"]
        self.assertEqual([r["returned"] for r in shown if float(r["returned"]) != 0],
                         ["500.00", "-500.00", "500.00"])
        self.books_hold("30980.00")

    def books_hold(self, bank):
        check_ledger(self.dump())
        for form, judge in (("hledger", ["hledger", "-f"]), ("beancount", ["bean-check"])):
            path = self.home.path / f"own.{form}"
            self.pledge("auditor", "dump", "--as", form, "-o", path)
            self.ok(run([*judge, path, *(["check", "-s"] if form == "hledger" else [])]))
        self.assertIn(bank, run(["hledger", "-f", self.home.path / "own.hledger", "balance",
                                 "Assets:Bank", "-N"]).out)
        path = self.home.path / "books.bin"
        self.pledge("auditor", "dump", "-o", path)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"]))

    def test_books_and_verification_hold(self):
        self.bring("refund.xml")
        self.pledge("clerk", "reverse", str(self.seq_of("refund_paid")[0]), "--reason", "wrong")
        self.pledge("clerk", "match", "B2", "R1")
        path = self.home.path / "refunds.bin"
        self.pledge("auditor", "dump", "-o", path)
        books = self.pledge("auditor", "dump", "--as", "hledger").out
        ran = subprocess.run(["hledger", "-f", "-", "balance", "Liabilities:Refund", "Assets:Bank",
                              "-O", "csv"], input=books, capture_output=True, text=True,
                             timeout=60, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("30500.00", ran.stdout)
        self.assertNotIn("Refund", ran.stdout)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"]))


class Charges(Bank):
    def test_what_was_taken_on_the_way_and_what_the_bank_calls_it(self):
        self.bring("charges.xml", "charges-debit.xml")
        self.assertEqual([(r["amount"], r["charges"], r["charges_currency"], r["bank_code"])
                          for r in self.listed()],
                         [("1526.00", "26.00", "CHF", "PMNT/RCDT/OTHR"),
                          ("-26.00", None, None, "PMNT/RCDT/OTHR"),
                          ("-1500.00", "26.00", "CHF", "PMNT/RCDT/OTHR"),
                          ("-26.00", None, None, "PMNT/RCDT/OTHR")])
        fee = self.home.path / "fee.xml"
        fee.write_text((CORPUS / "refund.xml").read_text().replace(
            "<Fmly><Cd>ICDT</Cd><SubFmlyCd>OTHR", "<Fmly><Cd>MDOP</Cd><SubFmlyCd>CHRG").replace(
            "R000001", "FEE-2026-06"))
        self.pledge("clerk", "import", fee)
        row = self.listed("--queue", "charge")[-1]
        self.assertEqual((row["amount"], row["bank_code"], row["kind"]),
                         ("-500.00", "PMNT/MDOP/CHRG", "payment"))
        self.pledge("clerk", "charge", row["bank_entry"])
        self.assertEqual(self.listed(row["bank_entry"])[0]["unmatched"], "0.00")
        table = self.pledge("clerk", "entries", format="table", lang="fr").out
        self.assertIn("Frais en route", table)

    def test_a_total_of_charges(self):
        self.bring("charges-total.xml", "charges-total-v04.xml")
        self.assertEqual([(r["amount"], r["charges"], r["charges_currency"]) for r in self.listed()],
                         [("987.50", "12.50", "EUR"), ("495.00", "5.00", "CHF"),
                          ("300.00", None, None), ("700.00", "7.25", "CHF")])

    def test_a_debit_in_suspense_holds_up_the_month(self):
        """Named, like a credit that nobody has matched; a charge explains it."""
        self.bring("charges-debit.xml")
        ran = self.fails(10, "clerk", "period", "close", "2026-04")
        self.assertIn("PERIOD_BLOCKED", self.fails(10, "clerk", "period", "close", "2026-04",
                                                   format="json").err)
        self.assertIn("B000001 B000002", ran.err)
        self.pledge("clerk", "charge", "B1")
        self.assertIn("B000002", self.fails(10, "clerk", "period", "close", "2026-04",
                                            lang="fr").err)
        self.pledge("clerk", "charge", "B2")
        self.pledge("clerk", "period", "close", "2026-04")
        check_ledger(self.dump())

    def test_a_charge_is_given_back(self):
        self.bring("charge-back.xml", "no-payer.xml")
        before = self.received()
        row = self.listed("--queue", "charge")[0]
        self.assertEqual((row["bank_entry"], row["amount"]), ("B000001", "26.00"))
        done = self.pledge("clerk", "charge", "B1", format="json").json
        self.assertEqual(done["id"], "B000001")
        self.assertEqual(self.received(), before - 2600)
        row = self.listed("B1")[0]
        self.assertEqual((row["unmatched"], row["explained"], row["charge_seq"]),
                         ("0.00", "26.00", done["seq"]))
        self.fails(10, "clerk", "charge", "B1")
        self.fails(10, "clerk", "allocate", "B1", "P000001")
        self.pledge("clerk", "reverse", str(done["seq"]), "--reason", "a gift with a strange code")
        self.assertEqual(self.received(), before)
        self.pledge("clerk", "charge", "B1")
        self.pledge("clerk", "allocate", "B2", "P000001", "--amount", "50", "--currency", "CHF")
        self.fails(10, "clerk", "charge", "B2")     # a contribution, in part
        check_ledger(self.dump())
        own = self.home.path / "own.hledger"
        self.pledge("auditor", "dump", "--as", "hledger", "-o", own)
        ran = run(["hledger", "-f", own, "balance", "Expenses:BankCharges", "-N"])
        self.ok(ran)
        self.assertIn("CHF -26.00", ran.out)
        path = self.home.path / "given.bin"
        self.pledge("auditor", "dump", "-o", path)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"]))
        self.home.restart()
        self.assertEqual(self.listed("B1")[0]["explained"], "26.00")

    def charged(self):
        return [(r["bank_entry"], r["unmatched"], bool(r["charge_seq"])) for r in self.listed()
                if r["amount"].startswith("-")]

    def test_a_debit_is_said_to_be_a_charge(self):
        self.bring("charges-debit.xml", "reversal.xml")
        self.assertEqual(self.charged(), [("B000001", "-1500.00", False), ("B000002", "-26.00", False),
                                          ("B000003", "-100.00", False)])
        done = self.pledge("clerk", "charge", "B2", format="json").json
        self.assertEqual(done["id"], "B000002")
        self.assertEqual(self.charged()[1], ("B000002", "0.00", True))
        self.assertEqual([r["charge_seq"] for r in self.listed("B2")], [done["seq"]])
        self.fails(10, "clerk", "charge", "B2")
        self.fails(10, "clerk", "charge", "B3")  # a reversal of the bank
        self.fails(11, "clerk", "charge", "B99")
        self.fails(65, "clerk", "charge", "Bx")
        for person in ("approver", "auditor", "reader"):
            self.fails(77, person, "charge", "B1")
        ran = self.fails(10, "clerk", "charge", "B2", lang="fr")
        self.assertIn("0.00", ran.err.replace(",", "."))
        self.pledge("clerk", "reverse", str(done["seq"]), "--reason", "not ours")
        self.assertEqual(self.charged()[1], ("B000002", "-26.00", False))
        self.fails(10, "clerk", "reverse", str(done["seq"]), "--reason", "once more")
        self.pledge("clerk", "charge", "B2")
        check_ledger(self.dump())
        path = self.home.path / "charges.bin"
        self.pledge("auditor", "dump", "-o", path)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"]))
        self.home.restart()
        self.assertEqual(self.charged()[1], ("B000002", "0.00", True))


def large(count, day="2026-05-04", names=True, first=0):
    """A statement of many movements, each with a reference of the bank; every tenth is a charge."""
    rows, total = [], 0
    for i in range(first, first + count):
        minor = 1000 + i
        sign = "DBIT" if i % 10 == 9 else "CRDT"
        total += minor if sign == "CRDT" else -minor
        who = f"<RltdPties><Dbtr><Pty><Nm>Payer {i} of Example</Nm></Pty></Dbtr></RltdPties>"
        rows.append(
            f"<Ntry><Amt Ccy='CHF'>{minor / 100:.2f}</Amt><CdtDbtInd>{sign}</CdtDbtInd>"
            f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
            f"<AcctSvcrRef>LARGE-{i}</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>E2E-{i}"
            f"</EndToEndId></Refs><Amt Ccy='CHF'>{minor / 100:.2f}</Amt>"
            f"<CdtDbtInd>{sign}</CdtDbtInd>{who if names else ''}</TxDtls></NtryDtls></Ntry>")
    balance = ("<Bal><Tp><CdOrPrtry><Cd>{}</Cd></CdOrPrtry></Tp><Amt Ccy='CHF'>{:.2f}</Amt>"
               "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{}</Dt></Dt></Bal>")
    return ("<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt>"
            f"<GrpHdr><MsgId>LARGE</MsgId><CreDtTm>{day}T23:00:00</CreDtTm></GrpHdr><Stmt>"
            f"<Id>STM-LARGE-{first}</Id><ElctrncSeqNb>900</ElctrncSeqNb><CreDtTm>{day}T23:00:00"
            f"</CreDtTm><Acct><Id><IBAN>{CHF}</IBAN></Id><Ccy>CHF</Ccy></Acct>"
            + balance.format("OPBD", 0, day) + balance.format("CLBD", total / 100, day)
            + "".join(rows) + "</Stmt></BkToCstmrStmt></Document>"), total


class Large(Bank):
    """A statement that is larger than an entry is one command all the same: whole, or not at all."""
    settings = {**ACCOUNTS, "store": {"segment_bytes": 16 << 20}}

    def write(self, count, **fields):
        path = self.home.path / f"large-{count}-{fields}.xml".replace(" ", "")
        text, total = large(count, **fields)
        path.write_text(text)
        return path, total

    def bring_file(self, path, **fields):
        return json.loads(self.pledge("clerk", "import", path, format="json", timeout=120,
                                      **fields).out)["statements"][0]

    def min_reader(self, segment):
        return int.from_bytes(segment.read_bytes()[12:16], "little")

    def verified(self):
        path = self.home.path / "large.bin"
        self.pledge("auditor", "dump", "-o", path)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"],
                                 timeout=120))

    def test_five_thousand_movements(self):
        path, total = self.write(5000)
        request_id = uuid.uuid4().bytes
        small = [p.name for p in self.home.segments()]
        self.assertEqual({self.min_reader(p) for p in self.home.segments()}, {1})
        row = self.bring_file(path, request_id=request_id)
        self.assertEqual((row["recorded"], row["queued"], row["result"]), (5000, 5000, "NEW"))
        # an older daemon can read what was there before, and says of the rest that it is newer
        self.assertEqual({p.name: self.min_reader(p) for p in self.home.segments()},
                         {**dict.fromkeys(small, 1), self.home.segments()[-1].name: 5})
        self.assertEqual(len(self.home.segments()), len(small) + 1)
        entries = self.dump()
        made = [e for e in entries if e.request_id == request_id]
        self.assertEqual([e.WhichOneof("fact") for e in made[:2]],
                         ["statement_imported", "command_continued"])
        self.assertGreater(made[0].command_bytes, 300_000)
        parts = made[0].command + b"".join(e.command_continued.bytes for e in made
                                           if e.HasField("command_continued"))
        self.assertEqual((len(parts), hashlib.sha256(parts).digest()),
                         (made[0].command_bytes, made[0].command_digest))
        self.assertEqual(max(len(e.SerializeToString()) for e in entries) < 65536, True)
        self.assertEqual(sum(m.bank_entry_recorded.movement.minor for m in made
                             if m.HasField("bank_entry_recorded")), total)
        self.assertEqual(self.rows(), 4500)  # who was paid is not told
        again = self.bring_file(path, request_id=request_id)
        self.assertEqual((again["result"], again["seq"]), ("REPLAY", row["seq"]))
        other = self.bring_file(path)
        self.assertEqual((other["already_in"], other["known"], other["recorded"]),
                         (True, 5000, 0))
        check_ledger(self.dump())
        self.verified()
        jsonl = self.pledge("auditor", "dump", "--as", "jsonl").out.splitlines()
        self.assertEqual(len(jsonl), len(self.dump()) + 1)  # and what it is
        self.home.restart(kill=True)
        self.assertEqual(len(self.listed()), 5000)
        self.assertTrue(self.bring_file(path)["already_in"])

    def rows(self):
        with sqlite3.connect(f"file:{self.home.data}/persons.db?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM record WHERE pending = 0").fetchone()[0]

    def test_parts_that_somebody_changed_are_found(self):
        """By whoever has the key: the entries are signed again."""
        path, _ = self.write(1200)
        self.bring_file(path)
        raw = self.auditor.dump_bytes()[0]
        signer = audit.Signer.from_file(self.home.data / "ledger.key")
        places = [i for i, e in enumerate(raw) if pb.Entry.FromString(e).HasField(
            "command_continued")]
        self.assertGreater(len(places), 1)
        changed = pb.Entry.FromString(raw[places[0]])
        changed.command_continued.bytes = changed.command_continued.bytes.replace(b"LARGE-", b"SMALL-", 1)
        shorter = pb.Entry.FromString(raw[places[-1]])
        shorter.command_continued.bytes = shorter.command_continued.bytes[:-1]
        first, second = places[:2]
        swapped = [pb.Entry.FromString(raw[i]) for i in (second, first)]
        swapped[0].seq, swapped[1].seq = first + 1, second + 1
        swapped[0].time_us, swapped[1].time_us = swapped[1].time_us, swapped[0].time_us
        key = self.pledge("auditor", "status", format="json").json["vkey"]
        for name, forged in [
                ("same", {}), ("changed", {first: changed}), ("shorter", {places[-1]: shorter}),
                ("swapped", {first: swapped[0], second: swapped[1]})]:
            entries = [forged[i].SerializeToString() if i in forged else e
                       for i, e in enumerate(raw)]
            self.assertEqual(name == "same", entries == raw)
            dump = self.home.path / f"{name}.bin"
            dump.write_bytes(audit.dump_of(entries, signer))
            ran = self.home.pledge("auditor", "verify", dump, "--key", key, format="json",
                                   timeout=120)
            self.assertEqual(ran.code, 0 if name == "same" else 17, (name, ran))

    def test_without_a_name_it_goes_the_same_way(self):
        path, _ = self.write(3000, names=False)
        self.assertEqual(self.bring_file(path)["recorded"], 3000)
        self.verified()

    def test_killed_on_the_way_it_is_in_once_or_not_at_all(self):
        path, _ = self.write(4000)
        for wait in (0.05, 0.15, 0.3):
            started = subprocess.Popen(
                [BIN / "pledge", *self.home.client_args("clerk"), "import", path],
                env=self.home.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                started.wait(wait)
            except subprocess.TimeoutExpired:
                pass
            self.home.kill()
            started.kill()
            started.wait(30)
            self.home.drop_clients()
            self.home.start()
            self.assertIn(len(self.listed()), (0, 4000))
        row = self.bring_file(path)
        self.assertEqual(row["recorded"] + row["known"], 4000)
        self.assertEqual(len(self.listed()), 4000)

    def test_what_is_too_large_is_not_sent(self):
        path, _ = self.write(10001)
        size = len(self.dump())
        ran = self.fails(65, "clerk", "import", path, format="json")
        self.assertEqual(ran.error["reason"], "TOO_BIG")
        self.assertEqual(len(self.dump()), size)

    def test_the_larger_limit_is_for_imports_and_who_may_import(self):
        path, _ = self.write(1500)
        self.fails(77, "approver", "import", path)
        self.fails(77, "reader", "import", path)
        hold = command(hold=pb.Hold(tier="t" * 70000, contributor="C000001"))
        for person in ("clerk", "reader"):
            with self.assertRaises(Refused) as caught:
                self.home.client(person).call("ExecutePrivate", pb.ExecutePrivateRequest(
                    command=hold))
            self.assertIn(caught.exception.reason, ("TOO_BIG", "PERMISSION_DENIED"))
        with self.assertRaises(Refused) as caught:
            self.clerk.execute(hold)
        self.assertEqual(caught.exception.reason, "TOO_BIG")


class LargeForItsFile(Bank):
    """Every entry of an import is in one batch, and that in one file of the log."""
    def test_a_log_of_small_files_takes_no_large_statement(self):
        path = self.home.path / "large.xml"
        path.write_text(large(6000)[0])
        size = len(self.dump())
        ran = self.fails(65, "clerk", "import", path, format="json", timeout=120)
        self.assertEqual(ran.error["reason"], "TOO_BIG")
        self.assertEqual(len(self.dump()), size)
        path.write_text(large(1500)[0])
        self.pledge("clerk", "import", path)
        self.assertEqual(len(self.listed()), 1500)


class Payers(Bank):
    SECRETS = (b"Example Ministry", b"CH9300762011623852957", b"gift of the year")

    def files_with(self, secret):
        return [p for p in self.home.data.rglob("*")
                if p.is_file() and secret in p.read_bytes()]

    def rows(self):
        with sqlite3.connect(f"file:{self.home.data}/persons.db?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*), coalesce(sum(pending), 0) FROM record").fetchone()

    def request(self, name, request_id=None, minor=700, ref="PAYER-1", **record):
        detail = pb.PayerDetail(name=name).SerializeToString()
        salt = os.urandom(32)
        commitment = hmac.new(salt, detail, hashlib.sha256).digest()
        fields = dict(commitment=commitment, salt=salt, record=detail)
        fields.update(record)
        movement = pb.Movement(kind=pb.MOVEMENT_KIND_PAYMENT, minor=minor, bank_ref=ref,
                               booking_date="2026-04-02", value_date="2026-04-02",
                               detail_commitment=commitment)
        return pb.ExecutePrivateRequest(
            command=command(request_id, import_statement=pb.ImportStatement(
                file_sha256=bytes(32), statement=[pb.BankStatement(
                    kind=pb.STATEMENT_KIND_NOTIFICATION, account=CHF, currency="CHF", id=ref,
                    created="2026-04-03", movement=[movement])])),
            record=[pb.PrivateRecord(**fields)])

    def test_kept_beside_the_ledger_and_shown(self):
        self.bring("exact-v08.xml")
        row = self.listed()[0]
        self.assertEqual((row["payer"], row["payer_account"], row["payer_erased_seq"]),
                         ("Example Ministry", "CH9300762011623852957", None))
        self.assertIn("Example Ministry", self.pledge("auditor", "entries", format="table").out)
        self.assertIn("Payé par", self.pledge("clerk", "entries", format="table", lang="fr").out)
        dump = b"".join(e.SerializeToString() for e in self.dump())
        for secret in self.SECRETS:
            self.assertFalse(secret in dump, secret)
        self.assertEqual(self.rows(), (1, 0))

    def test_what_is_known_leaves_no_second_record(self):
        self.bring("exact-v08.xml", "twins.xml")
        count = self.rows()
        self.assertEqual(count[1], 0)
        self.bring("exact-v08.xml", "twins.xml")
        self.pledge("clerk", "import", CORPUS / "no-payer.xml", "--dry-run")
        self.fails(10, "clerk", "import", CORPUS / "conflict.xml")
        self.assertEqual(self.rows(), count)
        self.home.restart()
        self.assertEqual(self.rows(), count)
        self.assertEqual(self.listed("B1")[0]["payer"], "Example Ministry")

    def test_erased_with_its_organisation(self):
        self.bring("exact-v08.xml", "twins.xml")
        self.pledge("approver", "contributor", "legal-hold", self.partner, "on", "--reason", "audit")
        self.fails(10, "admin", "contributor", "erase", self.partner, "--reason", "asked for it")
        self.fails(10, "admin", "contributor", "erase", "B1", "--reason", "asked for it")
        self.pledge("approver", "contributor", "legal-hold", self.partner, "off", "--reason", "over")
        before = [e.SerializeToString() for e in self.dump()]
        self.fails(65, "admin", "contributor", "erase", self.partner)  # a reason is needed
        self.fails(77, "clerk", "contributor", "erase", "B1", "--reason", "not a clerk's")
        gone = self.pledge("admin", "contributor", "erase", self.partner, "--reason",
                           "asked for it", format="json").json
        self.assertEqual(gone["erased"], 1)
        self.assertEqual(self.files_with(b"Example Ministry"), [])
        row = self.listed("B1")[0]
        self.assertEqual((row["payer"], row["payer_erased_seq"]), (None, gone["seq"]))
        self.assertEqual(self.listed("B2")[0]["payer"], "Twin Payer")
        after = [e.SerializeToString() for e in self.dump()]
        self.assertEqual(after[:len(before)], before)
        path, key = self.home.path / "erased.bin", self.home.path / "vkey"
        self.pledge("auditor", "dump", "-o", path)
        key.write_text(self.reader.GetStatus().vkey + "\n")
        self.ok(run([BIN / "pledge", "verify", path, "--key", key], env=self.home.environment()))
        check_ledger(self.dump())
        self.home.restart()
        self.assertEqual(self.files_with(b"Example Ministry"), [])

    def test_erased_alone(self):
        self.bring("twins.xml")
        gone = self.pledge("admin", "contributor", "erase", "b1", "--reason", "asked",
                           format="json").json
        self.assertEqual((gone["id"], gone["erased"]), ("B000001", 1))
        self.assertEqual([r["payer"] for r in self.listed()], [None, "Twin Payer"])
        self.fails(11, "admin", "contributor", "erase", "B1", "--reason", "once more")
        self.fails(11, "admin", "contributor", "erase", "B99", "--reason", "who")
        # the bank's file may come again: it is known, and brings nobody back
        self.bring("twins.xml")
        self.assertEqual([r["payer"] for r in self.listed()], [None, "Twin Payer"])

    def copy_with(self, path, name, number, payer="Late Example Foundation"):
        """no-payer.xml as another statement has it: with who paid, their account and their words."""
        text = path.read_text().replace("STM-NOPAYER", f"STM-NAMED-{number}").replace(
            "<ElctrncSeqNb>16<", f"<ElctrncSeqNb>{number}<")
        return self.written(name, text.replace("      </Ntry>", f"""
        <NtryDtls><TxDtls><Refs><AcctSvcrRef>ASR-NOPAYER</AcctSvcrRef></Refs><Amt Ccy="CHF">100.00</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd><RltdPties><Dbtr><Pty><Nm>{payer}</Nm></Pty></Dbtr>
        <DbtrAcct><Id><IBAN>CH9300762011623852957</IBAN></Id></DbtrAcct></RltdPties>
        <RmtInf><Ustrd>for the children</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""))

    def written(self, name, text):
        path = self.home.path / name
        path.write_text(text)
        return path

    def test_a_payer_is_learned_from_a_later_copy(self):
        named = self.clerk.contributor("Late Example Foundation")
        self.clerk.submit_free(named, 10000, "CHF")
        self.bring("no-payer.xml")
        first = self.listed("B1")[0]
        self.assertEqual((first["payer"], first["payer_learned_seq"]), (None, None))
        pledges = [r["pledge"] for r in self.suggested()]
        later = self.copy_with(CORPUS / "no-payer.xml", "later.xml", 17)
        size = len(self.dump())
        trial = self.bring(later, dry=True)[0]
        self.assertEqual((trial["learned"], trial["known"], trial["already_in"]), (1, 1, False))
        self.assertEqual((len(self.dump()), self.rows()), (size, (0, 0)))  # nothing was recorded
        row = self.bring(later)[0]
        self.assertEqual((row["learned"], row["known"], row["recorded"]), (1, 1, 0))
        entry = self.dump()[-1]
        self.assertEqual((entry.WhichOneof("fact"), entry.movement_learned.bank_entry,
                          entry.movement_learned.statement), ("movement_learned", "B000001", "S000002"))
        known = self.listed("B1")[0]
        self.assertEqual((known["payer"], known["payer_account"], known["payer_text"],
                          known["payer_learned_seq"], known["statement"]),
                         ("Late Example Foundation", "CH9300762011623852957", "for the children",
                          entry.seq, "S000001"))
        # the name is a sign where the money may belong
        self.assertNotEqual(pledges[0], f"P{len(PLEDGES) + 1:06d}")
        self.assertEqual(self.suggested()[0]["contributor"], named)
        self.assertEqual(self.rows(), (1, 0))
        # the third copy adds nothing, whatever it says
        third = self.copy_with(CORPUS / "no-payer.xml", "third.xml", 18, "Somebody Else")
        self.assertEqual((self.bring(third)[0]["learned"], self.bring(later)[0]["already_in"]),
                         (0, True))
        self.assertEqual(self.listed("B1")[0]["payer"], "Late Example Foundation")
        self.told_everywhere(entry.seq)
        self.home.restart(kill=True)
        self.assertEqual(self.listed("B1")[0]["payer_learned_seq"], entry.seq)
        # erased, and no copy brings it back
        self.pledge("admin", "contributor", "erase", "B1", "--reason", "asked for it")
        self.bring(self.copy_with(CORPUS / "no-payer.xml", "fourth.xml", 19))
        gone = self.listed("B1")[0]
        self.assertEqual((gone["payer"], gone["payer_account"]), (None, None))
        self.assertEqual((self.files_with(b"for the children"), self.rows()), ([], (0, 0)))
        check_ledger(self.home.client("auditor").dump())

    def copy(self, number, details, ref="ASR-NOPAYER"):
        """no-payer.xml as another statement has it, with these details of the transaction."""
        text = (CORPUS / "no-payer.xml").read_text().replace("STM-NOPAYER", f"STM-{number}").replace(
            "<ElctrncSeqNb>16<", f"<ElctrncSeqNb>{number}<")
        return self.written(f"copy-{number}.xml", text.replace("      </Ntry>", f"""
        <NtryDtls><TxDtls><Refs><AcctSvcrRef>{ref}</AcctSvcrRef>{details[0]}</Refs><Amt Ccy="CHF">100.00</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd>{details[1]}</TxDtls></NtryDtls></Ntry>"""))

    def test_a_name_after_words(self):
        """Words alone are not who paid; a name that comes later is, with the words of either."""
        words = ("", "<RmtInf><Ustrd>for the children</Ustrd></RmtInf>")
        named = ("", "<RltdPties><Dbtr><Pty><Nm>Late Payer</Nm></Pty></Dbtr></RltdPties>")
        both = ("", named[1] + words[1])
        for turn in ((words, named), (named, words), (words, both), (both, words)):
            self.setUp()
            counts = [self.bring(self.copy(20 + i, each))[0]["learned"] for i, each in enumerate(turn)]
            self.assertEqual(counts, [0, 0 if turn[0] is both else 1])
            row = self.listed("B1")[0]
            self.assertEqual((row["payer"], row["payer_text"]), ("Late Payer", "for the children"))
            self.assertTrue(self.bring(self.copy(20, turn[0]))[0]["already_in"])
            self.pledge("admin", "contributor", "erase", "B1", "--reason", "asked for it")
            self.bring(self.copy(29, both))
            self.assertEqual((self.listed("B1")[0]["payer"], self.rows()), (None, (0, 0)))
            self.assertEqual(self.files_with(b"for the children"), [])
            check_ledger(self.dump())

    def test_what_a_later_copy_says(self):
        """A reference that only the second copy has leads to the pledge; the amount is not what is due."""
        self.bring("no-payer.xml")
        self.assertNotEqual(self.suggested()[0]["pledge"], "P000006")
        later = self.copy(21, ("<EndToEndId>E2E-21</EndToEndId><UETR>8a562c67-ca16-48ba-b074-65581be6f021</UETR>",
                               "<RmtInf><Strd><CdtrRefInf><Ref>RF47P000006</Ref></CdtrRefInf></Strd></RmtInf>"))
        row = self.bring(later)[0]
        self.assertEqual([row[how] for how in ("known", "recorded", "learned", "completed", "already_in")],
                         [1, 0, 0, 1, False])
        known = self.listed("B1")[0]
        self.assertEqual((known["reference"], known["end_to_end_id"], known["uetr"], known["queue"],
                          known["pledge"], known["statement"], known["completed_seq"]),
                         ("RF47P000006", "E2E-21", "8a562c67-ca16-48ba-b074-65581be6f021", "amount-differs",
                          "P000006", "S000001", self.dump()[-1].seq))
        first = self.suggested()[0]
        self.assertEqual((first["pledge"], first["why"]), ("P000006", "reference"))
        for lang, words in ((None, "Completed"), ("fr", "Complétés")):
            self.assertIn(words, self.pledge("clerk", "import", later, format="table", lang=lang).out)
        self.assertEqual([self.bring(later)[0][how] for how in ("completed", "already_in")], [0, True])
        self.home.restart(kill=True)
        self.assertEqual(self.listed("B1")[0]["reference"], "RF47P000006")
        check_ledger(self.home.client("auditor").dump())

    def test_singles_then_their_sum_then_its_details(self):
        """Booked as two, and once more as their sum; the details say that they are one: the books have
        it once, on paper as well."""
        text = (CORPUS / "batch-alone.054.xml").read_text()
        head, tail = text[:text.index("        <NtryDtls>")], text[text.index("      </Ntry>"):]
        for number, minor in ((1, "200.00"), (2, "350.00")):
            one = (head + tail).replace("550.00", minor).replace("ASR-BATCH-B", f"DET-B{number}").replace(
                "NTF-BATCH2", f"NTF-ONE-{number}")
            self.bring(self.written(f"one-{number}.xml", one))
        self.bring("batch-alone.xml")
        self.assertEqual(self.received(), 2 * 55000)    # nobody can know it yet
        row = self.bring("batch-alone.054.xml")[0]
        self.assertEqual([row[how] for how in ("known", "recorded", "learned", "completed", "allocated")],
                         [2, 0, 2, 2, 1])
        self.assertEqual((self.received(), self.outstanding("P000006")), (55000, 0))
        self.assertEqual([(r["amount"], r["batch"]) for r in self.listed()],
                         [("200.00", "B000003"), ("350.00", "B000003"), ("550.00", None)])
        path = self.home.path / "books.hledger"
        self.pledge("auditor", "dump", "--as", "hledger", "-o", path)
        self.ok(run(["hledger", "-f", path, "check", "-s"]))
        self.assertIn("CHF 550.00", run(["hledger", "-f", path, "bal", "^Assets:Bank", "-N"]).out)
        self.home.restart(kill=True)
        lines = self.home.client("reader").GetTotals().line
        self.assertEqual(sum(line.received_minor for line in lines), 55000)
        check_ledger(self.home.client("auditor").dump())

    def suggested(self):
        return json.loads(self.pledge("clerk", "suggest", "B1", format="json").out)["suggestions"]

    def told_everywhere(self, seq):
        """In words, without a name; the auditor's tools know the fact, and the books go on."""
        dump = b"".join(e.SerializeToString() for e in self.dump())
        for secret in (b"for the children", b"CH9300762011623852957", b"Somebody Else"):
            self.assertFalse(secret in dump, secret)
        for lang, word in ((None, "Payers learned"), ("fr", "Payeurs appris")):
            self.assertIn(word, self.pledge("clerk", "import", CORPUS / "no-payer.xml",
                                            format="table", lang=lang).out)
        rows = self.pledge("auditor", "dump", "--as", "csv").csv
        self.assertIn("movement_learned", [value for row in rows for value in dict(row).values()])
        path = self.home.path / "learned.bin"
        self.pledge("auditor", "dump", "-o", path)
        self.ok(self.home.pledge("auditor", "verify", path, "--key",
                                 self.home.pledge("auditor", "status", format="json").json["vkey"]))
        own = self.home.path / "learned.hledger"
        self.pledge("auditor", "dump", "--as", "hledger", "-o", own)
        self.ok(run(["hledger", "-f", own, "check", "-s"]))
        self.assertEqual(int.from_bytes(self.home.segments()[-1].read_bytes()[12:16], "little"), 5)

    def test_no_name_for_one_of_two_that_look_the_same(self):
        text = (CORPUS / "no-payer.xml").read_text()
        head, one, tail = (text[:text.index("      <Ntry>")],
                           text[text.index("      <Ntry>"):text.index("    </Stmt>")],
                           text[text.index("    </Stmt>"):])
        one = one.replace("<AcctSvcrRef>ASR-NOPAYER</AcctSvcrRef>", "").replace(">100.00<", ">50.00<")
        self.bring(self.written("two.xml", head + one + one + tail))
        name = "<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Which One</Nm></Pty></Dbtr></RltdPties></TxDtls></NtryDtls></Ntry>"
        again = (head + one.replace("</Ntry>", name) + one + tail).replace("STM-NOPAYER", "STM-X")
        again = again.replace("<ElctrncSeqNb>16<", "<ElctrncSeqNb>18<")
        row = self.bring(self.written("again.xml", again))[0]
        self.assertEqual((row["known"], row["recorded"], row["learned"]), (2, 0, 0))
        self.assertEqual([r["payer"] for r in self.listed()], [None, None])
        self.assertEqual(self.rows(), (0, 0))

    def test_wrong_records(self):
        size = len(self.dump())
        for record, field in ((dict(salt=bytes(31)), "record.salt"),
                              (dict(record=b""), "record.record"),
                              (dict(record=b"\xff\xff"), "record.commitment"),
                              (dict(salt=bytes(32)), "record.commitment")):
            with self.refused("FIELD_INVALID") as box:
                self.clerk.ExecutePrivate(self.request("Wrong", **record))
            self.assertEqual(box[0].refusal.field, field)
        for name in ("x" * 601, "two\nlines"):
            with self.refused("FIELD_INVALID") as box:
                self.clerk.ExecutePrivate(self.request(name))
            self.assertEqual(box[0].refusal.field, "payer_detail")
        whole = self.request("Without")
        with self.refused("FIELD_REQUIRED"):
            self.clerk.execute(whole.command)  # the record is missing
        del whole.record[:]
        with self.refused("FIELD_INVALID"):
            self.clerk.ExecutePrivate(whole)
        self.assertEqual((len(self.dump()), self.rows()), (size, (0, 0)))

    def test_one_commitment_for_two_payers(self):
        first = self.request("Once")
        self.clerk.ExecutePrivate(first)
        again = self.request("Once", ref="PAYER-2", minor=800)
        again.command.import_statement.statement[0].movement[0].detail_commitment = \
            first.record[0].commitment
        again.record[0].CopyFrom(first.record[0])
        with self.refused("FIELD_INVALID"):
            self.clerk.ExecutePrivate(again)
        self.assertEqual(self.listed()[0]["payer"], "Once")
        self.assertEqual(self.rows(), (1, 0))

    def test_a_crash_between_record_and_ledger_is_put_right(self):
        self.bring("exact-v08.xml")
        self.home.drop_clients()
        self.home.terminate()
        with sqlite3.connect(self.home.data / "persons.db") as db:
            db.execute("UPDATE record SET pending = 1")
            db.execute("INSERT INTO record VALUES(?, ?, ?, 1)", (bytes(32), bytes(32), b"lost"))
        self.home.start()
        self.assertEqual(self.rows(), (1, 0))
        self.assertEqual(self.listed()[0]["payer"], "Example Ministry")

    def many(self, count):
        """no-payer.xml with so many payments of one franc."""
        text = (CORPUS / "no-payer.xml").read_text()
        head, tail = text[:text.index("      <Ntry>")], text[text.index("    </Stmt>"):]
        one = text[len(head):text.index("    </Stmt>")].replace(">100.00<", ">1.00<")
        entries = [one.replace("ASR-NOPAYER", f"2026041600{i:06d}").replace(
            "      </Ntry>", "<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Payer " + str(i) +
            "</Nm></Pty></Dbtr></RltdPties></TxDtls></NtryDtls></Ntry>") for i in range(count)]
        path = self.home.path / f"many-{count}.xml"
        path.write_text(head.replace("STM-NOPAYER", f"STM-{count}") + "".join(entries) +
                        tail)
        text = path.read_text().replace("403756.50", f"{403656 + count}.50")
        path.write_text(text)
        return path

    def test_as_many_as_one_command_takes(self):
        row = self.pledge("clerk", "import", self.many(600), format="json").json["statements"][0]
        self.assertEqual(row["recorded"], 600)
        self.assertEqual(self.rows(), (600, 0))
        self.assertEqual(len([r for r in self.listed() if r["payer"]]), 600)
        size = len(self.dump())
        for lang, word in (("en", "shorter periods"), ("fr", "plus courtes")):
            ran = self.fails(65, "clerk", "import", self.many(10001), lang=lang)
            self.assertIn("many-10001.xml", ran.err)
            self.assertIn("10000 mo", ran.err)
            self.assertIn(word, ran.err)
        self.assertEqual((len(self.dump()), self.rows()), (size, (600, 0)))

    def test_a_name_that_is_alike_comes_first(self):
        other = self.clerk.contributor("Exemple d’un ministère")
        self.clerk.submit_free(other, 1234500, "CHF")
        alike = self.clerk.contributor("EXAMPLE MINISTRY, Bern")
        pledge = self.clerk.submit_free(alike, 99900000, "CHF").outcome.pledge
        self.clerk.ExecutePrivate(self.request("Éxample Ministry", minor=1234500))
        rows = self.pledge("clerk", "suggest", "B1", format="json").json["suggestions"]
        self.assertEqual((rows[0]["why"], rows[1]["why"]), ("amount", "currency"))
        self.assertEqual(rows[1]["pledge"], pledge)
        self.assertGreater(rows[1]["likeness"], 75)
        self.assertLess(rows[0]["likeness"], rows[1]["likeness"])
        self.assertTrue(all(r["likeness"] < 50 for r in rows[2:]), rows)
        self.bring("dollars.xml")


class Suggestions(Bank):
    def suggest(self, entry):
        ran = self.pledge("clerk", "suggest", entry, format="json")
        return [(r["pledge"], r["why"]) for r in json.loads(ran.out)["suggestions"]]

    def test_the_likeliest_first(self):
        self.bring("wrong-amount.xml", "no-payer.xml", "dollars.xml")
        ranked = self.suggest("B000001")
        self.assertEqual(ranked[0], ("P000003", "reference"))
        ranked = self.suggest("B000002")
        self.assertEqual(ranked[:2], [("P000010", "amount"), ("P000011", "amount")])
        self.assertTrue(all(why == "currency" for _, why in ranked[2:]), ranked)
        self.assertNotIn("P000009", [pledge for pledge, _ in ranked])  # dollars
        self.assertEqual(self.suggest("B000003"), [])                  # spent
        self.fails(11, "clerk", "suggest", "B000099")

    def test_what_is_allocated_leaves_the_queue(self):
        self.bring("wrong-amount.xml")
        self.pledge("clerk", "allocate", "B000001", "P000003")
        self.assertEqual(self.listed("--unallocated"), [])
        self.assertEqual(self.outstanding("P000003"), 100000)


class Shared(Bank):
    settings = {**ACCOUNTS, "account CHF01": {**ACCOUNTS["account CHF01"], "shared": "yes"}}

    def test_what_is_not_ours_does_not_enter(self):
        self.fails(65, "clerk", "import", CORPUS / "batch-details.xml")
        self.assertEqual(self.listed(), [])
        row = json.loads(self.pledge("clerk", "import", CORPUS / "batch-details.xml", "--ours",
                                     format="json").out)["statements"][0]
        self.assertEqual((row["recorded"], row["remainder_count"], row["remainder"]),
                         (2, 1, "700.00"))
        dump = b"".join(e.SerializeToString() for e in self.dump())
        self.assertFalse(b"DET-2" in dump)
        row = json.loads(self.pledge("clerk", "import", CORPUS / "batch-details.xml", "--ours",
                                     "--take", "DET-2", format="json").out)["statements"][0]
        self.assertEqual((row["recorded"], row["known"], row["remainder_count"]), (1, 2, 0))
        self.assertEqual(self.received(), 150000)
        self.fails(64, "clerk", "import", CORPUS / "batch-details.xml", "--take", "DET-2")

    def test_an_account_of_the_fund_alone_has_no_others(self):
        row = json.loads(self.pledge("clerk", "import", CORPUS / "dollars.xml", "--ours",
                                     format="json").out)["statements"][0]
        self.assertEqual(row["remainder_count"], 0)
        self.fails(65, "clerk", "import", CORPUS / "two-accounts.xml", "--ours")
        self.assertEqual(len(self.listed()), 1)


class Retry(Bank):
    def test_the_same_request_id_is_one_import(self):
        key = str(uuid.uuid4())
        first = json.loads(self.pledge("clerk", "import", CORPUS / "batch-details.xml",
                                       "--request-id", key, format="json").out)["statements"][0]
        again = json.loads(self.pledge("clerk", "import", CORPUS / "batch-details.xml",
                                       "--request-id", key, format="json").out)["statements"][0]
        self.assertEqual((first["result"], again["result"]), ("NEW", "REPLAY"))
        self.assertEqual(again["recorded"], first["recorded"])
        self.fails(12, "clerk", "import", CORPUS / "twins.xml", "--request-id", key)
        self.fails(64, "clerk", "import", CORPUS / "twins.xml", CORPUS / "charges.xml",
                   "--request-id", key)

    def test_a_lost_reply(self):
        proxy = Proxy(self.home.port, cut=lambda n: n == 1)
        try:
            ran = self.home.pledge("clerk", "import", CORPUS / "batch-details.xml", port=proxy.port,
                                   format="json")
            self.assertEqual(ran.code, 0, ran)
        finally:
            proxy.close()
        self.assertEqual(self.received(), 150000)

    def test_killed_before_or_after_it_is_all_or_nothing(self):
        """The daemon dies while the client is at it; the client's kept id makes it one import."""
        for turn in range(3):
            key = str(uuid.uuid4())
            words = [BIN / "pledge", *self.home.client_args("clerk"), "--request-id", key,
                     "import", CORPUS / "batch-details.xml"]
            running = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env=self.home.environment())
            self.home.kill()
            port = self.home.port
            self.home.settings["daemon"]["listen"] = f"127.0.0.1:{port}"
            self.home.write_config()
            self.home.start()
            self.assertEqual(running.wait(60), 0, turn)
        self.assertEqual(self.bring("batch-details.xml")[0]["known"], 3)
        self.assertEqual(self.received(), 150000)


class Roles(Bank):
    def test_only_clerks_bring_statements(self):
        for person in ("reader", "approver", "auditor", "admin"):
            self.fails(77, person, "import", CORPUS / "exact-v08.xml")
        for person in ("approver", "auditor"):
            self.pledge(person, "entries")
            self.pledge(person, "statements")
        for person in ("reader", "admin"):
            self.fails(77, person, "entries")

    def test_tables_in_both_languages(self):
        self.bring("wrong-amount.xml", "charges.xml")
        english = self.pledge("clerk", "entries", format="table", lang="en").out
        french = self.pledge("clerk", "entries", format="table", lang="fr").out
        self.assertIn("amount differs", english)
        self.assertIn("montant différent", french)
        for form in ("plain", "csv", "json"):
            self.assertEqual(self.pledge("clerk", "entries", format=form, lang="en").out,
                             self.pledge("clerk", "entries", format=form, lang="fr").out)
            self.assertEqual(self.pledge("clerk", "statements", format=form, lang="en").out,
                             self.pledge("clerk", "statements", format=form, lang="fr").out)

    def test_no_person_enters_the_ledger(self):
        self.bring("exact-v08.xml", "twins.xml")
        self.assertEqual(self.listed("B1")[0]["payer"], "Example Ministry")
        dump = b"".join(e.SerializeToString() for e in self.dump())
        for secret in (b"Example Ministry", b"Twin Payer", b"CH9300762011623852957", b"gift"):
            self.assertFalse(secret in dump, secret)


if __name__ == "__main__":
    unittest.main()
