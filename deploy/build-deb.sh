#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build-deb: the Debian packages `pledged` and `pledge`, from this tree.
#
#   build-deb.sh DIR      leaves *.deb, *.buildinfo and *.changes in DIR (made if need be)
#
# The sources are copied to a temporary directory, where debian/ stands at the top as Debian's tools
# want it; the tree is not touched. The same sources give the same packages, byte for byte, wherever,
# whenever and by whomever they are built. TMPDIR says where the copy is made (/tmp if its name has
# blanks or the like), DEB_BUILD_OPTIONS is respected. Exit: 0 done, 64 usage, otherwise what the failing program ended with.

set -eu
umask 022

if [ $# -ne 1 ] || [ -z "$1" ]; then
    echo 'usage: build-deb.sh DIR' >&2
    exit 64
fi
case $1 in -*)
    echo 'usage: build-deb.sh DIR' >&2
    exit 64
    ;;
esac
if ! command -v dpkg-buildpackage >/dev/null 2>&1 || ! command -v dh >/dev/null 2>&1; then
    echo 'build-deb: dpkg-dev and debhelper are needed (sh deploy/install-deps.sh --tests)' >&2
    exit 69
fi
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd)

# dpkg cannot take a path with blanks and the like out of the programs
case ${TMPDIR:-/tmp} in
*[!A-Za-z0-9/._+-]*) base=/tmp ;;
*) base=${TMPDIR:-/tmp} ;;
esac
work=$(mktemp -d "$base/build-deb.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/pledged"
# what the packages are made of, and nothing that a build or a test may have left
(cd "$root" && tar -cf - --mode=u=rwX,go=rX CMakeLists.txt LICENSE README.md client common deploy \
    proto server) | tar -xf - -C "$work/pledged" --no-same-owner
mv "$work/pledged/deploy/debian" "$work/pledged/debian"

cd "$work/pledged"
log=$work/log
if ! LC_ALL=C dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes \
    >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" | cut -c1-300 >&2
    echo 'build-deb: dpkg-buildpackage failed' >&2
    exit 1
fi
cd "$work"
for file in *.deb *.buildinfo *.changes; do
    mv -f -- "$file" "$out/$file"
    printf '%s/%s\n' "$out" "$file"
done
