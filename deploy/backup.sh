#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# backup: one online backup of the ledger into a new directory, and the oldest ones beyond a number
# removed. Runs as the daemon's user, by pledged-backup.timer or by hand; the daemon goes on.
#
#   backup.sh [--config FILE] [--keep N] DIR
#
# Makes DIR/YYYYMMDDTHHMMSSZ. Nothing is removed unless the new backup is whole; at least one stays.
# Only directories with such names are ever removed. N is 14 unless said; 0 keeps all.
# PLEDGED names the program (default: pledged, in the usual places).
# Exit: 0 done, 64 usage, otherwise what `pledged backup` ended with.

set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

usage() {
    sed -n '7s/^#  *//p' "$0" >&2
    exit 64
}

config=/etc/pledged/pledged.conf
keep=14
while [ $# -gt 0 ]; do
    case $1 in
    --config)
        [ $# -ge 2 ] || usage
        config=$2
        shift 2
        ;;
    --keep)
        [ $# -ge 2 ] || usage
        keep=$2
        shift 2
        ;;
    -*) usage ;;
    *) break ;;
    esac
done
[ $# -eq 1 ] || usage
case $keep in '' | *[!0-9]*) usage ;; esac
cd -- "$1"

name=$(date -u +%Y%m%dT%H%M%SZ)
if [ -e "$name" ]; then
    echo "backup: $1/$name is there already: another backup runs, or the clock went back" >&2
    exit 1
fi
if "${PLEDGED:-pledged}" backup "$name.unfinished" --config "$config"; then
    mv -- "$name.unfinished" "$name"
else
    code=$?
    echo "backup: pledged backup ended with $code; what is there stays in $1/$name.unfinished" >&2
    exit "$code"
fi
printf 'backup: made %s/%s\n' "$1" "$name"

[ "$keep" -gt 0 ] || exit 0
digit='[0-9]'
day=$digit$digit$digit$digit$digit$digit$digit$digit
hour=$digit$digit$digit$digit$digit$digit
# names sort by time; the newest $keep stay
# shellcheck disable=SC2086 # a pattern
printf '%s\n' ${day}T${hour}Z | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
    [ -d "$old" ] || continue
    rm -rf -- "$old"
    printf 'backup: removed %s/%s\n' "$1" "$old"
done
