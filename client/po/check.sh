#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check: every sentence of the client has French words, and no French words are left over.
#
#   check.sh WORK-DIRECTORY     exit 0 if complete, 1 with the missing sentences
#
# To collect new sentences into fr.po: check.sh --update
set -eu
here=$(cd "$(dirname "$0")" && pwd)

collect() {
    cd "$here/../.."
    xgettext --from-code=UTF-8 --language=C --keyword=_ --keyword=N_ --flag=_:1:pass-c-format \
        --keyword=pl_fail:2 --keyword=pl_fail_errno:2 \
        --no-location --sort-output --package-name=pledge --omit-header -o "$1" client/*.c client/*.h
    # the rules that 'pledge verify' may find broken: NEED(condition, "words"); what the ledger says
    # of a refusal: maker_say(maker, name, "words"), wrong(..., "words") and the like; what is wrong
    # with a question: refuse(query, reason, field, value, "words")
    xgettext --from-code=UTF-8 --language=C --keyword --keyword=NEED:2 --keyword=maker_say:3 --keyword=wrong:4 --keyword=say:4 --keyword=WORDS \
        --keyword=refuse:5 --keyword=query_refuse:5 --keyword=query_deny:5 --join-existing \
        --no-location --sort-output --omit-header -o "$1" server/ledger/*.c server/view.c
    # what the rooms before the ledger say of a field
    xgettext --from-code=UTF-8 --language=C --keyword --keyword=WORDS --join-existing \
        --no-location --sort-output --omit-header -o "$1" server/*.c
    # what is wrong with a day
    xgettext --from-code=UTF-8 --language=C --keyword --keyword=pl_fail:2 --join-existing \
        --no-location --sort-output --omit-header -o "$1" common/date.c
    # what stood between the client and the daemon
    xgettext --from-code=UTF-8 --language=C --keyword --keyword=say:2 --keyword=say_why:3 --keyword=bad_file:2 --join-existing \
        --no-location --sort-output --omit-header -o "$1" common/h2client.c
}

if [ "$1" = --update ]; then
    pot=$(mktemp)
    trap 'rm -f "$pot"' EXIT
    collect "$pot"
    msgmerge --quiet --no-fuzzy-matching --sort-output --no-wrap --update --backup=none \
        "$here/fr.po" "$pot"
    msgattrib --no-obsolete --sort-output --no-wrap -o "$here/fr.po" "$here/fr.po"
    exit
fi
pot=$1/pledge.pot
collect "$pot"
msgcmp "$here/fr.po" "$pot"
msgfmt --check -o /dev/null "$here/fr.po"
# what was typed or pasted wrongly: as many paragraphs, and the same options, as what it translates
python3 - "$here/fr.po" <<'END'
import ast, re, sys
def text(entry, which):
    found = re.search(rf'^{which} ((?:".*"\n?)+)', entry, re.M)
    return "".join(ast.literal_eval(line) for line in found[1].splitlines()) if found else ""
def shape(words):
    return words.count("\n"), sorted(re.findall(r"--[a-z][a-z-]+", words))
with open(sys.argv[1], encoding="utf-8") as po:
    wrong = [words for entry in po.read().split("\n\n")[1:] if (words := text(entry, "msgid"))
             and shape(words) != shape(text(entry, "msgstr"))]
for words in wrong:
    print(f"fr.po: other paragraphs or options than in: {words}", file=sys.stderr)
sys.exit(bool(wrong))
END
# also words whose sentence is not collected any more, as when the function that says it has a new name
if msgmerge --quiet --no-fuzzy-matching "$here/fr.po" "$pot" -o - | msgattrib --only-obsolete | grep "^#~ msgid"; then
    echo "fr.po has words that nothing uses: run client/po/check.sh --update" >&2
    exit 1
fi
