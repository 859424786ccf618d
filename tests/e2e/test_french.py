# SPDX-License-Identifier: Apache-2.0
"""french: a French-speaking clerk meets no English. Every table, every refusal of a rule, every
complaint about what was typed and every page of help is looked through for words that only the
English sentences of client/po/fr.po have; and the French sentences keep the rules of French print.
"""
import ast
import contextlib
import re
import socket
import unittest

from harness import BIN, ROOT, DaemonTest, Pki, document, given_time, money, pb, run

PO = ROOT / "client" / "po" / "fr.po"
NARROW = "\u00a0\u202f"
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# What is typed, or names something, stays as it is: what is in quotes, options, commands, places of
# arguments, files, codes of lists, formats, and the fields of requests.
TYPED = re.compile(
    r"\bchamp [\w.]+|(?:l’une de ces valeurs\u00a0:|(?<=\)),) [a-z-]+(?:, [a-z-]+)*(?: (?=\())?|«[^»]*»|'[^']*'|\"[^\"]*\"|--[a-z-]+(?:[= ][A-Z_|]+)?|\bpledge(?: (?!:)[a-z-]+)+|\bpledged\b|"
    r"\b[A-Z][A-Z_|:]+\b|\S*[/=@]\S*|\b[a-z]+(?:-[a-z]+)*(?:[_|,][a-z]+(?:[-_|,][a-z]+)*)+\b|"
    r"%[-.*0-9 ]*(?:ll|l|z)?(?:<\w+>)?[a-zA-Z]|\b\S+\.(?:pdf|csv|xml|txt|conf|json|html|bin)\b")
# French words that no sentence of the client happens to have.
ALSO_FRENCH = {"son", "note"}


def sentences():
    """Pairs of English and French."""
    pairs, now = [], None
    for line in PO.read_text(encoding="utf-8").splitlines():
        if line.startswith("msgid "):
            pairs.append(["", ""])
            now = 0
        elif line.startswith("msgstr "):
            now = 1
        if now is not None and '"' in line and not line.startswith("#"):
            pairs[-1][now] += ast.literal_eval(line[line.index('"'):])
    return [pair for pair in pairs if pair[0]]


def words(text):
    return {word.lower() for word in WORD.findall(TYPED.sub(" ", text)) if len(word) > 2}


def english_words():
    english, french = set(), set(ALSO_FRENCH)
    for one, other in sentences():
        english |= words(one)
        french |= words(other)
    return english - french


class Print(unittest.TestCase):
    """The French sentences themselves."""

    def test_marks_have_their_spaces(self):
        for english, french in sentences():
            text = TYPED.sub(lambda m: m[0] if m[0][0] == "«" else "", french)
            with self.subTest(french=french):
                self.assertNotRegex(text, rf"«[^{NARROW}]", "after an opening quotation mark")
                self.assertNotRegex(text, rf"[^{NARROW}]»", "before a closing quotation mark")
                self.assertNotRegex(text, r"[\w»)][;?!](?:\s|$)", "before a mark")
                self.assertNotRegex(text, r"[\w»)] [:;?!»]", "a breaking space before a mark")
                self.assertNotRegex(text, r"\w'\w", "an apostrophe of a typewriter")

    def test_something_is_looked_at(self):
        self.assertGreater(len(sentences()), 1000)
        known = english_words()
        self.assertGreater(len(known), 500)
        self.assertLess({"received", "waiting", "amount", "matched"}, known)
        self.assertEqual(words("Étape : held; «unmatched» --evidence FILE pledge pay"),
                         {"étape", "held"})


