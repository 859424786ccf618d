#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pki: a certificate authority in one directory, for trials, tests and small offices.
#
#   pki.sh ca DIR               ca.crt ca.key        the authority itself
#   pki.sh server DIR NAME...   server.crt .key      the daemon, for these DNS names and addresses
#   pki.sh public DIR NAME...   public-server.crt    the daemon's listener without client certificates
#   pki.sh person DIR NAME      NAME.crt NAME.key    one person: SAN URI pledged:person:NAME
#   pki.sh renew DIR NAME       NAME.crt             the same names and the same key for longer
#   pki.sh rekey DIR NAME       NAME.crt NAME.key    the same names with a new key
#   pki.sh revoke DIR NAME      crl.pem              no certificate of NAME's is good any longer
#   pki.sh crl DIR              crl.pem              a fresh revocation list
#   pki.sh expiry DIR [DAYS]                         what ends when; exit 1 if any within DAYS (30)
#
# renew and rekey take `server`, `public-server` or a person, and keep what they replace in DIR/old.
# Else nothing is ever overwritten: what exists already is kept and said so. Keys are ECDSA P-256,
# mode 0600, without a pass phrase: an office that has an authority of its own should use that one.
# PKI_DAYS sets how long a server's or person's certificate is good (default 825), PKI_CRL_DAYS the
# same of a revocation list (30): make a new one in time, or the daemon lets nobody in.
# Needs openssl 3 alone; no openssl.cnf is read. Exit: 0 done, 1 refused, 64 usage, 69 no openssl.

set -eu
umask 077

usage() {
    sed -n '6,14s/^#  *//p' "$0" >&2
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
    ca | server | public-server | crl | old)
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

days() {
    case $1 in
    '' | *[!0-9]* | 0*) fail "'$1' is no number of days" ;;
    esac
    printf '%s' "$1"
}

# issue FILE COMMON-NAME USAGE SAN [KEY]: a certificate, and its key unless there is one, the
# certificate last so that a pair is complete when the certificate is there.
issue() {
    {
        printf '[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=utf8only\n[dn]\n'
        printf 'O=pledged\nCN=%s\n[ext]\nbasicConstraints=critical,CA:FALSE\n' "$2"
        printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$3"
        printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "$4"
    } >"$work/req.cnf"
    good=$(days "${PKI_DAYS:-825}")
    key=${5:-}
    set -- "$1" -x509 -config "$work/req.cnf" -extensions ext -sha256 -days "$good" \
        -CA ca.crt -CAkey ca.key -out "$work/crt"
    name=$1
    shift
    if [ -n "$key" ]; then
        run_openssl req "$@" -key "$key"
    else
        run_openssl req "$@" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key"
        mv "$work/key" "$name.key"
    fi
    chmod 644 "$work/crt"
    mv "$work/crt" "$name.crt"
    if [ -n "$key" ]; then
        printf 'pki: made %s.crt for the same key\n' "$dir/$name"
    else
        printf 'pki: made %s.crt and %s.key\n' "$dir/$name" "$dir/$name"
    fi
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

# make_server FILE COMMON-NAME NAME...
make_server() {
    file=$1
    common_name=$2
    shift 2
    names=
    for name in "$@"; do
        one=$(san "$name")
        names="$names${names:+,}$one"
    done
    need_ca
    if [ -f "$file.crt" ] && [ -f "$file.key" ]; then
        for name in "$@"; do
            option=-checkhost
            case $(san "$name") in IP:*) option=-checkip ;; esac
            if openssl x509 -in "$file.crt" -noout "$option" "$name" | grep -q 'NOT match'; then
                fail "$dir/$file.crt exists and does not name $name: move $file.crt and $file.key away first"
            fi
        done
        printf 'pki: kept %s\n' "$dir/$file.crt"
        return
    fi
    issue "$file" "$common_name" serverAuth "$names"
}

make_person() {
    need_ca
    if [ -f "$1.crt" ] && [ -f "$1.key" ]; then
        if is_revoked "$1.crt"; then
            fail "$dir/$1.crt is revoked: 'pki.sh rekey $dir $1' issues another one"
        fi
        printf 'pki: kept %s\n' "$dir/$1.crt"
        return
    fi
    issue "$1" "$1" clientAuth "URI:pledged:person:$1"
}

# old/NAME-SERIAL.crt: certificates that were replaced, and keys
keep_old() {
    serial=$(serial_of "$1.crt")
    mkdir -p old
    [ "$2" = crt ] || cp -p "$1.key" "old/$1-$serial.key"
    cp -p "$1.crt" "old/$1-$serial.crt"
}

