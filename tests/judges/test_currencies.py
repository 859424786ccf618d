# SPDX-License-Identifier: Apache-2.0
"""currencies: the table that money is counted by, judged by two packages of other people: Debian's
iso-codes says which codes ISO 4217 has, py-moneyed how many minor units one has.
"""
import json
import pathlib
import re
import unittest

import moneyed

ROOT = pathlib.Path(__file__).resolve().parents[2]
ISO = pathlib.Path("/usr/share/iso-codes/json/iso_4217.json")

# In the standard (or in the package's edition of it), and not ours on purpose.
METALS_AND_UNITS = {"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA",
                    "XXX"}
FUND_CODES = {"BOV", "CHE", "CHW", "COU", "MXV", "USN", "UYI"}
WITHDRAWN = {"ANG": "XCG", "BGN": "EUR", "CUC": "CUP", "HRK": "EUR", "SLL": "SLE", "ZWL": "ZWG"}
NEWER_THAN_THE_PACKAGE = {"XCG", "ZWG"}


def our_table():
    source = (ROOT / "common" / "money.c").read_text(encoding="utf-8")
    return {code: int(digits) for code, digits in re.findall(r'\{"([A-Z]{3})", (\d)\}', source)}


class Currencies(unittest.TestCase):
    def test_codes(self):
        iso = {row["alpha_3"] for row in json.loads(ISO.read_text(encoding="utf-8"))["4217"]}
        ours = set(our_table())
        self.assertGreater(len(ours), 150)
        self.assertEqual(iso - ours - METALS_AND_UNITS - FUND_CODES - set(WITHDRAWN), set())
        self.assertEqual(ours - iso - NEWER_THAN_THE_PACKAGE, set())
        self.assertEqual(set(WITHDRAWN.values()) - ours, set(), "what came after is there")

    def test_minor_units(self):
        judged = 0
        for code, digits in our_table().items():
            known = moneyed.CURRENCIES.get(code)
            if known is not None:
                judged += 1
                self.assertEqual(10 ** digits, known.sub_unit, code)
        self.assertGreater(judged, 145)


if __name__ == "__main__":
    unittest.main()
