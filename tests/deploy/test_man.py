# SPDX-License-Identifier: Apache-2.0
"""The manual pages are well formed, and say neither less nor more than the programs know."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PLEDGED_BIN_DIR", ROOT / "build" / "release" / "bin")).absolute()
MAN = ROOT / "deploy" / "man"
EXAMPLE = ROOT / "deploy" / "pledged.conf.example"
PAGES = sorted(MAN.glob("*.[1-9]"))


def run(*words, code=0, **options):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120,
                            env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80"), **options)
    assert code is None or result.returncode == code, (words, result.returncode, result.stderr)
    return result


def help_of(*command):
    return run(BIN / "pledge", "--lang", "en", "help", *command).stdout


def help_commands():
    """{name: arguments} of `pledge help`."""
    found = {}
    for line in help_of().split("\nOptions", 1)[0].splitlines():
        match = re.match(r"  ([a-z][^ ]*(?: [a-z][^ ]*)?)((?: \[?(?:[A-Z]|[a-z]+\|)[^ ]*)*)(?:  |$)", line)
        if match:
            found[match.group(1)] = match.group(2).strip()
    return found


def help_options(text):
    """[(short or None, long, takes a value)] of one help text."""
    rows = re.findall(r"^  (?:(-[a-z]), |    )--([a-z-]+)(?: (\S+))?", text, re.M)
    return {(short or None, name, bool(value)) for short, name, value in rows}


def plain(page):
    """What a reader sees of a page."""
    return run("mandoc", "-Tutf8", "-O", "width=1000", MAN / page).stdout.replace("‐", "-")


def sections(page):
    text = re.sub(".\x08", "", plain(page))  # bold is written as a letter over itself
    found, name = {}, None
    for line in text.splitlines():
        if re.match(r"^[A-Z]", line):
            name = line.strip()
            found[name] = []
        elif name is not None:
            found[name].append(line)
    return {key: "\n".join(lines) for key, lines in found.items()}


class Form(unittest.TestCase):
    def test_every_page_is_there(self):
        self.assertEqual([p.name for p in PAGES],
                         ["pledge.1", "pledged-log.5", "pledged.8", "pledged.conf.5"])

    def test_groff_has_nothing_to_say(self):
        for page in PAGES:
            with self.subTest(page.name):
                result = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
                self.assertEqual(result.stderr, "")

    def test_mandoc_has_nothing_to_say(self):
        for page in PAGES:
            with self.subTest(page.name):
                result = run("mandoc", "-Tlint", "-W", "warning", page, code=None)
                self.assertEqual(result.stdout, "")

    def test_every_reference_to_a_page_of_ours_leads_somewhere(self):
        for page in PAGES:
            for name, number in re.findall(r"^\.Xr (pledge\S*) (\d)", page.read_text(), re.M):
                with self.subTest(page=page.name, name=name):
                    self.assertTrue((MAN / f"{name}.{number}").exists())


class Client(unittest.TestCase):
    def setUp(self):
        self.source = (MAN / "pledge.1").read_text()

    def test_commands_are_those_of_the_help(self):
        words = r"^\.It Cm ((?:[a-z][a-z-]*)(?: (?!Op\b|Ar\b|Fl\b|Oo\b)[a-z][a-z-]*)?)"
        documented = re.findall(words, self.source, re.M)
        self.assertEqual(len(documented), len(set(documented)), "a command stands twice")
        self.assertEqual(sorted(documented), sorted(help_commands()),
                         "deploy/man/pledge.1 and `pledge help` name different commands")

    def test_options_are_those_of_the_help(self):
        known = help_options(help_of())
        for command in help_commands():
            known |= help_options(help_of(*command.split()))
        part = self.source.split("\n.Sh OPTIONS", 1)[1].split("\n.Sh ", 1)[0]
        items = [line for line in part.splitlines() if line.startswith(".It Fl")]
        documented = {n for line in items for n in re.findall(r"Fl -([a-z-]+)", line)}
        short = {n for line in items for n in re.findall(r"Fl ([a-z])\b", line)}
        self.assertEqual(sorted(documented), sorted({name for _, name, _ in known}),
                         "deploy/man/pledge.1 and `pledge help` name different options")
        self.assertEqual(sorted(short), sorted({s[1:] for s, _, _ in known if s}))

    def test_the_options_of_each_command_are_named_with_it(self):
        """What a command's help offers beyond the common options stands in the command's item."""
        part = self.source.split("\n.Sh COMMANDS", 1)[1].split("\n.Sh OPTIONS", 1)[0]
        common = {name for _, name, _ in help_options(help_of())}
        common |= {name for _, name, _ in help_options(
            help_of("withdraw").split("\nOptions of every command", 1)[1])}
        items = dict(re.findall(r"^\.It Cm (.+?)\n(.*?)(?=^\.It|^\.El)",
                                part, re.M | re.S))
        for command in help_commands():
            own = {(s, name) for s, name, _ in help_options(help_of(*command.split()))
                   if name not in common}
            head = next(h for h in items if re.match(re.escape(command) + r"(?= [A-Z]|$)", h))
            said = head + items[head]
            if command == "contributor amend":  # "its whole record", as add has it
                said += next(h + b for h, b in items.items() if h.startswith("contributor add"))
            for short, name in own:
                with self.subTest(command=command, option=name):
                    self.assertTrue(f"Fl -{name}" in said or (short and f"Fl {short[1:]} " in said),
                                    f"--{name} is not named with `{command}` in pledge.1")

    def test_exit_codes_are_those_of_the_help(self):
        known = set()
        for command in help_commands():
            part = help_of(*command.split()).split("Exit codes:", 1)
            known |= set(re.findall(r"^  (\d+) ", part[1], re.M)) if len(part) > 1 else set()
        part = self.source.split("\n.Sh EXIT STATUS", 1)[1].split("\n.Sh ", 1)[0]
        self.assertEqual(sorted(re.findall(r"^\.It (\d+)$", part, re.M)), sorted(known))


class Daemon(unittest.TestCase):
    def test_commands_are_those_of_the_usage(self):
        usage = run(BIN / "pledged", "--help").stdout
        known = set(re.findall(r"^  ([a-z][a-z-]*)\s", usage, re.M))
        source = (MAN / "pledged.8").read_text()
        part = source.split("\n.Ss Commands", 1)[1].split("\n.Ss ", 1)[0]
        documented = set(re.findall(r"^\.It Cm ([a-z-]+)", part, re.M))
        self.assertEqual(sorted(documented), sorted(known))


def example_keys():
    """{section: keys} of the example, commented ones included."""
    found, section = {}, None
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        head = re.match(r"(?:# )?\[(\w+)(?: \w+)?\]$", line)
        key = re.match(r"(?:# )?([a-z_]+) =", line)
        if head:
            section = head.group(1)
            found.setdefault(section, set())
        elif key and section:
            found[section].add(key.group(1))
    return found


def page_keys():
    source = (MAN / "pledged.conf.5").read_text()
    found = {}
    for part in source.split("\n.Ss [")[1:]:
        name = re.match(r"(\w+)(?: NAME)?\]", part).group(1)
        found[name] = set(re.findall(r"^\.It Va (\w+) No =", part, re.M))
    return found


class Configuration(unittest.TestCase):
    def test_page_and_example_name_the_same_keys(self):
        self.assertEqual(page_keys(), example_keys())

    def test_the_daemon_knows_every_key(self):
        with tempfile.TemporaryDirectory() as work:
            file = pathlib.Path(work) / "pledged.conf"
            for section, keys in page_keys().items():
                head = {"person": "person somebody", "account": "account CHF01"}.get(section, section)
                for key in keys | {"no_such_key"}:
                    with self.subTest(section=section, key=key):
                        file.write_text(f"[{head}]\n{key} = \n")
                        said = run(BIN / "pledged", "check-config", "--config", file,
                                   code=None).stderr
                        self.assertEqual("unknown key" in said or "unknown section" in said,
                                         key == "no_such_key", said)

    def daemon_keys(self):
        """{(section, key): needs a restart} of the table in the configuration's source."""
        source = (ROOT / "server" / "config.c").read_text(encoding="utf-8")
        found = {(section, key): restart == "true" for section, key, restart in re.findall(
            r'\{"([a-z]+)", "([a-z_]+)", KIND_\w+, (true|false)', source)}
        self.assertGreater(len(found), 20, "the table of keys has another form now")
        return found

    def test_no_key_of_the_daemon_is_missing(self):
        known = set(self.daemon_keys()) | {
            ("person", "role"), ("person", "identity"), ("account", "iban"),
            ("account", "number"), ("account", "currency"), ("account", "qr_iban"),
            ("account", "shared"), ("account", "bank"), ("account", "bic")}
        documented = {(section, key) for section, keys in page_keys().items() for key in keys}
        self.assertEqual(documented, known)

    def test_what_needs_a_restart_says_so(self):
        source = (MAN / "pledged.conf.5").read_text()
        for (section, key), restart in self.daemon_keys().items():
            with self.subTest(section=section, key=key):
                part = source.split(f".Ss [{section}]", 1)[1]
                item = re.split(r"(?m)^\.(?:It|El)\b", part.split(f".It Va {key} No =", 1)[1])[0]
                self.assertEqual("Needs a restart." in item, restart)

    def test_defaults_are_those_of_the_example(self):
        """Numbers and times that the example shows stand in the page too."""
        page = sections("pledged.conf.5")["DESCRIPTION"]
        for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
            match = re.match(r"# ([a-z_]+) = (\d+[smhd]?)$", line)
            if match and match.group(2) != "0" and match.group(1) not in ("number", "postal_code"):
                with self.subTest(match.group(1)):
                    self.assertTrue(f"default {match.group(2)}" in page,
                                    f"pledged.conf.5 does not say: default {match.group(2)}")


