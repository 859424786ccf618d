#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slots_requests: how many places of a tier are left, with Python's requests (HTTP/1.1, JSON).

    slots_requests.py [TIER]            prints the number alone ("unlimited": no cap), once
    slots_requests.py --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change

TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and who
asks: see README.md.
Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.
"""
import datetime
import json
import os
import sys
import time

import requests
import urllib3  # what requests itself uses

EXITS = {400: 65, 401: 77, 403: 77, 429: 69, 503: 69}


def post(session, method, body, content_type, **options):
    """The answer of the daemon, or the program's end."""
    server = os.environ.get("PLEDGED_SERVER", "localhost:7443")
    try:
        answer = session.post(f"https://{server}/pledged.v1.LedgerService/{method}", data=body,
                              headers={"content-type": content_type}, **options)
    except (requests.RequestException, OSError) as error:
        print(f"slots: no answer from {server}: {error}", file=sys.stderr)
        sys.exit(69)
    if answer.status_code != 200:
        # {"code": "...", "message": "...", "details": [...]}
        print(f"slots: {answer.text}", file=sys.stderr)
        sys.exit(EXITS.get(answer.status_code, 1))
    return answer


def get_tier(session, tier):
    answer = post(session, "GetTier", json.dumps({"tier": tier}), "application/json", timeout=20)
    return answer.json()["tier"]


def left(tier):
    """What is left; 64-bit numbers are strings in JSON."""
    remaining = tier["remaining"]
    return "unlimited" if remaining.get("unlimited") else remaining["count"]


def messages(session):
    """The messages of Watch: each has a flag (1 byte; 2: the last one), its length (4) and JSON."""
    # a message comes every 15 s at least, so a minute without one means that nobody is there
    with post(session, "Watch", b"\0\0\0\0\x02{}", "application/connect+json", stream=True,
              timeout=(20, 60)) as answer:
        while len(head := answer.raw.read(5)) == 5:
            message = json.loads(answer.raw.read(int.from_bytes(head[1:], "big")))
            if head[0] == 2:
                print(f"slots: the stream ended: {message}", file=sys.stderr)
                return
            yield message


def watch(session, code):
    """Prints now and at every change, for ever: a stream that breaks is asked for again."""
    last = None
    while True:
        try:
            for message in messages(session):
                # the first message has every tier, the others those that changed
                for tier in message.get("tier", []):
                    if tier["code"] == code and left(tier) != last:
                        last = left(tier)
                        now = datetime.datetime.now(datetime.timezone.utc)
                        print(f"{now:%Y-%m-%dT%H:%M:%SZ}\t{code}\t{last}", flush=True)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            print(f"slots: the stream broke: {error}; asking again", file=sys.stderr)
        except SystemExit as end:
            if end.code != 69:  # 69: away for a while, a restart or the network
                raise
        time.sleep(2)


def main(arguments):
    watching = arguments[:1] == ["--watch"]
    arguments = arguments[watching:]
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 64
    tier = arguments[0] if arguments else "platine"
    session = requests.Session()  # keeps one connection for all requests
    session.trust_env = False  # or REQUESTS_CA_BUNDLE would win over PLEDGED_CA
    try:
        session.verify = os.environ["PLEDGED_CA"]
        session.cert = (os.environ["PLEDGED_CERT"], os.environ["PLEDGED_KEY"])
    except KeyError as missing:
        print(f"slots: set {missing.args[0]}", file=sys.stderr)
        return 64
    tier = get_tier(session, tier)
    if watching:
        watch(session, tier["code"])
    print(left(tier))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
