#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slots_requests: how many places of a tier are left, with Python's requests (HTTP/1.1, JSON).

    slots_requests.py [TIER]            prints the number alone ("unlimited": no cap), once
    slots_requests.py --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change

TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and who
asks: see README.md. HTTP/1.1 has no streams here, so --watch asks every PLEDGED_POLL seconds (5).
Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.
"""
import datetime
import os
import sys
import time

import requests

EXITS = {400: 65, 401: 77, 403: 77, 429: 69, 503: 69}


def get_tier(session, tier):
    """The code of the tier and what is left of it, or the program's end."""
    server = os.environ.get("PLEDGED_SERVER", "localhost:7443")
    try:
        answer = session.post(f"https://{server}/pledged.v1.LedgerService/GetTier",
                              json={"tier": tier}, timeout=20)
    except (requests.RequestException, OSError) as error:
        print(f"slots: no answer from {server}: {error}", file=sys.stderr)
        sys.exit(69)
    if answer.status_code != 200:
        # {"code": "...", "message": "...", "details": [...]}
        print(f"slots: {answer.text}", file=sys.stderr)
        sys.exit(EXITS.get(answer.status_code, 1))
    found = answer.json()["tier"]
    remaining = found["remaining"]
    # 64-bit numbers are strings in JSON
    return found["code"], "unlimited" if remaining.get("unlimited") else remaining["count"]


def main(arguments):
    watch = arguments[:1] == ["--watch"]
    arguments = arguments[watch:]
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 64
    tier = arguments[0] if arguments else "platine"
    session = requests.Session()  # keeps one connection for all requests
    session.trust_env = False
    try:
        session.verify = os.environ["PLEDGED_CA"]
        session.cert = (os.environ["PLEDGED_CERT"], os.environ["PLEDGED_KEY"])
    except KeyError as missing:
        print(f"slots: set {missing.args[0]}", file=sys.stderr)
        return 64
    code, left = get_tier(session, tier)
    if not watch:
        print(left)
        return 0
    last = None
    while True:
        if left != last:
            now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            print(f"{now}\t{code}\t{left}", flush=True)
            last = left
        time.sleep(float(os.environ.get("PLEDGED_POLL", "5")))
        try:
            code, left = get_tier(session, tier)
        except SystemExit as end:
            if end.code != 69:  # away for a while: a restart, the network
                raise


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
