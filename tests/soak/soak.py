#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""soak: mixed load with reloads and restarts for as long as one likes, watching memory and
descriptors.

    PLEDGED_BIN_DIR=build/release/bin soak.py [--minutes 60] [--life 60] [--pause 0.01] [--ease 1] [--any-memory]

One life of the daemon: writers, a finance desk (statements, refunds, write-offs, closed months, people
who are recorded and erased), readers that come and go, a watcher, dumps, a reload every few
seconds, bad certificates; then all of them leave, and at rest descriptors and memory are looked at
before it is ended (by SIGTERM and SIGKILL in turn) and started on the same ledger. A ledger grows,
and its state is in memory; what a daemon has at rest beyond what it has just after a start on the
same ledger is what it gathered by living; and all sums must be what they were. At the end an auditor takes the whole ledger home and
`pledge verify` judges it, against the checkpoint of the first life too; then `fsck` replays it. Exit:
0 if descriptors at rest are those of the first life, what is gathered does not grow from life to
life, and the whole ledger holds; else 1.
"""
import argparse
import base64
import os
import pathlib
import random
import resource
import signal
import sys
import threading
import time

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # strangers are shown the door, as they should be
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import audit  # noqa: E402
from harness import (BIN, Client, Load, Refused, document, money, opened, patience, pb,  # noqa: E402
                     run)
from test_contacts import private  # noqa: E402

REST_S = 3
IBAN = "CH8109000000150001234"


class Writers(Load):
    """Load that leaves the machine some air, and starts each contributor's story anew."""

    pause = 0.01

    def send(self, client, cmd):
        time.sleep(self.pause)
        return super().send(client, cmd)


class Desk:
    """What a finance desk does in a month, again and again, with money of pledges of its own."""

    pause = 0.2

    def __init__(self, home, turn):
        self.home, self.turn, self.stop, self.done, self.failed = home, turn, threading.Event(), 0, []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def join(self):
        self.stop.set()
        self.thread.join(patience(60))
        assert not self.thread.is_alive(), "the desk hangs"
        assert not self.failed, self.failed[0]

    def run(self):
        clerk, approver, admin = (Client(self.home.port, self.home.pki, name)
                                  for name in ("clerk", "approver", "admin"))
        try:
            self.close_month(clerk)
            while not self.stop.is_set():
                self.month(clerk, approver, admin, f"{self.turn}-{self.done}")
                self.done += 1
                self.stop.wait(self.pause)
        except Exception as error:  # told to the main thread
            self.failed.append(error)
        finally:
            for client in (clerk, approver, admin):
                client.close()

    def close_month(self, clerk):
        """One more month of long ago for each life."""
        closed = clerk.ListPeriods().closed_through
        if closed == "":
            closed = "2009-12"
        year, month = divmod(int(closed[:4]) * 12 + int(closed[5:]), 12)
        head = clerk.GetCheckpoint()
        root = base64.b64decode(head.checkpoint.split("\n")[2])
        clerk.execute(close_period=pb.ClosePeriod(
            period=f"{year:04d}-{month + 1:02d}", waive=True, head_size=head.size,
            head_root=root), reason="all of it was long ago")

    def statement(self, clerk, name, reference, opening=0):
        lines = [(100000, reference), (700, ""), (700, ""), (-35, "")]
        kinds = [1, 1, 1, 2]
        bank = pb.BankStatement(kind=1, account=IBAN, currency="CHF", id=name, created="2026-01-31",
                                opening_minor=opening, closing_minor=opening + sum(m for m, _ in lines))
        for number, ((minor, text), kind) in enumerate(zip(lines, kinds)):
            bank.movement.add(kind=kind, minor=minor, booking_date="2026-01-20", value_date="2026-01-20",
                              bank_ref=f"{name}/{min(number, 1)}/{kind}", reference=text)
        return clerk.execute(import_statement=pb.ImportStatement(file_sha256=bytes(32), statement=[bank]))

    def month(self, clerk, approver, admin, name):
        who = clerk.contributor(f"Desk {name}")
        clerk.ExecutePrivate(private(who, f"Person {name}"))
        clerk.ExecutePrivate(private(who, f"Another {name}"))
        pledge = clerk.submit_free(who, 100000).outcome.pledge
        clerk.commit(pledge)
        reference = clerk.GetPledge(pledge=pledge).pledge.reference
        told = [self.statement(clerk, name, reference).outcome.statement[0] for _ in range(2)]
        assert [(t.recorded, t.known, t.allocated) for t in told] == [(4, 0, 1), (0, 4, 0)], told
        letter = dict(reason="as they wrote", evidence=[document("letter")])
        more = clerk.pay(pledge, 9000, value_date="2009-03-04").outcome.bank_entry
        clerk.execute(convert=pb.Convert(bank_entry=more, amount=money(4000)), **letter)
        refund = clerk.execute(refund=pb.Refund(bank_entry=more), **letter).outcome.refund
        clerk.execute(pay=pb.Pay(refund=refund, amount=money(5000)))
        approver.execute(close=pb.Close(pledge=pledge))
        owed = clerk.submit_free(who, 5000).outcome.pledge
        clerk.commit(owed)
        off = clerk.execute(write_off=pb.WriteOff(pledge=owed, amount=money(2000)), reason="dissolved")
        clerk.execute(reverse=pb.Reverse(seq=off.seq), reason="they live")
        erased = clerk.ListContacts(contributor=who).contact[0].contact
        admin.execute(erase_contact=pb.EraseContact(contact=erased), reason="asked for it")


