#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tidy: the house rules that no compiler checks, as a test.

    tidy.py ROOT          check a source tree; one line a violation, exit 1 if there is any
    tidy.py --self-test   check made-up trees: a good one passes, each broken one fails by its rule

Rules (the word in brackets of each line printed): top-level, header, columns, unfinished, typedef,
goto, banned-call, purity, disk, mutex, include, cycle, pair, unit-test, exception.
Every exception is in a table below, with its reason; one that is no longer needed is a violation
itself, so the tables shrink by themselves.
"""
import os
import re
import sys
import tempfile

BOXES = ("common", "server", "server/ledger", "server/store", "server/net", "client")

# What a file of a box may include with quotes: folders (ending in /) and single files.
INCLUDES = {
    "common": ("common/",),
    "server/ledger": ("common/", "server/ledger/", "pledged/v1/"),
    "server/store": ("common/", "server/store/"),
    "server/net": ("common/", "server/net/", "pledged/v1/"),
    "server": ("common/", "server/", "pledged/v1/"),
    # an auditor's client replays the rules of the daemon, which are pure
    "client": ("common/", "client/", "pledged/v1/", "server/ledger/ledger.h"),
}

# The rules are pure: the C library may format, copy and allocate for them, nothing else.
LEDGER_SYSTEM_HEADERS = {
    "inttypes.h", "limits.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h",
    "stdio.h", "stdlib.h", "string.h",
}

BANNED_CALLS = (
    "strcpy", "strcat", "stpcpy", "sprintf", "vsprintf", "strtok", "atoi", "atol", "atoll", "atof",
    "strtol", "strtoul", "strtoll", "strtoull", "strtod", "gets", "alloca", "system", "popen",
    "tmpnam", "mktemp", "localtime", "gmtime", "setjmp", "longjmp",
)
IMPURE_CALLS = (
    "time", "clock", "clock_gettime", "gettimeofday", "localtime_r", "gmtime_r", "mktime",
    "strftime", "rand", "rand_r", "srand", "random", "getrandom", "getenv", "setlocale",
    "malloc",  # calloc: what nobody wrote yet must be the same bytes on every machine
    "open", "fopen", "read", "write", "printf", "fprintf", "puts", "qsort_r",
)
DISK_CALLS = ("write", "writev", "pwrite", "pwritev", "pwritev2", "fsync", "fdatasync", "msync",
              "sync_file_range", "sendfile", "copy_file_range")
MUTEX_CALLS = r"pthread_(?:mutex|rwlock|cond|spin|barrier)_\w+|sem_(?:init|wait|post)|mtx_\w+"

TOP_LEVEL = {
    "server", "client", "proto", "common", "tests", "deploy", "CMakeLists.txt", "README.md",
    "CMakePresets.json", "LICENSE", "build",
}

# --- exceptions: path -> reason, or (rule's word, path) -> reason ---

BANNED_ALLOWED = {
    ("strtoull", "server/config.c"): "checks the first digit, the end pointer and errno",
    ("strtoll", "client/options.c"): "checks the first digit, the end pointer and errno",
}
DISK_ALLOWED = {
    "server/store/io.c": "the one file that puts bytes on stable storage",
    "server/store/fault.c": "wakes its own eventfd",
    "server/store/mem.c": "wakes its own eventfd",
    "server/store/lock.c": "the pid in the lock file, for people only",
    "server/helm.c": "wakes its own thread by eventfd",
    "server/notary.c": "wakes its own eventfd",
    "server/registrar.c": "wakes its own eventfd",
    "client/output.c": "standard output, and files that the user names",
    "client/witness.c": "what a witness signed is on the disk before it says so",
    "client/cmd_witness.c": "a new key is on the disk before it is used",
    "client/requests.c": "keeps the request id before a command is sent",
    "client/cmd_dump.c": "a dump is a file that the user names, whole or not there",
    "common/log.c": "stderr",
    "common/bell.c": "wakes the receiver's eventfd",
    "common/mailbox.c": "wakes the receiver's eventfd",
}
MUTEX_ALLOWED = {
    "common/log.c": "lines of several threads must not mix",
}
HEADER_ONLY = {
    "common/slice.h": "inline functions only",
    "client/export_form.h": "what export.c asks of the forms; export_journal.c, export_iati.c",
    "server/command.h": "the struct that travels; its owners have the code",
    "server/limits.h": "numbers only",
    "server/ledger/query_private.h": "what the queries share; query.c, and two rows of others",
    "server/ledger/save_private.h": "the form that save.c writes and load.c reads",
    "server/store/file_private.h": "shared by file.c, reader.c and scan.c",
}
# A .c that implements (part of) a header of another name.
PART_OF = {
    "server/main.c": "the program itself",
    "client/main.c": "the program itself",
    "client/cmd_benefits.c": "a family of commands; declared in commands.h",
    "client/cmd_catalogue.c": "a family of commands; declared in commands.h",
    "client/cmd_contacts.c": "a family of commands; declared in commands.h",
    "client/cmd_contributors.c": "a family of commands; declared in commands.h",
    "client/cmd_postings.c": "a family of commands; declared in commands.h",
    "client/cmd_due.c": "a family of commands; declared in commands.h",
    "client/cmd_dump.c": "a family of commands; declared in commands.h",
    "client/cmd_eyes.c": "a family of commands; declared in commands.h",
    "client/cmd_help.c": "a family of commands; declared in commands.h",
    "client/cmd_import.c": "a family of commands; declared in commands.h",
    "client/cmd_life.c": "a family of commands; declared in commands.h",
    "client/cmd_money.c": "a family of commands; declared in commands.h",
    "client/cmd_offers.c": "a family of commands; declared in commands.h",
    "client/cmd_period.c": "a family of commands; declared in commands.h",
    "client/cmd_rates.c": "a family of commands; declared in commands.h",
    "client/cmd_report.c": "a family of commands; declared in commands.h",
    "client/cmd_paper.c": "a family of commands; declared in commands.h",
    "client/cmd_pledges.c": "a family of commands; declared in commands.h",
    "client/cmd_proofs.c": "a family of commands; declared in commands.h",
    "client/cmd_schedule.c": "a family of commands; declared in commands.h",
    "client/cmd_sample.c": "a family of commands; declared in commands.h",
    "client/cmd_status.c": "a family of commands; declared in commands.h",
    "client/cmd_watch.c": "a family of commands; declared in commands.h",
    "client/cmd_witness.c": "a family of commands; declared in commands.h",
    "client/export_iati.c": "a form of export; declared in export_form.h",
    "client/export_journal.c": "two forms of export; declared in export_form.h",
    "server/store/reader.c": "the readers of file_private.h",
    "server/store/scan.c": "the opening scan of file_private.h",
    "server/ledger/adopt.c": "decides and applies catalogues; declared in change.h",
    "server/ledger/apply.c": "ledger_apply of ledger.h",
    "server/ledger/contributor.c": "decides and applies contributors; declared in change.h",
    "server/ledger/maker.c": "decisions being put together; declared in change.h",
    "server/ledger/payment.c": "decides and applies payments; declared in change.h",
    "server/ledger/query_bank.c": "a query; declared in query.h",
    "server/ledger/query_benefit.c": "a query; declared in query.h",
    "server/ledger/query_contributor.c": "a query; declared in query.h",
    "server/ledger/query_document.c": "a query; declared in query.h",
    "server/ledger/query_history.c": "a query; declared in query.h",
    "server/ledger/query_payment.c": "a query; declared in query.h",
    "server/ledger/query_period.c": "a query; declared in query.h",
    "server/ledger/query_pledge.c": "a query; declared in query.h",
    "server/ledger/query_proposal.c": "a query; declared in query.h",
    "server/ledger/query_rate.c": "a query; declared in query.h",
    "server/ledger/query_suggest.c": "a query; declared in query.h",
    "server/ledger/query_treasury.c": "a query; declared in query.h",
    "server/ledger/promote.c": "expiry and promotion; declared in change.h",
    "server/ledger/load.c": "ledger_load of ledger.h",
    "server/ledger/role.c": "ledger_role_may of ledger.h",
    "server/ledger/save.c": "ledger_save of ledger.h",
    "server/ledger/tally.c": "sums; declared in change.h",
    "server/ledger/validate.c": "ledger_validate of ledger.h",
}
# Rooms whose test has another name: path -> (test, reason). "" as test: none, and why.
TESTED_BY = {
    "server/main.c": ("", "a table of contents; e2e runs it"),
    "client/main.c": ("", "a table of contents; e2e runs it"),
    "server/reload.c": ("tests/e2e/test_reload.py",
        "SIGHUP at the running daemon: what is new counts, what is wrong changes nothing"),
    "client/cmd_benefits.c": ("tests/e2e/test_lifecycle.py",
        "runs benefits against the daemon; totals: test_main_job.py"),
    "client/cmd_catalogue.c": ("tests/e2e/test_catalogue.py",
        "adopts and shows catalogues of the daemon"),
    "client/cmd_contacts.c": ("tests/e2e/test_contacts.py", "what it prints is read from outside"),
    "client/cmd_contributors.c": ("tests/e2e/test_lifecycle.py",
        "adds, amends and lists them at the daemon"),
    "client/cmd_postings.c": ("tests/e2e/test_postings.py", "its files against the ledger"),
    "client/postings.c": ("tests/e2e/test_postings.py", "its files, added up by somebody else"),
    "client/cmd_due.c": ("tests/e2e/test_due.py", "its list against what was recorded"),
    "client/cmd_dump.c": ("tests/e2e/test_main_job.py",
        "dumps the daemon's log in every form"),
    "client/cmd_eyes.c": ("tests/e2e/test_four_eyes.py",
        "proposes, approves and rejects at the daemon"),
    "client/proposals.c": ("tests/e2e/test_four_eyes.py",
        "the rows of what waits"),
    "server/ledger/load.c": ("tests/unit/ledger/test_save.c", "what is saved is loaded, and damage found"),
    "server/ledger/load_bank.c": ("tests/unit/ledger/test_save.c", "every row of it, whole and damaged"),
    "server/ledger/load_pledge.c": ("tests/unit/ledger/test_save.c", "every row of it, whole and damaged"),
    "server/ledger/settle.c": ("tests/unit/ledger/test_save.c", "rows that contradict each other"),
    "server/ledger/query_bank.c": ("tests/unit/ledger/test_answers.c", "every question in any memory; e2e/import"),
    "server/ledger/query_benefit.c": ("tests/unit/ledger/test_query.c", "of tiers and of pledges"),
    "server/ledger/query_contributor.c": ("tests/unit/ledger/test_query.c", "filters and pages"),
    "server/ledger/query_document.c": ("tests/unit/ledger/test_query.c", "issued and open ones"),
    "server/ledger/query_history.c": ("tests/unit/ledger/test_query.c", "along the chain"),
    "server/ledger/query_payment.c": ("tests/unit/ledger/test_query.c", "filters and pages"),
    "server/ledger/query_period.c": ("tests/unit/ledger/test_answers.c", "every question in any memory; e2e/period"),
    "server/ledger/query_pledge.c": ("tests/unit/ledger/test_query.c", "one, and lists of them"),
    "server/ledger/query_suggest.c": ("tests/unit/ledger/test_answers.c", "every question in any memory; e2e/import"),
    "server/ledger/query_proposal.c": ("tests/unit/ledger/test_proposal.c",
        "lists what its commands proposed"),
    "client/cmd_help.c": ("tests/unit/client/test_commands.c",
        "prints the help of every command"),
    "client/cmd_import.c": ("tests/e2e/test_import.py",
        "the corpus of tests/camt against the daemon"),
    "client/cmd_life.c": ("tests/e2e/test_lifecycle.py",
        "each of its commands against the daemon"),
    "client/cmd_money.c": ("tests/e2e/test_lifecycle.py",
        "pays, lists and reverses at the daemon"),
    "client/cmd_offers.c": ("tests/e2e/test_formats.py",
        "tiers and slots of the daemon in every format"),
    "client/cmd_paper.c": ("tests/e2e/test_paper.py",
        "documents read by scanners, and checked against the ledger"),
    "client/cmd_period.c": ("tests/e2e/test_period.py",
        "closes, opens and lists periods of the daemon"),
    "client/cmd_rates.c": ("tests/e2e/test_rates.py",
        "records rates at the daemon and lists them"),
    "server/ledger/query_treasury.c": ("tests/unit/ledger/test_answers.c", "every question in any memory; e2e/paper"),
    "server/ledger/query_rate.c": ("tests/unit/ledger/test_rate.c",
        "lists what its commands recorded"),
    "client/cmd_report.c": ("tests/e2e/test_report.py",
        "the page against the answers of the daemon"),
    "client/cmd_pledges.c": ("tests/e2e/test_main_job.py",
        "show and history of the daemon; list: test_filters.py"),
    "client/cmd_watch.c": ("tests/e2e/test_watch.py",
        "follows the daemon, also across a restart"),
    "client/cmd_witness.c": ("tests/e2e/test_witness.py", "two of them beside a real daemon"),
    "client/cmd_status.c": ("tests/e2e/test_main_job.py",
        "what the daemon says of itself, by role"),
    "client/cmd_proofs.c": ("tests/e2e/test_proofs.py", "checkpoints, proofs and mirrors of the daemon"),
    "client/cmd_schedule.c": ("tests/e2e/test_schedule.py", "parts as they are set, paid and shown"),
    "client/cmd_sample.c": ("tests/e2e/test_sample.py", "samples of a real ledger"),
    "client/cmd_verify.c": ("tests/e2e/test_verify.py", "verdicts on real ledgers, good and forged"),
    "client/export.c": ("tests/e2e/test_books.py", "hledger, beancount and xmllint judge"),
    "client/export_books.c": ("tests/e2e/test_books.py",
        "balances of hledger and beancount against the daemon's totals"),
    "client/export_iati.c": ("tests/e2e/test_books.py", "against the published schema"),
    "client/export_journal.c": ("tests/e2e/test_books.py", "read by hledger and beancount"),
    "client/verify.c": ("tests/e2e/test_tamper.py", "every kind of damage; good ones: test_verify.py"),
    "client/verify_rules.c": ("tests/e2e/test_verify.py", "entries that an operator forged"),
    "client/verify_source.c": ("tests/e2e/test_tamper.py", "dumps and mirrors, whole and damaged"),
    "client/cli.c": ("tests/e2e/test_formats.py", "the whole program, run for real"),
    "server/backup.c": ("tests/e2e/test_backup.py", "whole backups beside a running daemon"),
    "server/restore.c": ("tests/e2e/test_backup.py", "every file of a backup damaged, and back"),
    "server/daemon.c": ("tests/e2e/test_durability.py", "a process with its threads and signals"),
    "server/worker.c": ("tests/e2e/test_concurrency.py", "threads over real connections"),
}


class Rules:
    """The tables that a run uses; the self-test brings its own."""

    def __init__(self, banned=None, disk=None, mutex=None, header_only=None, part_of=None,
                 tested_by=None):
        self.banned = dict(banned or {})
        self.disk = dict(disk or {})
        self.mutex = dict(mutex or {})
        self.header_only = dict(header_only or {})
        self.part_of = dict(part_of or {})
        self.tested_by = dict(tested_by or {})


def project_rules():
    return Rules(BANNED_ALLOWED, DISK_ALLOWED, MUTEX_ALLOWED, HEADER_ONLY, PART_OF, TESTED_BY)


class Report:
    def __init__(self):
        self.lines = []

    def add(self, rule, path, line, what):
        self.lines.append((path, line, rule, what))

    def rules(self):
        return {rule for _, _, rule, _ in self.lines}


COMMENT_OR_LITERAL = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def code_only(text):
    """The text with comments and literals blanked, line numbers kept. Include lines survive."""

    def blank(match):
        if match.group().startswith('"'):
            start = text.rfind("\n", 0, match.start()) + 1
            if re.match(r"\s*#\s*include\b", text[start:match.start()]):
                return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return COMMENT_OR_LITERAL.sub(blank, text)


class Source:
    def __init__(self, root, path):
        self.path = path
        self.box = os.path.dirname(path)
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            self.text = file.read()
        self.code = code_only(self.text)

    def includes(self):
        """(line, name, quoted) of every include."""
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', self.code,
                                 re.M):
            quoted = match.group(1) is not None
            yield line_of(self.code, match.start()), match.group(1) or match.group(2), quoted


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def calls(code, names):
    """(line, name) of each plain call; `x->write(` and `io.write(` are members, not calls, and a
    declaration of a room's own `tool_write(` is another word."""
    pattern = re.compile(r"(?<![\w>.])(%s)\s*\(" % names)
    for match in pattern.finditer(code):
        yield line_of(code, match.start()), match.group(1)


