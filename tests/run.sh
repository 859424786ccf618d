#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run: from a fresh Debian 12 machine to the whole test suite passed: installs packages, then
# configures, builds and tests each preset.
#
#   run.sh [PRESET...]     presets: release, dev (address and undefined sanitizers), tsan (threads),
#                          fuzz (clang: the corpora of tests/fuzz); default: all four
#
# The last line on standard output is "N passed, N failed", summed over all presets; a preset that
# does not build counts as one failure. Exit: 0 if something ran and nothing failed, else 1.

set -u

case ${1:-} in
-*)
    sed -n '7,8s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$root" || exit 1
results=build/test-results
passed=0
failed=0

finish() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# A test that was not run because its program is missing is a failure; one that said itself that it
# cannot run here, or is switched off, is neither passed nor failed, and is named.
count() {
    /usr/bin/python3 - "$1" <<'END'
import sys
import xml.etree.ElementTree as tree

passed = failed = 0
for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    skipped = case.find("skipped")
    why = skipped.get("message", "") if skipped is not None else ""
    if case.get("status") == "run" and case.find("failure") is None and skipped is None:
        passed += 1
    elif case.get("status") == "disabled" or why.startswith("SKIP_"):
        print(f"not run: {case.get('name')} ({why or 'switched off'})", file=sys.stderr)
    else:
        failed += 1
print(passed, failed)
END
}

# Newer kernels place memory where the thread sanitizer of gcc 12 does not expect it.
without_randomisation() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        setarch "$(uname -m)" -R "$@"
    else
        "$@"
    fi
}

# A directory in memory for what tests write, or nothing. The plain build keeps its ledgers on the disk
# that there is; what a sanitizer finds does not depend on how long a sync takes. There has to be
# room, and programs must be allowed to start from it (in a container they often are not).
in_memory() {
    free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $4}')
    [ "${free:-0}" -ge 4194304 ] || return 0
    place=$(mktemp -d /dev/shm/pledged-tests.XXXXXX 2>/dev/null) || return 0
    printf '#!/bin/sh\nexit 0\n' >"$place/try"
    chmod +x "$place/try"
    if "$place/try" 2>/dev/null; then
        echo "$place"
    else
        rm -rf "$place"
    fi
}

# test_preset NAME: leaves what it found in $passed and $failed
test_preset() {
    printf '\n== %s: configure and build ==\n' "$1"
    rm -f "$results/$1.xml"
    if ! cmake --preset "$1" -DPLEDGED_TESTS=ON >"$results/$1.build.log" 2>&1 ||
        ! cmake --build --preset "$1" >>"$results/$1.build.log" 2>&1; then
        tail -n 60 "$results/$1.build.log"
        printf '== %s does not build; all of its words are in %s ==\n' "$1" "$results/$1.build.log"
        failed=$((failed + 1))
        return
    fi
    printf '== %s: test ==\n' "$1"
    # Many tests wait, for disks, deadlines and each other: twice as many as there are processors.
    set -- "$1" ctest --preset "$1" --no-tests=error --parallel "$((2 * $(nproc)))" --timeout 900 \
        --output-junit "$root/$results/$1.xml"
    preset=$1
    shift
    code=0
    memory=
    [ "$preset" = release ] || memory=$(in_memory)
    [ -z "$memory" ] || set -- env "TMPDIR=$memory" "$@"
    if [ "$preset" = tsan ]; then
        without_randomisation "$@" || code=$?
    else
        "$@" || code=$?
    fi
    [ -z "$memory" ] || rm -rf "$memory"
    found=$(count "$results/$preset.xml") || found='0 1'
    passed=$((passed + ${found% *}))
    failed=$((failed + ${found#* }))
    # ctest knows of failures that are no test's: none found, a fixture, its own trouble
    if [ "$code" -ne 0 ] && [ "${found#* }" -eq 0 ]; then
        printf '== %s: ctest ended with %d ==\n' "$preset" "$code"
        failed=$((failed + 1))
    fi
}

if ! sh deploy/install-deps.sh --tests; then
    failed=1
    finish
fi
mkdir -p "$results" || exit 1
[ $# -gt 0 ] || set -- release dev tsan fuzz
for preset_name in "$@"; do
    test_preset "$preset_name"
done
printf '\n'
finish
