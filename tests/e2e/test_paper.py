# SPDX-License-Identifier: Apache-2.0
"""paper: invoices whose symbol a stock scanner reads and a builder of our own agrees with, line by
line; receipts and certificates without gaps, also when many issue at once; statements that add up.
"""
import concurrent.futures
import datetime
import hashlib
import pathlib
import subprocess
import unittest
import uuid

from harness import DaemonTest, document, money, pb

IBAN, QR_IBAN = "CH9300762011623852957", "CH4431999123000889012"
CREDITOR = ["Fonds d'affectation spéciale du SMSI", "Place des Nations", "1", "1211", "Genève 20",
            "CH"]
CONFIG = """
[creditor]
name = {}
street = {}
number = {}
postal_code = {}
town = {}
country = {}

[account CHF01]
currency = CHF
iban = CH93 0076 2011 6238 5295 7

[account EUR01]
currency = EUR
iban = LI21 0881 0000 2324 013A A

[account USD01]
currency = USD
iban = DE89 3704 0044 0532 0130 00
bank = Example Bank, Cologne
bic = COBADEFFXXX
"""


def scor(body):
    """ISO 11649, from its text: letters are 10 to 35, the rest of the division by 97 is 1."""
    digits = "".join(str(int(c, 36)) for c in body + "RF00")
    return f"RF{98 - int(digits) % 97:02d}{body}"


def qrr(number):
    table, carry = [0, 9, 4, 6, 8, 2, 7, 1, 3, 5], 0
    body = str(number).rjust(26, "0")
    for digit in body:
        carry = table[(carry + int(digit)) % 10]
    return body + str((10 - carry) % 10)


def payload(iban, amount, currency, kind, reference, message, debtor=None):
    lines = ["SPC", "0200", "1", iban, "S", *CREDITOR, *[""] * 7, amount, currency]
    lines += ["S", *debtor] if debtor else [""] * 7
    return lines + [kind, reference, message, "EPD"]


def scanned(pdf, folder, dpi=200):
    """What zbar reads on the first page."""
    stem = pathlib.Path(folder) / "page"
    subprocess.run(["pdftoppm", "-r", str(dpi), "-png", "-singlefile", pdf, stem], check=True)
    got = subprocess.run(["zbarimg", "--quiet", "--raw", "--oneshot", "-Sbinary", f"{stem}.png"], check=True,
                         capture_output=True).stdout.decode()
    return got.removesuffix("\n").split("\n")