def any_of(names):
    return "|".join(names)


# --- rules for one file ---

def check_header_comment(source, report):
    match = re.match(r"/\*.*?\*/|(?://[^\n]*\n)+", source.text, re.S)
    comment = match.group() if match else ""
    first = comment.split("\n", 1)[0]
    if "SPDX-License-Identifier: Apache-2.0" not in first:
        report.add("header", source.path, 1, "the first line must name the licence (SPDX)")
        return
    words = re.findall(r"[A-Za-z]{2,}", comment.split("\n", 1)[1] if "\n" in comment else "")
    if len(words) < 3:
        report.add("header", source.path, 1, "the header comment must say what this file is for")


def check_columns(source, report):
    for number, line in enumerate(source.text.split("\n"), 1):
        if len(line) > 100:
            report.add("columns", source.path, number, "%d columns, 100 are allowed" % len(line))
        if "\t" in line or line != line.rstrip():
            report.add("columns", source.path, number, "tab, or blank at the end of the line")


def check_typedef_and_goto(source, report):
    for match in re.finditer(r"\btypedef\s+(?:const\s+)?(?:struct|union|enum)\b([^{;(]*)([{;(])",
                             source.code):
        if match.group(2) != "(":  # a type of function that returns a struct is fine
            report.add("typedef", source.path, line_of(source.code, match.start()),
                       "structs, unions and enums keep their keyword")
    for match in re.finditer(r"\bgoto\b", source.code):
        report.add("goto", source.path, line_of(source.code, match.start()), "no goto")