class French(DaemonTest):
    settings = {"policy": {"four_eyes": "cancel, write-off, refund"},
                "creditor": {"name": "Fonds d’exemple", "street": "Rue du Lac", "number": "1",
                             "postal_code": "1200", "town": "Genève", "country": "CH"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        clerk, cls.known = cls.clerk, english_words()
        because = {"reason": "lettre"}
        cls.who = [clerk.contributor(name, kind) for kind, name in enumerate(
            ("Ministère A", "Entreprise B", "Fondation C", "Université D", "Organisation E"), 1)]
        clerk.execute(record_rates=pb.RecordRates(rate=[pb.Rate(
            currency="USD", date="2026-03-01", mantissa=88, scale=2, source="Banque")]))
        cls.one = clerk.submit_tier("platine", cls.who[0]).outcome.pledge
        clerk.commit(cls.one)
        cls.bank = clerk.pay(cls.one, 16_000_000, value_date="2026-03-02").outcome.bank_entry
        cls.yen = clerk.submit_free(cls.who[2], 33_401_000, "JPY").outcome.pledge
        cls.part = clerk.submit_tier("argent", cls.who[1]).outcome.pledge
        clerk.commit(cls.part)
        cls.fee = clerk.pay(cls.part, 4_900_000, value_date="2026-03-03").outcome.bank_entry
        clerk.execute(accept_difference=pb.AcceptDifference(
            pledge=cls.part, bank_entry=cls.fee, kind=pb.DIFFERENCE_KIND_FEE,
            amount=money(2000)), **because)
        clerk.pay(cls.part, 100_00, "USD", value_date="2026-03-04")
        clerk.execute(set_schedule=pb.SetSchedule(pledge=cls.yen, instalment=[
            pb.Instalment(due="2026-04-01", amount=money(33_401_000, "JPY"))]), **because)
        clerk.execute(refund=pb.Refund(bank_entry=cls.bank), evidence=[document("letter")],
                      **because)
        cls.held = clerk.hold("diamant", cls.who[3], 86400).outcome.pledge
        cls.queued = clerk.execute(wait=pb.Wait(tier="diamant",
                                                contributor=cls.who[4])).outcome.pledge
        clerk.withdraw(clerk.submit_tier("or", cls.who[4]).outcome.pledge)
        clerk.execute(deliver_benefit=pb.DeliverBenefit(pledge=cls.one, benefit="VIS6", quantity=3))
        clerk.execute(write_off=pb.WriteOff(pledge=cls.part), **because)

    def english_in(self, text):
        """Words that are English; reasons and names that tests' helpers typed are none."""
        for typed in ("letter of intent", "changed their mind", "signed"):
            text = text.replace(typed, " ")
        text = re.sub(r"«\u00a0clerk\u00a0»|\b(?:cancel|refund)\b  ", " ", text)  # commands' names
        text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", " ", text)  # "bad1c6..."
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", " ", text)  # ...-96add92fa9d2
        for person in self.home.persons:
            text = re.sub(rf"\b{person}\b", " ", text)
        return sorted(words(text) & self.known)

    def looks_french(self, person, *args, code=0):
        ran = self.home.pledge(person, *args, format="table", lang="fr")
        self.assertEqual(ran.code, code, ran)
        text = ran.out + ran.err
        self.assertEqual(self.english_in(text), [], ran)
        self.assertNotRegex(text, rf"«[^{NARROW}]|[^{NARROW}]»", ran)
        return ran

    def test_tables(self):
        for args in (("tiers",), ("slots", "or"), ("benefits", "or"), ("benefits", self.one),
                     ("benefits", "--totals"), ("totals",), ("totals", "--by", "tier"),
                     ("totals", "--by", "category"), ("totals", "--by", "month"),
                     ("totals", "--by", "currency"), ("show", self.one), ("show", self.part),
                     ("show", self.yen), ("show", self.held), ("show", self.queued), ("list",),
                     ("contributors",), ("payments",), ("payments", "--unallocated"), ("entries",),
                     ("statements",), ("documents",), ("periods",), ("due", "--at", "2026-12-31"),
                     ("rates",), ("rates", "--all"), ("proposals", "--all"), ("status",),
                     ("catalogue", "show"), ("contacts", self.who[0]), ("schedule", self.yen),
                     ("statement", self.who[0]), ("statement", self.who[1])):
            with self.subTest(args=args):
                self.looks_french("clerk", *args)

    def test_histories(self):
        for pledge in (self.one, self.part, self.yen, self.queued):
            with self.subTest(pledge=pledge):
                self.looks_french("clerk", "history", pledge)

    def test_report(self):
        for person in ("clerk", "reader"):
            page = self.home.pledge(person, "report", lang="fr").out
            text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
            self.assertIn("En francs suisses", text)
            self.assertEqual(self.english_in(text), [])

    def test_answers_to_writes(self):
        self.looks_french("clerk", "contributor", "add", "--name", "Société F", "--kind",
                          "private-sector")
        free = self.clerk.contributor("Société G")
        for dry in (("pay", self.part, "1,50", "CHF"), ("hold", "or", "--contributor", free),
                    ("deliver", self.one, "VIS6"), ("rates", "add", "2026-03-02", "USD", "0,89",
                                                    "--source", "Banque")):
            with self.subTest(args=dry):
                self.looks_french("clerk", *dry, "--dry-run")
        self.looks_french("clerk", "pay", self.part, "5000", "CHF")
        letter = self.home.path / "accord.pdf"
        letter.write_text("accord")
        self.looks_french("clerk", "cancel", self.part, "--money-plan", "keep", "--evidence", letter,
                          "--reason", "lettre", code=13)

    def test_refusals_of_rules(self):
        letter = self.home.path / "lettre.pdf"
        letter.write_text("lettre")
        other = self.who[1]
        unsigned = self.clerk.submit_tier("innovation", self.clerk.contributor("Sans accord")).outcome.pledge
        for args in (
                ("hold", "diamant", "--contributor", other),
                ("wait", "or", "--contributor", other),
                ("hold", "nickel", "--contributor", other),
                ("hold", "or", "--contributor", "C009999"),
                ("extend", self.one, "--until", "2027-01-01"),
                ("commit", self.one, "--evidence", letter),
                ("submit", "--contributor", other, "--tier", "or", "--amount", "1",
                 "--currency", "CHF", "--reason", "lettre"),
                ("submit", "--contributor", other, "--tier", "or"),
                ("deliver", self.one, "VIS6", "--quantity", "99"),
                ("deliver", self.one, "XXX"),
                ("deliver", unsigned, "VIS6"),
                ("allocate", self.bank, self.yen),
                ("allocate", "B009999", self.one),
                ("unallocate", "2"),
                ("reverse", "1", "--reason", "r"),
                ("refund", self.bank, "--amount", "99999999", "--currency", "CHF",
                 "--evidence", letter),
                ("refund-paid", "R000009", "1", "CHF"),
                ("accept-difference", self.bank, self.one, "--kind", "fee", "--reason", "r"),
                ("period", "close", "2999-01"),
                ("schedule", "set", self.one, "--due", "2026-05-01:1.00", "--reason", "r"),
                ("amend", self.held, "--amount", "1", "--currency", "CHF", "--evidence",
                 letter),
                ("change-tier", self.one, "nickel", "--evidence", letter),
                ("contributor", "add", "--name", "Ministère A", "--kind", "government"),
                ("receipt", self.yen, "-o", self.home.path / "r.pdf"),
                ("cancel", self.yen, "--evidence", letter),
                ("convert", self.fee, "--evidence", letter)):
            with self.subTest(args=args):
                ran = self.home.pledge("clerk", *args, format="table", lang="fr")
                self.assertNotEqual(ran.code, 0, ran)
                self.assertTrue(ran.err.startswith("pledge\u00a0: "), ran)
                self.assertEqual(self.english_in(ran.err), [], ran)

    def test_what_was_typed_wrong(self):
        for args in (("shwo", self.one), ("show",), ("show", self.one, self.one),
                     ("pay", self.one, "douze", "CHF"), ("pay", self.one, "12,345", "CHF"),
                     ("pay", self.one, "12.345,00", "CHF"), ("pay", self.one, "1,5", "JPY"),
                     ("pay", self.one, "1", "FRS"), ("pay", self.one, "1", "chf"),
                     ("pay", self.one, "-1", "CHF"), ("pay", self.one, "0", "CHF"),
                     ("pay", self.one, "1", "CHF", "--value-date", "1er mars"),
                     ("list", "--stage", "promis"), ("list", "--kind", "ministère"),
                     ("totals", "--by", "couleur"), ("hold", "or"), ("tiers", "--colour"),
                     ("hold", "or", "--contributor", "C1", "--for", "bientôt"),
                     ("refund", self.bank), ("commit", self.held), ("cancel", self.one),
                     ("rates", "add", "2026-03-01", "EUR", "1,234", "--source", "x"),
                     ("rates", "add", "2026-03-01", "EUR", "zéro", "--source", "x"),
                     ("rates", "add", "2026-03-01", "EUR"), ("import", "absent.xml"),
                     ("show", "P009999"), ("history", "X"), ("statement", "C009999"),
                     ("invoice", self.one), ("sample",), ("approve", "1"), ("dump",)):
            with self.subTest(args=args):
                ran = self.home.pledge("clerk", *args, format="table", lang="fr")
                self.assertNotEqual(ran.code, 0, ran)
                self.assertEqual(self.english_in(ran.err), [], ran)

    def test_what_the_ledger_is_not_asked_about(self):
        """Rooms before it find what is wrong with these."""
        for person, args in (("auditor", ("dump", "--from-seq", "99999", "-o", self.home.path / "got")),
                             ("auditor", ("dump", "--from-seq", "2", "--to-seq", "1", "-o", self.home.path / "got")),
                             ("clerk", ("watch", "--from-seq", "99999")),
                             ("clerk", ("contact", "add", "C000001", "--name", "x" * 999, "--reason", "lettre")),
                             ("auditor", ("mirror", "/dev/null/miroir"))):
            with self.subTest(args=args):
                ran = self.home.pledge(person, *args, format="table", lang="fr")
                self.assertIn(ran.code, (65, 74), ran)
                self.assertEqual(self.english_in(ran.err), [], ran)
                self.assertNotRegex(ran.err, r"\w: ", ran)  # a French colon has a space before it

    def test_a_file_that_cannot_be_written_is_named(self):
        for args in (("report",), ("statement", self.who[1]), ("receipt", self.part)):
            with self.subTest(args=args):
                ran = self.home.pledge("clerk", *args, "-o", "/dev/null/fichier", format="plain", lang="fr")
                self.assertEqual((ran.code, ran.out), (74, ""), ran)
                self.assertRegex(ran.err, "pledge\u00a0: impossible d’écrire /dev/null/fichier")
                self.assertEqual(self.english_in(ran.err), [], ran)

    def test_what_stands_between_us_and_the_daemon(self):
        """Words of the system and of OpenSSL included."""
        pki, other = self.home.pki, Pki.shared("other")
        nothing = self.home.path / "rien.pem"
        nothing.write_text("rien\n")
        for name in ("clerk", "reader"):
            pki.person(name)
        other.person("clerk")
        with socket.socket() as deaf:  # takes connections, and never says a word
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            silent = f"127.0.0.1:{deaf.getsockname()[1]}"
            for changed, code, said in (
                    ({"server": silent}, 69, f"{silent}\u00a0: la négociation TLS n’aboutit pas"),
                    ({"server": "127.0.0.1:1"}, 69, "127.0.0.1:1\u00a0: connexion refusée"),
                    ({"ca": other.ca}, 69, "du serveur ne peut pas être vérifié\u00a0: il vient d’une"),
                    ({"cert": other.cert("clerk"), "key": other.key("clerk")}, 77, "notre certificat\u00a0: il vient"),
                    ({"cert": "/absent"}, 78, "/absent\u00a0: le certificat est inutilisable\u00a0: fichier ou"),
                    ({"cert": nothing}, 78, "il n’y a pas de certificat dedans"),
                    ({"ca": nothing}, 78, "il n’y a pas de certificat dedans"),
                    ({"key": nothing}, 78, "ce n’est pas une clé privée"),
                    ({"key": pki.key("reader")}, 78, "elle ne va pas avec le certificat"),
                    ({"format": "xml"}, 64, "format xml\u00a0: il faut l’une de ces valeurs\u00a0: table"),
                    ({"timeout": "0"}, 64, "timeout 0\u00a0: il faut")):
                with self.subTest(changed=changed):
                    def ask(seconds):
                        given = {"server": f"127.0.0.1:{self.home.port}", "ca": pki.ca, "cert": pki.cert("clerk"),
                                 "key": pki.key("clerk"), "timeout": f"{seconds}s", "lang": "fr", **changed}
                        return run([BIN / "pledge", "tiers", *(f"--{name}={value}" for name, value in given.items())],
                                   timeout=120, env=self.home.environment())
                    ran = given_time(ask, lambda ran: said in ran.err)
                    self.assertEqual(ran.code, code, ran)
                    self.assertIn(said, ran.err)
                    for name, value in changed.items():  # which are nobody's language
                        ran.err = ran.err.replace(f"{name} {value}", " ").replace(str(value), " ")
                    self.assertEqual(self.english_in(ran.err), [], ran)

    def test_a_document_says_where_it_is(self):
        with contextlib.chdir(self.home.path):
            ran = self.looks_french("clerk", "receipt", self.one)
        self.assertIn("Le document est dans Q000001.pdf\n", ran.err)
        self.assertTrue((self.home.path / "Q000001.pdf").exists())

    def test_another_kind_of_statement(self):
        path = self.home.path / "banque.xml"
        path.write_text('<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>')
        ran = self.home.pledge("clerk", "import", path, format="table", lang="fr")
        self.assertEqual(ran.code, 65, ran)
        self.assertIn("banque.xml:1: «", ran.err)
        self.assertEqual(self.english_in(ran.err), [], ran)

    def test_codes_are_explained(self):
        for args, wanted in ((("list", "--kind", "ministère"), "government (gouvernement), "),
                             (("accept-difference", self.bank, self.one, "--kind", "frais"),
                              "fee (frais bancaires), "),
                             (("pay", self.one, "1", "chf"), "CHF"),
                             (("pay", self.one, "1", "fr"), "fr\u00a0: ")):
            with self.subTest(args=args):
                ran = self.home.pledge("clerk", *args, format="table", lang="fr")
                self.assertIn(wanted, ran.err)
        ran = self.home.pledge("clerk", "list", "--kind", "ministry", lang="en")
        self.assertIn("government, private-sector", ran.err)

    def test_help_of_every_command(self):
        source = (ROOT / "client" / "commands.c").read_text(encoding="utf-8")
        names = re.findall(r'\.name = "([^"]+)"', source)
        self.assertGreater(len(names), 60)
        for name in names:
            with self.subTest(command=name):
                ran = self.home.pledge(None, "help", *name.split(), lang="fr")
                self.assertEqual(ran.code, 0, ran)
                # examples are typed as they stand
                text = "\n".join(line for line in ran.out.splitlines()
                                 if not line.startswith(("  pledge ", "pledge ")))
                self.assertEqual(self.english_in(text), [], ran)


if __name__ == "__main__":
    unittest.main()