class Readers:
    ease = 1  # how many times longer than usual they think between two questions

    def __init__(self, home):
        self.home, self.stop, self.asked, self.failed = home, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.guard, args=(work,), daemon=True)
                        for work in (self.come_and_go, self.come_and_go, self.watch, self.dump,
                                     self.stranger)]

    def guard(self, work):
        while not self.stop.is_set():
            try:
                work()
            except Refused as refused:
                if refused.code.name not in ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED",
                                             "DEADLINE_EXCEEDED"):
                    self.failed.append(refused)
                    return
            except Exception as error:
                self.failed.append(error)
                return

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(patience(60))
            assert not thread.is_alive(), "a reader hangs"
        assert not self.failed, self.failed[0]

    def come_and_go(self):
        client = Client(self.home.port, self.home.pki, random.choice(("reader", "clerk2")))
        try:
            for _ in range(random.randint(1, 60)):
                client.call("GetTier", pb.GetTierRequest(tier="platine"))
                client.call("GetTotals", pb.GetTotalsRequest())
                self.asked += 2
                time.sleep(0.02 * self.ease)
                if self.stop.is_set():
                    return
        finally:
            client.close()

    def watch(self):
        client = Client(self.home.port, self.home.pki, "reader")
        try:
            stream = client.raw("Watch")(pb.WatchRequest(from_seq=0, heartbeat_s=1), timeout=3)
            for _ in stream:
                self.asked += 1
                if self.stop.is_set():
                    stream.cancel()
                    return
        except Exception as error:  # its time is over, or the daemon's is
            if not hasattr(error, "code"):
                raise
        finally:
            client.close()

    def dump(self):
        client = Client(self.home.port, self.home.pki, "auditor")
        try:
            size = client.GetStatus().size
            client.dump_bytes(from_seq=random.randint(max(1, size - 5000), max(1, size)))
            self.asked += 1
            self.stop.wait(3 * self.ease)
        finally:
            client.close()

    def stranger(self):
        client = Client(self.home.port, self.home.pki, None)  # without a certificate: shown the door
        try:
            client.call("ListTiers", timeout=2)
        except Refused:
            pass
        finally:
            client.close()
        self.stop.wait(1)


def looked_at(home):
    status = pathlib.Path(f"/proc/{home.process.pid}/status").read_text()
    rss = int(status.split("VmRSS:")[1].split()[0])
    return len(os.listdir(f"/proc/{home.process.pid}/fd")), rss


def reload(home, turn):
    home.settings["limits"]["person_connections"] = 100 + turn % 7
    home.write_config()
    home.process.send_signal(signal.SIGHUP)


def keep_checkpoint(home, path):
    ran = home.pledge("auditor", "checkpoint", "-o", path)
    assert ran.code == 0, ran


def judged(home, kept):
    """The whole ledger as an auditor takes it home, and what the auditor's tool says of it."""
    dump = home.path / "whole.bin"
    ran = home.pledge("auditor", "dump", "-o", dump, timeout=600)
    assert ran.code == 0, ran
    key = audit.Signer.from_file(home.data / "ledger.key").vkey
    return run([BIN / "pledge", "verify", dump, "--key", key, "--since", kept, "--format", "plain"],
               timeout=600, env=home.environment())


