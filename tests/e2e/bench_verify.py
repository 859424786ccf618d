# SPDX-License-Identifier: Apache-2.0
"""bench_verify: how fast `pledge verify` is, against what this machine's processors can hash. Not a
test: run it by hand, on a quiet machine, with a release build.

    PLEDGED_BIN_DIR=build/release/bin /usr/bin/python3 -B tests/e2e/bench_verify.py [ENTRIES]

The limit is that of `openssl speed`: for each entry one hash of its own size and one of 65 bytes (a
node of the tree), on all processors at once."""
import os
import random
import re
import subprocess
import sys
import time
import uuid

import audit
from harness import BIN, command, money, opened, patience, pb, run

BATCH = 4000


def fill(home, count):
    clerk, chance = home.client("clerk"), random.Random(1)
    added = clerk.batch([command(add_contributor=pb.AddContributor(
        name=f"Organisation {i:07d}", kind=1 + i % 5, country="CH")) for i in range(BATCH)])
    who = [result.receipt.outcome.contributor for result in added]
    made = len(who)
    while made < count:
        promised = clerk.batch([command(reason="letter of intent", submit=pb.Submit(
            contributor=chance.choice(who), free=True, amount=money(chance.randrange(1, 10**8))))
            for _ in range(BATCH)])
        clerk.batch([command(pay=pb.Pay(pledge=result.receipt.outcome.pledge, amount=money(1),
                                        bank_ref=uuid.uuid4().hex, value_date="2026-03-01"))
                     for result in promised])
        made += 3 * BATCH  # a promise, a payment, what is allocated of it


def hashes_a_second(size):
    out = subprocess.run(["openssl", "speed", "-bytes", str(size), "-seconds", "1", "-evp",
                          "sha256"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+)k$", out, re.M).group(1)) * 1000 / size


def best(*words, env):
    times = []
    for _ in range(5):
        begin = time.monotonic()
        ran = run(words, timeout=600, env=env)
        times.append(time.monotonic() - begin)
        assert ran.code == 0, ran
    return min(times)


def main():
    home = opened()
    try:
        fill(home, int(sys.argv[1]) if len(sys.argv) > 1 else 300000)
        file = home.path / "ledger.bin"
        begin = time.monotonic()
        ran = home.pledge("auditor", "dump", "-o", file, timeout=600)
        dumped = time.monotonic() - begin
        assert ran.code == 0, ran
        entries = audit.entries_of(file.read_bytes())
        signer = audit.Signer.from_file(home.data / "ledger.key")
        file.write_bytes(audit.dump_of(entries, signer))
        count, size = len(entries), sum(map(len, entries)) // len(entries)
        cores = len(os.sched_getaffinity(0))
        limit = cores / (1 / hashes_a_second(size + 1) + 1 / hashes_a_second(65))
        words = (BIN / "pledge", "verify", file, "--key", signer.vkey)
        env = home.environment()
        print(f"{count} entries of {size} bytes on average, {cores} processors")
        print(f"dump over TLS   {count / dumped:12,.0f} entries/s")
        print(f"hashing alone   {limit:12,.0f} entries/s (limit)")
        for name, args in (("verify --quick", ["--quick"]), ("verify", [])):
            speed = count / best(*words, *args, env=env)
            print(f"{name:15} {speed:12,.0f} entries/s, {100 * speed / limit:.0f} % of the limit")
    finally:
        home.close()


if __name__ == "__main__":
    patience(1)
    main()
