# SPDX-License-Identifier: Apache-2.0
"""formats: table for people in French and English, plain, json and csv for programs: the same bytes
in every language and locale; colours only where they are wanted; help, profiles, quiet."""
import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

from harness import BIN, DaemonTest, patience, pb

COMMANDS = ("tiers", "slots", "benefits", "totals", "show", "list", "contributors", "history",
            "contributor", "hold", "extend", "wait", "submit", "commit", "amend", "change-tier",
            "withdraw", "cancel", "pay", "reverse", "dump", "catalogue", "status")

# English words of tables and help that have no place in the French ones.
ENGLISH = re.compile(
    r"\b(the|and|with|of|tier|tiers|held|pledged|committed|remaining|capacity|price|unlimited|"
    r"amount|currency|received|outstanding|refunded|unallocated|usage|commands?|help|"
    r"print|show|list|contributors?|stage|money|who|when|request|what|every|reader|clerk|auditor|"
    r"waiting|withdrawn|cancelled|expired|government|private sector|civil society|academia|"
    r"benefits?|seats?|quantity|unit|default|server|from|until|needs?|unknown|required|error|"
    r"refused|sold out)\b", re.IGNORECASE)
# Placeholders, option names, and codes (of roles as well) are the same in both languages.
NOT_WORDS = re.compile(
    r"--[a-z-]+|\brôles?\s+\w+(?:\s+ou\s+\w+)?|\bclés\s+server\b|"
    r"\b[A-Z][A-Z_|]{2,}\b|[a-z]+(?:\|[a-z-]+)+|`[^`]*`|'[^']*'|«[^»]*»|\"[^\"]*\"|"
    r"\S+@\S+|\S*/\S*|pledged?\s+[a-z-]+(?:\s+(?:add|amend|adopt|show))?|\$\S+|\S+=\S+")


