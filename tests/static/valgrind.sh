#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# valgrind: tests with valgrind's memcheck around the code of this project: reads of what nobody
# wrote, accesses beyond what was asked for, memory that is lost.
#
#   valgrind.sh [WHAT...]   WHAT: all; unit, e2e, pledge, property, interop, hostile, linear, crash,
#                           sim, golden, judges, bench, page, deploy, soak; a box of unit tests
#                           (ledger); slow, the unit tests that --quick leaves out; or one test
#                           (ledger/test_save, e2e/main_job, hostile/slow, sim/nth).
#                           Default: unit, e2e, property, interop
#   valgrind.sh --quick     the unit tests but the slow ones: what a CI run has time for
#   valgrind.sh --called    which commands of pledge and pledged were run under valgrind, as far as
#                           BUILD/valgrind knows, how often, and which never
#
# A unit test, the simulator (SEEDS: how many, default 40) and the n-th failures (EVERY: default 41)
# run under valgrind themselves. The others run as they are, with a daemon that does. pledge is the
# themes of e2e with a client that does too (each call then takes seconds): those that together call
# every command. TIMES: how many calls of a theme that differ in nothing but what people fill in
# run under valgrind (default: 3; 0: all). CLIENT=1: the client in any theme. ONLY: only those tests
# of a theme that have this word in their names. bench is the load generator. soak is a short one
# (MINUTES, default 4) and judges no memory: valgrind has memory of its own. all is all of it, and ends
# with --called: hours. Not in it: what runs no program of ours (catalogue, tidy), builds its own
# (mutants, fuzz: with sanitizers), or needs installed packages (the rest of deploy).
# JOBS: how many at a time (default: as many as there are processors); PLEDGED_TEST_SCALE: how patient
# tests are (default: 20); PLEDGED_TEST_APART: unit tests that try every case try every n-th (default: 20).
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

# themes of e2e that together call every command of the client (--called counts)
pledge='benefits catalogue contacts formats four_eyes french import lifecycle main_job money paper postings
    proofs refusals report sample verify walkthrough watch witness'

# Lines for the script of the client: what was called so often in the same way, which is with the same
# words but for what people fill in (numbers, names, files), runs without valgrind.
often_enough() {
    [ "${TIMES:-3}" -ne 0 ] || return 0
    cat <<SCRIPT
way=
for word; do
    case \$word in
    *[!a-z-]*) ;;
    *) way="\$way \$word" ;;
    esac
done
echo "\$way" >>$bin.ways
[ "\$(grep -cxF -e "\$way" $bin.ways)" -le ${TIMES:-3} ] || exec $build/bin/$program "\$@"
SCRIPT
}

