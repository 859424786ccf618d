# SPDX-License-Identifier: Apache-2.0
"""called: which commands of pledge and pledged are among the calls on stdin, one a line, words
separated by tabs, as valgrind.sh notes them. Prints how often each was called; exit 1 if one never.

    called.py BIN_DIR < calls
"""
import collections
import pathlib
import re
import subprocess
import sys


def commands(program, word):
    """The names in a program's own help: `pay PLEDGE AMOUNT   record ...`, one or two words each."""
    text = subprocess.run([program, word], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C.UTF-8"}, timeout=60).stdout
    text = text.split("\nOptions", 1)[0]
    return set(re.findall(r"^  ([a-z][a-z-]*(?: [a-z][a-z-]*)?)(?= |$)", text, re.MULTILINE))


def command_of(words, known):
    """The first command in a line. A word after an option counts as its value: rather one command too
    few is found than one too many."""
    for at, word in enumerate(words):
        if word.startswith("-") or (at > 0 and words[at - 1].startswith("-") and "=" not in words[at - 1]):
            continue
        two = " ".join(words[at:at + 2])
        return two if two in known else word if word in known else None
    return None


def main(directory, calls):
    known = {"pledge": commands(directory / "pledge", "help"),
             "pledged": commands(directory / "pledged", "--help")}
    counts = {program: collections.Counter() for program in known}
    for line in calls:
        program, *words = line.rstrip("\t\n").split("\t")
        if program not in known:
            continue
        name = command_of(words, known[program])
        if name is None and program == "pledged" and not {"--help", "--version"} & set(words):
            name = "run"  # the default
        counts[program][name] += 1
    missing = False
    for program, names in known.items():
        print(f"{program}: " + ", ".join(f"{name} {counts[program][name]}" for name in sorted(names)))
        never = sorted(name for name in names if counts[program][name] == 0)
        print(f"{program}: {len(names) - len(never)} of {len(names)} commands were called"
              + (", never: " + ", ".join(never) if never else ""))
        missing = missing or bool(never)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.stdin))
