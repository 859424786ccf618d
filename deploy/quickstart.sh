#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# quickstart: from a fresh Debian 12 machine to a running daemon with the offers of the WSIS Forum
# 2026, and a short demonstration. Everything it makes is in one directory and in build/.
#
#   quickstart.sh [--home DIR] [--port N] [--no-demo] [--stop]
#
#   --home DIR   where certificates, configuration and ledger go
#                (default: $XDG_DATA_HOME/pledged-quickstart, ~/.local/share/pledged-quickstart)
#   --port N     loopback port of the daemon (default 7443; 0: the kernel chooses)
#   --no-demo    stop before the demonstration
#   --stop       end the daemon of DIR, keep its ledger
#
# Running it again is harmless: what exists is kept, a running daemon is used as it is, and the
# demonstration repeats its request ids, so that the ledger answers REPLAY and nothing is doubled.
# Not for real money: the keys have no pass phrase and all lie in one place.
# Exit: 0 done, 1 a step failed, 64 usage, 69 something is missing (package, port, disk space).

set -eu

usage() {
    sed -n '7,14s/^# \{0,1\}//p' "$0"
}

say() {
    printf '%s\n' "$*"
}

fail() {
    code=$1
    shift
    printf 'quickstart: %s\n' "$*" >&2
    exit "$code"
}

# quoted WORD...: as one would type it
quoted() {
    gap=
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=,@%+-]* | '') printf "%s'%s'" "$gap" "$word" ;;
        *) printf '%s%s' "$gap" "$word" ;;
        esac
        gap=' '
    done
}

# --- options -----------------------------------------------------------------------------------

home=
port=
demo=yes
stop=no
while [ $# -gt 0 ]; do
    case $1 in
    --home | --port)
        [ $# -ge 2 ] || fail 64 "$1 needs a value"
        if [ "$1" = --home ]; then home=$2; else port=$2; fi
        shift
        ;;
    --home=*) home=${1#*=} ;;
    --port=*) port=${1#*=} ;;
    --no-demo) demo=no ;;
    --stop) stop=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 64
        ;;
    esac
    shift
done
if [ -z "$home" ]; then
    [ -n "${XDG_DATA_HOME:-}${HOME:-}" ] || fail 64 'HOME is not set: say where with --home DIR'
    home=${XDG_DATA_HOME:-$HOME/.local/share}/pledged-quickstart
fi
case $port in
*[!0-9]* | ??????*) fail 64 "--port $port: a number from 0 to 65535 is needed" ;;
esac
if [ -n "$port" ] && [ "$port" -gt 65535 ]; then
    fail 64 "--port $port: a number from 0 to 65535 is needed"
