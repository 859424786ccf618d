#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# backup: one online backup of the ledger into a new directory, and the oldest ones beyond a number
# removed. Runs as the daemon's user, by pledged-backup.timer or by hand; the daemon goes on.
#
#   backup.sh [--config FILE] [--keep N] DIR
#
# Makes DIR/YYYYMMDDTHHMMSSZ. No backup is removed unless the new one is whole; at least one stays.
# Only directories with such names are ever removed, and what earlier runs left unfinished under such
# names (it would fill the disk, and no later run could end). N is 14 unless said; 0 keeps all.
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
program=${PLEDGED:-pledged}
# where this was started is where pledged runs: relative paths, also those of the configuration (data),
# are seen from there, as the daemon sees them
here=$PWD
CDPATH='' cd -- "$1"
there=$PWD

digit='[0-9]'
day=$digit$digit$digit$digit$digit$digit$digit$digit
hour=$digit$digit$digit$digit$digit$digit
# shellcheck disable=SC2086 # a pattern
printf '%s\n' ${day}T${hour}Z.unfinished | while read -r old; do
    if [ ! -d "$old" ] || [ -L "$old" ]; then continue; fi
    # a run that is under way holds the lock of its directory
    if [ ! -e "$old/lock" ] || flock --nonblock "$old/lock" true; then
        rm -rf -- "$old"
        printf 'backup: removed %s/%s, which was never finished\n' "$1" "$old"
    fi
done

name=$(date -u +%Y%m%dT%H%M%SZ)
if [ -e "$name" ]; then
    echo "backup: $1/$name is there already: another backup runs, or the clock went back" >&2
    exit 1
fi
if (CDPATH='' cd -- "$here" && exec "$program" backup "$there/$name.unfinished" --config "$config"); then
    mv -- "$name.unfinished" "$name"
else
    code=$?
    echo "backup: pledged backup ended with $code; what is there stays in $1/$name.unfinished until the next run" >&2
    exit "$code"
fi
printf 'backup: made %s/%s\n' "$1" "$name"

[ "$keep" -gt 0 ] || exit 0
# names sort by time; the newest $keep stay
# shellcheck disable=SC2086 # a pattern
printf '%s\n' ${day}T${hour}Z | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
    if [ ! -d "$old" ] || [ -L "$old" ]; then continue; fi
    rm -rf -- "$old"
    printf 'backup: removed %s/%s\n' "$1" "$old"
done
