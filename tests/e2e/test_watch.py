# SPDX-License-Identifier: Apache-2.0
"""watch: every change once and in order, from any entry on, across restarts; each role sees only
what it may; who does not read is dropped; a thousand watchers are told."""
import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
import unittest

import grpc

from harness import BIN, DaemonTest, check_ledger, command, opened, patience, pb


class Watcher:
    """Reads a Watch in a thread of its own. `messages` grows; `error` is set when it ends."""

    def __init__(self, client, **fields):
        self.messages = []
        self.error = None
        self.news = threading.Condition()
        self.stream = client.raw("Watch")(pb.WatchRequest(**fields))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for message in self.stream:
                with self.news:
                    self.messages.append(message)
                    self.news.notify_all()
        except grpc.RpcError as error:
            with self.news:
                self.error = error
                self.news.notify_all()

    def until(self, what, timeout=20):
        """Waits until what(messages) is true, or the stream ended, and returns its value."""
        with self.news:
            self.news.wait_for(lambda: what(self.messages) or self.error, patience(timeout))
            value = what(self.messages)
            assert value, f"not seen: {self.error} {self.messages[-3:]}"
            return value

    def ended(self, timeout=20):
        with self.news:
            self.news.wait_for(lambda: self.error, patience(timeout))
            assert self.error is not None, "the stream goes on"
            return self.error

    def entries(self):
        """All entries so far, checked for gaps and doubles."""
        found = []
        for message in self.messages:
            raws = list(message.entry)
            if raws:
                want = found[-1].seq + 1 if found else message.first_seq
                assert message.first_seq == want, (message.first_seq, want)
                found += [pb.Entry.FromString(raw) for raw in raws]
                assert found[-1].seq == message.seq
                assert found[-1].time_us == message.time_us
        assert [e.seq for e in found] == list(range(found[0].seq, found[0].seq + len(found))) \
            if found else True
        return found

    def slots(self):
        """The newest state of every tier that was told."""
        return {tier.code: tier for message in self.messages for tier in message.tier}

    def cancel(self):
        self.stream.cancel()
        self.thread.join(patience(20))


def reached(seq):
    return lambda messages: any(m.seq >= seq for m in messages)


