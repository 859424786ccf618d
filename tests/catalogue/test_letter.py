#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""letter: the shipped catalogue of the WSIS Forum 2026 says what the letter says, cell by cell.

The letter (wsis-2026-letter.fr.txt, without the names and the telephone number of persons) is read
here by rules of its own: a check mark is a grant, the words in its brackets are the grant's French
note, and the numbers in them are the quantity. The catalogue is read through the real schema with
protoc. `differences` compares the two and names every cell that disagrees; the last class changes
a copy of the catalogue in many ways and expects each change to be found, so that a comparison
which looks at nothing cannot pass.
"""
import copy
import datetime
import importlib
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from google.protobuf import json_format

ROOT = pathlib.Path(__file__).resolve().parents[2]
LETTER = pathlib.Path(__file__).resolve().parent / "wsis-2026-letter.fr.txt"
CATALOGUE = ROOT / "deploy" / "catalogue" / "wsis-forum-2026.json"

MARK = "\N{CHECK MARK}"
PACKED_MAX = 30 * 1024
CELLS = 6
# The order of the letter's sections, by the codes that the catalogue gives them.
SECTIONS = ["VIS", "REC", "EXH", "BRD", "PRO", "AST"]
GROUPS = ["strategic-partner", "partner"]
ALIASES = {"diamant": "diamond", "platine": "platinum", "or": "gold", "argent": "silver",
           "innovation": "innovation", "appui": "support"}
CAPACITY_WORDS = {"exclusif": 1, "deux": 2, "multiples": None}
MONTHS = {"décembre": 12, "juillet": 7}


def load_messages():
    """The generated module of catalogue.proto, made in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pledged-letter-") as out:
        subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={out}",
                        "pledged/v1/types.proto", "pledged/v1/catalogue.proto"],
                       cwd=ROOT / "proto", check=True, timeout=120)
        sys.path.insert(0, out)
        try:
            return importlib.import_module("pledged.v1.catalogue_pb2")
        finally:
            sys.path.remove(out)


pb = load_messages()


def words(text):
    """Blanks of every kind are one plain blank; links of the letter are their words."""
    text = re.sub(r"\[([^\]]*)\]\(#\)", r"\1", text)
    return " ".join(text.split())


# --- the letter ----------------------------------------------------------------------------------

class Cell:
    """One cell of the table: None quantity where the letter counts nothing."""

    def __init__(self, text):
        self.granted = MARK in text
        rest = words(text.replace(MARK, " "))
        match = re.fullmatch(r"([^()]*)(?:\(([^()]*)\))?", rest)
        if match is None or (rest and not self.granted) or text.count(MARK) > 1:
            raise ValueError(f"a cell of an unknown form: {text!r}")
        self.before = match.group(1).strip()
        self.note = match.group(2) or ""


class Letter:
    def __init__(self, text):
        self.text = words(text)
        lines = text.split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("SERVICES\t"))
        self.title = words([line for line in lines[:at] if line.strip()][-2])
        self.subtitle = words([line for line in lines[:at] if line.strip()][-1])
        self.read_heads(lines[at].split("\t")[1:], lines[at + 1].split("\t")[1:])
        self.sections = []  # labels in order
        self.rows = []      # (section label, benefit label, six cells)
        for line in lines[at + 2:]:
            columns = [words(column) for column in line.split("\t")]
            if columns[0] == "MONTANT":
                self.amounts = columns[1:]
            elif columns[0] and not any(columns[1:]):
                self.sections.append(columns[0])
            elif columns[0]:
                if len(columns) != CELLS + 1:
                    raise ValueError(f"{columns[0]}: {len(columns) - 1} cells")
                cells = [Cell(column) for column in columns[1:]]
                self.rows.append((self.sections[-1], columns[0], cells))

    def read_heads(self, groups, tiers):
        self.groups = []   # (label, index of its first tier)
        for i, label in enumerate(groups):
            if label.strip():
                self.groups.append((words(label), i))
        self.tiers = []    # (label, the words for its capacity)
        for head in tiers:
            self.tiers.append(re.fullmatch(r"(\S+) \((\S+)\)", words(head)).groups())

    def group_of(self, tier_index):
        return [label for label, first in self.groups if first <= tier_index][-1]


