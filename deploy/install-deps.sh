#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install-deps: the Debian packages that building pledged needs, and with --tests those that its
# tests need as well. Calls apt-get only when something is missing.
#
#   install-deps.sh [--tests] [--peers] [--check]
#
# --peers: what tests/bench/run.sh compares with, besides.
# --check installs nothing: it prints what is missing, one package a line, and exits 69 if any is.
# Exit: 0 all there, 64 usage, 69 a package is missing and could not be installed.

set -eu

BUILD='build-essential cmake ninja-build pkg-config libevent-dev libssl-dev libprotobuf-c-dev
    protobuf-c-compiler protobuf-compiler grpc-proto libnghttp2-dev libjansson-dev libinih-dev
    libunistring-dev libxml2-dev libcairo2-dev libfreetype-dev libqrencode-dev fonts-liberation
    libxxhash-dev libmicrohttpd-dev libcurl4-openssl-dev libsqlite3-dev libsystemd-dev gettext tzdata openssl ca-certificates'
TESTS='libcmocka-dev libprotobuf-dev python3 python3-grpcio python3-protobuf python3-requests
    python3-cryptography hledger beancount libxml2-utils
    curl nghttp2-client strace jq clang libclang-rt-14-dev lld clang-tidy cppcheck gcovr valgrind testssl.sh sslscan chromium fonts-dejavu-core poppler-utils zbar-tools golang-go golang-golang-x-mod-dev iso-codes python3-moneyed
    dpkg-dev debhelper fakeroot lintian man-db mandoc prometheus zsh systemd systemd-container dbus'

PEERS='postgresql-15 redis-server redis-tools nginx nghttp2-server'

say() {
    printf 'install-deps: %s\n' "$*" >&2
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

missing_of() {
    for package in "$@"; do
        installed "$package" || printf '%s\n' "$package"
    done
}

apt() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@"
    else
        sudo -- env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@"
    fi
}

wanted=$BUILD
check=no
for option in "$@"; do
    case $option in
    --tests)
        wanted="$wanted $TESTS"
        # a Node that did not come from Debian does as well: the tests want 18 or newer, and npm
        command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || wanted="$wanted nodejs npm"
        ;;
    --peers) wanted="$wanted $PEERS" ;;
    --check) check=yes ;;
    *)
        echo 'usage: install-deps.sh [--tests] [--peers] [--check]' >&2
        exit 64
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    say 'this machine has no dpkg and apt-get. pledged is built on Debian 12; elsewhere install:'
    # shellcheck disable=SC2086 # a list of words
    printf '  %s\n' $wanted >&2
    exit 69
fi

# shellcheck disable=SC2086 # a list of words
missing=$(missing_of $wanted)
if [ -z "$missing" ]; then
    exit 0
fi
if [ "$check" = yes ]; then
    printf '%s\n' "$missing"
    exit 69
fi
list=$(printf '%s' "$missing" | tr '\n' ' ')
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
    say "these packages are missing, and only root can install them: $list"
    say "become root and run: apt-get update && apt-get install --no-install-recommends $list"
    exit 69
fi

say "installing: $list"
if ! apt update -q >&2; then
    say 'apt-get update failed (its words are above); trying with the package lists that are here'
fi
# shellcheck disable=SC2086 # a list of words
if ! apt install -q -y --no-install-recommends $missing >&2; then
    say "apt-get could not install: $list"
    for package in $missing; do
        candidate=$(LC_ALL=C apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: //p')
        case $candidate in
        '' | '(none)') say "no package source offers $package: is this Debian 12, with 'main' in its sources?" ;;
        esac
    done
    say 'common causes: no network, another apt running, no disk space; nothing of pledged is lost'
    exit 69
fi

# shellcheck disable=SC2086 # a list of words
missing=$(missing_of $wanted)
if [ -n "$missing" ]; then
    say "still missing after apt-get: $(printf '%s' "$missing" | tr '\n' ' ')"
    exit 69
fi
say 'all packages are installed'