def check_calls(source, rules, report, used):
    for line, name in calls(source.code, any_of(BANNED_CALLS)):
        if (name, source.path) in rules.banned:
            used.add(("banned", (name, source.path)))
        else:
            report.add("banned-call", source.path, line, "%s() is not used here" % name)
    for line, name in calls(source.code, any_of(DISK_CALLS)):
        if source.path in rules.disk:
            used.add(("disk", source.path))
        else:
            report.add("disk", source.path, line, "%s() belongs to server/store/io.c" % name)
    for line, name in calls(source.code, MUTEX_CALLS):
        if source.path in rules.mutex:
            used.add(("mutex", source.path))
        else:
            report.add("mutex", source.path, line, "%s(): threads cross by mailbox only" % name)


def check_purity(source, report):
    if source.box != "server/ledger":
        return
    for line, name in calls(source.code, any_of(IMPURE_CALLS)):
        report.add("purity", source.path, line, "%s() makes the rules depend on the machine" % name)
    for match in re.finditer(r"\b(float|double)\b", source.code):
        report.add("purity", source.path, line_of(source.code, match.start()),
                   "no floating point in the rules")


GENERATED = ("pledged/v1/", "server/page_assets.inc")  # made by the build


def check_includes(root, source, report):
    allowed = INCLUDES[source.box]
    for line, name, quoted in source.includes():
        if not quoted:
            if source.box == "server/ledger" and name not in LEDGER_SYSTEM_HEADERS:
                report.add("include", source.path, line, "<%s> is not for the rules" % name)
            continue
        if not any(name.startswith(a) if a.endswith("/") else name == a for a in allowed):
            report.add("include", source.path, line,
                       '"%s": %s may include %s' % (name, source.box, ", ".join(allowed)))
        elif not name.startswith(GENERATED) and not os.path.exists(os.path.join(root, name)):
            report.add("include", source.path, line, '"%s" is no file of this tree' % name)


