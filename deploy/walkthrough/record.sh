#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# record: contributors and pledges from a file, a row each:
#
#   organisation  kind  country  tier  amount  currency  date  letter     (tabs between, "-" for nothing)
#
#   record.sh FILE [PLEDGE OPTION...]
#
# Each row gets request ids that are made from its own words, so running the script again books
# nothing twice: the ledger answers with the first receipts. A row that is refused is named on
# standard error and the next one is tried. Exit: 0 all are recorded, 1 at least one row was refused,
# 64 usage, 66 no file.

set -u

if [ $# -lt 1 ]; then
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
file=$1
shift
if [ ! -r "$file" ]; then
    printf 'record: %s cannot be read\n' "$file" >&2
    exit 66
fi

# id_of WORD...: a UUID (version 8: of one's own making) that is always the same for the same words
id_of() {
    printf '%s\n' "$@" | sha256sum |
        sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-8\3-8\4-\5/'
}

tab=$(printf '\t')
refused=0
row=0
while IFS="$tab" read -r name kind country tier amount currency date letter; do
    row=$((row + 1))
    case $name in
    '#'* | '') continue ;;
    esac
    if [ "$tier" = free ]; then set -- --free "$@"; else set -- --tier "$tier" "$@"; fi
    taken=2
    if [ "$tier" = free ]; then taken=1; fi
    if [ "$amount" != - ]; then
        set -- --amount "$amount" --currency "$currency" "$@"
        taken=$((taken + 4))
    fi
    contributor=$(pledge --profile clerk --format plain --request-id "$(id_of contributor "$name")" \
        contributor add --name "$name" --kind "$kind" --country "$country" </dev/null | cut -f 1)
    if [ -n "$contributor" ]; then
        pledge --profile clerk --format plain --request-id "$(id_of pledge "$name" "$tier" "$letter")" submit \
            --contributor "$contributor" --effective-date "$date" --reason "$letter" "$@" </dev/null ||
            contributor=
    fi
    shift "$taken"
    if [ -z "$contributor" ]; then
        printf 'record: row %d (%s) was not recorded\n' "$row" "$name" >&2
        refused=1
    fi
done <"$file"
exit "$refused"
