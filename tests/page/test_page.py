# SPDX-License-Identifier: Apache-2.0
"""page: the page in a real browser (Debian's Chromium) against the real daemon. This file starts the
daemon and gives it a history; page.mjs looks. Screenshots are left in PLEDGED_SCREENSHOTS for a
person to look at. Needs PLEDGED_BIN_DIR and PLEDGED_NODE_DIR (a node_modules with
playwright-core)."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import BIN, SCALE, SCRATCH, Pki, check_ledger, money, opened, pb  # noqa: E402

LIMIT_S = 400


def history(home):
    """Something of everything: part paid, committed, free in two currencies, held, sold out."""
    clerk = home.client("clerk")
    telecom = clerk.contributor("Example Télécom SA")
    school = clerk.contributor("Université d'Exemple", kind=4)
    state = clerk.contributor("République d'Exemple", kind=1)
    signed = clerk.execute(effective_date="2026-02-11", reason="letter of intent",
                           submit=pb.Submit(tier="platine", contributor=telecom))
    clerk.commit(signed.outcome.pledge)
    clerk.execute(effective_date="2026-03-20", pay=pb.Pay(pledge=signed.outcome.pledge,
                                                          amount=money(5_000_000)))
    clerk.execute(effective_date="2026-01-15", reason="letter of intent",
                  submit=pb.Submit(tier="diamant", contributor=state))
    clerk.hold("or", school)
    clerk.execute(effective_date="2026-05-04", reason="letter of intent", submit=pb.Submit(
        contributor=school, free=True, amount=money(1_234_567)))
    clerk.submit_free(telecom, 250_000, currency="JPY")
    clerk.submit_free(state, 1_234, currency="KWD")
    return clerk.contributor("Fondation Exemple", kind=3)


def look(home, stage, facts):
    """Runs the browser; meanwhile restarts the daemon, on the same port, when it asks for that."""
    wish = stage / "restart"
    facts["restart"] = str(wish)
    home.settings["daemon"]["listen"] = f"127.0.0.1:{home.port}"
    home.settings["public"]["listen"] = f"127.0.0.1:{facts['publicPort']}"
    home.write_config()
    began = time.monotonic()
    with subprocess.Popen(["node", "--test-reporter=spec", str(stage / "page.mjs")], cwd=stage,
                          env={**home.environment(), "PLEDGED_TEST": json.dumps(facts)}) as node:
        while node.poll() is None:
            if time.monotonic() - began > LIMIT_S:
                node.kill()
            if home.process is not None and wish.exists():
                home.drop_clients()
                home.terminate()
            elif home.process is None and wish.read_text() == "noticed":
                home.start()
                wish.unlink()
            time.sleep(0.05)
    return node.returncode


def main():
    pki = Pki.shared()
    home = opened(settings={"public": {"listen": "127.0.0.1:0", "cert": pki.cert("server"),
                                       "key": pki.key("server")}})
    try:
        spare = history(home)
        home.pki.person("stranger")
        facts = {
            "port": home.port, "publicPort": int((home.path / "public-port").read_text()),
            "certs": str(home.pki.path), "pledge": str(BIN / "pledge"),
            "args": {who: [str(word) for word in home.client_args(who)]
                     for who in ("clerk", "reader")},
            "spare": spare, "scale": SCALE, "screenshots": os.environ["PLEDGED_SCREENSHOTS"],
        }
        stage = SCRATCH / "page"
        stage.mkdir()
        shutil.copy(HERE / "page.mjs", stage)
        (stage / "package.json").write_text('{"type": "module"}')
        packages = pathlib.Path(os.environ["PLEDGED_NODE_DIR"]) / "node_modules"
        (stage / "node_modules").symlink_to(packages.resolve())
        pathlib.Path(facts["screenshots"]).mkdir(parents=True, exist_ok=True)
        code = look(home, stage, facts)
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
    sys.exit(main())
