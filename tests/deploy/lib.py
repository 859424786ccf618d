# SPDX-License-Identifier: Apache-2.0
"""lib: what the tests of packages share."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = pathlib.Path(os.environ.get("PLEDGED_BIN_DIR", ROOT / "build" / "release" / "bin")).absolute()
DEBS = pathlib.Path(os.environ.get("PLEDGED_DEB_DIR", ROOT / "build" / "release" / "deb"))
NOT_HERE = 77  # exit code of a test that this machine does not allow


def run(*words, code=0, timeout=300, **options):
    """A finished process, its words as text; code None: any."""
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=timeout, **options)
    assert code is None or result.returncode == code, \
        f"{' '.join(map(str, words))}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def deb(package):
    found = [p for p in DEBS.glob(f"{package}_*.deb")]
    assert len(found) == 1, f"{DEBS}: {found}; run deploy/build-deb.sh first"
    return found[0]
