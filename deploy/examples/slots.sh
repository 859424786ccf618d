#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# slots: how many places of a tier are left, with nothing but curl.
#
#   slots.sh [TIER]            prints the number alone ("unlimited" where there is no cap), once
#   slots.sh --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change, until ended
#
# TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and
# who asks: see README.md. jq reads the answers if it is there; without it, awk does.
# Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.

set -u

watch=no
case ${1:-} in
--watch) watch=yes && shift ;;
-*) sed -n '6,7s/^# *//p' "$0" >&2 && exit 64 ;;
esac
tier=${1:-platine}
case $tier in
*[!A-Za-z0-9_-]*) echo "slots: '$tier' is no name of a tier" >&2 && exit 64 ;;
esac
: "${PLEDGED_SERVER:=localhost:7443}"
for file in "${PLEDGED_CA:-}" "${PLEDGED_CERT:-}" "${PLEDGED_KEY:-}"; do
    [ -r "$file" ] || {
        echo 'slots: set PLEDGED_CA, PLEDGED_CERT and PLEDGED_KEY to files that can be read' >&2
        exit 64
    }
done

# call METHOD CURL-OPTION...: one request as JSON over mutual TLS
call() {
    method=$1
    shift
    curl --silent --show-error --cacert "$PLEDGED_CA" --cert "$PLEDGED_CERT" --key "$PLEDGED_KEY" \
        "$@" "https://$PLEDGED_SERVER/pledged.v1.LedgerService/$method"
}

# Reads one JSON answer; prints what is left of the tier, or nothing if it is not told there.
remaining() {
    if command -v jq >/dev/null 2>&1; then
        jq -r --arg tier "$1" '[.tier] | flatten[] | select(.code == $tier) | .remaining
            | if .unlimited then "unlimited" else .count end'
    else
        awk -v code="\"code\":\"$1\"" '{
            at = index($0, code)
            if (at == 0) next
            rest = substr($0, at)
            rest = substr(rest, index(rest, "\"remaining\":{"))
            rest = substr(rest, 1, index(rest, "}"))
            if (rest ~ /unlimited/) print "unlimited"
            else { gsub(/[^0-9]/, "", rest); print rest }
        }'
    fi
}

# ask: prints the answer's tier code and number; ends the program if there is none
ask() {
    answer=$(call GetTier --max-time 20 --write-out '\n%{http_code}' \
        --header 'content-type: application/json' --data "{\"tier\":\"$tier\"}") || {
        echo "slots: no answer from $PLEDGED_SERVER (curl's words are above)" >&2
        exit 69
    }
    status=${answer##*
}
    body=${answer%
*}
    case $status in
    200) ;;
    400) echo "slots: $body" >&2 && exit 65 ;;
    401 | 403) echo "slots: $body" >&2 && exit 77 ;;
    429 | 503) echo "slots: $body" >&2 && exit 69 ;;
    *) echo "slots: HTTP $status: $body" >&2 && exit 1 ;;
    esac
    code=$(printf '%s' "$body" | tr -d '\n' | sed 's/.*"tier":{"code":"\([^"]*\)".*/\1/')
    left=$(printf '%s\n' "$body" | remaining "$code")
    [ -n "$left" ] || {
        echo "slots: this answer was not understood: $body" >&2
        exit 1
    }
}

ask
if [ "$watch" = no ]; then
    printf '%s\n' "$left"
    exit
fi

# Watch is a stream: each message has a flag (1 byte; 2: the last one), its length (4 bytes) and JSON.
messages() {
    while true; do
        # shellcheck disable=SC2046 # five numbers
        set -- $(head -c 5 | od -A n -t u1)
        [ $# -eq 5 ] || return
        message=$(head -c $((($2 << 24) + ($3 << 16) + ($4 << 8) + $5)))
        if [ "$1" -eq 2 ]; then
            echo "slots: the stream ended: $message" >&2
            return
        fi
        left=$(printf '%s\n' "$message" | remaining "$code")
        if [ -n "$left" ] && [ "$left" != "$last" ]; then
            printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$code" "$left"
            last=$left
        fi
    done
}

last=
while true; do
    # the body is the same envelope around {}; the first message has every tier
    printf '\000\000\000\000\002{}' |
        call Watch --no-buffer --http2 --header 'content-type: application/connect+json' --data-binary @- |
        messages
    sleep 2 # the daemon restarts, or the network is away: ask again; what is missed comes first
    (ask) || [ $? -eq 69 ] || exit 77
done