class Watching(DaemonTest):
    def watch(self, client, **fields):
        watcher = Watcher(client, **fields)
        self.addCleanup(watcher.cancel)
        return watcher

    def size(self):
        return self.clerk.GetStatus().size

    def test_from_the_first_entry_on_and_then_live(self):
        watcher = self.watch(self.clerk, from_seq=1)
        watcher.until(reached(self.size()))
        held = self.clerk.hold("or", self.clerk.contributor(self.name()))
        watcher.until(reached(held.seq))
        dump, _ = self.auditor.dump_bytes(to_seq=held.seq)
        self.assertEqual([raw for m in watcher.messages for raw in m.entry], dump)
        self.assertEqual([e.seq for e in watcher.entries()], list(range(1, held.seq + 1)))

    def test_only_what_comes_from_now_on(self):
        before = self.size()
        watcher = self.watch(self.clerk)
        watcher.until(lambda messages: messages)
        self.assertEqual(watcher.messages[0].seq, before)
        self.assertEqual(len(watcher.messages[0].entry), 0)
        self.clerk.contributor(self.name())
        watcher.until(reached(before + 1))
        self.assertEqual([e.seq for e in watcher.entries()], [before + 1])

    def test_decoded_entries_are_the_same(self):
        self.clerk.contributor(self.name())
        raw = self.watch(self.clerk, from_seq=1)
        decoded = self.watch(self.clerk, from_seq=1, decoded=True)
        last = self.clerk.execute(add_contributor=pb.AddContributor(name=self.name(), kind=2)).seq
        raw.until(reached(last))
        decoded.until(reached(last))
        self.assertEqual([e for m in decoded.messages for e in m.decoded], raw.entries())
        self.assertFalse(any(m.entry for m in decoded.messages))

    def test_each_role_sees_what_it_may(self):
        watchers = {role: self.watch(self.home.client(role), from_seq=1)
                    for role in ("public", "reader", "admin", "clerk", "approver", "auditor")}
        self.clerk.submit_free(self.clerk.contributor(self.name()), 100)
        tier = self.clerk.hold("argent", self.clerk.contributor(self.name()))
        for role, watcher in watchers.items():
            with self.subTest(role=role):
                watcher.until(reached(tier.seq))
                sees = role in ("clerk", "approver", "auditor")
                self.assertEqual(any(m.entry for m in watcher.messages), sees)
                self.assertEqual(any(m.totals for m in watcher.messages), role != "public")
                self.assertEqual(set(watcher.slots()), {t.code for t in self.clerk.ListTiers().tier})
                if not sees:
                    self.assertFalse(any(m.first_seq for m in watcher.messages))

    def test_slots_are_told_as_the_reads_tell_them(self):
        watcher = self.watch(self.reader)
        who = self.clerk.contributor(self.name())
        held = self.clerk.hold("platine", who)
        watcher.until(reached(held.seq))
        self.assertEqual(watcher.slots()["platine"].remaining.count, held.outcome.remaining.count)
        self.clerk.withdraw(held.outcome.pledge)
        watcher.until(reached(held.seq + 1))
        told = {code: tier.SerializeToString() for code, tier in watcher.slots().items()}
        self.assertEqual(told, {t.code: t.SerializeToString() for t in self.reader.ListTiers().tier})

    def test_totals_are_told_as_the_reads_tell_them(self):
        watcher = self.watch(self.reader)
        promised = self.clerk.submit_free(self.clerk.contributor(self.name()), 4200, currency="JPY")
        watcher.until(reached(promised.seq))
        told = {line.currency: line for m in watcher.messages for line in m.totals}
        self.assertEqual(list(told[k] for k in sorted(told)), list(self.reader.GetTotals().line))

    def test_a_hold_that_ends_frees_its_slot_for_who_watches(self):
        watcher = self.watch(self.reader)
        before = self.reader.GetTier(tier="diamant").tier.remaining.count
        self.clerk.hold("diamant", self.clerk.contributor(self.name()), seconds=2)
        watcher.until(lambda messages: any(tier.code == "diamant" and tier.remaining.count == before - 1
                                           for m in messages for tier in m.tier))
        watcher.until(lambda messages: watcher.slots()["diamant"].remaining.count == before)

    def test_a_quiet_stream_beats(self):
        for client in (self.clerk, self.home.client("public")):
            watcher = self.watch(client, heartbeat_s=1)
            watcher.until(lambda messages: sum(m.heartbeat for m in messages) >= 2)
            beat = [m for m in watcher.messages if m.heartbeat][0]
            self.assertGreater(beat.seq, 0)
            self.assertFalse(beat.entry or beat.tier or beat.totals)

    def test_wrong_requests(self):
        for fields, field in (({"from_seq": self.size() + 1000}, "from_seq"),
                              ({"heartbeat_s": 301}, "heartbeat_s")):
            with self.refused("FIELD_INVALID", grpc.StatusCode.INVALID_ARGUMENT) as box:
                self.clerk.call("Watch", **fields)
            self.assertEqual(box[0].refusal.field, field)

    def test_a_deadline_ends_it(self):
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.clerk.raw("Watch")(pb.WatchRequest(), timeout=0.5))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_thousand_watchers(self):
        """Ten connections of a hundred streams each, read one after the other: what a stream was
        told waits in it until it is its turn."""
        clients = [self.home.client("reader") for _ in range(10)]
        streams = [clients[n % 10].raw("Watch")(pb.WatchRequest(), timeout=patience(120))
                   for n in range(1000)]
        for stream in streams:
            next(stream)
        began = time.monotonic()
        held = self.clerk.hold("or", self.clerk.contributor(self.name())).seq
        replied = time.monotonic()
        for stream in streams:
            while next(stream).seq < held:
                pass
        told = time.monotonic()
        print(f"1000 watchers: two writes took {(replied - began) * 1000:.1f} ms, "
              f"all were told after {(told - began) * 1000:.0f} ms", file=sys.stderr)
        for stream in streams:
            stream.cancel()
        for client in clients:
            client.close()


