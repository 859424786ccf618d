#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run: what can be said of the code without its tests, and how much of it the tests reach.
#
#   run.sh cppcheck             clean, but for what cppcheck.txt explains
#   run.sh tidy [FILE...]       clang-tidy with .clang-tidy, clean (default: all of common, server, client)
#   run.sh analyzer [FILE...]   gcc -fanalyzer, clean (default: the same)
#   run.sh valgrind [WHAT...]   unit tests, and the daemon while other tests ask it, under valgrind:
#                               see valgrind.sh
#   run.sh coverage [--least PERCENT] [BOX...]
#                               unit tests, simulator and n-th failures of these boxes (default: store,
#                               ledger), and the table of lines and branches a file; fails where a box
#                               has less than so many percent of its branches (default: 95)
#
# coverage leaves out branches of PL_ASSERT: they are there to be never taken. It builds the preset
# `coverage`; the others want a configured and built directory (BUILD, default build/release).
# DEPTH: how many states of a function clang's analyzer looks at (default: its own, 225000). With the
# tests' 40000 all files take about a fifth of the time. JOBS: how many at a time (default: as many as
# there are processors).
# Exit: 0 clean, 1 findings, 64 usage, 77 the program is missing.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
build=${BUILD:-build/release}
jobs=${JOBS:-$(nproc)}

usage() {
    sed -n '6,15s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "run.sh: $1 is not installed" >&2; exit 77; }
}

# All files, or those that were asked for, one a line.
files() {
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@"
    else
        ls common/*.c server/*.c server/*/*.c client/*.c
    fi
}

check() {
    need cppcheck
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr -j "$jobs" -I . -I "$build/proto" \
        -D_GNU_SOURCE --suppressions-list=tests/static/cppcheck.txt '--suppress=*:build/*' "--suppress=*:$build/*" \
        '--template={file}:{line}: {id}: {message}' --error-exitcode=1 common server client
}

# gcc's warnings mean nothing to clang, which would look no further.
tidy() {
    need clang-tidy
    depth=${DEPTH:+--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=$DEPTH}
    # shellcheck disable=SC2086 # a list of words
    files "$@" | xargs -P "$jobs" -n 4 clang-tidy --quiet -p "$build" \
        --extra-arg=-Wno-unknown-warning-option $depth 2>"$build/tidy.log" ||
        { grep -v '^[0-9]* warnings\? generated' "$build/tidy.log" >&2; return 1; }
}

# Off: malloc-leak, since gcc 12 takes for lost what is handed on by the address of a member, and knows
# no cleanup attribute; leaks are left to the sanitizers and valgrind, which see them.
# A pointer that is filled when the status is OK is asserted where gcc does not follow.
analyzer() {
    need gcc
    headers=$(pkg-config --cflags libxml-2.0 cairo)
    # shellcheck disable=SC2086 # a list of words
    files "$@" | xargs -P "$jobs" -n 1 gcc -std=gnu17 -D_GNU_SOURCE -I. -I "$build" -isystem "$build/proto" $headers \
        -DPLEDGED_VERSION='""' -DCLIENT_FONT_DIR='""' -DCLIENT_LOCALE_DIR='""' \
        -O1 -fanalyzer -Wno-analyzer-malloc-leak -Werror -S -o /dev/null || return 1
}

coverage() {
    need gcovr
    least=95
    if [ "${1:-}" = --least ]; then
        least=$2
        shift 2
    fi
    [ $# -gt 0 ] || set -- store ledger
    targets='--target sim --target nth'
    for box in "$@"; do
        for source in tests/unit/"$box"/test_*.c; do
            targets="$targets --target ${box}_$(basename "$source" .c)"
        done
    done
    cmake --preset coverage >/dev/null
    # shellcheck disable=SC2086 # a list of words
    cmake --build --preset coverage $targets >build/coverage/build.log || { tail -n 40 build/coverage/build.log; return 1; }
    find build/coverage -name '*.gcda' -delete
    pattern=$(printf '|%s' "$@")
    ctest --preset coverage -R "^(${pattern#|})/" --timeout 900 >build/coverage/test.log || { tail -n 40 build/coverage/test.log; return 1; }
    (cd build/coverage/tests/sim && ./sim --seeds "${SEEDS:-200}" && ./nth --every "${EVERY:-1}") >build/coverage/sim.log 2>&1 ||
        { tail -n 40 build/coverage/sim.log; return 1; }
    status=0
    for box in "$@"; do
        table "server/$box/|^$box/" || status=1
        table "server/$box/|^$box/" --branches --fail-under-branch "$least" || status=1
    done
    return $status
}

# Of the files that a pattern names.
table() {
    filter=$1
    shift
    gcovr -r . --object-directory build/coverage build/coverage --filter "($filter)" \
        --exclude-branches-by-pattern '.*(PL_ASSERT|TAILQ_|PL_CLEANUP).*' "$@"
}

word=${1:-}
[ $# -eq 0 ] || shift
case $word in
cppcheck) check ;;
tidy) tidy "$@" ;;
analyzer) analyzer "$@" ;;
valgrind) exec sh tests/static/valgrind.sh "$@" ;;
coverage) coverage "$@" ;;
*) usage ;;
esac
