# SPDX-License-Identifier: Apache-2.0
"""zone: the fund's day and time in the client are those of the ledger's policy, whatever the machine of
the daemon or of the client has: what a typed day means, what is shown, and what programs read."""
import re
import unittest
from datetime import date, datetime, timedelta, timezone

from harness import BIN, DaemonTest, opened, run

# where it is another day than in UTC, whatever the time is now (for the hour at the least that a test takes)
EAST = 14 if 11 <= datetime.now(timezone.utc).hour < 23 else -12
ACCOUNT = "CH8109000000150001234"
SETTINGS = {"daemon": {"log_level": "debug", "workers": 1}, "account CHF01": {"iban": ACCOUNT, "currency": "CHF"},
            "creditor": {"name": "Trust Fund", "postal_code": "1211", "town": "Geneva", "country": "CH"}}


def end_of(day, zone):
    return (datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1)).timestamp()


class Zone(DaemonTest):
    settings = SETTINGS | {"policy": {"time_zone": f"<{EAST:+03d}>{-EAST}"}}
    zone, called, told = timezone(timedelta(hours=EAST)), f"{EAST:+03d}", f"<{EAST:+03d}>{-EAST}"

    def who(self):
        return self.clerk.contributor(self.name())

    def asked(self):
        """How often anybody asked for the status: the one worker tells its calls in their order, and this
        one is the last."""
        log = self.home.log_file

        def fences():
            return re.findall(r"method=\S*/GetTier .*person=approver", log.read_text(errors="replace"))
        before = len(fences())
        self.home.client("approver").GetTier(tier="or")
        self.eventually(lambda: len(fences()) > before)
        return len(re.findall(r"method=\S*/GetStatus ", log.read_text(errors="replace")))

    def held(self, day):
        """A pledge that is held until the end of this day, and when that is."""
        row = self.pledge("clerk", "hold", "or", "--contributor", self.who(), "--until",
                          day.isoformat()).rows[0]
        grace = self.reader.GetCatalogue().catalogue.policy.hold_grace_s
        return row[0], self.clerk.GetPledge(pledge=row[0]).pledge.expires_us / 1e6 - grace

    def day(self, days):
        return (datetime.now(self.zone) + timedelta(days=days)).date()

    def test_a_typed_day_ends_where_the_fund_is(self):
        day = self.day(3)
        for elsewhere in ("Europe/Zurich", "America/New_York", "CET-1"):  # of the client's machine
            row = self.pledge("clerk", "hold", "or", "--contributor", self.who(), "--until", day.isoformat(),
                              env={"TZ": elsewhere}).rows[0]
            grace = self.reader.GetCatalogue().catalogue.policy.hold_grace_s
            ends = self.clerk.GetPledge(pledge=row[0]).pledge.expires_us / 1e6 - grace
            self.assertEqual(ends, end_of(day, self.zone), elsewhere)

    def test_lists_and_what_is_due_count_the_same_days(self):
        day = self.day(5)
        pledge, ends = self.held(day)
        self.assertEqual(ends, end_of(day, self.zone))
        for until, there in ((day - timedelta(days=1), False), (day + timedelta(days=1), True)):
            rows = self.pledge("clerk", "list", "--stage", "held", "--expires-before", until.isoformat(),
                               format="json").json["pledges"]
            self.assertEqual(pledge in [row["pledge"] for row in rows], there, until)
        today, due = self.stays(lambda: self.pledge("clerk", "due", format="json").json)
        self.assertEqual(due["at"], today.isoformat())
        grace = self.reader.GetCatalogue().catalogue.policy.hold_grace_s
        last = (datetime.fromtimestamp(ends + grace, self.zone) - timedelta(microseconds=1)).date()
        self.assertEqual([row["due"] for row in due["due"] if row["pledge"] == pledge], [last.isoformat()])

    def stays(self, what):
        """The day there, and what is seen while it lasts."""
        while True:
            day, seen = self.day(0), what()
            if day == self.day(0):
                return day, seen

    def test_ages_and_todays_are_of_the_day_there(self):
        bank = self.money_of_nobody(ACCOUNT)
        today, row = self.stays(
            lambda: self.pledge("clerk", "entries", bank, format="json").json["bank_entries"][0])
        age = (today - date.fromisoformat(row["booking_date"])).days
        self.assertEqual(row["age_days"], age)

        def older():
            return [bank in [row["bank_entry"] for row in self.pledge(
                "clerk", "entries", "--older-than", f"{past}d", format="json").json["bank_entries"]]
                for past in (age, age - 1)]
        then, seen = self.stays(older)
        if then == today:
            self.assertEqual(seen, [False, True])
        today, page = self.stays(lambda: self.pledge("clerk", "report", "--lang", "en").out)
        age = (today - date.fromisoformat(row["value_date"])).days
        self.assertIn(f"<td>{bank}</td><td>{row['value_date']}</td><td class=\"n\">{age}</td>",
                      page.replace("\n", ""))

    def test_papers_are_of_the_day_there(self):
        pledge = self.pledge("clerk", "submit", "--contributor", self.who(), "--free", "--amount", "10.00",
                             "--currency", "CHF", "--reason", "r").rows[0][0]
        out = self.home.path / "invoice.pdf"
        today, _ = self.stays(lambda: self.pledge("clerk", "invoice", pledge, "-o", out, "--lang", "en"))
        text = run(["pdftotext", out, "-"], env=self.home.environment()).out
        self.assertIn(f"{today.day} {today:%B} {today.year}", text)

    def test_people_read_its_time_and_programs_read_utc(self):
        day = self.day(4)
        pledge, ends = self.held(day)
        for lang in ("en", "fr"):
            shown = self.pledge("clerk", "show", pledge, "--lang", lang, format="table").out
            told = datetime.fromtimestamp(self.clerk.GetPledge(pledge=pledge).pledge.expires_us / 1e6, self.zone)
            words = (f"{day} 24:00:00 {self.called}" if told.timestamp() == end_of(day, self.zone)
                     else f"{told:%Y-%m-%d %H:%M:%S} {self.called}")
            self.assertIn(words, shown)
            lines = self.pledge("reader", "tiers", "--lang", lang, format="table").out.splitlines()
            self.assertRegex(lines[-1], rf"\d \d\d:\d\d:\d\d {re.escape(self.called)}\.$")
        before = self.asked()
        for format in ("plain", "json", "csv"):
            out = self.pledge("clerk", "show", pledge, format=format).out
            out += self.pledge("clerk", "history", pledge, format=format).out
            self.assertNotIn(f" {self.called}", out)
        self.assertEqual(self.asked(), before)  # they cost no question more
        self.pledge("clerk", "show", pledge, format="table")
        self.assertEqual(self.asked(), before + 1)

    def test_a_refusal_says_it_in_the_same_time(self):
        pledge, _ = self.held(self.day(6))
        ran = self.home.pledge("clerk", "extend", pledge, "--until", self.day(5).isoformat(), "--reason", "r",
                               lang="en")
        self.assertEqual((ran.code, ran.out), (65, ""), ran)
        self.assertIn(f"{self.day(5)} 24:00:00 {self.called}", ran.err)

    def test_status_tells_the_rule(self):
        self.assertEqual(self.reader.GetStatus().WhichOneof("zone"), "time_zone")
        self.assertEqual(self.pledge("reader", "status", format="json").json["time_zone"], self.told)
        shown = self.pledge("reader", "status", "--lang", "fr", format="table").out
        self.assertRegex(shown, rf"Fuseau horaire du fonds +{re.escape(self.told)}\n")
        before = self.asked()
        self.pledge("reader", "status", format="table")
        self.assertEqual(self.asked(), before + 1)  # its own times need no second one

    def test_a_file_says_it_itself(self):
        """Offline: the rule is an entry of the dump."""
        self.clerk.contributor(self.name())
        file = self.home.path / "zone.bin"
        self.pledge("auditor", "dump", "-o", file)
        vkey = self.reader.GetStatus().vkey
        rows = run([BIN / "pledge", "sample", file, "--key", vkey, "--size", "3", "--seed", "a", "--format", "table",
                    "--lang", "en"], env=self.home.environment(TZ="America/New_York")).out.splitlines()[1:4]
        self.assertEqual([f" {self.called} " in row for row in rows], [True] * 3, rows)

    def test_offers_of_another_zone_are_told(self):
        """The shipped ones are of Europe/Zurich; days go by the policy, so somebody has to hear of it."""
        line = r"another time zone than the policy.* offers=\"?Europe/Zurich\"? policy=(\S+)\n"
        self.eventually(lambda: re.search(line, self.home.log_file.read_text(errors="replace")))
        told = re.findall(line, self.home.log_file.read_text(errors="replace"))
        self.assertEqual([rule.strip('"') for rule in told], ["" if self.told == "UTC0" else self.told])

    def test_who_is_not_told_reads_utc(self):
        last = self.pledge("public", "tiers", "--lang", "en", format="table").out.splitlines()[-1]
        self.assertRegex(last, r"\d \d\d:\d\d:\d\d UTC\.$")


class Nowhere(Zone):
    """No zone in the policy: the day is that of UTC, for the daemon and for the client."""
    settings = SETTINGS
    zone, called, told = timezone.utc, "UTC", "UTC0"


class Moves(unittest.TestCase):
    def test_another_rule_holds_from_the_reload_on(self):
        home = opened(settings={"policy": {"time_zone": "JST-9"}})
        try:
            self.assertEqual(home.pledge("reader", "status", format="json").json["time_zone"], "JST-9")
            home.settings["policy"]["time_zone"] = "<+0545>-5:45"
            home.write_config()
            home.restart()
            self.assertEqual(home.pledge("reader", "status", format="json").json["time_zone"], "<+0545>-5:45")
            last = home.pledge("reader", "tiers", format="table", lang="en").out.splitlines()[-1]
            self.assertRegex(last, r"\d \d\d:\d\d:\d\d \+0545\.$")
        finally:
            home.close()


if __name__ == "__main__":
    unittest.main()
