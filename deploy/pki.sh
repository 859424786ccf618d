#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pki: a certificate authority in one directory, for trials, tests and small offices.
#
#   pki.sh ca DIR               ca.crt ca.key        the authority itself
#   pki.sh server DIR NAME...   server.crt .key      the daemon, for these DNS names and addresses
#   pki.sh person DIR NAME      NAME.crt NAME.key    one person: SAN URI pledged:person:NAME
#   pki.sh revoke DIR NAME      crl.pem              NAME's certificate is no longer good
#   pki.sh crl DIR              crl.pem              a fresh revocation list (good for 30 days)
#
# Nothing is ever overwritten: what exists already is kept and said so. Keys are ECDSA P-256, mode
# 0600, without a pass phrase: an office that has an authority of its own should use that one.
# PKI_DAYS sets how long a server's or person's certificate is good (default 825).
# Needs openssl 3 alone; no openssl.cnf is read. Exit: 0 done, 1 refused, 64 usage, 69 no openssl.

set -eu
umask 077

usage() {
    sed -n '6,10s/^#  *//p' "$0" >&2
    exit 64
}

fail() {
    printf 'pki: %s\n' "$*" >&2
    exit 1
}

# Names become file names and part of a URI: the letters that the daemon's configuration allows.
check_person() {
    case $1 in
    '' | -* | .* | *[!a-z0-9._-]*)
        fail "'$1' is no name: 1 to 42 small letters, digits, '-', '.' and '_', beginning with a letter or digit" ;;
    ca | server | crl)
        fail "'$1' is the name of another file here" ;;
    esac
    [ ${#1} -le 42 ] || fail "'$1' is longer than 42"
}

# san NAME -> DNS:NAME or IP:NAME
san() {
    case $1 in
    '' | *[!A-Za-z0-9.:*-]*) fail "'$1' is neither a host name nor an address" ;;
    *:*) printf 'IP:%s' "$1" ;;
    *[!0-9.]*) printf 'DNS:%s' "$1" ;;
    *) printf 'IP:%s' "$1" ;;
    esac
}

run_openssl() {
    OPENSSL_CONF=/dev/null openssl "$@" 2>"$work/said" ||
        fail "openssl $1: $(tail -n 3 "$work/said" | tr '\n' ' ')"
}

need_ca() {
    { [ -f ca.crt ] && [ -f ca.key ]; } || fail "no authority in $dir: make it with 'pki.sh ca $dir'"
}

# issue FILE COMMON-NAME USAGE SAN: a key and its certificate, the certificate last so that a pair
# is complete when the certificate is there.
issue() {
    {
        printf '[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=utf8only\n[dn]\n'
        printf 'O=pledged\nCN=%s\n[ext]\nbasicConstraints=critical,CA:FALSE\n' "$2"
        printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$3"
        printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "$4"
    } >"$work/req.cnf"
    run_openssl req -x509 -config "$work/req.cnf" -extensions ext -sha256 -days "${PKI_DAYS:-825}" \
        -CA ca.crt -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$work/key" -out "$work/crt"
    chmod 644 "$work/crt"
    mv "$work/key" "$1.key"
    mv "$work/crt" "$1.crt"
    printf 'pki: made %s.crt and %s.key\n' "$dir/$1" "$dir/$1"
}

serial_of() {
    openssl x509 -in "$1" -noout -serial | cut -d= -f2
}

is_revoked() {
    [ -f index.txt ] && cut -f1,4 index.txt | grep -qx "R	$(serial_of "$1")"
}