# --- rules for the tree ---

def check_top_level(root, report):
    for name in sorted(os.listdir(root)):
        if name not in TOP_LEVEL and not name.startswith("."):
            report.add("top-level", name, 1, "not one of the fixed entries of the top level")


def check_unfinished(root, report):
    """No postponed work in anything that is written by hand, this file excepted."""
    words = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|HA" r"CK)\b")
    for path in walk(root, (".c", ".h", ".proto", ".py", ".sh", ".txt", ".md", ".json", ".cmake",
                            ".def", ".po", ".service")):
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if words.search(line):
                    report.add("unfinished", path, number, "work put off: do it or file an issue")


def check_cycles(sources, report):
    graph = {s.path: [n for _, n, quoted in s.includes() if quoted]
             for s in sources if s.path.endswith(".h")}
    done, reported = set(), set()

    def visit(path, trail):
        if path in trail:
            cycle = trail[trail.index(path):] + [path]
            if frozenset(cycle) not in reported:
                reported.add(frozenset(cycle))
                report.add("cycle", path, 1, "headers include each other: " + " -> ".join(cycle))
            return
        if path in done:
            return
        for name in graph.get(path, ()):
            visit(name, trail + [path])
        done.add(path)

    for path in sorted(graph):
        visit(path, [])


def check_pairs(paths, rules, report, used):
    for path in sorted(paths):
        stem, kind = os.path.splitext(path)
        if kind == ".h" and stem + ".c" not in paths:
            if path in rules.header_only:
                used.add(("header_only", path))
            else:
                report.add("pair", path, 1, "a header without its .c")
        if kind == ".c" and stem + ".h" not in paths:
            if path in rules.part_of:
                used.add(("part_of", path))
            else:
                report.add("pair", path, 1, "a .c without its header")