class CommandLine(DaemonTest):
    """`pledge watch`: one JSON object a line, and it goes on after the daemon was away."""

    def follow(self, person, *args):
        words = [str(word) for word in (BIN / "pledge", *self.home.client_args(person, seconds=5),
                                        "watch", *args)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=self.home.environment(), text=True)
        lines = []

        def read():
            for line in process.stdout:
                lines.append(json.loads(line))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()

        def stop():
            process.terminate()
            process.wait(patience(20))
            thread.join(patience(20))
            process.stdout.close()
        self.addCleanup(stop)
        return lines

    def test_entries_slots_and_totals(self):
        lines = self.follow("clerk", "--from-seq", "1")
        promised = self.clerk.submit_free(self.clerk.contributor(self.name()), 500)
        self.eventually(lambda: any(line.get("totals") for line in lines))
        self.eventually(lambda: any(line["seq"] == promised.seq for line in lines))
        seqs = [line["seq"] for line in lines if "entry" in line]
        self.assertEqual(seqs, list(range(1, promised.seq + 1)))
        dumped = [json.loads(line) for line in
                  self.pledge("auditor", "dump", "--as", "jsonl").out.splitlines()[:-1]]
        self.assertEqual([line for line in lines if "entry" in line], dumped[:promised.seq])

    def test_the_slots_of_one_tier(self):
        lines = self.follow("reader", "--tier", "Platinum")
        self.eventually(lambda: lines)
        self.assertEqual([tier["code"] for tier in lines[0]["tiers"]], ["platine"])
        held = self.clerk.hold("platine", self.clerk.contributor(self.name()))
        self.eventually(lambda: lines[-1]["seq"] == held.seq)
        left = held.outcome.remaining.count
        self.assertEqual(int(lines[-1]["tiers"][0]["remaining"]), left)
        self.clerk.withdraw(held.outcome.pledge)
        self.eventually(lambda: int(lines[-1]["tiers"][0]["remaining"]) == left + 1)
        self.assertFalse(any("entry" in line or "totals" in line for line in lines))

    def test_what_cannot_be_watched_is_told(self):
        self.fails(65, "clerk", "watch", "--from-seq", "100000")
        self.fails(64, "clerk", "watch", "--from-seq", "minus one")
        self.fails(65, "clerk", "watch", "--tier", "bronze")

    def test_it_goes_on_after_a_restart(self):
        home = opened()
        try:
            self.home, shared = home, self.home
            lines = self.follow("clerk", "--from-seq", "1")
            first = home.client("clerk").contributor("Before the restart")
            self.eventually(lambda: any("entry" in line for line in lines))
            port = home.port
            home.settings["daemon"]["listen"] = f"127.0.0.1:{port}"
            home.write_config()
            home.restart()
            home.client("clerk").contributor("After the restart")
            last = home.client("clerk").GetStatus().size
            self.eventually(lambda: lines[-1]["seq"] >= last, timeout=60)
            seqs = [line["seq"] for line in lines if "entry" in line]
            self.assertEqual(seqs, list(range(1, last + 1)))
            self.assertTrue(first)
        finally:
            self.doCleanups()
            self.home = shared
            home.close()

    def test_a_daemon_that_lost_what_it_showed_is_told(self):
        """An older copy of the data is put under it: entries that were shown are gone."""
        home = opened()
        watching = None
        try:
            home.settings["daemon"]["listen"] = f"127.0.0.1:{home.port}"
            home.client("clerk").contributor("In the copy")
            home.drop_clients()
            home.terminate()
            home.write_config()
            shutil.copytree(home.data, home.path / "older")
            home.start()
            words = [str(word) for word in (BIN / "pledge", *home.client_args("clerk", seconds=5),
                                            "watch", "--from-seq", "1", "--format", "json")]
            watching = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=home.environment(), text=True)
            home.client("clerk").contributor("Lost")
            last = home.client("clerk").GetStatus().size
            for line in watching.stdout:
                if json.loads(line)["seq"] >= last:
                    break
            home.drop_clients()
            home.terminate()
            home.data.rename(home.path / "newer")
            (home.path / "older").rename(home.data)
            home.start()
            said = watching.communicate(timeout=patience(60))[1]
            self.assertEqual(watching.returncode, 16, said)
            self.assertIn(f"entry {last} was shown, and the daemon has fewer now", said)
        finally:
            if watching is not None:
                watching.kill()
                watching.communicate()
            home.close()