class Formats(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        clerk = cls.clerk
        cls.who = clerk.contributor("Société «Exemple» & Fils, S.A.", 2, country="CH")
        cls.odd = clerk.contributor('Less "quoted", with; marks', 4)
        cls.one = clerk.submit_tier("platine", cls.who).outcome.pledge
        clerk.commit(cls.one)
        clerk.pay(cls.one, 5000000, value_date="2026-02-03", bank_ref="X1")
        cls.two = clerk.submit_free(cls.odd, 33401000, "JPY").outcome.pledge
        cls.held = clerk.hold("diamant", clerk.contributor("Halter", 1), 86400).outcome.pledge
        clerk.execute(wait=pb.Wait(tier="diamant", contributor=clerk.contributor("Warter", 3)))

    def reads(self):
        return [("clerk", "tiers"), ("clerk", "slots", "platine"), ("clerk", "slots", "or"),
                ("clerk", "benefits", "platine"), ("clerk", "benefits", self.one),
                ("clerk", "benefits", "--totals"), ("clerk", "totals"),
                ("clerk", "totals", "--by", "tier"), ("clerk", "totals", "--by", "category"),
                ("clerk", "totals", "--by", "month"), ("clerk", "totals", "--by", "currency"),
                ("clerk", "show", self.one), ("clerk", "show", self.held), ("clerk", "list"),
                ("clerk", "list", "--tier", "diamant"), ("clerk", "contributors"),
                ("clerk", "history", self.one), ("reader", "status"),
                ("reader", "catalogue", "show"), ("auditor", "dump", "--as", "jsonl"),
                ("auditor", "dump", "--as", "csv")]

    def ask(self, args, **fields):
        person, *rest = args
        ran = self.pledge(person, *rest, **fields)
        # the moment of asking is the one thing that may differ
        ran.out = re.sub(r'("?as_of_time[a-z_]*"?\s*[:\t]\s*"?)[^",\t\n]+', r"\1", ran.out)
        return ran

    LOCALES = [dict(LC_ALL="C"), dict(LC_ALL="C.UTF-8"), dict(LC_ALL="fr_FR.UTF-8"),
               dict(LC_ALL="de_CH.UTF-8", LANG="de_CH.UTF-8"),
               dict(LC_ALL="", LANG="", LANGUAGE="fr"),
               dict(LC_NUMERIC="fr_FR.UTF-8", TZ="Asia/Tokyo")]

    def test_plain_json_and_csv_are_the_same_in_every_language_and_locale(self):
        for args in self.reads():
            formats = [None] if "dump" in args else ["plain", "json", "csv"]
            for format in formats:
                with self.subTest(args=args, format=format):
                    wanted = self.strip_time(self.ask(args, format=format, lang="en").out)
                    for lang in ("fr", None):
                        for locale in self.LOCALES[2:3] + self.LOCALES[4:]:
                            got = self.ask(args, format=format, lang=lang, env=locale).out
                            self.assertEqual(self.strip_time(got), wanted)

    @staticmethod
    def strip_time(text):
        """Without the moment of asking: of the fund's zone, whichever it is."""
        return re.sub(r"20\d\d-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d+Z| \d\d:\d\d:\d\d [A-Z]+)", "T", text)

    def test_without_a_terminal_the_format_is_plain(self):
        for args in self.reads()[:12]:
            self.assertEqual(self.strip_time(self.ask(args).out),
                             self.strip_time(self.ask(args, format="plain").out))

    def test_plain_is_tab_separated_without_header_and_with_stable_columns(self):
        for args in (("clerk", "tiers"), ("clerk", "list"), ("clerk", "contributors"),
                     ("clerk", "totals", "--by", "tier"), ("clerk", "benefits", "or"),
                     ("clerk", "history", self.one)):
            with self.subTest(args=args):
                ran = self.ask(args)
                self.assertEqual(len({len(row) for row in ran.rows}), 1, ran)
                self.assertTrue(ran.out.endswith("\n"))
                self.assertNotIn("\x1b", ran.out)
        names = {row[0]: row for row in self.pledge("clerk", "contributors").rows}
        self.assertIn(self.odd, names)
        self.assertTrue(any("Société «Exemple» & Fils, S.A." == c for c in names[self.who]))

    def test_csv_is_rfc_4180_with_a_header(self):
        for args in (("clerk", "tiers"), ("clerk", "list"), ("clerk", "contributors"),
                     ("clerk", "totals"), ("clerk", "benefits", "or")):
            with self.subTest(args=args):
                text = self.ask(args, format="csv").out
                rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
                plain = self.ask(args).rows
                self.assertEqual(len(rows), len(plain) + 1)
                self.assertEqual(len({len(r) for r in rows}), 1)
                self.assertEqual(len(set(rows[0])), len(rows[0]), "names of columns are unique")
                for column in rows[0]:
                    self.assertRegex(column, r"^[a-z][a-z0-9_]*$")
        listed = self.ask(("clerk", "list"), format="csv").csv
        mine = [r for r in listed if r["pledge"] == self.one][0]
        self.assertEqual((mine["amount"], mine["currency"]), ("150000.00", "CHF"))
        japan = [r for r in listed if r["pledge"] == self.two][0]
        self.assertEqual((japan["amount"], japan["currency"]), ("33401000", "JPY"))

    def test_json_has_decimals_as_strings_with_their_currency(self):
        shown = json.dumps(self.ask(("clerk", "show", self.one), format="json").json)
        self.assertIn('"amount": "150000.00"', shown)
        self.assertIn('"currency": "CHF"', shown)
        self.assertIn("50000.00", shown)
        for args in self.reads()[:-2]:
            value = self.ask(args, format="json").json

            def walk(v):
                if isinstance(v, dict):
                    for k, w in v.items():
                        self.assertRegex(k, r"^[a-z][a-z0-9_]*$")
                        walk(w)
                elif isinstance(v, list):
                    for w in v:
                        walk(w)
                else:
                    self.assertNotIsInstance(v, float)
            walk(value)

    def test_answers_print_zero_and_say_as_of_when(self):
        tiers = json.dumps(self.ask(("clerk", "tiers"), format="json").json)
        self.assertIn("as_of_seq", tiers)
        slots = self.ask(("clerk", "slots", "diamant"), format="json").json
        self.assertEqual(int(slots["remaining"]), 0)
        unlimited = self.ask(("clerk", "slots", "or"), format="json").json
        self.assertEqual(unlimited["remaining"], "unlimited")

    # --- words for people ---

    def words(self, text):
        return sorted({m.group(0).lower() for m in ENGLISH.finditer(NOT_WORDS.sub(" ", text))})

    def test_the_filter_finds_english(self):
        self.assertEqual(self.words("Tier  Capacity  Remaining"), ["capacity", "remaining", "tier"])

    def test_french_tables_have_no_english_words(self):
        for args in self.reads():
            if args[1] in ("dump", "catalogue", "history"):
                continue
            with self.subTest(args=args):
                french = self.ask(args, format="table", lang="fr").out
                english = self.ask(args, format="table", lang="en").out
                if args[1] != "slots":
                    self.assertNotEqual(french, english)
                text = french
                for known in ("Société «Exemple» & Fils, S.A.", 'Less "quoted", with; marks',
                              "Halter", "Warter"):
                    text = text.replace(known, " ")
                self.assertEqual(self.words(text), [], french)

    def test_french_help_has_no_english_words_and_covers_every_command(self):
        overview = self.pledge(None, "help", lang="fr").out
        self.assertNotEqual(overview, self.pledge(None, "help", lang="en").out)
        for name in COMMANDS:
            self.assertIn(name, overview)
        self.assertEqual(self.words(re.sub(r"^\s+[a-z-]+( [a-zA-Z|\[\] -]+)?  ", " ", overview,
                                           flags=re.M)), [], overview)
        for name in COMMANDS:
            with self.subTest(command=name):
                french = self.pledge(None, "help", name, lang="fr").out
                english = self.pledge(None, "help", name, lang="en").out
                self.assertNotEqual(french, english)
                # examples and lists of codes are typed as they stand, in both languages
                body = "\n".join(l for l in french.splitlines()[1:]
                                 if not l.startswith("  pledge "))
                body = re.sub(r"(Étapes|Types) : [^.]*\.", " ", body)
                body = re.sub(r"\b[A-Z][a-z]+(:[A-Z][A-Za-z]*)+", " ", body)  # names of accounts
                self.assertEqual(self.words(body), [], french)

    def test_help_works_without_server_and_configuration(self):
        done = subprocess.run([BIN / "pledge", "help"], capture_output=True, text=True,
                              env=self.home.environment(), timeout=patience(20))
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("slots", done.stdout)
        done = subprocess.run([BIN / "pledge", "--version"], capture_output=True, text=True,
                              env=self.home.environment(), timeout=patience(20))
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")

    def test_the_language_comes_from_the_locale(self):
        french = self.pledge("clerk", "tiers", format="table", env=dict(LC_ALL="fr_FR.UTF-8")).out
        self.assertEqual(self.strip_time(french), self.strip_time(
            self.pledge("clerk", "tiers", format="table", lang="fr").out))
        german = self.pledge("clerk", "tiers", format="table", env=dict(LC_ALL="de_DE.UTF-8")).out
        self.assertEqual(self.strip_time(german), self.strip_time(
            self.pledge("clerk", "tiers", format="table", lang="en").out))

    def test_tables_line_up_with_accents(self):
        table = self.pledge("clerk", "contributors", format="table", lang="fr").out
        lines = [l for l in table.splitlines() if self.who in l or self.odd in l]
        self.assertEqual(len(lines), 2, table)
        place = [l.index("CH") if self.who in l else None for l in lines]
        self.assertTrue(any(place))

    # --- a terminal ---

    def on_terminal(self, *args, env=None):
        """Output as a terminal gets it."""
        leader, follower = pty.openpty()
        words = [str(w) for w in [BIN / "pledge", *self.home.client_args("clerk"), *args]]
        process = subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower,
                                   env=self.home.environment(**(env or {})))
        os.close(follower)
        out, deadline = b"", time.monotonic() + patience(20)
        while time.monotonic() < deadline:
            ready, _, _ = select.select([leader], [], [], 0.2)
            if ready:
                try:
                    data = os.read(leader, 65536)
                except OSError:
                    break
                if not data:
                    break
                out += data
            elif process.poll() is not None:
                break
        os.close(leader)
        try:
            process.wait(patience(10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.fail("no end on a terminal")
        self.assertEqual(process.returncode, 0, out)
        return out.decode("utf-8")

    def test_a_terminal_gets_a_table_and_colour_only_where_wanted(self):
        table = self.on_terminal("--lang", "en", "tiers")
        self.assertIn("\x1b[", table, "the terminal gets some emphasis, else the rest is no test")
        bare = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", table).replace("\r\n", "\n")
        self.assertEqual(self.strip_time(bare), self.strip_time(
            self.pledge("clerk", "tiers", format="table", lang="en").out))
        for args, env in ((("--no-color", "tiers"), {}), (("tiers",), dict(NO_COLOR="1")),
                          (("tiers",), dict(TERM="dumb"))):
            self.assertNotIn("\x1b", self.on_terminal(*args, env=env))
        self.assertNotIn("\x1b", self.pledge("clerk", "tiers", format="table").out)

    # --- the rest of the contract ---

    def test_options_may_stand_before_or_after_the_command(self):
        before = self.pledge("clerk", "slots", "platine", format="json").json
        after = self.pledge("clerk", "slots", "platine", "--format", "json").json
        self.assertEqual(before["remaining"], after["remaining"])

    def test_profiles_of_a_configuration_file(self):
        config = self.home.path / "client.conf"
        lines = []
        for person in ("reader", "clerk", "auditor"):
            lines += [f"[{person}]", f"server = localhost:{self.home.port}",
                      f"ca = {self.home.pki.ca}", f"cert = {self.home.pki.cert(person)}",
                      f"key = {self.home.pki.key(person)}", f"timeout = {round(patience(20))}s"]
        config.write_text("\n".join(lines) + "\n")

        def run(*args, **env):
            done = subprocess.run([BIN / "pledge", *args], capture_output=True, text=True,
                                  env=self.home.environment(**env), timeout=patience(20))
            return done
        done = run("--config", config, "--profile", "clerk", "status", "--format", "json")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(json.loads(done.stdout)["role"], "clerk")
        done = run("slots", "platine", PLEDGE_CONFIG=config, PLEDGE_PROFILE="reader")
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"), done)
        done = run("--config", config, "--profile", "nobody", "status")
        self.assertEqual(done.returncode, 78, done)
        self.assertIn("nobody", done.stderr)
        default = self.home.path / "config" / "pledge"
        default.mkdir(parents=True, exist_ok=True)
        (default / "config").write_text(config.read_text())
        done = run("--profile", "reader", "slots", "or")
        self.assertEqual((done.returncode, done.stdout), (0, "unlimited\n"), done)

    def test_writes_print_one_line_id_seq_kind_and_what_is_left(self):
        row = self.pledge("clerk", "hold", "platine", "--contributor",
                          self.clerk.contributor(self.name())).rows
        self.assertEqual(len(row), 1)
        self.assertRegex(row[0][0], r"^P\d{6}$")
        self.assertRegex(row[0][1], r"^\d+$")
        self.assertEqual(row[0][2:4], ["NEW", "0"])
        owed = self.clerk.GetPledge(pledge=self.one).pledge.outstanding.minor // 100
        paid = self.pledge("clerk", "pay", self.one, "1", "CHF").rows[0]
        self.assertEqual(paid[3], f"{owed - 1}.00")
        as_json = self.pledge("clerk", "pay", self.one, "1", "CHF", format="json").json
        self.assertEqual(as_json["kind"], "NEW")
        self.assertEqual(as_json["balance"]["amount"] if isinstance(as_json["balance"], dict)
                         else as_json["balance"], f"{owed - 2}.00")
        self.clerk.withdraw(row[0][0])

    def test_quiet_says_nothing_but_the_answer(self):
        ran = self.pledge("clerk", "pay", self.one, "1", "CHF", options=["--quiet"])
        self.assertEqual(ran.err, "")

    def test_stdout_that_is_full_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(w) for w in [BIN / "pledge",
                                                    *self.home.client_args("clerk"), "list"]],
                                  stdout=full, stderr=subprocess.PIPE,
                                  env=self.home.environment(), timeout=patience(20))
        self.assertEqual(done.returncode, 74, done)

    def test_a_command_whose_answer_is_lost_says_that_it_is_recorded(self):
        """Or a script takes the exit code for "it did not happen", and pays twice."""
        before = self.clerk.GetStatus().size
        for kind, args, code in (("plain", (), 74), ("json", ("--format", "json"), 74), ("dry", ("--dry-run",), 74)):
            with self.subTest(kind=kind), open("/dev/full", "wb") as full:
                words = [BIN / "pledge", *self.home.client_args("clerk"), "pay", self.one, "1", "CHF",
                         "--lang", "en", *args]
                ran = subprocess.run([str(w) for w in words], stdout=full, stderr=subprocess.PIPE, text=True,
                                     env=self.home.environment(), timeout=patience(20))
                self.assertEqual(ran.returncode, code, ran)
                if kind == "dry":
                    self.assertNotIn("recorded", ran.stderr)
                    continue
                entry, request = re.search(r"as entry (\d+): .* --request-id ([0-9a-f-]{36})", ran.stderr).groups()
                again = self.pledge("clerk", "--request-id", request, "pay", self.one, "1", "CHF").rows[0]
                self.assertEqual(again[1:3], [entry, "REPLAY"])
                if kind == "json":
                    told = json.loads(ran.stderr)
                    self.assertEqual((told["code"], told["seq"], told["request_id"]), (74, int(entry), request))
        self.assertEqual(self.clerk.GetStatus().size, before + 4)  # two payments, each with its allocation

    def test_failures_of_the_configuration_have_the_form_that_was_asked_for(self):
        for config, profile in ((self.home.path / "none.conf", "x"), (self.home.path / "empty.conf", "x")):
            (self.home.path / "empty.conf").write_text("[y]\n")
            ran = subprocess.run([str(BIN / "pledge"), "--format", "json", "--profile", profile, "tiers"],
                                 capture_output=True, text=True, timeout=patience(20),
                                 env=dict(self.home.environment(), PLEDGE_CONFIG=str(config)))
            self.assertEqual((ran.returncode, ran.stdout), (78, ""), ran)
            self.assertEqual(json.loads(ran.stderr)["reason"], "CONFIG")

    def test_what_the_caller_closed_is_not_written_to(self):
        """The next descriptor that is opened would be 1 or 2: the connection, the dump itself."""
        if (BIN / "pledge").read_bytes()[:4] != b"\x7fELF":
            self.skipTest("what pledge is wrapped in, valgrind, opens a descriptor of its own there")
        path = self.home.path / "closed.bin"

        def closed(redirect, *args):
            words = [BIN / "pledge", *self.home.client_args("auditor"), *args]
            return subprocess.run(["sh", "-c", f'exec "$@" {redirect}', "sh", *map(str, words)], check=False,
                                  stderr=subprocess.PIPE, env=self.home.environment(), timeout=patience(20))
        for args in (("list",), ("dump", "--as", "csv"), ("help",)):
            ran = closed(">&-", *args)
            self.assertEqual(ran.returncode, 74, ran)
            self.assertIn(b"Bad file descriptor", ran.stderr)
        for redirect in ("2>&-", "<&- >&- 2>&-"):
            ran = closed(redirect, "dump", "-o", path)
            self.assertEqual(ran.returncode, 0, ran)
            self.assertEqual(closed("", "verify", path, "--key", self.home.data / "ledger.vkey").returncode, 0)
            self.assertEqual(closed(redirect, "show", "P999999").returncode, 11)

    def test_a_reader_that_leaves_early_is_no_crash(self):
        words = [str(w) for w in [BIN / "pledge", *self.home.client_args("auditor"), "dump",
                                  "--as", "jsonl"]]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.home.environment())
        process.stdout.read(1)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        code = process.wait(patience(20))
        self.assertNotIn(b"Sanitizer", err)
        self.assertNotIn(code, (-6, -11), err)


if __name__ == "__main__":
    unittest.main()