def anchors(text):
    """What `#name` may name: headings as they are turned into anchors."""
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", text, re.M)}


class Documents(unittest.TestCase):
    """RUNBOOK, VERSIONING, CHANGELOG: links lead somewhere, commands are those that exist."""

    TEXTS = {name: (ROOT / "deploy" / name).read_text(encoding="utf-8")
             for name in ("RUNBOOK.md", "VERSIONING.md", "CHANGELOG.md")}

    def test_links_lead_somewhere(self):
        for name, text in self.TEXTS.items():
            for file, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
                with self.subTest(document=name, link=f"{file}#{anchor}"):
                    target = ROOT / "deploy" / (file or name)
                    self.assertTrue(target.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(target.read_text(encoding="utf-8")))

    def test_commands_of_pki_exist(self):
        known = set(re.findall(r"^#   pki\.sh ([a-z]+) ",
                               (ROOT / "deploy" / "pki.sh").read_text(), re.M))
        used = set(re.findall(r"(?:pki\.sh|\$P) ([a-z]+) ~/pki", self.TEXTS["RUNBOOK.md"]))
        self.assertTrue(used)
        self.assertEqual(used - known, set())

    def test_commands_of_the_programs_are_documented_ones(self):
        page = (MAN / "pledged.8").read_text()
        for command in set(re.findall(r"(?<![-./])\bpledged ([a-z][a-z-]*) --config",
                                      self.TEXTS["RUNBOOK.md"])):
            self.assertRegex(page, rf"(?m)^\.It Cm {command}\b")
        for command in set(re.findall(r"`(?:\$ )?pledge ([a-z]+)", self.TEXTS["RUNBOOK.md"])):
            self.assertIn(command, {c.split()[0] for c in help_commands()})

    def test_files_of_the_packages_exist(self):
        for path in set(re.findall(r"/usr/share/pledged/([A-Za-z0-9/._-]+\w)",
                                   self.TEXTS["RUNBOOK.md"])):
            self.assertTrue((ROOT / "deploy" / path).exists(), path)


class Versions(unittest.TestCase):
    def test_one_version_everywhere(self):
        cmake = re.search(r"project\(pledged VERSION ([0-9.]+)",
                          (ROOT / "CMakeLists.txt").read_text()).group(1)
        debian = re.match(r"pledged \(([0-9.]+)\)",
                          (ROOT / "deploy/debian/changelog").read_text()).group(1)
        changes = re.search(r"^## ([0-9.]+)", (ROOT / "deploy/CHANGELOG.md").read_text(), re.M)
        self.assertEqual([debian, changes.group(1)], [cmake, cmake])
        for program in ("pledge", "pledged"):
            self.assertIn(cmake, run(BIN / program, "--version").stdout)


if __name__ == "__main__":
    unittest.main()