def live(home, seconds, turn, pause):
    """One life under load; what it has at rest."""
    Writers.pause = pause
    writers = Writers(home, threads=3, seed=turn + 1).start()
    desk = Desk(home, turn).start()
    readers = Readers(home).start()
    end = time.monotonic() + seconds
    reloads = 0
    while time.monotonic() < end:
        time.sleep(min(5, max(0, end - time.monotonic())))
        reload(home, turn + reloads)
        reloads += 1
        assert home.process.poll() is None, home.log()
    writers.join(60)
    desk.join()
    readers.join()
    home.drop_clients()
    time.sleep(REST_S)
    return writers.acked_count(), readers.asked, reloads, desk.done


def sums(home):
    """What is promised, paid, given back and forgiven, by everything it can be summed by."""
    client = Client(home.port, home.pki, "reader")
    try:
        return [[str(line) for line in client.GetTotals(by=by).line] for by in (1, 2, 3, 4)]
    finally:
        client.close()


def main():
    parser = argparse.ArgumentParser(description="mixed load, reloads, restarts; see the file's head")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--life", type=float, default=60, help="seconds between restarts")
    parser.add_argument("--pause", type=float, default=0.01, help="of a writer between commands")
    parser.add_argument("--ease", type=float, default=1, help="readers think so many times longer")
    parser.add_argument("--any-memory", action="store_true",
                        help="how much memory it has is not judged: valgrind's is not the daemon's")
    options = parser.parse_args()
    Readers.ease = options.ease
    Desk.pause *= options.ease
    home = opened(settings={"store": {"snapshot_entries": 5000},
                            "account CHF01": {"iban": IBAN, "currency": "CHF"}})
    home.drop_clients()
    kept = home.path / "first.checkpoint"
    begin = time.monotonic()
    rows, acked, asked, reloads, desks, turn = [], 0, 0, 0, 0, 0
    print("minute  entries   at rest: fds   KiB   after start: fds   KiB   gathered KiB", flush=True)
    try:
        while time.monotonic() - begin < options.minutes * 60:
            more = live(home, options.life, turn, options.pause)
            acked, asked, reloads, desks = (acked + more[0], asked + more[1], reloads + more[2],
                                            desks + more[3])
            fds, rss = looked_at(home)
            before = sums(home)
            if turn % 2:
                home.kill()
            else:
                home.terminate()
            home.start()
            client = home.client("reader")
            entries = client.GetStatus().size
            client.ListTiers()
            home.drop_clients()
            assert sums(home) == before, "what it says after a start is not what it said before"
            time.sleep(REST_S)
            fds_new, rss_new = looked_at(home)
            rows.append((fds, rss - rss_new))
            if turn == 0:
                keep_checkpoint(home, kept)
            print(f"{(time.monotonic() - begin) / 60:6.1f} {entries:8} {fds:14} {rss:6} "
                  f"{fds_new:17} {rss_new:6} {rss - rss_new:12}", flush=True)
            turn += 1
        verdict = judged(home, kept)
        print(verdict.out, end="", flush=True)
        home.terminate()
        whole = home.pledged("fsck", timeout=600)  # replays all of it, rule by rule
    finally:
        home.close()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{turn} lives, {acked} commands acknowledged, {desks} months of a desk, {asked} answers read, "
          f"{reloads} reloads, {entries} entries; verify: {'all holds' if verdict.code == 0 else verdict}; fsck: "
          f"{'all well' if whole.code == 0 else whole}")
    print(f"processor time: the daemon's lives {children.ru_utime + children.ru_stime:.0f} s, the load "
          f"{own.ru_utime + own.ru_stime:.0f} s")
    half = len(rows) // 2 or 1
    first = sum(gathered for _, gathered in rows[:half]) / half
    last = sum(gathered for _, gathered in rows[-half:]) / half
    print(f"descriptors at rest: {sorted({fds for fds, _ in rows})}; gathered on average: first half "
          f"{first:.0f} KiB, second half {last:.0f} KiB")
    # a segment or a snapshot that is being read just then is one descriptor
    steady = max(f for f, _ in rows) <= rows[0][0] + 2 and \
        (options.any_memory or last <= first * 1.5 + 4096)
    print("no growth" if steady else "IT GROWS")
    return 0 if steady and verdict.code == 0 and whole.code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
