# SPDX-License-Identifier: Apache-2.0
"""main_job: the story of the README, told by the real client to the real daemon: two contributors
take the two Platine slots, a third is refused and told why, anybody who asks gets 0, a clerk
records payments, an auditor dumps the ledger."""
import json
import unittest

from harness import DaemonTest, check_ledger, id_text, pb


class MainJob(DaemonTest):
    """The tests of this class are one story; their names give the order."""

    def add(self, name, kind):
        ran = self.pledge("clerk", "contributor", "add", "--name", name, "--kind", kind)
        return ran.rows[0]

    def test_01_six_tiers_are_offered_and_all_is_free(self):
        tiers = {row[0]: row for row in self.pledge("public", "tiers").rows}
        self.assertEqual(list(tiers), ["diamant", "platine", "or", "argent", "innovation", "appui"])
        self.assertEqual(self.pledge("public", "slots", "diamant").out, "1\n")
        self.assertEqual(self.pledge("public", "slots", "platine").out, "2\n")
        for tier in ("or", "argent", "innovation", "appui"):
            self.assertEqual(self.pledge("public", "slots", tier).out, "unlimited\n")

    def test_02_two_contributors_take_the_two_platine_slots(self):
        cls = type(self)
        cls.first = self.add("Republic of Somewhere", "government")
        cls.second = self.add("Example Telecom SA", "private-sector")
        cls.third = self.add("Institute of Examples", "academia")
        for row, number in ((cls.first, 1), (cls.second, 2), (cls.third, 3)):
            self.assertEqual(row[0], f"C{number:06d}")
            self.assertEqual(row[2], "NEW")
        held = self.pledge("clerk", "hold", "platine", "--contributor", cls.first[0],
                           "--for", "14d").rows[0]
        self.assertEqual((held[0], held[2], held[3]), ("P000001", "NEW", "1"))
        cls.pledge_1 = held[0]
        self.assertEqual(self.pledge("reader", "slots", "platine").out, "1\n")
        made = self.pledge("clerk", "submit", held[0], "--contributor", cls.first[0], "--reason",
                           "letter of 12 January").rows[0]
        self.assertEqual(made[0], "P000001")
        made = self.pledge("clerk", "submit", "--contributor", cls.second[0], "--tier", "platinum",
                           "--reason", "letter of 13 January").rows[0]
        self.assertEqual((made[0], made[2], made[3]), ("P000002", "NEW", "0"))
        cls.pledge_2, cls.deciding = made[0], int(made[1])

    def test_03_the_third_is_refused_and_told_which_entry_decides(self):
        args = ("submit", "--contributor", self.third[0], "--tier", "platine", "--reason",
                "letter of 14 January")
        ran = self.fails(10, "clerk", *args, format="json")
        self.assertEqual(ran.error["code"], 10)
        self.assertEqual(ran.error["reason"], "TIER_SOLD_OUT")
        self.assertFalse(ran.error["retryable"])
        self.assertEqual(int(ran.error["deciding_seq"]), self.deciding)
        self.assertGreater(int(ran.error["seq"]), self.deciding)
        self.assertIn(str(self.deciding), ran.error["message"])
        words = self.fails(10, "clerk", *args, format="table", lang="en")
        self.assertIn(str(self.deciding), words.err)
        worte = self.fails(10, "clerk", *args, format="table", lang="fr")
        self.assertIn(str(self.deciding), worte.err)
        self.assertNotEqual(words.err, worte.err)

    def test_04_a_remote_reader_asks_how_many_are_left(self):
        self.assertEqual(self.pledge("reader", "slots", "platine").out, "0\n")
        self.assertEqual(self.pledge("public", "slots", "Platinum").out, "0\n")
        for tier, least, answer in (("platine", "1", 1), ("platine", "0", 0), ("diamant", "1", 0),
                                    ("diamant", "2", 1), ("or", "1000000", 0)):
            ran = self.home.pledge("reader", "slots", tier, "--at-least", least)
            self.assertEqual(ran.code, answer, ran)
        ran = self.pledge("reader", "slots", "platine", format="json")
        self.assertEqual(int(ran.json["remaining"]), 0)
        self.assertGreaterEqual(int(ran.json["as_of_seq"]), self.deciding)

    def test_05_part_surplus_and_late_money_is_kept_and_shown(self):
        part = self.pledge("clerk", "pay", self.pledge_1, "50000.00", "CHF", "--bank-ref", "A-1",
                           "--value-date", "2026-02-03").rows[0]
        self.assertEqual(part[2], "NEW")
        self.assertEqual(part[3], "100000.00")
        shown = self.pledge("clerk", "show", self.pledge_1, format="json").json
        self.assertEqual(self.money_of(shown), "part")
        rest = self.pledge("clerk", "pay", self.pledge_1, "120'000.00", "CHF",
                           "--bank-ref", "A-2").rows[0]
        self.assertEqual(rest[3], "0.00")
        shown = self.pledge("clerk", "show", self.pledge_1, format="json").json
        self.assertEqual(self.money_of(shown), "over")
        self.assertIn("20000.00", json.dumps(shown))
        # late: the pledge was withdrawn before its money came
        self.pledge("clerk", "withdraw", self.pledge_2, "--reason", "no budget")
        self.assertEqual(self.pledge("reader", "slots", "platine").out, "1\n")
        late = self.pledge("clerk", "pay", self.pledge_2, "10.00", "CHF", "--bank-ref", "A-3")
        self.assertEqual(late.rows[0][2], "NEW")
        shown = self.pledge("clerk", "show", self.pledge_2, format="json").json
        self.assertEqual(self.money_of(shown), "refund-due")

    @staticmethod
    def money_of(shown):
        text = json.dumps(shown)
        for word in ("refund-due", "part", "paid", "over", "none"):
            if f'"money": "{word}"' in text or f'"money":"{word}"' in text:
                return word
        return text

    def test_06_a_wrong_payment_is_reversed_by_a_new_entry(self):
        paid = self.pledge("clerk", "pay", self.pledge_1, "1.00", "CHF", "--bank-ref", "A-4")
        row = paid.rows[0]
        undone = self.pledge("clerk", "reverse", row[1], "--reason", "belongs to another fund")
        self.assertEqual(undone.rows[0][2], "NEW")
        ran = self.fails(10, "clerk", "reverse", row[1], "--reason", "again", format="json")
        self.assertEqual(ran.error["reason"], "ALREADY_REVERSED")
        history = self.pledge("clerk", "history", self.pledge_1)
        self.assertIn(row[1], history.out)

    def test_07_totals_add_up(self):
        totals = self.pledge("reader", "totals", format="json").json
        text = json.dumps(totals)
        self.assertIn("150000.00", text)   # pledged and received for it
        self.assertIn("170010.00", text)   # all that came in and was not reversed

    def test_08_the_auditor_dumps_everything(self):
        size = self.reader.GetStatus().size
        target = self.home.path / "ledger.bin"
        self.pledge("auditor", "dump", "-o", str(target))
        data = target.read_bytes()
        entries, _ = self.auditor.dump_bytes()
        self.assertEqual(len(entries), size)
        place = 0
        for entry in entries:  # the exact bytes of every entry, in order
            place = data.index(entry, place) + len(entry)
        stdout = self.home.pledge("auditor", "dump", "--as", "bin", text=False)
        self.assertEqual(stdout.code, 0, stdout.err)
        self.assertEqual(stdout.out, data)
        check_ledger(map(pb.Entry.FromString, entries))

        *lines, last = self.pledge("auditor", "dump", "--as", "jsonl").out.splitlines()
        self.assertEqual(len(lines), size)
        self.assertEqual(list(json.loads(last)), ["trailer"])
        rows = self.pledge("auditor", "dump", "--as", "csv").csv
        self.assertEqual(len(rows), size)
        for n, (line, row, raw) in enumerate(zip(lines, rows, entries), 1):
            entry, shown = pb.Entry.FromString(raw), json.loads(line)
            self.assertEqual(int(shown["seq"]), n)
            self.assertEqual(int(row["seq"]), n)
            who = json.dumps(shown) + "|" + json.dumps(row)
            self.assertIn(entry.actor.person, who.split("|")[0])
            self.assertIn(entry.actor.person, list(row.values()))
            self.assertTrue(any(k.startswith("time") and v for k, v in shown.items()), line)
            self.assertTrue(any(k.startswith("time") and v for k, v in row.items()), row)
            if entry.actor.role != pb.ROLE_DAEMON:
                given = id_text(entry.request_id)
                self.assertIn(given, list(row.values()))
                self.assertIn(given, line)

    def test_09_a_part_of_the_dump(self):
        lines = self.pledge("auditor", "dump", "--as", "jsonl", "--from-seq", "3", "--to-seq",
                            "5").out.splitlines()[:-1]
        self.assertEqual([int(json.loads(l)["seq"]) for l in lines], [3, 4, 5])

    def test_10_a_dump_that_cannot_be_made_leaves_no_file(self):
        target = self.home.path / "denied.bin"
        ran = self.home.pledge("clerk", "dump", "-o", str(target))
        self.assertEqual(ran.code, 77, ran)
        self.assertFalse(target.exists())

    def test_11_status_says_who_one_is(self):
        for person in ("reader", "clerk", "auditor", "admin", "approver"):
            status = self.pledge(person, "status", format="json").json
            self.assertEqual(status["role"], person)
        self.assertEqual(int(status["size"]), self.reader.GetStatus().size)


if __name__ == "__main__":
    unittest.main()