# renew NAME crt|key: what is replaced is kept; the names are those of the old certificate
renew() {
    need_ca
    { [ -f "$1.crt" ] && [ -f "$1.key" ]; } || fail "no certificate and key of $1 in $dir"
    case $1 in
    server | public-server) purpose=serverAuth ;;
    *)
        check_person "$1"
        purpose=clientAuth
        ;;
    esac
    if [ "$2" = crt ] && is_revoked "$1.crt"; then
        fail "$dir/$1.crt is revoked, its key as well: use rekey"
    fi
    names=$(openssl x509 -in "$1.crt" -noout -ext subjectAltName | sed -n '2s/^ *//p' |
        sed 's/IP Address:/IP:/g; s/, /,/g')
    common_name=$(openssl x509 -in "$1.crt" -noout -subject -nameopt multiline |
        sed -n 's/^ *commonName *= //p')
    { [ -n "$names" ] && [ -n "$common_name" ]; } || fail "$dir/$1.crt is not one of mine"
    keep_old "$1" "$2"
    if [ "$2" = crt ]; then
        issue "$1" "$common_name" "$purpose" "$names" "$1.key"
    else
        issue "$1" "$common_name" "$purpose" "$names"
    fi
    case $1 in
    *server) echo 'pki: copy it to the daemon; a new key needs a restart, else a reload is enough' ;;
    esac
}

# openssl's own little data base knows what is revoked; a certificate enters it when it is revoked.
prepare_ca() {
    need_ca
    [ -f index.txt ] || : >index.txt
    [ -f crlnumber ] || echo 01 >crlnumber
    good=$(days "${PKI_CRL_DAYS:-30}")
    {
        printf '[ca]\ndefault_ca=here\n[here]\ndatabase=index.txt\ncrlnumber=crlnumber\n'
        printf 'certificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\ndefault_crl_days=%s\n' \
            "$good"
        printf 'unique_subject=no\ncrl_extensions=ext\n[ext]\nauthorityKeyIdentifier=keyid\n'
    } >"$work/ca.cnf"
}

make_crl() {
    prepare_ca
    run_openssl ca -batch -config "$work/ca.cnf" -gencrl -out "$work/crl"
    chmod 644 "$work/crl"
    mv "$work/crl" crl.pem
    printf 'pki: made %s, good until %s\n' "$dir/crl.pem" \
        "$(openssl crl -in crl.pem -noout -nextupdate | cut -d= -f2)"
    echo 'pki: copy it to the daemon and reload it (systemctl reload pledged)'
}

revoke_person() {
    prepare_ca
    [ -f "$1.crt" ] || fail "no certificate $dir/$1.crt"
    for certificate in "$1.crt" old/"$1"-*.crt; do
        # another person's name may begin with this one's
        serial=${certificate#"old/$1-"}
        case ${serial%.crt} in
        "$1") ;;
        *[!0-9A-F]*) continue ;;
        esac
        if is_revoked "$certificate"; then
            printf 'pki: %s was revoked already\n' "$dir/$certificate"
        else
            run_openssl ca -batch -config "$work/ca.cnf" -revoke "$certificate"
            printf 'pki: revoked %s\n' "$dir/$certificate"
        fi
    done
    make_crl
}

# row NAME END REVOKED: one line of the list; leaves 1 in $soon if it ends soon
row() {
    end=$(date -u -d "$2" +%s)
    left=$(((end - now) / 86400))
    if [ "$3" = yes ]; then
        state=revoked
    elif [ "$end" -le "$now" ]; then
        state=ended soon=1
    elif [ $((end - now)) -lt $((limit * 86400)) ]; then
        state='ends soon' soon=1
    else
        state=good
    fi
    printf '%s\t%s\t%s\t%s\n' "$1" "$(date -u -d "$2" +%Y-%m-%d)" "$left" "$state"
}

# Name, day, days left, and good, ends soon, ended or revoked; separated by tabs.
show_expiry() {
    now=$(date -u +%s)
    soon=0
    for certificate in *.crt; do
        [ -f "$certificate" ] || fail "no certificate in $dir"
        revoked=no
        if is_revoked "$certificate"; then
            revoked=yes
        fi
        row "${certificate%.crt}" \
            "$(openssl x509 -in "$certificate" -noout -enddate | cut -d= -f2)" "$revoked"
    done
    if [ -f crl.pem ]; then
        row crl.pem "$(openssl crl -in crl.pem -noout -nextupdate | cut -d= -f2)" no
    fi
    return "$soon"
}

[ $# -ge 2 ] || usage
command=$1
dir=$2
shift 2
case $command in
ca | crl) [ $# -eq 0 ] || usage ;;
server | public) [ $# -ge 1 ] || usage ;;
person | revoke)
    [ $# -eq 1 ] || usage
    check_person "$1"
    ;;
renew | rekey) [ $# -eq 1 ] || usage ;;
expiry)
    [ $# -le 1 ] || usage
    limit=$(days "${1:-30}")
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
server) make_server server 'pledged server' "$@" ;;
public) make_server public-server 'pledged public server' "$@" ;;
person) make_person "$1" ;;
crl) make_crl ;;
revoke) revoke_person "$1" ;;
renew) renew "$1" crt ;;
rekey) renew "$1" key ;;
expiry) show_expiry ;;
esac