def expected_grant(cell):
    """(quantity, unit, attributes) as the words of one cell say, whatever its row."""
    attributes = {}
    note = cell.note
    if "Scène principale" in note:
        attributes["stage"] = "main"
    if "locaux de l'UIT" in note:
        attributes["premises"] = "itu"
    match = re.fullmatch(r"(\d+) min", cell.before)
    if match:
        return int(match.group(1)), pb.UNIT_MINUTE, attributes
    match = re.fullmatch(r"(\d+) places", note)
    if match:
        return int(match.group(1)), pb.UNIT_SEAT, attributes
    match = re.fullmatch(r"(\d+) secondes", note)
    if match:
        return int(match.group(1)), pb.UNIT_SECOND, attributes
    match = re.fullmatch(r"représentant de haut niveau(?: \+(\d+))?", note)
    if match:
        return 1 + int(match.group(1) or 0), pb.UNIT_PERSON, attributes
    if note.startswith("stand de "):
        return 1, pb.UNIT_STAND, stand(note)
    if note in ("", "Scène principale", "dans les locaux de l'UIT"):
        return 1, pb.UNIT_ONCE, attributes
    raise ValueError(f"words of an unknown form: {note!r}")


def stand(note):
    parts = note.split(", ")
    size = {"stand de très grande taille": "xl", "stand de grande taille": "l",
            "stand de taille moyenne": "m", "stand de petite taille": "s"}[parts[0]]
    place = {"emplacement privilégié": "prime", "zone standard": "standard"}[parts[1]]
    screen = {"écran d'affichage numérique sur mesure": "custom",
              "grand écran d'affichage numérique": "large",
              "écran d'affichage numérique de base": "basic",
              "none": "none"}[(parts + ["none"])[2]]
    return {"size": size, "place": place, "screen": screen}


def unit_of_row(label, unit):
    """Where the same words mean another thing: pins are counted like persons; a room is a room."""
    if label == "Pins d'or":
        return pb.UNIT_PIN
    if label.startswith("Mise à disposition d'une salle de réunion"):
        return pb.UNIT_ROOM
    return unit


# --- the catalogue -------------------------------------------------------------------------------

def french(texts):
    """The authentic French text; the words of our own are not authentic."""
    found = [t.text for t in texts if t.lang == "fr" and t.authentic]
    return found[0] if len(found) == 1 else None


def english(texts):
    found = [t.text for t in texts if t.lang == "en" and not t.authentic and t.text.strip()]
    return found[0] if len(found) == 1 else None


class Differences(list):
    def want(self, where, what, expected, actual):
        if expected != actual:
            self.append(f"{where}: {what} is {actual!r}, the letter says {expected!r}")


def compare_tiers(found, letter, catalogue):
    found.want("group", "list", list(zip(GROUPS, [label for label, _ in letter.groups])),
               [(group.code, french(group.label)) for group in catalogue.group])
    found.want("tier", "count", len(letter.tiers), len(catalogue.tier))
    for i, (tier, (label, stated)) in enumerate(zip(catalogue.tier, letter.tiers)):
        where = f"tier {label}"
        found.want(where, "code", label.lower(), tier.code)
        found.want(where, "label", label, french(tier.label))
        found.want(where, "words for the capacity", stated, french(tier.stated))
        capacity = CAPACITY_WORDS[stated]
        found.want(where, "capacity", ("count", capacity) if capacity else ("unlimited", True),
                   (tier.capacity.WhichOneof("value"),
                    tier.capacity.count if capacity else tier.capacity.unlimited))
        group = dict((label, code) for code, (label, _) in zip(GROUPS, letter.groups))
        found.want(where, "group", group[letter.group_of(i)], tier.group)
        match = re.fullmatch(r"([\d ]+) ([A-Z]{3})", letter.amounts[i])
        if match:
            found.want(where, "amount", (int(match.group(1).replace(" ", "")) * 100,
                                         match.group(2)), (tier.amount.minor, tier.amount.currency))
        else:
            found.want(where, "price", ("on_request", True),
                       (tier.WhichOneof("price"), tier.on_request))
            address = letter.amounts[i].removeprefix("Contact:").replace(" ", "")
            found.want(where, "contact", [address], [c.email for c in catalogue.contact])


def compare_benefits(found, letter, catalogue):
    found.want("section", "list", list(zip(SECTIONS, letter.sections)),
               [(section.code, french(section.label)) for section in catalogue.section])
    found.want("benefit", "list", [(SECTIONS[letter.sections.index(section)], label)
                                   for section, label, _ in letter.rows],
               [(benefit.section, french(benefit.label)) for benefit in catalogue.benefit])