def check_unit_tests(root, paths, rules, report, used):
    for path in sorted(p for p in paths if p.endswith(".c")):
        box = os.path.basename(os.path.dirname(path))
        test = "tests/unit/%s/test_%s" % (box, os.path.basename(path))
        if os.path.exists(os.path.join(root, test)):
            continue
        if path not in rules.tested_by:
            report.add("unit-test", path, 1, "a room without %s" % test)
            continue
        used.add(("tested_by", path))
        other = rules.tested_by[path][0]
        if other and not os.path.exists(os.path.join(root, other)):
            report.add("unit-test", path, 1, "the test that is said to cover it, %s, is not there"
                       % other)


def check_exceptions(paths, rules, report, used):
    for table, entries in sorted(vars(rules).items()):
        for key, reason in entries.items():
            path = key[1] if isinstance(key, tuple) else key
            words = reason[1] if isinstance(reason, tuple) else reason
            if not words.strip():
                report.add("exception", path, 1, "an exception without a reason (%s)" % table)
            elif (table, key) not in used:
                report.add("exception", path, 1, "an exception nobody needs (%s)" % table)


def walk(root, endings):
    for folder, folders, files in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = sorted(f for f in folders if f not in (".git", "__pycache__", "node_modules")
                            and not (here == "." and f == "build"))
        for name in sorted(files):
            path = os.path.normpath(os.path.join(here, name))
            if name.endswith(endings) and path != "tests/tidy/tidy.py":
                yield path