def recorded_on(auditor, seq):
    entry = auditor.dump(from_seq=int(seq), to_seq=int(seq))[0]
    return str(datetime.datetime.fromtimestamp(entry.time_us // 10**6, datetime.timezone.utc).date())


def words(pdf):
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True)
    return text.stdout.decode()


class Paper(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_config(CONFIG)
        cls.serial = 0

    @classmethod
    def write_config(cls, text):
        folder = cls.home.path / "config" / "pledge"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text(text.format(*CREDITOR))

    def file(self, ending="pdf"):
        type(self).serial += 1
        return str(self.home.path / f"paper{self.serial}.{ending}")

    def promise(self, tier="or", name=None, **fields):
        who = self.clerk.contributor(name or self.name())
        return self.clerk.submit_tier(tier, who, **fields).outcome.pledge

    def invoice(self, pledge, *args, **fields):
        path = self.file()
        ran = self.pledge("clerk", "invoice", pledge, "-o", path, "--at", "2026-03-03",
                          *args, **fields)
        return path, ran

    # --- invoices ---

    def test_the_symbol_says_what_our_own_builder_says(self):
        pledge = self.promise()
        path, ran = self.invoice(pledge)
        self.assertEqual(scanned(path, self.home.path),
                         payload(IBAN, "100000.00", "CHF", "SCOR", scor(pledge), pledge))
        data = pathlib.Path(path).read_bytes()
        self.assertEqual(ran.rows[0], [path, hashlib.sha256(data).hexdigest(), "100000.00", "CHF",
                                       scor(pledge)])

    def test_with_a_payer_and_part_paid(self):
        pledge = self.promise()
        self.clerk.pay(pledge, 2500050)
        payer = ["Société d'œuvres électriques Łódź & Fils Sàrl", "Rue de l'Église", "12 bis",
                 "1204", "Genève", "CH"]
        path, _ = self.invoice(pledge, "--payer", ";".join(payer))
        self.assertEqual(scanned(path, self.home.path),
                         payload(IBAN, "74999.50", "CHF", "SCOR", scor(pledge), pledge, payer))
        text = words(path)
        self.assertIn("74 999.50", text)
        self.assertIn("Société d'œuvres électriques Łódź", text)

    def test_euro_goes_to_the_account_in_euro(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 123456, "EUR").outcome.pledge
        path, _ = self.invoice(pledge)
        self.assertEqual(scanned(path, self.home.path),
                         payload("LI21088100002324013AA", "1234.56", "EUR", "SCOR", scor(pledge),
                                 pledge))

    def test_a_qr_iban_takes_qr_references(self):
        pledge = self.promise()
        self.write_config(CONFIG.replace("5295 7\n", f"5295 7\nqr_iban = {QR_IBAN}\n", 1))
        try:
            path, _ = self.invoice(pledge)
        finally:
            self.write_config(CONFIG)
        self.assertEqual(scanned(path, self.home.path),
                         payload(QR_IBAN, "100000.00", "CHF", "QRR", qrr(int(pledge[1:])), pledge))

    def test_dollars_have_bank_details_and_no_symbol(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 5000000, "USD").outcome.pledge
        path, _ = self.invoice(pledge)
        text = words(path)
        for needed in ("DE89 3704 0044 0532 0130 00", "COBADEFFXXX", "Example Bank, Cologne"):
            self.assertIn(needed, text)
        self.assertNotIn("Payment part", text)

    def test_the_words_of_the_style_guide(self):
        pledge = self.promise()
        french = ["Section paiement", "Récépissé", "Compte / Payable à", "Référence",
                  "Informations supplémentaires", "Payable par (nom/adresse)", "Monnaie", "Montant",
                  "Point de dépôt", "A détacher avant le versement", "CH93 0076 2011 6238 5295 7",
                  "Facture", "3 mars 2026"]
        english = ["Payment part", "Receipt", "Account / Payable to", "Reference",
                   "Additional information", "Payable by (name/address)", "Currency", "Amount",
                   "Acceptance point", "Separate before paying in", "Invoice", "3 March 2026"]
        for lang, needed in (("fr", french), ("en", english)):
            text = words(self.invoice(pledge, lang=lang)[0])
            for word in needed:
                with self.subTest(lang=lang, word=word):
                    self.assertIn(word, text)

    def test_equal_input_gives_equal_bytes(self):
        pledge = self.promise()
        first, second = self.invoice(pledge)[0], self.invoice(pledge)[0]
        self.assertEqual(pathlib.Path(first).read_bytes(), pathlib.Path(second).read_bytes())

    def test_what_cannot_be_invoiced(self):
        pledge = self.promise()
        self.clerk.pay(pledge, 10000000)
        path = self.file()
        self.fails(10, "clerk", "invoice", pledge, "-o", path)  # paid
        other = self.promise()
        self.fails(11, "clerk", "invoice", "P999999", "-o", path)
        self.fails(64, "clerk", "invoice", other, "-o", path, "--payer", "just a name")
        self.fails(65, "clerk", "invoice", other, "-o", path, "--payer", "株式会社;;;1;Tokyo;JP")
        self.fails(65, "clerk", "invoice", other, "-o", path, "--payer", ";;;1200;Geneva;CH")
        self.fails(65, "clerk", "invoice", other, "-o", path, "--payer", "N;;;1200;Geneva;che")
        self.fails(65, "clerk", "invoice", other, "-o", path, "--payer", f"{'N' * 71};;;1;G;CH")
        self.write_config("[account CHF01]\ncurrency = CHF\niban = CH93 0076 2011 6238 5295 8\n")
        try:
            self.assertIn("iban", self.fails(78, "clerk", "invoice", other, "-o", path).err)
            self.write_config("")
            self.assertIn("creditor", self.fails(78, "clerk", "invoice", other, "-o", path).err)
        finally:
            self.write_config(CONFIG)
        yen = self.clerk.submit_free(self.clerk.contributor(self.name()), 5000, "JPY")
        self.assertIn("JPY", self.fails(78, "clerk", "invoice", yen.outcome.pledge, "-o", path).err)
        self.assertFalse(pathlib.Path(path).exists(), "nothing half done")

    def test_names_that_the_font_does_not_have(self):
        pledge = self.promise(name="株式会社 例")
        path = self.file()
        ran = self.fails(65, "clerk", "invoice", pledge, "-o", path)
        self.assertIn("U+682A", ran.err)
        self.clerk.pay(pledge, 100)
        self.fails(65, "clerk", "receipt", pledge, "-o", path)
        self.assertEqual(self.clerk.ListDocuments(pledge=pledge).document[:], [])

    # --- receipts and certificates ---

    def test_a_receipt_and_its_file(self):
        pledge = self.clerk.execute(
            submit=pb.Submit(contributor=self.clerk.contributor(
                "Fondation « Éléphant bleu » — recherche & développement"), tier="or"),
            reason="letter", effective_date="2026-03-05").outcome.pledge
        self.clerk.pay(pledge, 4000000, value_date="2026-04-02")
        self.clerk.pay(pledge, 1000000, value_date="2026-04-09")
        path = self.file()
        ran = self.pledge("clerk", "receipt", pledge, "-o", path, "--effective-date", "2026-04-10",
                          lang="fr")
        number = ran.rows[0][0]
        self.assertRegex(number, r"^Q\d{6}$")
        self.assertEqual(ran.rows[0][2:4], ["NEW", "50000.00"])
        text = words(path)
        for needed in (number, pledge, "Date de valeur 2026-04-02, B", "Date de valeur 2026-04-09, B", "40 000.00",
                       "10 avril 2026", "Éléphant bleu", "Reçu"):
            self.assertIn(needed, text.replace("\u202f", " "), text)
        self.assertFalse(pathlib.Path(path + ".draft").exists())
        digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        row = self.pledge("auditor", "check-document", path).rows
        self.assertEqual((row[0][0], row[0][1], row[0][9]), (number, pledge, digest))
        with open(path, "ab") as file:
            file.write(b"\n")
        self.assertEqual(self.home.pledge("auditor", "check-document", path).code, 1)
        self.assertEqual(self.pledge("clerk", "documents", pledge).rows[0][0], number)
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual([a["receipt"] for a in shown["allocations"]], [number, number])
        ran = self.home.pledge("clerk", "receipt", pledge, "-o", self.file())
        self.assertEqual(ran.code, 10)
        self.assertIn("receipt", ran.err)

    def test_a_repeated_request_gives_the_same_document(self):
        for command, paid in (("receipt", 4000000), ("certificate", 4000000)):
            pledge = self.promise(name=f"Repeated {command}")
            self.clerk.commit(pledge)
            self.clerk.pay(pledge, paid, value_date="2026-04-02")
            first, second, third = self.file(), self.file() + "2", self.file() + "3"
            request = str(uuid.uuid4())
            args = ("clerk", command, pledge, "--request-id", request)
            made = self.pledge(*args, "-o", first)
            self.clerk.pay(pledge, 1000000, value_date="2026-04-09")  # money that came later
            again = self.pledge(*args, "-o", second)
            self.assertEqual((made.rows[0][:2], made.rows[0][2], again.rows[0][2]),
                             (again.rows[0][:2], "NEW", "REPLAY"))
            self.assertEqual(pathlib.Path(first).read_bytes(), pathlib.Path(second).read_bytes())
            ran = self.fails(10, *args, "-o", third, lang="fr")  # another language: another file
            self.assertIn("ne peut plus être", ran.err)
            self.assertFalse(pathlib.Path(third).exists() or pathlib.Path(third + ".draft").exists())
            self.assertEqual(len(self.pledge("clerk", "documents", pledge).rows), 1)

    def test_nothing_received(self):
        pledge = self.promise()
        path = self.file()
        ran = self.fails(10, "clerk", "receipt", pledge, "-o", path, format="json")
        self.assertEqual(ran.error["reason"], "NOTHING_RECEIVED")
        with self.refused("NOTHING_RECEIVED"):
            self.clerk.execute(issue_receipt=pb.IssueReceipt(
                pledge=pledge, number="Q000001", document_sha256=b"\1" * 32))
        self.assertFalse(pathlib.Path(path).exists() or pathlib.Path(path + ".draft").exists())

    def test_a_number_that_is_not_the_next(self):
        pledge = self.promise()
        paid = self.clerk.pay(pledge, 100)
        with self.refused("NUMBER_STALE"):
            self.clerk.execute(issue_receipt=pb.IssueReceipt(
                pledge=pledge, number="Q999999", document_sha256=b"\1" * 32,
                allocation_seq=[paid.seq + 1]))

    def test_a_receipt_guards_its_money(self):
        pledge = self.promise()
        paid = self.clerk.pay(pledge, 777)
        self.pledge("clerk", "receipt", pledge, "-o", self.file())
        ran = self.fails(10, "clerk", "reverse", str(paid.seq + 1), "--reason", "typo",
                         format="json")
        self.assertEqual(ran.error["reason"], "RECEIPT_ISSUED")
        self.pledge("approver", "reverse", str(paid.seq + 1), "--reason", "typo")
        row = self.clerk.ListDocuments(pledge=pledge).document[0]
        self.assertEqual((row.amount.minor, row.undone.minor), (777, 777))

    def test_numbers_have_no_gaps_when_many_issue_at_once(self):
        pledges = [self.promise("argent") for _ in range(8)]
        for pledge in pledges:
            self.clerk.pay(pledge, 100)
        before = len(self.all_documents(False))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            ran = list(pool.map(lambda p: self.home.pledge(
                "clerk", "receipt", p, "-o", str(self.home.path / f"{p}.pdf"), timeout=120),
                pledges))
        numbers = sorted(self.ok(r).rows[0][0] for r in ran)
        self.assertEqual(numbers, [f"Q{before + i + 1:06d}" for i in range(8)])
        for row in self.all_documents(False)[before:]:
            data = (self.home.path / f"{row.pledge}.pdf").read_bytes()
            self.assertEqual(hashlib.sha256(data).digest(), row.sha256)
            self.assertIn(row.number, words(self.home.path / f"{row.pledge}.pdf"))

    def all_documents(self, certificates):
        rows, token = [], ""
        for _ in range(100):
            page = self.clerk.ListDocuments(certificates=certificates, page_size=3,
                                            page_token=token)
            rows += page.document
            token = page.next_page_token
            if not token:
                return rows
        self.fail("the list does not end")

    def test_a_certificate(self):
        name = ("Ministère fédéral de l'Économie numérique, des Télécommunications et de la "
                "Société de l'information de la République d'Exemple")
        pledge = self.promise("platine", name=name)
        path = self.file()
        self.fails(10, "clerk", "certificate", pledge, "-o", path)
        self.clerk.commit(pledge)
        for lang, needed in (("fr", ["Certificat de partenariat", "PLATINE", "1er mai 2026"]),
                             ("en", ["Certificate of Partnership", "1 May 2026"])):
            ran = self.pledge("clerk", "certificate", pledge, "-o", path, "--effective-date",
                              "2026-05-01", lang=lang)
            text = words(path)
            for word in needed + [ran.rows[0][0], "Ministère fédéral"]:
                self.assertIn(word.lower(), text.lower())
            self.assertEqual(self.pledge("clerk", "check-document",
                                         path).rows[0][0], ran.rows[0][0])

    def test_a_rehearsal_leaves_nothing(self):
        pledge = self.promise()
        self.clerk.pay(pledge, 100)
        path = self.file()
        self.pledge("clerk", "receipt", pledge, "-o", path, "--dry-run")
        self.assertFalse(pathlib.Path(path).exists() or pathlib.Path(path + ".draft").exists())
        self.assertEqual(self.clerk.ListDocuments(pledge=pledge).document[:], [])

    def test_after_a_restart_numbers_go_on(self):
        pledge = self.promise()
        self.clerk.pay(pledge, 100)
        self.pledge("clerk", "receipt", pledge, "-o", self.file())
        following = self.clerk.ListDocuments().next_number
        self.home.restart()
        type(self).clerk = self.home.client("clerk")
        self.assertEqual(self.clerk.ListDocuments().next_number, following)

    # --- references and statements ---

    def test_every_pledge_has_its_reference(self):
        pledge = self.promise()
        shown = self.pledge("clerk", "show", pledge, format="json").json
        self.assertEqual(shown["reference"], scor(pledge))
        table = self.pledge("clerk", "show", pledge, format="table").out
        self.assertIn(" ".join(scor(pledge)[i:i + 4] for i in range(0, 11, 4)), table)
        held = self.clerk.hold("or", self.clerk.contributor(self.name())).outcome.pledge
        self.assertEqual(self.clerk.GetPledge(pledge=held).pledge.reference, scor(held))

    def test_a_statement_adds_up(self):
        who = self.clerk.contributor("Église & Cie, télécommunications")
        tier = self.clerk.submit_tier("argent", who).outcome.pledge
        self.clerk.commit(tier)
        self.clerk.pay(tier, 1000000)
        second = self.clerk.pay(tier, 2000000)
        self.clerk.execute(reverse=pb.Reverse(seq=second.seq), reason="returned")
        self.clerk.execute(amend_pledge=pb.AmendPledge(pledge=tier, amount=money(6000000)),
                           evidence=[document()])
        free = self.clerk.submit_free(who, 700, "EUR").outcome.pledge
        self.clerk.withdraw(free)
        ran = self.pledge("clerk", "statement", who, format="csv").csv
        got = [(row["pledge"], row["what"], row["promised"], row["paid"], row["balance"],
                row["currency"]) for row in ran
               if (row["promised"], row["paid"]) != ("0.00", "0.00")]
        self.assertEqual(got, [
            (tier, "pledge_made", "50000.00", "0.00", "50000.00", "CHF"),
            (tier, "allocated", "0.00", "10000.00", "40000.00", "CHF"),
            (tier, "allocated", "0.00", "20000.00", "20000.00", "CHF"),
            (tier, "reversed", "0.00", "-20000.00", "40000.00", "CHF"),
            (tier, "commitment_amended", "10000.00", "0.00", "50000.00", "CHF"),
            (free, "pledge_made", "7.00", "0.00", "7.00", "EUR"),
            (free, "withdrawn", "-7.00", "0.00", "0.00", "EUR"),
        ])
        path = self.file()
        self.pledge("clerk", "statement", who, "-o", path, "--at", "2026-06-01",
                    lang="fr")
        text = words(path)
        self.assertIn("Relevé de compte", text)
        self.assertIn("Église & Cie", text)
        outstanding = self.clerk.GetPledge(pledge=tier).pledge.outstanding.minor
        self.assertEqual(got[4][4], f"{outstanding // 100}.00")

    def test_money_pays_for_one_at_a_time(self):
        """It was given to another pledge later: no statement of a day before has it twice."""
        who = self.clerk.contributor(self.name())
        first, second = (self.clerk.execute(
            submit=pb.Submit(contributor=who, free=True, amount=money(90_000)), reason="r",
            effective_date="2026-01-10").outcome.pledge for _ in range(2))
        paid = self.clerk.pay(first, 90_000, value_date="2026-02-06")
        self.pledge("clerk", "unallocate", paid.seq + 1, "--reason", "meant for the other",
                    "--effective-date", "2026-04-20")
        self.pledge("clerk", "allocate", paid.outcome.bank_entry, second, "--effective-date", "2026-04-21")
        for day, balance in (("2026-02-05", "1800.00"), ("2026-02-06", "900.00"), ("2026-04-19", "900.00"),
                             ("2026-04-20", "1800.00"), ("2026-04-21", "900.00")):
            rows = self.pledge("clerk", "statement", who, "--at", day, format="csv").csv
            self.assertEqual(rows[-1]["balance"], balance, day)

    def test_a_statement_has_value_dates_and_what_went_back(self):
        who = self.clerk.contributor("Ministère des Télégraphes")
        tier = self.clerk.execute(submit=pb.Submit(contributor=who, tier="argent"), reason="r",
                                  effective_date="2026-03-05").outcome.pledge
        self.clerk.commit(tier)
        first = self.clerk.execute(pay=pb.Pay(pledge=tier, amount=money(4900000),
                                              value_date="2026-02-27"),
                                   effective_date="2026-03-06").outcome.bank_entry
        fee = self.clerk.execute(accept_difference=pb.AcceptDifference(
            pledge=tier, bank_entry=first, kind=pb.DIFFERENCE_KIND_FEE, amount=money(2500)),
            reason="fee", effective_date="2026-03-09")
        more = self.clerk.pay(tier, 100000, value_date="2026-03-10").outcome.bank_entry
        letter = {"reason": "they asked", "evidence": [document("letter")]}
        refund = self.clerk.execute(refund=pb.Refund(bank_entry=more, amount=money(1500)),
                                    **letter).outcome.refund
        debit = self.clerk.execute(pay=pb.Pay(refund=refund, amount=money(1500),
                                              value_date="2026-03-20")).outcome.bank_entry
        self.clerk.execute(refund=pb.Refund(bank_entry=more, amount=money(700)), **letter)
        self.clerk.execute(reverse=pb.Reverse(seq=fee.seq), reason="they paid it",
                           effective_date="2026-03-25")
        self.clerk.execute(write_off=pb.WriteOff(pledge=tier, amount=money(2000)), reason="r",
                           effective_date="2026-03-26")
        other = self.clerk.execute(
            submit=pb.Submit(contributor=who, free=True, amount=money(100, "EUR")), reason="r",
            effective_date="2026-03-27").outcome.pledge
        # money that another one's payment brought, in another currency, for this contributor
        stranger = self.clerk.submit_free(self.clerk.contributor("Somebody"), 10000).outcome.pledge
        foreign = self.clerk.pay(stranger, 50, "USD", value_date="2026-02-01").outcome.bank_entry
        self.clerk.execute(allocate=pb.Allocate(bank_entry=foreign, pledge=other,
                                                amount=money(50, "USD"), settled=money(40, "EUR")),
                           effective_date="2026-05-04")
        giver = self.clerk.GetPledge(pledge=stranger).pledge.contributor
        theirs = self.pledge("clerk", "statement", giver, format="csv").csv
        self.assertEqual([(row["received"], row["unallocated"], row["elsewhere"], row["currency"])
                          for row in theirs if row["bank_entry"] == foreign],
                         [("0.50", "0.00", "0.50", "USD")])
        path = self.file()
        self.pledge("clerk", "statement", giver, "-o", path)
        self.assertRegex(words(path), rf"{foreign}: USD.0\.50 of it pays for pledges of others")
        rows = self.pledge("clerk", "statement", who, format="csv").csv
        self.assertEqual({row["elsewhere"] for row in rows}, {"0.00"})
        names = ("date", "what", "promised", "paid", "waived", "balance", "received", "returned",
                 "bank_entry", "unallocated")
        self.assertEqual([tuple(row[name] for name in names)
                          for row in rows if row["currency"] == "CHF"], [
            ("2026-02-27", "payment_recorded", "0.00", "0.00", "0.00", "0.00", "49000.00", "0.00",
             first, "0.00"),
            ("2026-03-05", "pledge_made", "50000.00", "0.00", "0.00", "50000.00", "0.00", "0.00",
             "", "0.00"),
            ("2026-03-06", "allocated", "0.00", "49000.00", "0.00", "1000.00", "0.00", "0.00",
             first, "0.00"),
            ("2026-03-09", "difference_accepted", "0.00", "0.00", "25.00", "975.00", "0.00",
             "0.00", "", "0.00"),
            ("2026-03-10", "payment_recorded", "0.00", "0.00", "0.00", "975.00", "1000.00",
             "0.00", more, "3.00"),
            ("2026-03-10", "allocated", "0.00", "975.00", "0.00", "0.00", "0.00", "0.00", more,
             "0.00"),
            ("2026-03-20", "refund_paid", "0.00", "0.00", "0.00", "0.00", "0.00", "15.00",
             debit, "0.00"),
            ("2026-03-25", "reversed", "0.00", "0.00", "-25.00", "25.00", "0.00", "0.00", "",
             "0.00"),
            ("2026-03-26", "written_off", "0.00", "0.00", "20.00", "5.00", "0.00", "0.00", "",
             "0.00"),
        ])
        euro = [row for row in rows if row["currency"] == "EUR"]
        self.assertEqual([(row["date"], row["paid"], row["balance"]) for row in euro],
                         [("2026-03-27", "0.00", "1.00"), ("2026-05-04", "0.40", "0.60")])
        for pledge, balance in ((tier, "5.00"), (other, "0.60")):
            self.assertEqual(self.clerk.GetPledge(pledge=pledge).pledge.outstanding.minor,
                             round(float(balance) * 100))
        path = self.file()
        self.pledge("clerk", "statement", who, "-o", path, "--at", "2026-06-01", lang="fr")
        text = words(path)
        for titles in (("Date", "Promesse", "Quoi", "Promis", "Payé ou abandonné", "À payer"),
                       ("Date", "Numéro", "Quoi", "Reçu", "Remboursé", "Non imputé")):
            self.assertRegex(text, r"\s+".join(titles))
        for wanted in ("Argent reçu, à sa date de valeur", "2026-02-27", "2026-03-20", "Ensemble",
                       "CHF 49 000.00", "CHF 15.00", "CHF 5.00", "EUR 0.60"):
            self.assertIn(wanted, text.replace("\u202f", " ").replace("\u00a0", " "))

    def test_roles(self):
        pledge = self.promise()
        for args in (("documents",), ("invoice", pledge, "-o", self.file()),
                     ("statement", "C000001")):
            self.fails(77, "reader", *args)
        self.clerk.pay(pledge, 100)
        self.fails(77, "auditor", "receipt", pledge, "-o", self.file())


class FromTheLedger(DaemonTest):
    """Who is paid stands in the daemon's configuration, and so in the ledger: clients need nothing."""
    settings = {"creditor": dict(zip(("name", "street", "number", "postal_code", "town", "country"),
                                     CREDITOR)),
                "account CHF01": {"iban": IBAN, "currency": "CHF", "qr_iban": QR_IBAN},
                "account USD01": {"number": "0012-345678.90", "currency": "USD",
                                  "bank": "Example Bank, New York", "bic": "EXAMUS33XXX"}}

    def invoice(self, currency):
        who = self.clerk.contributor(f"{self.name()} {currency}")
        pledge = self.clerk.submit_free(who, 4200, currency).outcome.pledge
        path = str(self.home.path / f"{currency}.pdf")
        ran = self.home.pledge("clerk", "invoice", pledge, "-o", path)
        return pledge, path, ran

    def test_an_invoice(self):
        pledge, path, ran = self.invoice("CHF")
        self.ok(ran)
        self.assertEqual(scanned(path, self.home.path),
                         payload(QR_IBAN.replace(" ", ""), "42.00", "CHF", "QRR",
                                 qrr(int(pledge[1:])), pledge))

    def test_a_statement_with_money_that_was_for_no_pledge(self):
        who = self.clerk.contributor(self.name())
        self.clerk.submit_free(who, 20000)
        bank = self.money_of_nobody(IBAN)
        letter = self.home.path / "letter.txt"
        letter.write_text("please send it back")
        refund = self.pledge("clerk", "refund", bank, "--contributor", who, "--evidence", letter,
                             format="json").json["id"]
        self.pledge("clerk", "refund-paid", refund, "100", "CHF", "--value-date", "2026-05-02")
        path = self.home.path / "statement.pdf"
        self.pledge("clerk", "statement", who, "-o", path)
        text = words(path).replace("\u00a0", " ")
        for wanted in (bank, "2026-04-16", "2026-05-02", "CHF 100.00"):
            self.assertIn(wanted, text)

    def test_a_refund_that_left_before_anybody_knew_whose_money_it_was(self):
        who = self.clerk.contributor(self.name())
        pledge = self.clerk.submit_free(who, 20000).outcome.pledge
        bank = self.money_of_nobody(IBAN, {"NOPAYER": "UNKNOWN", "100.00": "120.00", "403756": "403776"})
        letter = self.home.path / "unknown.txt"
        letter.write_text("we sent too much")
        ran = self.pledge("clerk", "refund", bank, "--amount", "20", "--currency", "CHF",
                          "--evidence", letter)
        self.assertIn("stands in nobody's statement", ran.err)
        refund = ran.rows[0][0]
        self.assertIn(f"pledge refund-cancel {refund}\n", ran.err)
        paid = self.pledge("clerk", "refund-paid", refund, "20", "CHF", "--value-date",
                           "2026-05-02", format="json").json
        ran = self.pledge("clerk", "allocate", bank, pledge)
        self.assertNotIn("nobody", ran.err)

        def money_lines(*more):
            return [(row["date"], row["what"], row["received"], row["paid"], row["returned"],
                     row["seq"]) for row in
                    self.pledge("clerk", "statement", who, *more, format="csv").csv
                    if row["what"] != "pledge_made"]
        lines = money_lines()
        self.assertEqual([line[:5] for line in lines], [
            ("2026-04-16", "payment_recorded", "120.00", "0.00", "0.00"),
            ("2026-05-02", "refund_paid", "0.00", "0.00", "20.00"),
            (recorded_on(self.auditor, lines[2][5]), "allocated", "0.00", "100.00", "0.00")])
        self.assertEqual(lines[1][5], str(paid["seq"]))
        self.assertEqual(money_lines("--at", "2026-05-01"), lines[:1])
        self.assertEqual(money_lines("--at", "2026-05-02"), lines[:2])
        self.fails(64, "clerk", "statement", who, "--at", "2026-05-32")
        self.pledge("clerk", "reverse", str(paid["seq"]), "--reason", "it has not left")
        self.assertEqual(money_lines(), [lines[0], lines[2]])

    def test_an_account_without_iban(self):
        _, path, ran = self.invoice("USD")
        self.ok(ran)
        for word in ("0012-345678.90", "Example Bank, New York", "EXAMUS33XXX"):
            self.assertIn(word, words(path))
        self.assertNotIn("IBAN", words(path))

    def test_a_currency_without_account(self):
        _, _, ran = self.invoice("EUR")
        self.assertEqual(ran.code, 78, ran)
        self.assertIn("EUR", ran.err)


if __name__ == "__main__":
    unittest.main()
