#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install_node: the npm packages that tests use, exactly as FROM/package-lock.json names them.
#
#   install_node.sh DIR [FROM]    DIR/node_modules; DIR belongs to a build, never to the source tree;
#                                 FROM: where the lock file is; otherwise beside this file
#
# Does nothing if DIR already holds them. Runs no script of any package. Tries three times, because
# a package registry may be slow. Exit: 0 all there, 64 usage, 69 no npm or not installable.

set -u

[ $# -eq 1 ] || [ $# -eq 2 ] || {
    sed -n '6,7s/^# *//p' "$0" >&2
    exit 64
}
here=$(cd "${2:-$(dirname "$0")}" && pwd) || exit 1
mkdir -p "$1" && cd "$1" || exit 69
command -v npm >/dev/null 2>&1 || {
    echo 'install_node: no npm here; deploy/install-deps.sh --tests installs it' >&2
    exit 69
}
if [ -d node_modules ] && cmp -s "$here/package-lock.json" installed-lock.json; then
    exit 0
fi
cp "$here/package.json" "$here/package-lock.json" . || exit 69
rm -f installed-lock.json
for try in 1 2 3; do
    if npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --prefer-offline \
        --loglevel=error; then
        cp package-lock.json installed-lock.json
        exit
    fi
    echo "install_node: try $try of 3 failed" >&2
    sleep "$((try * 5))"
done
exit 69