def check(root, rules):
    report, used = Report(), set()
    sources = [Source(root, p) for p in walk(root, (".c", ".h"))]
    rooms = [s for s in sources if s.box in BOXES]
    tests = [s for s in sources if s.path.startswith("tests/")]
    paths = {s.path for s in rooms}
    check_top_level(root, report)
    check_unfinished(root, report)
    for source in rooms + tests:
        check_header_comment(source, report)
        check_columns(source, report)
        check_typedef_and_goto(source, report)
    for source in rooms:
        check_calls(source, rules, report, used)
        check_purity(source, report)
        check_includes(root, source, report)
    strays = [s.path for s in sources if s.box not in BOXES and not s.path.startswith("tests/")]
    for path in strays:
        report.add("pair", path, 1, "C outside the boxes (%s) and tests" % ", ".join(BOXES))
    check_cycles(rooms, report)
    check_pairs(paths, rules, report, used)
    check_unit_tests(root, paths, rules, report, used)
    check_exceptions(paths, rules, report, used)
    return report, len(sources)


# --- self-test ---

HEAD = "/* SPDX-License-Identifier: Apache-2.0\n *\n * room: a room that is fine in every way.\n */\n"

GOOD = {
    "CMakeLists.txt": "",
    "README.md": "# Something\n",
    "common/leaf.h": HEAD + "#ifndef L\n#define L\ntypedef struct leaf (*leaf_fn)(int);\n#endif\n",
    "common/leaf.c": HEAD + '#include "common/leaf.h"\n\n#include <time.h>\n\n'
                     '/* strcpy( and goto in words are fine, and so is a string: */\n'
                     'const char *leaf = "system(x) goto";\n',
    "common/slice.h": HEAD,
    "server/main.c": HEAD + '#include "server/ledger/rule.h"\n#include "server/store/io.h"\n'
                     '#include "server/net/wire.h"\n',
    "server/ledger/rule.h": HEAD + '#include "common/leaf.h"\n#include "pledged/v1/t.pb-c.h"\n',
    "server/ledger/rule.c": HEAD + '#include "server/ledger/rule.h"\n#include <string.h>\n'
                            "int rule(struct x *x) { return x->time(1) + rule_time(2); }\n",
    "server/store/io.h": HEAD + '#include "common/leaf.h"\n',
    "server/store/io.c": HEAD + '#include "server/store/io.h"\n#include <unistd.h>\n'
                         "int io(int fd) { return fdatasync(fd); }\n",
    "server/net/wire.h": HEAD,
    "server/net/wire.c": HEAD + '#include "server/net/wire.h"\n',
    "client/out.h": HEAD,
    "client/out.c": HEAD + '#include "client/out.h"\n#include "pledged/v1/t.pb-c.h"\n',
    "tests/unit/common/test_leaf.c": HEAD,
    "tests/unit/ledger/test_rule.c": HEAD + "int t(const char *x) { return atoi(x); }\n",
    "tests/unit/store/test_io.c": HEAD,
    "tests/unit/net/test_wire.c": HEAD,
    "tests/unit/client/test_out.c": HEAD,
}