make_ca() {
    if [ -f ca.crt ] && [ -f ca.key ]; then
        printf 'pki: kept %s\n' "$dir/ca.crt"
        return
    fi
    if [ -f ca.crt ] || [ -f ca.key ]; then
        fail "$dir has only one of ca.crt and ca.key: it is not mine to overwrite"
    fi
    # a tag in the name keeps two authorities apart in the daemon's log
    tag=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    {
        printf '[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=utf8only\n[dn]\n'
        printf 'O=pledged\nCN=pledged authority %s\n[ext]\nbasicConstraints=critical,CA:TRUE,pathlen:0\n' "$tag"
        printf 'keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
    } >"$work/req.cnf"
    run_openssl req -x509 -config "$work/req.cnf" -extensions ext -sha256 -days 3650 \
        -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" -out "$work/crt"
    chmod 644 "$work/crt"
    mv "$work/key" ca.key
    mv "$work/crt" ca.crt
    printf 'pki: made %s and %s\n' "$dir/ca.crt" "$dir/ca.key"
}

make_server() {
    names=
    for name in "$@"; do
        one=$(san "$name")
        names="$names${names:+,}$one"
    done
    need_ca
    if [ -f server.crt ] && [ -f server.key ]; then
        for name in "$@"; do
            option=-checkhost
            case $(san "$name") in IP:*) option=-checkip ;; esac
            if openssl x509 -in server.crt -noout "$option" "$name" | grep -q 'NOT match'; then
                fail "$dir/server.crt exists and does not name $name: move server.crt and server.key away first"
            fi
        done
        printf 'pki: kept %s\n' "$dir/server.crt"
        return
    fi
    issue server 'pledged server' serverAuth "$names"
}

make_person() {
    need_ca
    if [ -f "$1.crt" ] && [ -f "$1.key" ]; then
        if is_revoked "$1.crt"; then
            fail "$dir/$1.crt is revoked: move $1.crt and $1.key away to issue another one"
        fi
        printf 'pki: kept %s\n' "$dir/$1.crt"
        return
    fi
    issue "$1" "$1" clientAuth "URI:pledged:person:$1"
}

# openssl's own little data base knows what is revoked; a certificate enters it when it is revoked.
prepare_ca() {
    need_ca
    [ -f index.txt ] || : >index.txt
    [ -f crlnumber ] || echo 01 >crlnumber
    {
        printf '[ca]\ndefault_ca=here\n[here]\ndatabase=index.txt\ncrlnumber=crlnumber\n'
        printf 'certificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\ndefault_crl_days=30\n'
        printf 'unique_subject=no\ncrl_extensions=ext\n[ext]\nauthorityKeyIdentifier=keyid\n'
    } >"$work/ca.cnf"
}

make_crl() {
    prepare_ca
    run_openssl ca -batch -config "$work/ca.cnf" -gencrl -out "$work/crl"
    chmod 644 "$work/crl"
    mv "$work/crl" crl.pem
    printf 'pki: made %s, good for 30 days\n' "$dir/crl.pem"
}

revoke_person() {
    prepare_ca
    [ -f "$1.crt" ] || fail "no certificate $dir/$1.crt"
    if is_revoked "$1.crt"; then
        printf 'pki: %s was revoked already\n' "$1"
    else
        run_openssl ca -batch -config "$work/ca.cnf" -revoke "$1.crt"
        printf 'pki: revoked %s\n' "$1"
    fi
    make_crl
    echo 'pki: the daemon reads the list when it starts'
}

[ $# -ge 2 ] || usage
command=$1
dir=$2
shift 2
case $command in
ca | crl) [ $# -eq 0 ] || usage ;;
server) [ $# -ge 1 ] || usage ;;
person | revoke)
    [ $# -eq 1 ] || usage
    check_person "$1"
    ;;
*) usage ;;
esac
if ! command -v openssl >/dev/null 2>&1; then
    echo 'pki: openssl is not installed (sh deploy/install-deps.sh)' >&2
    exit 69
fi
if [ "$command" = ca ]; then
    mkdir -p -- "$dir"
fi
cd -- "$dir" 2>/dev/null || fail "no directory $dir: make it with 'pki.sh ca $dir'"
work=$(mktemp -d ./.pki.XXXXXX)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

case $command in
ca) make_ca ;;
server) make_server "$@" ;;
person) make_person "$1" ;;
crl) make_crl ;;
revoke) revoke_person "$1" ;;
esac
