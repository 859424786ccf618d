#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run: fuzzes the decoders (tests/fuzz/fuzz_TARGET.c). Builds the preset `fuzz` (clang) if need be.
#
#   run.sh [TARGET|all] [SECONDS]     fuzz (default: all, 60 s each); keeps what reaches new code in
#                                     build/fuzz/corpus/TARGET, and what fails in build/fuzz/found
#   run.sh --regression TARGET        every input of corpus/TARGET once, then a fixed number of runs
#                                     from a fixed seed
#   run.sh --planted                  a planted bug must be found
#   run.sh --keep TARGET              of what was kept in build/fuzz/corpus/TARGET, what reaches code
#                                     that nothing in corpus/TARGET does goes there
#
# FUZZ_BIN_DIR: where the targets are, instead of building them. Exit: 0 nothing found, 1 found, 64
# usage, 69 the targets could not be built.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${FUZZ_BIN_DIR:-$root/build/fuzz/fuzz}
runs=3000

usage() {
    sed -n '6,12s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

build() {
    [ -z "${FUZZ_BIN_DIR:-}" ] || return 0
    if ! (cd "$root" && cmake --preset fuzz >/dev/null && cmake --build --preset fuzz >&2); then
        echo 'run.sh: the preset fuzz does not build; it needs clang and libclang-rt-14-dev' >&2
        exit 69
    fi
}

scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/pledged-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
export TMPDIR="$scratch"
# what was freed is watched within a run; kept for longer, each run takes new pages for its large tables
export ASAN_OPTIONS="abort_on_error=0:allocator_may_return_null=0:detect_leaks=1:quarantine_size_mb=4"
export UBSAN_OPTIONS=print_stacktrace=1

# fuzz TARGET ARGUMENT...
fuzz() {
    target=$1
    shift
    dictionary=
    [ ! -f "$here/$target.dict" ] || dictionary=-dict=$here/$target.dict
    # shellcheck disable=SC2086 # none or one word
    "$bin/fuzz_$target" -timeout=20 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 $dictionary "$@"
}

targets() {
    for source in "$here"/fuzz_*.c; do
        name=$(basename "$source" .c)
        [ "$name" = fuzz_planted ] || printf '%s\n' "${name#fuzz_}"
    done
}

regression() {
    mkdir "$scratch/new"
    # the inputs as they are, then runs that begin with them
    fuzz "$1" -runs=0 -artifact_prefix="$scratch/" "$here/corpus/$1" 2>"$scratch/out" || { cat "$scratch/out"; exit 1; }
    fuzz "$1" -runs=$runs -seed=20260324 -artifact_prefix="$scratch/" "$scratch/new" "$here/corpus/$1" \
        2>"$scratch/out" || { cat "$scratch/out"; exit 1; }
    printf '%s: %d inputs of the corpus, ' "$1" "$(ls "$here/corpus/$1" | wc -l)"
    sed -n 's/^stat::number_of_executed_units: */runs: /p; s/^#.*DONE *\(cov: [0-9]*\).*/\1/p' "$scratch/out" | tr '\n' ' '
    echo
}

planted() {
    if fuzz planted -runs=2000000 -seed=1 -artifact_prefix="$scratch/" 2>"$scratch/out"; then
        echo 'the planted bug was not found'
        exit 1
    fi
    grep -q 'heap-buffer-overflow' "$scratch/out" || { cat "$scratch/out"; exit 1; }
    fuzz planted "$scratch"/crash-* >"$scratch/again" 2>&1 && { echo 'the kept input does not fail again'; exit 1; }
    grep -q 'heap-buffer-overflow' "$scratch/again"
    echo 'the planted bug was found, and its input fails again'
}

long() {
    found="$root/build/fuzz/found"
    status=0
    mkdir -p "$found"
    for name in $1; do
        kept="$root/build/fuzz/corpus/$name"
        mkdir -p "$kept"
        echo "== $name =="
        fuzz "$name" -max_total_time="$2" -artifact_prefix="$found/$name-" "$kept" "$here/corpus/$name" \
            >"$scratch/out" 2>&1 || { status=1; tail -n 60 "$scratch/out"; }
        grep -E '^stat::number_of_executed|DONE|^SUMMARY' "$scratch/out" || true
    done
    exit $status
}

keep() {
    kept="$root/build/fuzz/corpus/$1"
    mkdir -p "$kept"
    fuzz "$1" -merge=1 "$here/corpus/$1" "$kept" 2>"$scratch/out" || { cat "$scratch/out"; exit 1; }
    ls "$here/corpus/$1" | wc -l
}

case ${1:-all} in
--regression) [ $# -eq 2 ] || usage; build; regression "$2" ;;
--planted) build; planted ;;
--keep) [ $# -eq 2 ] || usage; build; keep "$2" ;;
-*) usage ;;
all) build; long "$(targets)" "${2:-60}" ;;
*)
    [ -f "$here/fuzz_$1.c" ] || usage
    build
    long "$1" "${2:-60}"
    ;;
esac
