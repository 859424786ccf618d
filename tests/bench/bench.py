# SPDX-License-Identifier: Apache-2.0
"""bench: runs scenarios and prints one table of ratios beside the machine's limits. See README.md."""
import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import plot
import scenarios
from world import World, generate, peers


def arguments(words):
    parser = argparse.ArgumentParser(prog="run.sh", allow_abbrev=False)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--entries", type=int, default=1000000, help="of the ledgers that are loaded, dumped, replayed")
    parser.add_argument("--most", type=int, default=10000000, help="of the largest ledger")
    parser.add_argument("--out", default="bench-out", help="directory for plots and the table")
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args(words)
    for name in options.scenario:
        if name not in scenarios.ALL:
            parser.error(f"no scenario {name}: see --list")
    return options


def hashes(size):
    out = subprocess.run(["openssl", "speed", "-bytes", str(size), "-seconds", "1", "-evp", "sha256"],
                         check=True, capture_output=True, text=True, timeout=60).stdout
    return float(re.search(r"([\d.]+)k$", out, re.M).group(1)) * 1000 / size


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found.group(1) if found else platform.machine()


def limits(world):
    """What this machine can do at all, with nothing of ours in the way."""
    disk = world.disk()
    yield f"{os.cpu_count()} processors ({processor()}), shared by load and servers; Linux {platform.release()}"
    yield (f"fdatasync of 4 KiB: {disk['rate']:,.0f}/s, p50 {disk['p50_us']:.0f} us, p99 {disk['p99_us']:.0f} us; "
           f"SHA-256 of 256 bytes, one core: {hashes(256) / 1e6:.1f} M/s")
    if world.with_peers:
        peer = world.peer(peers.Nghttpd)
        one = generate(["get", "--path", "/answer", "--seconds", 1], peer.port, peer.pki)
        yield f"one request over TLS on loopback and its answer (nghttpd): p50 {one['p50_us']:.0f} us"
    yield "load average before: %.2f %.2f %.2f" % os.getloadavg()


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def line(row):
    cells = [row.what, f"{number(row.ours)} {row.unit}", row.against, number(row.theirs) if row.against else "", "", "", row.met]
    if row.times:
        cells[4] = f"{row.times[0]:.2f} ({row.times[1]:.2f}-{row.times[2]:.2f})"
    if row.target:
        cells[5] = ("<= " if row.below else ">= ") + f"{row.target:g}"
    return cells


HEAD = ["scenario", "pledged", "against", "theirs", "ratio (min-max)", "target", "met"]


def table(lines):
    width = [max(len(cells[i]) for cells in [HEAD, *lines]) for i in range(len(HEAD))]
    for cells in [HEAD, ["-" * w for w in width], *lines]:
        yield "| " + " | ".join(c.ljust(w) for c, w in zip(cells, width)) + " |"


def main(words):
    options = arguments(words)
    if options.list:
        for name, function in scenarios.ALL.items():
            print(f"{name:10} {function.__doc__.splitlines()[0]}")
        return 0
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    world, lines, failed = World(options), [], []
    try:
        text = list(limits(world))
        for name in options.scenario or scenarios.ALL:
            begin = time.monotonic()
            try:
                for row in scenarios.ALL[name](world):
                    lines.append(line(row))
                    print("  " + "  ".join(lines[-1]), file=sys.stderr, flush=True)
            except Exception as error:  # the others are still worth having
                failed.append(f"{name} failed: {error}")
                print(failed[-1], file=sys.stderr)
                world.drop_home()
            print(f"  ({name}: {time.monotonic() - begin:.0f} s)", file=sys.stderr, flush=True)
    finally:
        world.close()
    text += ["load average after: %.2f %.2f %.2f" % os.getloadavg(),
             f"median of {options.rounds} rounds of {options.seconds:g} s, in turns", "", *table(lines), *failed]
    for name, curve in world.plots.items():
        (out / f"{name}.svg").write_text(plot.svg(**curve), encoding="utf-8")
        text.append(f"plot: {out / name}.svg")
    print("\n".join(text))
    (out / "table.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