def compare_cell(found, where, label, cell, grants):
    found.want(where, "number of grants", 1 if cell.granted else 0, len(grants))
    if not cell.granted or len(grants) != 1:
        return
    quantity, unit, attributes = expected_grant(cell)
    grant = grants[0]
    found.want(where, "quantity", quantity, grant.quantity)
    found.want(where, "unit", unit_of_row(label, unit), grant.unit)
    found.want(where, "attributes", attributes, {a.name: a.value for a in grant.attribute})
    found.want(where, "number of attributes", len(attributes), len(grant.attribute))
    found.want(where, "French note", cell.note or None, french(grant.note))
    found.want(where, "languages of the note", ["fr", "en"] if cell.note else [],
               [text.lang for text in grant.note])


def differences(letter, catalogue):
    found = Differences()
    compare_tiers(found, letter, catalogue)
    compare_benefits(found, letter, catalogue)
    tiers = [label.lower() for label, _ in letter.tiers]
    cells = {}
    for grant in catalogue.grant:
        cells.setdefault((grant.tier, grant.benefit), []).append(grant)
    for row, (_, label, row_cells) in enumerate(letter.rows):
        code = catalogue.benefit[row].code if row < len(catalogue.benefit) else ""
        for tier, cell in zip(tiers, row_cells):
            compare_cell(found, f"{code} x {tier}", label, cell, cells.pop((tier, code), []))
    for tier, code in cells:
        found.append(f"{code} x {tier}: granted, but the letter has no such cell")
    return found


def read_letter():
    return Letter(LETTER.read_text(encoding="utf-8"))


def read_catalogue():
    return json_format.Parse(CATALOGUE.read_text(encoding="utf-8"), pb.Catalogue())


# --- tests ---------------------------------------------------------------------------------------

class TheLetter(unittest.TestCase):
    """The letter is read whole: these numbers were counted by hand."""

    @classmethod
    def setUpClass(cls):
        cls.letter = read_letter()

    def test_has_28_benefits_in_six_sections(self):
        self.assertEqual(len(self.letter.rows), 28)
        self.assertEqual(len(self.letter.sections), 6)
        per_section = [sum(1 for row in self.letter.rows if row[0] == section)
                       for section in self.letter.sections]
        self.assertEqual(per_section, [6, 5, 2, 8, 5, 2])

    def test_every_check_mark_of_the_file_is_a_cell(self):
        marks = sum(cell.granted for row in self.letter.rows for cell in row[2])
        self.assertEqual(marks, 136)
        self.assertEqual(self.letter.text.count(MARK), marks)

    def test_every_tier_has_its_number_of_benefits(self):
        counts = [sum(row[2][i].granted for row in self.letter.rows) for i in range(CELLS)]
        self.assertEqual(counts, [27, 26, 26, 23, 19, 15])

    def test_names_nobody(self):
        self.assertNotRegex(self.letter.text, r"\b(Mme|M\.|Mr|Ms) [A-Z]")
        self.assertNotRegex(self.letter.text, r"\+41")


