# SPDX-License-Identifier: Apache-2.0
"""durability: what was acknowledged survives kill -9, exactly once; damage is found; a lock keeps
a second daemon out; a snapshot changes nothing but the start-up time; SIGTERM loses nothing.

kill -9 keeps the page cache, so this proves the protocol (no reply before the log has it, replay,
repair), not the disk's own promise.
"""
import ctypes
import hashlib
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

import harness
from harness import (Home, Load, Refused, attempt, check_ledger, command, opened, patience, pb,
                     same_outcome)


def xxh3(data, seed=0):
    """The sums in a segment, by the library itself."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    return library.XXH3_64bits_withSeed(bytes(data), ctypes.c_size_t(len(data)),
                                        ctypes.c_uint64(seed)).to_bytes(8, "little")


def forged_last_batch(data, entry, put):
    """A segment whose last batch is `entry` alone, with the bytes `put` in its place and every sum
    and hash made anew, as one who writes logs would have it (server/store/segment.h)."""
    at = data.rindex(b"PLB1\xA0\0\0\0")
    header = bytearray(data[at:at + 160])
    old = struct.pack("<I", len(entry)) + entry
    body = struct.pack("<I", len(put)) + put
    assert data[at + 160:at + 160 + len(old)] == old
    assert header[8:16] == len(old).to_bytes(8, "little")
    header[8:16] = len(body).to_bytes(8, "little")
    fields = header[16:36] + header[40:64] + header[8:16]  # number to count, epoch to time, bytes
    header[112:144] = hashlib.sha256(fields + header[64:112] + body).digest()
    number = int.from_bytes(header[16:24], "little")
    header[144:152] = xxh3(body, number)
    header[152:160] = xxh3(header[:152])
    record = header + body
    record += bytes(-len(record) % 8) + b"PLB1END\n"
    return data[:at] + bytes(record) + bytes(len(data) - at - len(record))


class OneHome(unittest.TestCase):
    """A daemon of its own for every test."""

    def opened(self, **fields):
        home = opened(**fields)
        self.addCleanup(home.close)
        return home


class Killed(OneHome):
    ROUNDS = 10

    def verify(self, home, load):
        """Everything acknowledged is in the log once, as it was told; the rest gets resolved by
        asking again with the same request id, and then is there once or was refused."""
        clerk = home.client("clerk")
        entries = home.client("auditor").dump()
        oracle = check_ledger(entries)
        for key, answer in load.acked.items():
            self.assertTrue(key in oracle.first_of, f"acknowledged and gone: {answer}")
            seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
            self.assertEqual(oracle.first_of[key], seq)
        before = dict(oracle.first_of)
        for key in load.unknown - set(load.acked):
            again = attempt(clerk, load.sent[key])
            known = key in before
            if isinstance(again, pb.Receipt):
                want = pb.RECEIPT_KIND_REPLAY if known else pb.RECEIPT_KIND_NEW
                self.assertEqual(again.kind, want)
                if known:
                    self.assertEqual(again.seq, before[key])
            else:
                self.assertEqual(again.refusal.replay, known, again)
            load.acked[key] = again
        load.unknown.clear()
        for key in random.Random(7).sample(sorted(load.acked), min(40, len(load.acked))):
            same_outcome(self, attempt(clerk, load.sent[key]), load.acked[key])
        check_ledger(home.client("auditor").dump())

    def test_no_acknowledged_command_is_lost_or_doubled_by_kill_9(self):
        home = self.opened()
        sent, acked = {}, {}
        for turn in range(self.ROUNDS):
            load = Load(home, threads=6, seed=turn + 1)
            load.sent.update(sent)
            load.start()
            time.sleep(0.15 + 0.03 * turn)
            load.reach(11)
            home.kill()
            load.join()
            home.drop_clients()
            load.acked.update(acked)
            home.start()
            self.verify(home, load)
            sent, acked = load.sent, load.acked
        self.assertGreater(len(acked), 10 * self.ROUNDS, "hardly any load: nothing was proven")

    def test_kill_9_while_batches_are_in_flight(self):
        home = self.opened()
        clerk = home.client("clerk")
        for turn in range(3):
            commands = [command(add_contributor=pb.AddContributor(
                name=f"Batch {turn} {n}", kind=1)) for n in range(2000)]
            pending = clerk.raw("ExecuteBatch").future(
                pb.ExecuteBatchRequest(command=commands), timeout=patience(60))
            time.sleep(0.004 * turn)
            home.kill()
            try:
                acked = [r.receipt.seq for r in pending.result().result]
            except Exception:
                acked = None
            home.drop_clients()
            home.start()
            clerk = home.client("clerk")
            first = check_ledger(home.client("auditor").dump()).first_of
            if acked is not None:
                self.assertEqual([first.get(bytes(c.request_id)) for c in commands], acked)
            for done, result in zip(commands, clerk.batch(commands)):
                known = bytes(done.request_id) in first
                self.assertEqual(result.receipt.kind,
                                 pb.RECEIPT_KIND_REPLAY if known else pb.RECEIPT_KIND_NEW)
            last = check_ledger(home.client("auditor").dump())
            self.assertEqual(len(last.contributors), 2000 * (turn + 1))

    def test_cli_receipts_survive_kill_9(self):
        home = self.opened()
        ids = []
        for n in range(5):
            request_id = harness.new_id()
            ran = home.pledge("clerk", "contributor", "add", "--name", f"Org {n}", "--kind",
                              "academia", request_id=request_id)
            self.assertEqual(ran.code, 0, ran)
            ids.append((request_id, ran.rows[0]))
        home.kill()
        home.drop_clients()
        home.start()
        for n, (request_id, row) in enumerate(ids):
            ran = home.pledge("clerk", "contributor", "add", "--name", f"Org {n}", "--kind",
                              "academia", request_id=request_id)
            self.assertEqual(ran.code, 0, ran)
            self.assertEqual(ran.rows[0][:2], row[:2])
            self.assertEqual(ran.rows[0][2], "REPLAY")


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class Synced(OneHome):
    """fdatasync made slow, and made to fail: what the page cache hides from kill -9."""

    def traced(self, inject):
        home = Home()
        self.addCleanup(home.close)
        home.init()
        home.start()
        home.adopt()
        home.drop_clients()
        home.terminate()
        home.wrapper = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e",
                        "trace=fdatasync", "-e", "inject=fdatasync:" + inject]
        probe = subprocess.run([*home.wrapper, "true"], capture_output=True, text=True,
                               timeout=patience(30))
        if probe.returncode != 0:
            self.skipTest(f"strace may not trace here: {probe.stderr.strip()}")
        # the leak sanitizer cannot work where strace does
        home.variables["ASAN_OPTIONS"] = "detect_leaks=0"
        home.start()
        return home

    def test_a_reply_and_what_it_shows_wait_for_the_disk(self):
        home = self.traced("delay_enter=400000")
        clerk, reader = home.client("clerk"), home.client("reader")
        in_time = 0
        for n in range(50):  # on a busy machine a look may come when the disk is done
            size = reader.GetStatus().size
            who = command(add_contributor=pb.AddContributor(name=f"Slow {n}", kind=1))
            begin = time.monotonic()
            pending = clerk.raw("Execute").future(who, timeout=patience(30))
            time.sleep(0.15)
            done, seen = pending.done(), reader.GetStatus().size
            if time.monotonic() - begin < 0.39:
                in_time += 1
                self.assertFalse(done)
                self.assertEqual(seen, size, "nobody sees what is not durable")
            receipt = pending.result()
            self.assertGreaterEqual(time.monotonic() - begin, 0.39)
            self.assertEqual(reader.GetStatus().size, receipt.seq)
            if in_time == 2:
                return
        self.assertGreater(in_time, 0, "no look came in time")

    def test_commands_that_wait_share_one_sync(self):
        home = self.traced("delay_enter=200000")
        clerk = home.client("clerk")
        clerk.ListTiers()
        before = clerk.GetStatus().batches
        calls = [clerk.raw("Execute").future(command(add_contributor=pb.AddContributor(
            name=f"Group {n}", kind=1)), timeout=patience(60)) for n in range(60)]
        seqs = {call.result().seq for call in calls}
        self.assertEqual(len(seqs), 60)
        # one sync a batch: all come while the first one is synced, but for what a busy machine delays
        self.assertIn(clerk.GetStatus().batches - before, range(1, 30), "one sync a command")

    def test_a_sync_that_fails_ends_the_daemon_unacknowledged(self):
        home = self.traced("error=EIO:when=8+")  # of one thread: a start needs fewer
        home.expect_dirty_log = True
        clerk = home.client("clerk")
        acked, last = [], None
        for n in range(20):
            last = command(add_contributor=pb.AddContributor(name=f"Failing {n}", kind=1))
            try:
                acked.append((last, clerk.execute(last)))
            except Refused as refused:
                self.assertIn(refused.code.name, ("UNAVAILABLE", "UNKNOWN", "CANCELLED",
                                                  "DEADLINE_EXCEEDED", "INTERNAL"))
                break
        else:
            self.fail("a failed sync was acknowledged")
        self.assertNotEqual(home.wait(), 0)
        home.process = None
        home.drop_clients()
        home.wrapper = []
        home.start()
        first = check_ledger(home.client("auditor").dump()).first_of
        for sent, receipt in acked:
            self.assertEqual(first.get(bytes(sent.request_id)), receipt.seq)
        again = home.client("clerk").execute(last)
        known = bytes(last.request_id) in first
        self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY if known else pb.RECEIPT_KIND_NEW)


class Drained(OneHome):
    def test_sigterm_under_load_loses_no_acknowledged_command(self):
        home = self.opened()
        for turn in range(2):
            load = Load(home, threads=6, seed=50 + turn).start()
            time.sleep(0.4)
            load.reach(11)
            home.terminate(timeout=30)
            load.join()
            home.drop_clients()
            home.start()
            first = check_ledger(home.client("auditor").dump()).first_of
            self.assertGreater(load.acked_count(), 10)
            for key, answer in load.acked.items():
                seq = answer.seq if isinstance(answer, pb.Receipt) else answer.refusal.seq
                self.assertEqual(first.get(key), seq)

    def test_sigterm_when_idle_is_quick_and_clean(self):
        home = self.opened()
        home.client("reader").ListTiers()  # a connection that stays open must not delay the end
        begin = time.monotonic()
        home.terminate()
        self.assertLess(time.monotonic() - begin, patience(5))

    def test_sigint_ends_it_too(self):
        home = self.opened()
        home.process.send_signal(signal.SIGINT)
        self.assertEqual(home.wait(), 0)
        home.process = None

    def test_a_silent_connection_does_not_hold_up_the_drain(self):
        import socket
        home = self.opened()
        with socket.create_connection(("127.0.0.1", home.port)):
            begin = time.monotonic()
            home.terminate(timeout=30)
            self.assertLess(time.monotonic() - begin, patience(20))


class Locked(OneHome):
    def test_a_second_daemon_is_refused_and_the_first_goes_on(self):
        home = self.opened()
        second = home.pledged(timeout=20)
        self.assertNotEqual(second.code, 0, second)
        self.assertIn(str(home.data), second.err, "the message must say which directory")
        self.assertRegex(second.err, r"(?i)lock|another|in use|running")
        self.assertEqual(home.client("clerk").remaining("platine"), 2)
        self.assertEqual(len(home.client("auditor").dump()), home.client("reader").GetStatus().size)

    def test_init_does_not_touch_a_ledger_that_exists(self):
        home = self.opened()
        before = home.client("reader").GetStatus()
        again = home.pledged("init")
        self.assertTrue(again.code != 0 or "exist" in (again.out + again.err).lower() or
                        "already" in (again.out + again.err).lower(), again)
        home.restart()
        after = home.client("reader").GetStatus()
        self.assertEqual(after.ledger_id, before.ledger_id)
        self.assertEqual(after.size, before.size)

    def test_a_killed_daemon_leaves_no_stale_lock(self):
        home = self.opened()
        home.kill()
        home.drop_clients()
        home.start()
        self.assertEqual(home.client("reader").remaining("platine"), 2)

    def test_start_without_init_says_what_to_do(self):
        home = Home()
        self.addCleanup(home.close)
        ran = home.pledged(timeout=20)
        self.assertNotEqual(ran.code, 0, ran)
        self.assertIn("init", ran.err)

    def test_another_ledgers_origin_is_refused(self):
        home = self.opened()
        home.drop_clients()
        home.terminate()
        home.settings["ledger"]["origin"] = "test.example/other-fund"
        home.write_config()
        ran = home.pledged(timeout=20)
        self.assertNotEqual(ran.code, 0, "the ledger's name is a fact of its first entry")
        self.assertIn("origin", ran.err)
        home.settings["ledger"]["origin"] = "test.example/fund"
        home.write_config()
        home.start()


class Damaged(OneHome):
    """Damage is put into the segment files of a killed daemon."""

    def prepared(self):
        home = self.opened()
        clerk = home.client("clerk")
        for n in range(20):
            clerk.contributor(f"Before {n}")
        self.last = command(add_contributor=pb.AddContributor(name="The last one", kind=1))
        self.receipt = clerk.execute(self.last)
        entries = home.client("auditor").dump_bytes()[0]
        home.drop_clients()
        home.kill()
        segment = home.segments()[-1]
        data = segment.read_bytes()
        place = data.rindex(entries[-1])  # the entry's exact bytes stand in the log
        return home, entries, segment, place, place + len(entries[-1])

    def broken_files(self, home):
        return list(home.data.rglob("*.broken"))

    def test_an_incomplete_last_batch_is_cut_kept_and_repeatable(self):
        for how in ("the rest never reached the disk", "the file is short"):
            with self.subTest(how=how):
                home, entries, segment, place, end = self.prepared()
                with open(segment, "r+b") as f:
                    if how == "the file is short":
                        f.truncate(place + 5)
                    else:
                        f.seek(place + 5)
                        f.write(bytes(end + 64 - place - 5))
                # a batch that was never acknowledged is in no checkpoint either
                for name in ("checkpoint", "ledger.key.signed"):
                    (home.data / name).unlink(missing_ok=True)
                home.start()
                now = home.client("auditor").dump_bytes()[0]
                self.assertEqual(now[:len(entries) - 1], entries[:-1])
                self.assertEqual(len(now), len(entries) - 1)
                self.assertTrue(self.broken_files(home), "the cut bytes are kept for people")
                again = home.client("clerk").execute(self.last)
                self.assertEqual(again.kind, pb.RECEIPT_KIND_NEW)
                self.assertEqual(again.outcome.contributor, self.receipt.outcome.contributor)
                home.restart()
                check_ledger(home.client("auditor").dump())

    def test_a_last_batch_that_is_whole_but_wrong_is_damage_not_a_torn_tail(self):
        home, entries, segment, place, end = self.prepared()
        data = bytearray(segment.read_bytes())
        data[(place + end) // 2] ^= 1
        segment.write_bytes(data)
        ran = home.pledged(timeout=30)
        self.assertEqual(ran.code, 14, ran)
        self.assertEqual(segment.read_bytes(), bytes(data), "nothing is changed")
        self.assertEqual(self.broken_files(home), [])

    def test_garbage_after_the_last_batch_costs_nothing(self):
        home, entries, segment, _, end = self.prepared()
        with open(segment, "r+b") as f:
            f.seek(0, os.SEEK_END)
            size = f.tell()
            f.seek(end if end < size else size)
            # what a write that never completed leaves: bytes that are no batch
            f.seek((f.tell() + 4095) // 4096 * 4096)
            f.write(random.Random(3).randbytes(900))
        home.start()
        self.assertEqual(home.client("auditor").dump_bytes()[0], entries)
        again = home.client("clerk").execute(self.last)
        self.assertEqual(again.kind, pb.RECEIPT_KIND_REPLAY)
        home.client("clerk").contributor("After the garbage")
        home.restart(kill=True)
        check_ledger(home.client("auditor").dump())

    def leaves_alone(self, home, code, *words, never=None):
        """Neither the daemon nor fsck takes this log, both say why, and neither changes it."""
        def digests():
            return {p.name: hashlib.sha256(p.read_bytes()).digest() for p in home.segments()}
        before = digests()
        for ran in home.pledged(timeout=30), home.pledged("fsck", timeout=30):
            self.assertEqual(ran.code, code, ran)
            for wanted in words:
                self.assertIn(wanted, ran.out + ran.err)
            if never is not None:
                self.assertNotIn(never, ran.out + ran.err)
        self.assertEqual(digests(), before)

    def test_damage_in_the_middle_stops_the_daemon_and_changes_nothing(self):
        home, entries, segment, _, _ = self.prepared()
        data = bytearray(segment.read_bytes())
        at = data.index(entries[10]) + len(entries[10]) // 2
        data[at] ^= 0x20
        segment.write_bytes(data)
        self.leaves_alone(home, 14, segment.name)  # the message says where
        data[at] ^= 0x20
        segment.write_bytes(data)
        home.start()
        self.assertEqual(home.client("auditor").dump_bytes()[0], entries)

    def test_a_newer_versions_log_is_said_to_be_newer_and_not_damaged(self):
        home, entries, segment, _, _ = self.prepared()
        data = segment.read_bytes()
        page = bytearray(data[:4096])
        self.assertEqual(page[88:96], xxh3(page[:88]))
        page[12:16] = (99).to_bytes(4, "little")
        page[88:96] = xxh3(page[:88])
        segment.write_bytes(bytes(page) + data[4096:])
        self.leaves_alone(home, 78, "newer version", segment.name, never="damaged")
        segment.write_bytes(data)
        home.start()
        self.assertEqual(home.client("auditor").dump_bytes()[0], entries)

    def test_a_field_or_number_that_only_a_newer_version_knows_is_not_read_past(self):
        home, entries, segment, _, _ = self.prepared()
        data = segment.read_bytes()
        self.assertEqual(forged_last_batch(data, entries[-1], entries[-1]), data)
        for newer_than in "field", "number":
            newer = pb.Entry.FromString(entries[-1])
            if newer_than == "field":
                newer.contributor_added.MergeFromString(b"\xA2\x38\x00")  # 900, of no bytes
            else:
                newer.contributor_added.kind = 77
            segment.write_bytes(forged_last_batch(data, entries[-1], newer.SerializeToString()))
            self.leaves_alone(home, 78, f"entry {len(entries)} was written by a newer version", never="damaged")
        segment.write_bytes(data)
        home.start()
        self.assertEqual(home.client("auditor").dump_bytes()[0], entries)

    def test_a_missing_segment_stops_the_daemon(self):
        home = self.opened()
        clerk = home.client("clerk")
        for turn in range(8):
            clerk.batch([command(add_contributor=pb.AddContributor(
                name=f"{turn} {n} " + "x" * 120, kind=1)) for n in range(1500)])
            if len(home.segments()) >= 4:
                break
        home.drop_clients()
        home.terminate()
        segments = home.segments()
        self.assertGreaterEqual(len(segments), 3, "the test needs more than two segments")
        for snapshot in home.data.rglob("*snapshot*"):
            if snapshot.is_file():
                snapshot.unlink()
        hidden = segments[1].with_suffix(".hidden")
        segments[1].rename(hidden)
        ran = home.pledged(timeout=30)
        self.assertEqual(ran.code, 14, ran)
        hidden.rename(segments[1])
        home.start()
        check_ledger(home.client("auditor").dump())

    def test_fsck_is_content_with_a_healthy_ledger(self):
        home = self.opened()
        size = home.client("reader").GetStatus().size
        home.drop_clients()
        home.terminate()
        ran = home.pledged("fsck")
        self.assertEqual(ran.code, 0, ran)
        self.assertIn(str(size), ran.out + ran.err)


class Snapshots(OneHome):
    def picture(self, home):
        """All that can be asked, but for the moment of asking."""
        clerk, auditor = home.client("clerk"), home.client("auditor")
        answers = [clerk.GetTotals(by=by) for by in (1, 2, 3, 4)] + [clerk.ListTiers()]
        for answer in answers:
            answer.as_of_time_us = answer.as_of_seq = 0
        pledges, token = [], ""
        while True:
            page = clerk.ListPledges(page_size=1000, page_token=token)
            pledges += page.pledge
            token = page.next_page_token
            if not token:
                break
        payments = clerk.ListPayments(page_size=1000).payment
        return (answers, pledges, list(payments),
                list(clerk.ListContributors(page_size=1000).contributor),
                list(clerk.GetHistory(pledge="P000001").entry)), auditor.dump_bytes()[0]

    def filled(self, **fields):
        home = self.opened(**fields)
        load = Load(home, threads=4, seed=99).start()
        time.sleep(1.0)
        load.reach(20).join()
        # a running hold, a queue and money must survive as well
        clerk = home.client("clerk")
        for n in range(4):
            who = clerk.contributor(f"Snapshot {n}")
            tier = clerk.GetTier(tier="diamant").tier
            if tier.remaining.count > 0:
                clerk.hold("diamant", who)
            else:
                clerk.execute(wait=pb.Wait(tier="diamant", contributor=who))
        deadline = time.monotonic() + patience(15)
        while clerk.ListPledges(stage=[pb.STAGE_HELD], expires_before_us=int(
                (time.time() + 60) * 1e6)).pledge:  # no hold ends while pictures are compared
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        free = clerk.submit_free(clerk.contributor("Snapshot free"), 12345, "JPY")
        clerk.pay(free.outcome.pledge, 12300, "JPY")
        return home, load

    def same_after(self, home, load, before, sample=60):
        picture, dump = self.picture(home)
        self.assertEqual(dump[:len(before[1])], before[1])
        self.assertEqual(picture, before[0])
        clerk = home.client("clerk")
        for key in random.Random(5).sample(sorted(load.acked), min(sample, len(load.acked))):
            same_outcome(self, attempt(clerk, load.sent[key]), load.acked[key])

    def test_start_from_a_snapshot_equals_start_from_the_log(self):
        home, load = self.filled()
        before = self.picture(home)
        home.drop_clients()
        home.terminate()
        files = set(home.data.rglob("*"))
        ran = home.pledged("snapshot")
        self.assertEqual(ran.code, 0, ran)
        made = [p for p in set(home.data.rglob("*")) - files if p.is_file()]
        self.assertTrue(made, "a snapshot is a file")
        home.start()
        self.same_after(home, load, before)
        home.drop_clients()
        home.kill()
        for path in made:  # derived data: it may be deleted
            path.unlink()
        home.start()
        self.same_after(home, load, before)

    def test_a_damaged_snapshot_is_not_believed(self):
        home, load = self.filled()
        before = self.picture(home)
        home.drop_clients()
        home.terminate()
        files = set(home.data.rglob("*"))
        self.assertEqual(home.pledged("snapshot").code, 0)
        for path in set(home.data.rglob("*")) - files:
            if path.is_file():
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
        home.start()
        self.same_after(home, load, before, sample=10)

    def test_the_daemon_makes_snapshots_by_itself_while_it_serves(self):
        home, load = self.filled(settings={"store": {"snapshot_entries": 200}})
        seen = set(p.name for p in home.data.rglob("*") if "snap" in str(p.relative_to(home.data)))
        deadline = time.monotonic() + patience(10)
        while not seen and time.monotonic() < deadline:
            time.sleep(0.05)
            seen = set(p.name for p in home.data.rglob("*")
                       if "snap" in str(p.relative_to(home.data)))
        self.assertTrue(seen, "no snapshot was made")
        before = self.picture(home)
        home.restart(kill=True)
        self.same_after(home, load, before)

    def test_a_snapshot_follows_a_load_when_it_ends(self):
        home = self.opened(settings={"store": {"snapshot_entries": 2000}})
        clerk = home.client("clerk")
        for turn in range(6):
            clerk.batch([command(add_contributor=pb.AddContributor(
                name=f"{turn} {n}", kind=1 + n % 5)) for n in range(2500)])
        size = clerk.GetStatus().size
        self.assertGreater(size, 15000)
        deadline = time.monotonic() + patience(30)
        newest = 0
        while newest < size - 2000 - size // 10 and time.monotonic() < deadline:
            time.sleep(0.05)
            newest = max((struct.unpack_from("<Q", path.read_bytes()[:48], 40)[0]
                          for path in (home.data / "snapshot").glob("*.snap")), default=0)
        self.assertGreaterEqual(newest, size - 2000 - size // 10, "no snapshot of what the load left")

    def test_history_beyond_one_segment_and_restart(self):
        home = self.opened()
        clerk = home.client("clerk")
        for turn in range(4):
            results = clerk.batch([command(add_contributor=pb.AddContributor(
                name=f"{turn} {n} " + "y" * 100, kind=1 + n % 5)) for n in range(2500)])
            self.assertTrue(all(r.HasField("receipt") for r in results))
        self.assertGreater(len(home.segments()), 1)
        before = home.client("auditor").dump_bytes()[0]
        self.assertEqual(len(check_ledger(map(pb.Entry.FromString, before)).contributors), 10000)
        home.restart(kill=True)
        self.assertEqual(home.client("auditor").dump_bytes()[0], before)
        home.drop_clients()
        home.terminate()
        self.assertEqual(home.pledged("snapshot").code, 0)
        home.start()
        self.assertEqual(home.client("auditor").dump_bytes()[0], before)


if __name__ == "__main__":
    unittest.main()
