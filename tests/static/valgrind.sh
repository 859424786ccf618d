#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# valgrind: tests with valgrind's memcheck around the code of this project: reads of what nobody
# wrote, accesses beyond what was asked for, memory that is lost.
#
#   valgrind.sh [WHAT...]   WHAT: unit, e2e, property, interop; a box of unit tests (ledger); or one
#                           test (ledger/test_save, e2e/main_job, hostile/slow, linear, sim/seeds,
#                           sim/nth, crash/places, crash/random). Default: the first four.
#   valgrind.sh --quick     the unit tests but the slow ones: what a CI run has time for
#
# A unit test, the simulator (SEEDS: how many, default 40) and the n-th failures (EVERY: default 199)
# run under valgrind themselves. The others run as they are, with a daemon that does, and a client
# too with CLIENT=1 (each command then takes seconds). JOBS: how many at a time (default: as
# many as there are processors); PLEDGED_TEST_SCALE: how patient tests are (default: 20);
# PLEDGED_TEST_APART: unit tests that try every case try every n-th (default: 20).
# Wants a built directory (BUILD, default build/release). What was said is in BUILD/valgrind/NAME*.
# Exit: 0 clean, 1 findings or failures, 64 usage, 77 valgrind is missing.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
build=$(cd "${BUILD:-build/release}" && pwd)
out=$build/valgrind
memcheck="valgrind --quiet --vgdb=no --fair-sched=try --error-exitcode=9 \
--leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
export PLEDGED_TEST_APART="${PLEDGED_TEST_APART:-20}" PLEDGED_TEST_SCALE="${PLEDGED_TEST_SCALE:-20}"
# More than five seconds of processor time each, or waits of the programs that a busy machine does not
# keep: not in --quick.
slow='client/test_mirror client/test_session client/test_verify_heads client/test_verify_tree client/test_write
    common/test_h2client common/test_json common/test_merkle ledger/test_decided ledger/test_forged
    ledger/test_save net/test_answer net/test_call net/test_conn net/test_connect net/test_duplex net/test_io
    net/test_net net/test_rpc net/test_tls server/test_disagreement server/test_health server/test_persons
    server/test_proofs server/test_tiles server/test_tree server/test_watch server/test_writer store/test_fault
    store/test_file store/test_reader store/test_scan store/test_segment'

# A directory like bin/ in which the daemon runs under valgrind, and says what it says into files of
# this test. Tests give their programs a clean environment, so all is in the words of the script.
wrap() {
    mkdir -p "$out/$1.bin"
    ln -sf "$build"/bin/* "$out/$1.bin/"
    for program in pledged ${CLIENT:+pledge}; do
        rm "$out/$1.bin/$program"
        printf '#!/bin/sh\nexec %s --log-file=%s %s "$@"\n' "$memcheck" "$out/$1.log.%p" "$build/bin/$program" \
            >"$out/$1.bin/$program"
        chmod +x "$out/$1.bin/$program"
    done
}

python() {
    PLEDGED_BIN_DIR=$out/$name.bin PLEDGED_NODE_DIR=$build/interop \
        /usr/bin/python3 -B "$@" >"$out/$name.txt" 2>&1
}

# With how long it took, by the clock and by the processors.
say() {
    times >"$out/$name.times" # not in a subshell: that has other children
    used=$(tail -n 1 "$out/$name.times" | tr 'ms' '  ' | awk '{printf "%.1f", 60 * ($1 + $3) + $2 + $4}')
    echo "$1 ($(($(date +%s) - began)) s, $used s of processor time)" | tee -a "$out/results"
}

# one NAME: runs one test and says how it went.
one() {
    name=$(echo "$1" | tr / _)
    began=$(date +%s)
    rm -rf "$out/$name".*
    status=0
    case $1 in
    property/*) wrap "$name" && python tests/property/test_property.py || status=$? ;;
    sim/seeds) $memcheck --leak-check=no "$build/tests/sim/sim" --seeds "${SEEDS:-40}" --from 3000000 >"$out/$name.txt" 2>&1 || status=$? ;;
    sim/nth) $memcheck --leak-check=no "$build/tests/sim/nth" --every "${EVERY:-41}" >"$out/$name.txt" 2>&1 || status=$? ;;
    linear) wrap "$name" && python tests/linear/test_linear.py -v || status=$? ;;
    crash/*)
        memcheck="$memcheck --leak-check=no" # who ends in the middle of a call leaves what it held
        wrap "$name"
        theme=Places
        [ "$1" = crash/places ] || theme=Random
        export CRASH_LAYER="$build/tests/crash/layer.so"
        python tests/crash/test_crash.py -v $theme || status=$?
        ;;
    e2e/* | interop/* | hostile/*)
        wrap "$name"
        if [ -f "tests/${1%/*}/test_${1##*/}.py" ]; then
            python "tests/${1%/*}/test_${1##*/}.py" -v || status=$?
        else
            python tests/interop/run_node.py "tests/interop/test_${1##*/}.mjs" || status=$?
        fi
        ;;
    *) $memcheck "$build/tests/$name" >"$out/$name.txt" 2>&1 || status=$? ;;
    esac
    cat "$out/$name".log.* >"$out/$name.found" 2>/dev/null || :
    if [ "$status" -eq 0 ] && [ ! -s "$out/$name.found" ]; then
        say "$1: clean"
        return
    fi
    tail -n 60 "$out/$name.txt" "$out/$name.found"
    say "$1: $([ -s "$out/$name.found" ] && echo findings || echo "failed ($status)")"
    return 1
}

units() { # BOX...
    for box in "$@"; do
        for source in tests/unit/"$box"/test_*.c; do
            [ -f "$source" ] || return 64
            echo "$box/$(basename "$source" .c)"
        done
    done
}

themes() { # KIND
    for source in tests/"$1"/test_*.py tests/"$1"/test_*.mjs; do
        [ ! -f "$source" ] || echo "$1/$(basename "${source%.*}" | sed 's/^test_//')"
    done
}

# What the words on the command line mean, one test a line.
names() {
    # shellcheck disable=SC2086 # a list of words
    for what in "$@"; do
        case $what in
        --quick) names unit | grep -vxF "$(printf '%s\n' $slow)" ;;
        unit) units common ledger store net server client ;;
        e2e | interop | hostile) themes "$what" ;;
        property) echo property/commands ;;
        linear) echo linear ;;
        */*) echo "$what" ;;
        *) units "$what" ;;
        esac
    done
}

case ${1:-} in
--one)
    one "$2"
    exit
    ;;
--quick) ;;
-*)
    sed -n '6,10s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
command -v valgrind >/dev/null 2>&1 || { echo "valgrind.sh: valgrind is not installed" >&2; exit 77; }
[ $# -gt 0 ] || set -- unit e2e property interop
mkdir -p "$out"
names "$@" >"$out/names"
: >"$out/results"
[ -s "$out/names" ] || { echo "valgrind.sh: there is no such test" >&2; exit 64; }
began=$(date +%s)
failed=0
xargs -P "${JOBS:-$(nproc)}" -n 1 sh tests/static/valgrind.sh --one <"$out/names" || failed=1
used=$(sed -n 's/.*, \([0-9.]*\) s of processor time)$/\1/p' "$out/results" | awk '{sum += $1} END {printf "%d", sum}')
echo "$(grep -c ': clean (' "$out/results") of $(wc -l <"$out/names") clean, in $(($(date +%s) - began)) s, $used s of processor time"
exit $failed
