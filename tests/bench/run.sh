#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run: measures pledged, beside what people would use instead, on this machine.
#
#   run.sh [--peers] [--rounds N] [--seconds S] [--entries N] [--out DIR] [SCENARIO...]
#   run.sh --list
#
# --peers installs (Debian packages) and starts PostgreSQL, Redis, nginx and nghttpd on loopback, with
# data of their own that is removed at the end. Without it only pledged and the machine are measured.
# PLEDGED_BIN_DIR: where pledged, pledge and pledge-bench are (default: build/release/bin, which is
# built if it is not there). README.md says how to read the table.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

for word in "$@"; do
    if [ "$word" = --peers ]; then
        sh "$root/deploy/install-deps.sh" --peers
    fi
done
if [ -z "${PLEDGED_BIN_DIR:-}" ]; then
    PLEDGED_BIN_DIR=$root/build/release/bin
    export PLEDGED_BIN_DIR
    if [ ! -x "$PLEDGED_BIN_DIR/pledge-bench" ]; then
        (cd "$root" && cmake --preset release && cmake --build --preset release --target pledged pledge pledge-bench)
    fi
fi
exec /usr/bin/python3 -B "$here/bench.py" "$@"