def good_rules():
    return Rules(disk={"server/store/io.c": "the one"}, header_only={"common/slice.h": "inline"},
                 part_of={"server/main.c": "the program"}, tested_by={"server/main.c": ("", "e2e")})


def append(path, code):
    return lambda tree, rules: tree.__setitem__(path, tree[path] + code)


def put(path, text):
    return lambda tree, rules: tree.__setitem__(path, text)


def drop(path):
    return lambda tree, rules: tree.__delitem__(path)


def body(call):
    return "int f(int a) { return %s; }\n" % call


def broken_trees():
    """(what was done, the one rule that must fire, how to do it)"""
    later = "TO" + "DO"
    yield "stray top-level file", "top-level", put("notes.txt", "x")
    yield "no header comment", "header", put("common/slice.h", "#define X 1\n")
    yield "no licence", "header", put("common/slice.h", "/* slice: words about it, enough */\n")
    yield "nothing said", "header", put("common/slice.h",
                                        "/* SPDX-License-Identifier: Apache-2.0 */\n")
    yield "test without header", "header", put("tests/unit/common/test_leaf.c", "int x;\n")
    yield "long line", "columns", append("common/leaf.c", "// " + "x" * 98 + "\n")
    yield "tab", "columns", append("common/leaf.c", "\tint y;\n")
    yield "put off", "unfinished", append("common/leaf.c", "/* %s: later */\n" % later)
    yield "put off in a script", "unfinished", put("tests/x.sh", "# %s\n" % later)
    yield "typedef struct", "typedef", append("common/leaf.h", "typedef struct leaf leaf;\n")
    yield "typedef anonymous enum", "typedef", append("common/leaf.h", "typedef enum { A } e;\n")
    yield "goto", "goto", append("client/out.c", "int g(void) { goto out; }\n")
    for name in BANNED_CALLS:
        yield name, "banned-call", append("common/leaf.c", body(name + "(a)"))
    for name in ("time", "rand", "malloc", "gettimeofday", "getenv"):
        yield name + " in the rules", "purity", append("server/ledger/rule.c", body(name + "(a)"))
    yield "float in the rules", "purity", append("server/ledger/rule.c", "double d;\n")
    yield "clock header in the rules", "include", append("server/ledger/rule.c",
                                                         "#include <time.h>\n")
    for name in DISK_CALLS:
        yield name, "disk", append("client/out.c", body(name + " (a)"))
    yield "mutex", "mutex", append("server/net/wire.c", body("pthread_mutex_lock(a)"))
    yield "condition variable", "mutex", append("server/net/wire.c", body("pthread_cond_wait(a)"))
    for path, name in (("common/leaf.c", "server/store/io.h"), ("common/leaf.c", "client/out.h"),
                       ("common/leaf.c", "pledged/v1/t.pb-c.h"),
                       ("server/ledger/rule.c", "server/store/io.h"),
                       ("server/ledger/rule.c", "server/net/wire.h"),
                       ("server/store/io.c", "server/ledger/rule.h"),
                       ("server/store/io.c", "server/net/wire.h"),
                       ("server/net/wire.c", "server/ledger/rule.h"),
                       ("server/net/wire.c", "server/store/io.h"),
                       ("client/out.c", "server/net/wire.h"),
                       ("server/main.c", "client/out.h")):
        yield "%s includes %s" % (path, name), "include", append(path, '#include "%s"\n' % name)
    yield "includes nothing", "include", append("common/leaf.c", '#include "common/gone.h"\n')
    yield "headers in a circle", "cycle", lambda tree, rules: (
        append("common/leaf.h", '#include "common/slice.h"\n')(tree, rules),
        append("common/slice.h", '#include "common/leaf.h"\n')(tree, rules))
    yield "header alone", "pair", put("common/lone.h", HEAD)
    yield "C outside the boxes", "pair", put("deploy/x.c", HEAD)
    yield "source alone", "pair", lambda tree, rules: (
        put("common/lone.c", HEAD)(tree, rules),
        put("tests/unit/common/test_lone.c", HEAD)(tree, rules))
    yield "no unit test", "unit-test", drop("tests/unit/net/test_wire.c")
    yield "test of another name that is gone", "unit-test", lambda tree, rules: (
        drop("tests/unit/net/test_wire.c")(tree, rules),
        rules.tested_by.__setitem__("server/net/wire.c", ("tests/unit/net/test_x.c", "shared")))
    yield "exception without reason", "exception", lambda tree, rules: (
        rules.disk.__setitem__("server/store/io.c", " "))
    yield "exception not needed", "exception", lambda tree, rules: (
        rules.mutex.__setitem__("common/leaf.c", "once it was"))
    yield "exception for a file that is gone", "exception", lambda tree, rules: (
        rules.part_of.__setitem__("common/gone.c", "it was here"))


