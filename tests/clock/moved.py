# SPDX-License-Identifier: Apache-2.0
"""Runs a test file at another moment, or in a time that passes faster: what a test takes for granted about
the moment it runs at (that no second, no midnight, no month ends on the way) shows.

    moved.py MOMENT FILE [unittest's words]

MOMENT: seconds (each of them is twenty), midnight, month (the last one's end, in the zone of the
shipped catalogue), utc-month (the same, in UTC), autumn (the night of which an hour comes twice). All of them
have passed already: gRPC in Python goes by the true clock, and a certificate of tomorrow is none to it.
"""
import datetime
import os
import pathlib
import runpy
import sys
import time
import zoneinfo

UTC = datetime.timezone.utc
FUND = zoneinfo.ZoneInfo("Europe/Zurich")
RATE = 20
AGO_S = 6 * 3600  # so far back that no test comes to the true moment
BEFORE_S = 10  # that the moment is still to come when the test starts: before its daemon has started
TRUE = 8  # CLOCK_REALTIME_ALARM: what the layer answers with the true moment


def moments(now):
    """What each moment shows first, and how fast time passes. now: an aware datetime."""
    def before(moment):
        return moment.timestamp() - BEFORE_S

    def midnight(moment, **fields):
        return moment.replace(hour=0, minute=0, second=0, microsecond=0, **fields)
    here = now.astimezone(FUND)
    autumn = max(moment for moment in (last_sunday_of_october(now.year - 1),
                                       last_sunday_of_october(now.year)) if moment < now)
    return {"seconds": (now.timestamp() - AGO_S, RATE),
            "midnight": (before(midnight(here)), 1),
            "month": (before(midnight(here, day=1)), 1),
            "utc-month": (before(midnight(now.astimezone(UTC), day=1)), 1),
            "autumn": (before(autumn), 1)}


def last_sunday_of_october(year):
    """When clocks of Europe are put back: 01:00 UTC (directive 2000/84/EC)."""
    last = datetime.datetime(year, 10, 31, 1, tzinfo=UTC)
    return last - datetime.timedelta(days=(last.weekday() + 1) % 7)


class TrueTime:
    """The module `time` for gRPC's own Python, which tells its core when a call's time is over."""
    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def time():
        return time.clock_gettime(TRUE)


def run(file, words):
    import grpc._channel
    grpc._channel.time = TrueTime()
    sys.argv = [str(file), *words]
    sys.path.insert(0, str(file.parent))
    runpy.run_path(str(file), run_name="__main__")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    moment, file, *words = sys.argv[1:]
    if "TEST_CLOCK" not in os.environ:
        now = datetime.datetime.now(UTC)
        known = moments(now)
        if moment not in known:
            sys.exit(f"MOMENT: one of {', '.join(known)}; not {moment}")
        shown, rate = known[moment]
        layer = os.environ.get("CLOCK_LAYER", "build/release/tests/clock/clock.so")
        os.environ.update(TEST_CLOCK=f"{int(now.timestamp())} {int(shown)} {rate}",
                          LD_PRELOAD=str(pathlib.Path(layer).resolve(strict=True)))
        os.execv(sys.executable, [sys.executable, "-B", *sys.argv])
    run(pathlib.Path(file).resolve(strict=True), words)


if __name__ == "__main__":
    main()
