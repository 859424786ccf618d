# SPDX-License-Identifier: Apache-2.0
"""run_node: runs one file of tests for Node (test_<theme>.mjs) against a daemon of its own.

    run_node.py FILE.mjs [NAME]     NAME: only tests whose names match this expression

Starts `pledged` as the end-to-end tests do, adopts the shipped catalogue, tells the file in
PLEDGED_TEST (JSON) where everything is, and runs it with node's own test runner. Afterwards the
whole ledger is checked entry by entry. Needs PLEDGED_BIN_DIR, and PLEDGED_NODE_DIR with a
node_modules in it (install_node.sh) for files that import packages. Exit: 0 if all is well.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from harness import ROOT, SCALE, SCRATCH, Pki, check_ledger, opened  # noqa: E402

LIMIT_S = 280  # below the limit of ctest, so that the daemon is ended by us


def stage():
    """A directory with the tests beside the packages, as node looks for them."""
    stage_dir = SCRATCH / "node"
    stage_dir.mkdir()
    for source in HERE.glob("*.mjs"):
        shutil.copy(source, stage_dir)
    (stage_dir / "package.json").write_text('{"type": "module"}')
    packages = pathlib.Path(os.environ.get("PLEDGED_NODE_DIR", HERE)) / "node_modules"
    if packages.is_dir():
        (stage_dir / "node_modules").symlink_to(packages.resolve())
    subprocess.run(["protoc", "-I", str(ROOT / "proto"), "-I", str(HERE / "proto"),
                    "--include_imports", f"--descriptor_set_out={stage_dir / 'schema.bin'}",
                    "pledged/v1/service.proto", "grpc/health/v1/health.proto"],
                   check=True, timeout=120)
    return stage_dir


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    file = pathlib.Path(arguments[0]).name
    stage_dir = stage()
    home = opened()
    try:
        home.pki.person("stranger")
        other = Pki.shared("other")
        other.person("clerk")
        facts = {
            "port": home.port, "ca": str(home.pki.ca), "certs": str(home.pki.path),
            "otherCerts": str(other.path), "schema": str(stage_dir / "schema.bin"),
            "protos": [str(ROOT / "proto"), str(HERE / "proto")], "scale": SCALE,
            "maxRequestBytes": 256 * 1024,
        }
        words = ["node", "--test-reporter=spec"]
        if len(arguments) > 1:
            words.append(f"--test-name-pattern={arguments[1]}")
        code = subprocess.run(
            [*words, str(stage_dir / file)], cwd=stage_dir, timeout=LIMIT_S,
            env={**home.environment(), "PLEDGED_TEST": json.dumps(facts),
                 "NODE_NO_WARNINGS": "1"}).returncode
        if code != 0:
            print(home.log())
        check_ledger(home.client("auditor").dump())
    except BaseException:
        home.expect_dirty_log = True
        raise
    finally:
        home.close()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
