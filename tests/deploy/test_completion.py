# SPDX-License-Identifier: Apache-2.0
"""Completion in real shells, bash and zsh: commands, options and values are those of the help, tier
codes, pledges and contributors those of a running daemon; and nothing is printed, and nobody waits,
when there is none."""
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from lib import BIN, DEPLOY, ROOT, run
from zsh_complete import Zsh

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import DaemonTest, patience  # noqa: E402

SCRIPT = DEPLOY / "completion" / "pledge.bash"
ASK = r'''
source "$0"
line=$1
COMP_LINE=$line COMP_POINT=${#line}
# as readline cuts a line: at blanks, with = and : as words of their own
read -ra COMP_WORDS <<<"$(sed 's/\([=:]\)/ \1 /g' <<<"$line")"
[[ $line != *' ' ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_pledge pledge "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
'''


class Bash:
    def __init__(self, home):
        self.env = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8",
                    "LANGUAGE": "fr"}

    def complete(self, line):
        done = run("bash", "--norc", "-c", ASK, SCRIPT, line, env=self.env, timeout=patience(60))
        assert done.stderr == "", done.stderr
        return list(dict.fromkeys(w for w in done.stdout.splitlines() if w))

    def close(self):
        pass


class Completion:
    """What both shells must do; `self.shell` is one of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        who = cls.clerk.contributor("Example Ministry", 1)
        cls.other = cls.clerk.contributor("Example Telecom", 2)
        cls.one = cls.clerk.submit_tier("platine", who).outcome.pledge
        cls.two = cls.clerk.submit_tier("argent", cls.other).outcome.pledge
        cls.who = who
        cls.work = tempfile.TemporaryDirectory(prefix="pledged-shell-")
        cls.addClassCleanup(cls.work.cleanup)
        home = pathlib.Path(cls.work.name)
        (home / "profiles").write_text(
            f"server = localhost:{cls.home.port}\nca = {cls.home.pki.ca}\n" + "".join(
                f"[{p}]\ncert = {cls.home.pki.cert(p)}\nkey = {cls.home.pki.key(p)}\n"
                for p in ("clerk", "reader")))
        cls.shell = cls.make(home)
        cls.addClassCleanup(cls.shell.close)
        cls.clerk_line = f"pledge --config {home}/profiles --profile clerk "
        cls.reader_line = f"pledge --config {home}/profiles --profile reader "
        cls.nowhere = f"pledge --server localhost:1 --ca {cls.home.pki.ca} " \
            f"--cert {cls.home.pki.cert('clerk')} --key {cls.home.pki.key('clerk')} "

    def offers(self, line, *words):
        self.assertEqual(sorted(self.shell.complete(line)), sorted(words), line)

    def has(self, line, *words):
        found = self.shell.complete(line)
        for word in words:
            self.assertIn(word, found, line)
        return found

    def test_commands(self):
        found = self.has("pledge ", "tiers", "slots", "hold", "contributor", "catalogue", "dump",
                         "help", "change-tier")
        help_text = run(BIN / "pledge", "--lang", "en", "help").stdout.split("\nOptions", 1)[0]
        for line in help_text.splitlines():
            if line.startswith("  ") and line[2:3].islower():
                self.assertIn(line.split()[0], found)
        self.offers("pledge cont", "contact", "contacts", "contributor", "contributors")
        self.offers("pledge no-such", )

    def test_second_words(self):
        self.offers("pledge contributor ", "add", "amend", "erase", "legal-hold")
        self.offers("pledge catalogue a", "adopt")
        self.offers("pledge --quiet contributor a", "add", "amend")

    def test_help(self):
        self.offers("pledge help hol", "hold")
        self.offers("pledge help catalogue ", "adopt", "show")

    def test_options_of_all_and_of_one_command(self):
        self.offers("pledge --pro", "--profile")
        found = self.has("pledge hold --", "--contributor", "--for", "--until", "--dry-run",
                         "--format", "--server")
        self.assertNotIn("--bank-ref", found)
        self.has("pledge pay P1 1 CHF --", "--bank-ref", "--value-date")
        self.offers("pledge dump --fr", "--from-seq")

    def test_values_that_the_help_names(self):
        self.offers("pledge totals --by ", "tier", "category", "month", "currency")
        self.offers("pledge totals --by=m", "month")
        self.offers("pledge --format ", "table", "plain", "json", "csv")
        self.offers("pledge submit P1 --publish a", "after")
        self.offers("pledge dump --as j", "jsonl")
        self.offers("pledge list --stage w", "waiting", "withdrawn")
        self.has("pledge contributor add --kind ", "government", "academia")

    def test_files(self):
        self.offers(f"pledge catalogue adopt {DEPLOY}/catalogue/wsis", *[
            w for w in self.shell.complete(f"pledge catalogue adopt {DEPLOY}/catalogue/wsis")
            if w.endswith("wsis-forum-2026.json")])
        self.assertTrue(self.shell.complete(f"pledge catalogue adopt {DEPLOY}/catalogue/wsis"))
        self.assertTrue(self.shell.complete(f"pledge dump -o {DEPLOY}/cata"))
        self.assertTrue(self.shell.complete(f"pledge withdraw P1 --evidence {DEPLOY}/cata"))

    def test_tiers_of_the_daemon(self):
        tiers = [r[0] for r in self.home.pledge("reader", "--format", "plain", "tiers").rows]
        self.assertIn("platine", tiers)
        self.offers(self.reader_line + "slots ", *tiers)
        self.offers(self.reader_line + "slots pl", "platine")
        self.offers(self.clerk_line + "hold --contributor C000001 pl", "platine")
        self.offers(self.clerk_line + "hold --dry-run pl", "platine")
        self.offers(self.clerk_line + "list --tier plat", "platine")
        self.offers(self.clerk_line + "slots platine ")

    def test_pledges_of_the_daemon(self):
        self.offers(self.clerk_line + "show ", self.one, self.two)
        self.offers(self.clerk_line + "show P00000", self.one, self.two)
        self.offers(self.clerk_line + f"change-tier {self.one} dia", "diamant")
        self.offers(self.clerk_line + "payments --pledge ", self.one, self.two)

    def test_a_word_that_is_a_tier_or_a_pledge(self):
        self.has(self.clerk_line + "benefits ", "platine", self.one, self.two)

    def test_contributors_of_the_daemon(self):
        self.offers(self.clerk_line + "hold platine --contributor ", self.who, self.other)

    def test_who_may_not_ask_gets_nothing(self):
        self.offers(self.reader_line + "show ")

    def test_without_a_daemon_it_is_silent_and_soon(self):
        began = time.monotonic()
        self.offers(self.nowhere + "slots ")
        self.assertLess(time.monotonic() - began, patience(30))
        self.has(self.nowhere + "hold --", "--contributor")

    def test_odd_words_do_no_harm(self):
        for line in ("pledge 'x ", "pledge $(touch harm) ", "pledge `touch harm` slots ",
                     "pledge --config $(touch harm) slots ", "pledge [ ", "pledge .* ",
                     "pledge --by=", "pledge -- ", "pledge - "):
            with self.subTest(line):
                self.shell.complete(line)
        self.assertFalse((pathlib.Path(self.work.name) / "harm").exists())
        self.assertFalse(pathlib.Path("harm").exists())


class InBash(Completion, DaemonTest):
    @staticmethod
    def make(home):
        return Bash(home)

    def test_it_can_be_loaded_by_the_name_of_the_command(self):
        said = run("bash", "--norc", "-c", 'source "$0"; complete -p pledge', SCRIPT).stdout
        self.assertEqual(said, "complete -F _pledge pledge\n")


class InZsh(Completion, DaemonTest):
    @staticmethod
    def make(home):
        return Zsh(home, DEPLOY / "completion", BIN, {"LC_ALL": "C.UTF-8", "LANGUAGE": "fr"},
                   patience(60))


if __name__ == "__main__":
    if subprocess.run(["zsh", "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit("zsh is missing (sh deploy/install-deps.sh --tests)")
    unittest.main()
