#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Goal: a ledger that a released version wrote is read by this one, entry by entry against the rules,
# (the saved form of the state may change with versions, so its hash is not compared). Usage: check.sh PLEDGED VERSION_DIR
set -eu
pledged=$1 golden=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$golden" "$work/data"
mkdir -p "$work/data/snapshot"
cat >"$work/pledged.conf" <<CONF
[daemon]
data=$work/data
[tls]
cert=unused
key=unused
ca=unused
[ledger]
origin=$(head -n 1 "$golden/ledger.id")
CONF
"$pledged" fsck --config "$work/pledged.conf" | sed '/^persons: /d; s/.*: fine/fine/; s/, state .*//' >"$work/found"
diff "$golden/expected" "$work/found"
# and once more from a snapshot that this version makes of it
"$pledged" snapshot --config "$work/pledged.conf"
"$pledged" snapshot --config "$work/pledged.conf" >"$work/again"
grep -q snapshot "$work/again"