def rules_fired(tree, rules):
    with tempfile.TemporaryDirectory(prefix="tidy-") as root:
        for path, text in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return check(root, rules)[0]


def self_test():
    failures, count = [], 0
    report = rules_fired(dict(GOOD), good_rules())
    if report.lines:
        failures.append("the good tree does not pass: %s" % report.lines)
    for what, rule, spoil in broken_trees():
        tree, rules = dict(GOOD), good_rules()
        spoil(tree, rules)
        fired = rules_fired(tree, rules).rules()
        count += 1
        if fired != {rule}:
            failures.append("%s: fired %s, expected %s" % (what, sorted(fired), rule))
    for failure in failures:
        print("self-test: " + failure)
    print("self-test: %d broken trees, %d failures" % (count, len(failures)))
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or not os.path.isdir(arguments[0]):
        print("usage: tidy.py ROOT | --self-test", file=sys.stderr)
        return 64
    report, count = check(arguments[0], project_rules())
    if count == 0:
        print("tidy: no source found in %s" % arguments[0], file=sys.stderr)
        return 66
    for path, line, rule, what in sorted(report.lines):
        print("%s:%d: [%s] %s" % (path, line, rule, what))
    print("tidy: %d files, %d violations" % (count, len(report.lines)))
    return 1 if report.lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