class TheCatalogue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.letter = read_letter()
        cls.catalogue = read_catalogue()

    def test_equals_the_letter_cell_by_cell(self):
        self.assertEqual(list(differences(self.letter, self.catalogue)), [])

    def test_has_136_grants_and_as_many_a_tier_as_the_letter(self):
        self.assertEqual(len(self.catalogue.grant), 136)
        counts = [sum(grant.tier == tier.code for grant in self.catalogue.grant)
                  for tier in self.catalogue.tier]
        self.assertEqual(counts, [27, 26, 26, 23, 19, 15])

    def test_prices_and_capacities(self):
        prices = [tier.amount.minor for tier in self.catalogue.tier]
        self.assertEqual(prices, [25000000, 15000000, 10000000, 5000000, 3000000, 0])
        limited = sum(tier.capacity.count * tier.amount.minor for tier in self.catalogue.tier)
        self.assertEqual(limited, 55000000)

    def test_sums_of_what_is_counted(self):
        def row(code):
            return [grant.quantity for grant in self.catalogue.grant if grant.benefit == code]
        self.assertEqual(row("VIS1"), [7, 5, 3])
        self.assertEqual(row("VIS6"), [15, 10, 7, 4, 3, 2])
        self.assertEqual(row("REC4"), [11, 6, 4, 3, 2, 1])
        self.assertEqual(row("REC5"), [11, 6, 4, 3, 2, 1])
        self.assertEqual(row("PRO5"), [60, 45, 30, 15])

    def test_tiers_are_not_nested(self):
        tiers = [grant.tier for grant in self.catalogue.grant if grant.benefit == "REC3"]
        self.assertEqual(tiers, ["or", "argent"])

    def test_codes_are_unique_and_point_to_something(self):
        catalogue = self.catalogue
        for codes in ([t.code for t in catalogue.tier], [b.code for b in catalogue.benefit],
                      [s.code for s in catalogue.section], [g.code for g in catalogue.group]):
            self.assertEqual(len(codes), len(set(codes)))
        numbers = {}
        for benefit in catalogue.benefit:
            numbers[benefit.section] = numbers.get(benefit.section, 0) + 1
            self.assertEqual(benefit.code, f"{benefit.section}{numbers[benefit.section]}")

    def test_english_names_are_accepted_and_never_repeat_a_code(self):
        codes = [tier.code for tier in self.catalogue.tier]
        for tier in self.catalogue.tier:
            self.assertIn(ALIASES[tier.code], [tier.code, *tier.alias])
            for alias in tier.alias:
                self.assertNotIn(alias, codes)

    def test_every_text_has_french_and_english(self):
        catalogue = self.catalogue
        for texts in [catalogue.title, catalogue.fund.name, catalogue.event.name,
                      catalogue.event.place, catalogue.letter.reference, catalogue.letter.subject,
                      *[x.label for x in catalogue.group], *[x.label for x in catalogue.section],
                      *[x.label for x in catalogue.tier], *[x.stated for x in catalogue.tier],
                      *[x.label for x in catalogue.benefit],
                      *[x.body for x in catalogue.legal_basis],
                      *[x.effect for x in catalogue.legal_basis],
                      *[x.note for x in catalogue.grant if x.note]]:
            self.assertEqual([text.lang for text in texts], ["fr", "en"])
            self.assertIsNotNone(english(texts), texts)
            self.assertIn(french(texts), self.letter.text)
        self.assertGreater(len(catalogue.note), 0)
        self.assertEqual([text.lang for text in catalogue.note],
                         ["fr", "en"] * (len(catalogue.note) // 2))
        self.assertFalse(any(text.authentic for text in catalogue.note))

    def test_every_benefit_says_when_and_what_the_partner_supplies(self):
        for benefit in self.catalogue.benefit:
            self.assertNotEqual(benefit.phase, pb.PHASE_UNSPECIFIED, benefit.code)
            self.assertNotEqual(benefit.asset, pb.ASSET_UNSPECIFIED, benefit.code)
            label = french(benefit.label)
            expected = pb.ASSET_NONE
            if label.startswith("Logo "):
                expected = pb.ASSET_LOGO
            if label.startswith("Vidéos promotionnelles du partenaire"):
                expected = pb.ASSET_VIDEO
            self.assertEqual(benefit.asset, expected, benefit.code)
            self.assertEqual(benefit.recurs, "monthly" if "mensuel" in label else "", benefit.code)

    def test_the_frame_is_the_letters(self):
        letter, catalogue = self.letter, self.catalogue
        self.assertEqual((catalogue.code, catalogue.version), ("wsis-forum-2026", 1))
        self.assertEqual(french(catalogue.title), letter.title)
        self.assertIn(letter.subtitle, catalogue.note[0].text)
        day, month, year = re.search(r"Genève, le (\d+) (\S+) (\d{4})", letter.text).groups()
        self.assertEqual(catalogue.letter.date,
                         datetime.date(int(year), MONTHS[month], int(day)).isoformat())
        first, last, month, year, place, _ = re.search(
            r"du (\d+) au (\d+) (\S+) (\d{4}) à (\S+) \((\S+)\)", letter.text).groups()
        self.assertEqual((catalogue.event.starts, catalogue.event.ends, catalogue.event.country),
                         (datetime.date(int(year), MONTHS[month], int(first)).isoformat(),
                          datetime.date(int(year), MONTHS[month], int(last)).isoformat(), "CH"))
        self.assertEqual(french(catalogue.event.place), place)
        self.assertIn(f"Référence: {french(catalogue.letter.reference)} ", letter.text)
        self.assertIn(f"Objet: **{french(catalogue.letter.subject)}**", letter.text)
        self.assertIn(f"créé en {catalogue.fund.founded_year} ", letter.text)
        self.assertEqual(catalogue.fund.currency, "CHF")

    def test_legal_bases_are_cited_in_the_letter(self):
        bases = self.catalogue.legal_basis
        self.assertEqual([basis.id for basis in bases],
                         ["Resolution 140", "Resolution 1332", "A/RES/80/173"])
        for basis in bases:
            self.assertIn(basis.id.replace("Resolution", "Résolution"), self.letter.text)
        self.assertIn("le 17 décembre 2025", self.letter.text)
        self.assertEqual([basis.date for basis in bases], ["", "", "2025-12-17"])

    def test_contact_is_a_function_and_never_a_person(self):
        for contact in self.catalogue.contact:
            self.assertTrue(contact.function)
            self.assertEqual(contact.phone, "")
            self.assertIn(f"Courriel: {contact.email} ", self.letter.text)

    def test_rules_of_the_year(self):
        policy, day = self.catalogue.policy, 86400
        self.assertFalse(policy.many_slots_per_contributor)
        self.assertEqual((policy.hold_default_s, policy.hold_max_s, policy.hold_grace_s),
                         (14 * day, 60 * day, 0))
        self.assertEqual((policy.hold_extensions_max, policy.promotion_hold_s), (2, 14 * day))

    def test_fits_an_entry(self):
        self.assertLess(self.catalogue.ByteSize(), PACKED_MAX)


class TheComparison(unittest.TestCase):
    """Each change of a good catalogue is found."""

    @classmethod
    def setUpClass(cls):
        cls.letter = read_letter()
        cls.catalogue = read_catalogue()

    def changed(self, change):
        catalogue = copy.deepcopy(self.catalogue)
        change(catalogue)
        return differences(self.letter, catalogue)

    def test_finds_every_missing_grant(self):
        for i, grant in enumerate(self.catalogue.grant):
            found = self.changed(lambda catalogue: catalogue.grant.pop(i))
            self.assertEqual(len(found), 1, found)
            self.assertIn(f"{grant.benefit} x {grant.tier}: number of grants", found[0])

    def test_finds_every_grant_too_many(self):
        have = {(grant.tier, grant.benefit) for grant in self.catalogue.grant}
        missing = [(tier.code, benefit.code) for tier in self.catalogue.tier
                   for benefit in self.catalogue.benefit if (tier.code, benefit.code) not in have]
        self.assertEqual(len(missing), 6 * 28 - 136)
        for tier, benefit in missing:
            found = self.changed(lambda catalogue: catalogue.grant.add(
                tier=tier, benefit=benefit, quantity=1, unit=pb.UNIT_ONCE))
            self.assertEqual(len(found), 1, found)

    def test_finds_every_wrong_quantity_unit_attribute_and_note(self):
        for i, grant in enumerate(self.catalogue.grant):
            def more(catalogue):
                catalogue.grant[i].quantity += 1

            def other_unit(catalogue):
                catalogue.grant[i].unit = pb.UNIT_ONCE if grant.unit != pb.UNIT_ONCE else pb.UNIT_PIN

            def attribute(catalogue):
                catalogue.grant[i].attribute.add(name="stage", value="moon")

            def note(catalogue):
                catalogue.grant[i].note.add(lang="fr", text="x", authentic=True)
            for change in (more, other_unit, attribute, note):
                self.assertNotEqual(self.changed(change), [], (grant.tier, grant.benefit, change))

    def test_finds_a_wrong_tier_label_price_or_section(self):
        def price(catalogue):
            catalogue.tier[1].amount.minor += 1

        def capacity(catalogue):
            catalogue.tier[1].capacity.count = 3

        def cap_instead_of_none(catalogue):
            catalogue.tier[2].capacity.count = 0

        def price_instead_of_request(catalogue):
            catalogue.tier[5].amount.minor = 1

        def group(catalogue):
            catalogue.tier[3].group = "strategic-partner"

        def label(catalogue):
            catalogue.benefit[0].label[0].text += "."

        def section(catalogue):
            catalogue.section[5].label[0].text = "ASSISTANCE SPÉCIALE"

        def unknown_grant(catalogue):
            catalogue.grant.add(tier="or", benefit="AST9", quantity=1, unit=pb.UNIT_ONCE)

        def address(catalogue):
            catalogue.contact[0].email = "wsis- info@itu.int"
        for change in (price, capacity, cap_instead_of_none, price_instead_of_request, group, label,
                       section, unknown_grant, address):
            self.assertNotEqual(self.changed(change), [], change.__name__)


if __name__ == "__main__":
    unittest.main(verbosity=2)