# A directory like bin/ in which these programs run under valgrind, and say what they say into files
# of this test, and with which words they were called. Tests give their programs a clean environment, so
# all is in the words of the script.
wrap() { # NAME PROGRAM...
    bin=$out/$1.bin log=$out/$1.log ran=$out/$1.ran
    shift
    mkdir -p "$bin"
    ln -sf "$build"/bin/* "$bin/"
    for program in "$@"; do
        rm "$bin/$program"
        cat >"$bin/$program" <<SCRIPT
#!/bin/sh
$([ "$program" != pledge ] || often_enough)
{ printf '%s\\t' $program "\$@" | tr '\\n' ' '; echo; } >>$ran
export PLEDGED_AGAIN=$bin/pledged LD_PRELOAD="$build/tests/static/again.so\${LD_PRELOAD:+:\$LD_PRELOAD}"
exec $memcheck --log-file=$log.%p $build/bin/$program "\$@"
SCRIPT
        chmod +x "$bin/$program"
    done
}

python() {
    PLEDGED_BIN_DIR=$out/$name.bin PLEDGED_SCREENSHOTS=$out/screenshots PLEDGED_NODE_DIR=$build/${nodes:-interop} \
        /usr/bin/python3 -B "$@" >"$out/$name.txt" 2>&1
}

# Packages of npm for tests in Node, where ctest would put them.
node_packages() { # KIND
    case $1 in
    interop) sh tests/interop/install_node.sh "$build/interop" ;;
    page) sh tests/interop/install_node.sh "$build/page-node" tests/page ;;
    esac >"$out/$name.txt" 2>&1
}

# With how long it took, by the clock and by the processors.
say() {
    times >"$out/$name.times" # not in a subshell: that has other children
    used=$(tail -n 1 "$out/$name.times" | tr 'ms' '  ' | awk '{printf "%.1f", 60 * ($1 + $3) + $2 + $4}')
    echo "$1 ($(($(date +%s) - began)) s, $used s of processor time)" | tee -a "$RESULTS"
}

# one NAME: runs one test and says how it went.
one() {
    name=$(echo "$1" | tr / _)
    began=$(date +%s)
    rm -rf "$out/$name".*
    status=0
    client=${CLIENT:+pledge}
    case $1 in
    property/*) wrap "$name" pledged $client && python tests/property/test_property.py || status=$? ;;
    sim/seeds) $memcheck --leak-check=no "$build/tests/sim/sim" --seeds "${SEEDS:-40}" --from 3000000 >"$out/$name.txt" 2>&1 || status=$? ;;
    sim/nth) $memcheck --leak-check=no "$build/tests/sim/nth" --every "${EVERY:-41}" >"$out/$name.txt" 2>&1 || status=$? ;;
    linear) wrap "$name" pledged $client && python tests/linear/test_linear.py -v || status=$? ;;
    soak)
        wrap "$name" pledged pledge
        python tests/soak/soak.py --minutes "${MINUTES:-4}" --pause 0.2 --ease 10 --any-memory || status=$?
        ;;
    crash/*)
        memcheck="$memcheck --leak-check=no" # who ends in the middle of a call leaves what it held
        wrap "$name" pledged $client
        export CRASH_LAYER="$build/tests/crash/layer.so"
        python tests/crash/test_crash.py -v "$(theme_of_crash "${1#*/}")" || status=$?
        ;;
    golden/*)
        wrap "$name" pledged
        sh tests/golden/check.sh "$out/$name.bin/pledged" "tests/$1" >"$out/$name.txt" 2>&1 || status=$?
        ;;
    pledge/* | bench/*)
        wrap "$name" pledged pledge pledge-bench
        theme=$1
        [ "${1%/*}" = bench ] || theme=e2e/${1#*/}
        python "tests/${theme%/*}/test_${theme#*/}.py" -v ${ONLY:+-k "$ONLY"} || status=$?
        ;;
    e2e/* | interop/* | hostile/* | judges/* | page/* | deploy/*)
        wrap "$name" pledged $client
        [ "${1%/*}" != page ] || nodes=page-node
        node_packages "${1%/*}" || status=$?
        if [ -f "tests/${1%/*}/test_${1##*/}.py" ]; then
            python "tests/${1%/*}/test_${1##*/}.py" -v ${ONLY:+-k "$ONLY"} || status=$?
        else
            python tests/interop/run_node.py "tests/interop/test_${1##*/}.mjs" || status=$?
        fi
        ;;
    *) $memcheck "$build/tests/$name" >"$out/$name.txt" 2>&1 || status=$? ;;
    esac
    ! grep -q '^Ran 0 tests' "$out/$name.txt" || status=1 # ONLY names none
    # that this version of it does not know epoll_pwait2 is no finding (pledge-bench goes on without)
    cat "$out/$name".log.* 2>/dev/null | sed '/unhandled amd64-linux syscall: 441$/,+4d' >"$out/$name.found"
    if [ "$status" -eq 0 ] && [ ! -s "$out/$name.found" ]; then
        say "$1: clean"
        return
    fi
    tail -n 60 "$out/$name.txt" "$out/$name.found"
    say "$1: $([ -s "$out/$name.found" ] && echo findings || echo "failed ($status)")"
    return 1
}

theme_of_crash() {
    case $1 in
    places) echo Places ;;
    random) echo Random ;;
    people) echo People ;;
    *) echo "no-such-theme" ;;
    esac
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
        all)
            # what is run with the client need not be run without
            names unit e2e | grep -vxF "$(printf 'e2e/%s\n' $pledge)"
            names pledge property interop hostile linear crash sim golden judges bench page deploy soak
            ;;
        slow) names unit | grep -xF "$(printf '%s\n' $slow)" ;;
        unit) units common ledger store net server client ;;
        e2e | interop | hostile | judges | page) themes "$what" ;;
        pledge) printf 'pledge/%s\n' $pledge ;;
        property) echo property/commands ;;
        crash) printf 'crash/%s\n' places random people ;;
        sim) printf 'sim/%s\n' seeds nth ;;
        golden) echo golden/v1-ledger ;;
        bench) echo bench/smoke ;;
        deploy) echo deploy/man ;; # help of every command, and every line of a configuration
        linear | soak) echo "$what" ;;
        */*) echo "$what" ;;
        *) units "$what" ;;
        esac
    done
}

# What tests called under valgrind: programs note it in NAME.ran.
called() {
    cat "$out"/*.ran 2>/dev/null | /usr/bin/python3 -B tests/static/called.py "$build/bin"
}

case ${1:-} in
--one)
    one "$2"
    exit
    ;;
--called)
    called
    exit
    ;;
--quick) ;;
-*)
    sed -n '6,15s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
command -v valgrind >/dev/null 2>&1 || { echo "valgrind.sh: valgrind is not installed" >&2; exit 77; }
[ $# -gt 0 ] || set -- unit e2e property interop
mkdir -p "$out"
# two may run at once
list=$out/names.$$
export RESULTS="$out/results.$$"
trap 'rm -f "$list"; mv -f "$RESULTS" "$out/results"' EXIT
names "$@" >"$list"
: >"$RESULTS"
[ -s "$list" ] || { echo "valgrind.sh: there is no such test" >&2; exit 64; }
began=$(date +%s)
failed=0
xargs -P "${JOBS:-$(nproc)}" -n 1 sh tests/static/valgrind.sh --one <"$list" || failed=1
used=$(sed -n 's/.*, \([0-9.]*\) s of processor time)$/\1/p' "$RESULTS" | awk '{sum += $1} END {printf "%d", sum}')
echo "$(grep -c ': clean (' "$RESULTS") of $(wc -l <"$list") clean, in $(($(date +%s) - began)) s, $used s of processor time"
case " $* " in
*" all "*) called || failed=1 ;;
esac
exit $failed