fi
case $home in
*';'* | *'#'* | *'
'*) fail 64 "--home $home: a configuration file cannot hold this name (; # or a line break)" ;;
/*) ;;
*) home=$PWD/$home ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/build/release/bin
conf=$home/pledged.conf
log=$home/pledged.log

# --- the daemon's process ------------------------------------------------------------------------

# A pid file that was left behind may name anybody's process by now, so the command line has to say
# that it is ours. A process that has ended but was not waited for has no command line.
is_ours() {
    [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] &&
        tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | grep -qxF -- "$conf"
}

# The pid of the daemon of this directory, or nothing.
running_pid() {
    [ -r "$home/pledged.pid" ] || return 0
    pid=$(tr -cd '0-9' <"$home/pledged.pid")
    if is_ours "$pid"; then
        printf '%s' "$pid"
    fi
}

stop_daemon() {
    pid=$(running_pid)
    if [ -z "$pid" ]; then
        say "no daemon is running in $home"
        return
    fi
    kill -TERM "$pid"
    tries=0
    while is_ours "$pid"; do
        tries=$((tries + 1))
        [ "$tries" -le 150 ] || fail 1 "the daemon (pid $pid) is still finishing its work after 30 s"
        sleep 0.2
    done
    say "the daemon has ended; its ledger stays in $home/data"
}

if [ "$stop" = yes ]; then
    stop_daemon
    exit 0
fi

# --- steps ---------------------------------------------------------------------------------------

# Is somebody listening on this port of the loopback address? The daemon shares its port between
# its threads, so the kernel would not always refuse a second one.
port_in_use() {
    hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v want="$hex" '
        $4 == "0A" {
            split($2, at, ":")
            if (at[2] == want && (at[1] ~ /^0+$/ || at[1] ~ /0100007F$/)) found = 1
        }
        END { exit !found }'
}

# need_space DIR MEGABYTES WHAT-FOR
need_space() {
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    if [ "$free" -lt "$2" ]; then
        fail 69 "no disk space: $3 needs $2 MB in $1, $free MB are free"
    fi
}

run_quietly() {
    say "\$ $(quoted "$@")"
    if ! "$@" >>"$home/build.log" 2>&1; then
        tail -n 30 "$home/build.log" >&2
        need_space "$root" 20 'building'
        fail 1 "'$*' failed; its last lines are above, all of them in $home/build.log"
    fi
}

build() {
    say 'building (one or two minutes the first time) ...'
    : >"$home/build.log"
    cd "$root"
    if [ -f build/release/CMakeCache.txt ]; then
        run_quietly cmake --preset release
    else
        need_space "$root" 300 'building'
        run_quietly cmake --preset release -DPLEDGED_TESTS=OFF
    fi
    run_quietly cmake --build --preset release
    for program in pledged pledge; do
        [ -x "$bin/$program" ] || fail 1 "the build made no $bin/$program; see $home/build.log"
    done
}

make_pki() {
    sh "$root/deploy/pki.sh" ca "$home/pki"
    sh "$root/deploy/pki.sh" server "$home/pki" localhost 127.0.0.1 ::1
    for person in reader clerk approver auditor admin; do
        sh "$root/deploy/pki.sh" person "$home/pki" "$person"
    done
}

write_config() {
    if [ -f "$conf" ]; then
        if [ -n "$port" ]; then
            sed "s/^listen = .*/listen = 127.0.0.1:$port/" "$conf" >"$conf.new"
            mv "$conf.new" "$conf"
        fi
        return
    fi
    {
        say '# Made by deploy/quickstart.sh; deploy/pledged.conf.example explains every key.'
        say "[daemon]
data = $home/data
listen = 127.0.0.1:${port:-7443}
port_file = $home/port
pid_file = $home/pledged.pid

[tls]
cert = $home/pki/server.crt
key = $home/pki/server.key
ca = $home/pki/ca.crt

[ledger]
origin = quickstart.example/wsis-trust-fund

[policy]
time_zone = CET-1CEST,M3.5.0,M10.5.0/3

[store]
segment_bytes = 16777216"
        for person in reader clerk approver auditor admin; do
            say "
[person $person]
role = $person
identity = uri:pledged:person:$person"
        done
    } >"$conf.new"
    mv "$conf.new" "$conf"
}

write_client_config() {
    if [ -f "$home/client.conf" ]; then
        sed "s/^server = .*/server = 127.0.0.1:$1/" "$home/client.conf" >"$home/client.conf.new"
    else
        for person in reader clerk approver auditor admin; do
            say "[$person]
server = 127.0.0.1:$1
ca = $home/pki/ca.crt
cert = $home/pki/$person.crt
key = $home/pki/$person.key
"
        done >"$home/client.conf.new"
        # whom invoices name: made up, like everything here
        say "[creditor]
name = Example Trust Fund
street = Example Street
number = 1
postal_code = 1200
town = Geneva
country = CH

[account CHF01]
currency = CHF
iban = CH9300762011623852957" >>"$home/client.conf.new"
    fi
    mv "$home/client.conf.new" "$home/client.conf"
}

start_daemon() {
    listen=$(sed -n 's/^listen = .*:\([0-9]*\)$/\1/p' "$conf")
    if [ "${listen:-0}" -ne 0 ] && port_in_use "$listen"; then
        fail 69 "port $listen is in use by another program: choose another with --port N (0: any that is free)"
    fi
    say "\$ $(quoted pledged init --config "$conf")"
    "$bin/pledged" init --config "$conf" || fail 1 'the ledger could not be made (the reason is above)'
    say "\$ $(quoted pledged --config "$conf") &"
    rm -f "$home/port"
    printf -- '--- started by quickstart %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$log"
    # a session of its own: it outlives this script and its terminal
    setsid nohup "$bin/pledged" --config "$conf" >>"$log" 2>&1 </dev/null 9>&- &
    child=$!
    tries=0
    while [ ! -s "$home/port" ]; do
        tries=$((tries + 1))
        if ! kill -0 "$child" 2>/dev/null || [ "$tries" -gt 300 ]; then
            tail -n 15 "$log" >&2
            fail 1 "the daemon did not start; the end of $log is above"
        fi
        sleep 0.1
    done
}

# --- go ------------------------------------------------------------------------------------------

umask 077
mkdir -p -- "$home" || fail 69 "cannot make $home: say where with --home DIR"
exec 9>"$home/.lock"
if command -v flock >/dev/null 2>&1; then
    flock -n 9 || fail 1 "another quickstart is at work in $home"
fi
if [ ! -d "$home/data" ]; then
    need_space "$home" 100 'the ledger'