class Life(unittest.TestCase):
    def test_it_resumes_across_restarts_without_gap_or_double(self):
        home = opened()
        try:
            seen, stop = [], threading.Event()

            def follow():
                while not stop.is_set():
                    client = home.client("clerk")
                    try:
                        request = pb.WatchRequest(from_seq=seen[-1] + 1 if seen else 1)
                        for message in client.raw("Watch")(request):
                            seen.extend(range(message.first_seq, message.seq + 1)
                                        if message.entry else [])
                    except (grpc.RpcError, ValueError):
                        time.sleep(0.05)

            thread = threading.Thread(target=follow, daemon=True)
            thread.start()
            for kill in (False, True):
                clerk = home.client("clerk")
                for n in range(20):
                    clerk.contributor(f"Watched {kill} {n}")
                home.drop_clients()
                home.kill() if kill else home.terminate()
                home.start()
            last = home.client("clerk").GetStatus().size
            deadline = time.monotonic() + patience(30)
            while (not seen or seen[-1] < last) and time.monotonic() < deadline:
                time.sleep(0.05)
            stop.set()
            self.assertEqual(seen, list(range(1, last + 1)))
            check_ledger(home.client("auditor").dump())
        finally:
            home.close()
            thread.join(patience(20))

    def test_draining_tells_watchers_to_come_back(self):
        home = opened()
        try:
            watcher = Watcher(home.client("reader"))
            watcher.until(lambda messages: messages)
            home.terminate()
            self.assertEqual(watcher.ended().code(), grpc.StatusCode.UNAVAILABLE)
        finally:
            home.close()

    def test_there_are_places_for_so_many_and_no_more(self):
        home = opened(settings={"limits": {"watchers": "2"}})
        try:
            reader = home.client("reader")  # one connection, and so one worker
            watchers = [Watcher(reader) for _ in range(2)]
            for watcher in watchers:
                watcher.until(lambda messages: messages)
            third = Watcher(reader)
            self.assertEqual(third.ended().code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            reader.GetTier(tier="platine")  # others are served meanwhile
            watchers[0].cancel()
            deadline = time.monotonic() + patience(20)
            while time.monotonic() < deadline:  # its place is free as soon as the daemon has heard
                again = Watcher(reader)
                with again.news:
                    again.news.wait_for(lambda: again.messages or again.error, patience(20))
                if again.messages:
                    break
            self.assertTrue(again.messages)
        finally:
            home.close()

    @staticmethod
    def wait_until_one_is_dropped(home):
        """Looked at from aside: who looked too late would find the stream itself cut off."""
        port = int((home.path / "admin-port").read_text())
        deadline = time.monotonic() + 20 + patience(20)  # so long a watcher may keep its stream full
        while time.monotonic() < deadline:
            aside = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(20))
            with contextlib.closing(aside):
                aside.request("GET", "/metrics")
                if b"\npledged_watchers_dropped_total 1\n" in aside.getresponse().read():
                    return
            time.sleep(0.1)
        raise AssertionError("nobody was dropped")

    def test_who_does_not_read_is_dropped_and_can_resume(self):
        home = opened(settings={"admin": {"listen": "127.0.0.1:0"}})
        try:
            clerk = home.client("clerk")
            for part in range(3):
                clerk.batch([command(add_contributor=pb.AddContributor(
                    name=f"Organisation {part} {n:06d} {'x' * 150}", kind=2)) for n in range(2500)])
            last = clerk.GetStatus().size
            slow = home.client("clerk2", options=[("grpc.http2.bdp_probe", 0),
                                                  ("grpc.http2.lookahead_bytes", 65536)])
            stream = slow.raw("Watch")(pb.WatchRequest(from_seq=1), timeout=patience(240))
            self.wait_until_one_is_dropped(home)
            seen = []
            with self.assertRaises(grpc.RpcError) as caught:
                for message in stream:
                    seen += range(message.first_seq, message.seq + 1) if message.entry else []
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertIn("slow", caught.exception.details())
            self.assertLess(len(seen), last)
            self.assertEqual(seen, list(range(1, len(seen) + 1)))
            for message in slow.raw("Watch")(pb.WatchRequest(from_seq=seen[-1] + 1)):
                seen += range(message.first_seq, message.seq + 1) if message.entry else []
                if message.seq >= last:
                    break
            self.assertEqual(seen, list(range(1, last + 1)))
        finally:
            home.close()


if __name__ == "__main__":
    unittest.main()
