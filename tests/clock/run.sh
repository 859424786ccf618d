#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All of e2e, property and interop at other moments of the calendar (moved.py says which):
#   sh tests/clock/run.sh [-k WORD] [MOMENT...]      -k: files with WORD in their name
# with what build/release has (for interop: after `ctest --preset release -R interop/npm`). What a run printed is in build/clock.
set -u
cd "$(dirname "$0")/../.." || exit 2
word=
if [ "${1:-}" = -k ]; then
  word=${2:?a part of a name}
  shift 2
fi
[ $# -gt 0 ] || set -- seconds midnight month utc-month autumn
export PLEDGED_BIN_DIR="$PWD/build/release/bin" PLEDGED_NODE_DIR="$PWD/build/release/interop"
mkdir -p build/clock
passed=0
failed=0
for moment; do
  for file in tests/e2e/test_*"$word"*.py tests/property/test_*"$word"*.py tests/interop/test_*"$word"*.py; do
    [ -e "$file" ] || continue
    # its scripts are processes of their own, and gRPC in them would go by two clocks
    [ "$(basename "$file")" != test_examples.py ] || continue
    kind=$(basename "$(dirname "$file")")
    log=build/clock/$moment-$kind-$(basename "$file" .py).log
    if timeout 1800 /usr/bin/python3 -B tests/clock/moved.py "$moment" "$file" > "$log" 2>&1; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      echo "$moment $kind/$(basename "$file" .py): failed, see $log"
    fi
  done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