fi
already=$(running_pid)
if [ -n "$already" ] && [ -n "$port" ] && [ "$port" != 0 ] && [ "$port" != "$(cat "$home/port")" ]; then
    fail 69 "the daemon of $home is running on port $(cat "$home/port"): end it first with --stop"
fi
if [ -z "$already" ] && [ "${port:-0}" -ne 0 ] && port_in_use "$port"; then
    fail 69 "port $port is in use by another program: choose another with --port N (0: any that is free)"
fi

sh "$root/deploy/install-deps.sh" || exit $?
build
make_pki
write_config
if [ -n "$already" ]; then
    say "the daemon is running already (pid $already)"
else
    start_daemon
fi
cp "$home/data/ledger.vkey" "$home/ledger.vkey"
write_client_config "$(cat "$home/port")"

PATH=$bin:$PATH
PLEDGE_CONFIG=$home/client.conf
export PATH PLEDGE_CONFIG
unset PLEDGE_PROFILE

# try WORD...: prints the command, runs it, keeps its answer in $answer and its exit code in $code.
try() {
    printf '\n$ %s\n' "$(quoted "$@")"
    code=0
    answer=$("$@" 9>&-) || code=$?
    [ -z "$answer" ] || say "$answer"
}

must() {
    try "$@"
    [ "$code" -eq 0 ] || fail 1 "'$1 ... $4' ended with $code; the daemon's log is $log"
}

say "
the daemon answers on 127.0.0.1:$(cat "$home/port"), its log is $log
to type commands of your own, first:
  export PATH=$(quoted "$bin"):\$PATH PLEDGE_CONFIG=$(quoted "$PLEDGE_CONFIG")"
must pledge --profile reader status

code=0
pledge --profile reader --format json catalogue show >/dev/null 2>&1 || code=$?
case $code in
0) say 'the offers are adopted already' ;;
11) must pledge --profile admin catalogue adopt "$root/deploy/catalogue/wsis-forum-2026.json" ;;
*) fail 1 "'pledge --profile reader catalogue show' ended with $code; the daemon's log is $log" ;;
esac

# --- the demonstration ---------------------------------------------------------------------------

# Fixed request ids: the second time each of these commands gets the answer of the first.
fixed_id() {
    printf '01980000-0000-7000-8000-%012d' "$1"
}

# enter NUMBER PROFILE WORD...: a command that changes the ledger; its first column is the new id.
enter() {
    request=$(fixed_id "$1")
    profile=$2
    shift 2
    must pledge --profile "$profile" --format plain --request-id "$request" "$@"
    made=$(say "$answer" | cut -f1)
}

demonstrate() {
    say '
== six tiers; Platine has two places =='
    must pledge --profile reader tiers

    say '
== three organisations =='
    enter 1 clerk contributor add --name 'Example Ministry of Digital Affairs' --kind government --country CH
    first=$made
    enter 2 clerk contributor add --name 'Example Telecom SA' --kind private-sector --country CH
    second=$made
    enter 3 clerk contributor add --name 'Example Foundation' --kind civil-society --country CH
    third=$made

    say '
== the first holds a Platine place, then pledges; the second pledges at once =='
    enter 4 clerk hold platine --contributor "$first" --for 14d
    pledge=$made
    enter 5 clerk submit "$pledge" --contributor "$first" --reason 'letter of intent (demonstration)'
    enter 6 clerk submit --contributor "$second" --tier platine --reason 'letter of intent (demonstration)'

    say '
== the third is refused, and told why (exit code 10) =='
    try pledge --profile clerk --request-id "$(fixed_id 7)" hold platine --contributor "$third"
    [ "$code" -eq 10 ] || fail 1 "the third hold ended with $code instead of 10"
    say '(exit code 10)'

    say '
== a remote script asks =='
    must pledge --profile reader slots platine

    say '
== money arrives =='
    enter 8 clerk pay "$pledge" 150000.00 CHF --bank-ref DEMO-0001

    say '
== an auditor takes the whole ledger =='
    rm -f "$home/ledger.jsonl"
    must pledge --profile auditor dump --as jsonl -o "$home/ledger.jsonl"
    say "$(grep -c "^{\"seq\"" "$home/ledger.jsonl") entries are in $home/ledger.jsonl"
}

if [ "$demo" = yes ]; then
    demonstrate
fi

say "
== what to type next ==
  export PATH=$(quoted "$bin"):\$PATH PLEDGE_CONFIG=$(quoted "$PLEDGE_CONFIG")
  pledge --profile reader tiers
  pledge --profile reader benefits platine --lang fr
  pledge --profile clerk list
  pledge --profile clerk help submit
  $(quoted sh "$root/deploy/quickstart.sh" --home "$home" --stop)"
