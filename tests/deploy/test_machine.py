# SPDX-License-Identifier: Apache-2.0
"""An operator's day with the packages, on a throw-away machine with a real systemd: this system's
files with a layer of memory over them, booted in a container of its own. Nothing of it reaches the
system. Needs root and the right to mount; without, the test says that it cannot run here.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap

from lib import NOT_HERE, deb, run

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 240

# Runs in a mount namespace of its own: what it mounts is gone when it ends. $1: files to bring in
BOOT = textwrap.dedent(r"""
    set -eu
    work=$1
    mount -t tmpfs -o size=2g tmpfs "$work/machine"
    mkdir "$work/machine/upper" "$work/machine/work" "$work/machine/root"
    mount -t overlay overlay "$work/machine/root" \
        -o "lowerdir=/,upperdir=$work/machine/upper,workdir=$work/machine/work"
    cd "$work/machine/root"
    [ "$2" != probe ] || exit 0
    cp -r "$work/in" opt/trial
    rm -f etc/machine-id usr/sbin/policy-rc.d
    cp "$work/in/trial.service" "$work/in/trial.target" etc/systemd/system/
    # there is no network to wait for
    for unit in systemd-networkd-wait-online NetworkManager-wait-online ifupdown-wait-online networking; do
        ln -sf /dev/null "etc/systemd/system/$unit.service"
    done
    timeout -k 10 "$3" systemd-nspawn -q -D "$work/machine/root" --register=no --keep-unit \
        --private-network --link-journal=no --timezone=off -b systemd.unit=trial.target \
        >"$work/boot.log" 2>&1 </dev/null || echo "nspawn ended with $?" >>"$work/boot.log"
    cp opt/trial/result "$work/result" 2>/dev/null || true
""")
SERVICE = """
[Unit]
SuccessAction=poweroff-force
FailureAction=poweroff-force
Wants=dbus.service
After=basic.target dbus.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B /opt/trial/machine.py
TimeoutStartSec=%d
"""
TARGET = """
[Unit]
Requires=basic.target trial.service
After=basic.target
AllowIsolate=yes
"""


def allowed(work):
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        return "it needs root and systemd-nspawn"
    said = run("unshare", "--mount", "sh", "-c", BOOT, "boot", work, "probe", code=None)
    return None if said.returncode == 0 else f"it may not mount: {said.stderr.strip()}"


def main():
    with tempfile.TemporaryDirectory(prefix="pledged-machine-") as work:
        inside = pathlib.Path(work) / "in"
        inside.mkdir()
        (pathlib.Path(work) / "machine").mkdir()
        why_not = allowed(work)
        if why_not is not None:
            print(f"not here: {why_not}")
            return NOT_HERE
        for package in ("pledge", "pledged"):
            shutil.copy(deb(package), inside / f"{package}.deb")
        shutil.copy(HERE / "machine.py", inside)
        (inside / "trial.service").write_text(SERVICE % (SECONDS - 30))
        (inside / "trial.target").write_text(TARGET)
        subprocess.run(["unshare", "--mount", "sh", "-c", BOOT, "boot", work, "boot",
                        str(SECONDS)], check=True, timeout=SECONDS + 60)
        result = pathlib.Path(work) / "result"
        if not result.exists():
            log = (pathlib.Path(work) / "boot.log").read_text(errors="replace")
            if "THE DAY" not in log and "Welcome to" not in log:
                print(f"not here: no container can be booted\n{log[-2000:]}")
                return NOT_HERE
            print(log[-4000:])
            return 1
        print(result.read_text())
        return 0 if result.read_text().endswith("THE DAY IS OVER\n") else 1


if __name__ == "__main__":
    sys.exit(main())
