# SPDX-License-Identifier: Apache-2.0
"""concurrency: races for scarce slots have one winner and everybody else is told who decided;
thousands of commands in one request are independent of each other; a reader sees what it wrote."""
import threading
import time
import unittest

import grpc

from harness import (Client, DaemonTest, Load, Refused, attempt, check_ledger, command, opened,
                     patience, pb)


class Races(DaemonTest):
    def race(self, commands):
        """One connection a command, all let go at the same moment; answers in order."""
        count = len(commands)
        gate = threading.Barrier(count)
        answers = [None] * count

        def contend(n):
            client = Client(self.home.port, self.home.pki, "clerk")
            client.ListTiers()  # the connection stands before the race begins
            gate.wait(patience(30))
            answers[n] = attempt(client, commands[n])
            client.close()

        threads = [threading.Thread(target=contend, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience(60))
            self.assertFalse(thread.is_alive(), "a contender hangs")
        return answers

    def contenders(self, count):
        results = self.clerk.batch([command(add_contributor=pb.AddContributor(
            name=self.name("Contender"), kind=2)) for _ in range(count)])
        return [r.receipt.outcome.contributor for r in results]

    def test_32_clients_race_for_the_last_platine_slot(self):
        first = self.clerk.submit_tier("platine", self.clerk.contributor(self.name()))
        self.assertEqual(first.outcome.remaining.count, 1)
        who = self.contenders(32)
        half = [command(hold=pb.Hold(tier="platine", contributor=c, for_s=3600)) for c in who[:16]]
        rest = [command(submit=pb.Submit(tier="platine", contributor=c), reason="race")
                for c in who[16:]]
        answers = self.race(half + rest)
        won = [a for a in answers if isinstance(a, pb.Receipt)]
        lost = [a for a in answers if isinstance(a, Refused)]
        self.assertEqual((len(won), len(lost)), (1, 31))
        for answer in lost:
            self.assertEqual(answer.reason, "TIER_SOLD_OUT")
            self.assertEqual(answer.code, grpc.StatusCode.FAILED_PRECONDITION)
            self.assertEqual(answer.refusal.deciding_seq, won[0].seq)
            self.assertNotEqual(answer.refusal.seq, 0)
        self.assertEqual(won[0].outcome.remaining.count, 0)
        self.assertEqual(self.clerk.remaining("platine"), 0)
        # give the slots back for the other tests
        self.clerk.withdraw(won[0].outcome.pledge)
        self.clerk.withdraw(first.outcome.pledge)

    def test_8_runs_of_the_client_race_for_the_diamant_slot(self):
        who = self.contenders(8)
        runs = [None] * len(who)

        def contend(n):
            runs[n] = self.home.pledge("clerk", "hold", "diamant", "--contributor", who[n],
                                       "--for", "1h")
        threads = [threading.Thread(target=contend, args=(n,), daemon=True)
                   for n in range(len(who))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience(60))
        won = [r for r in runs if r.code == 0]
        self.assertEqual(len(won), 1, runs)
        self.assertEqual([r.code for r in runs if r is not won[0]], [10] * 7)
        seq = won[0].rows[0][1]
        for lost in runs:
            if lost is not won[0]:
                self.assertRegex(lost.err, rf"\b{seq}\b")
        self.clerk.withdraw(won[0].rows[0][0])

    def test_the_same_request_id_from_32_connections_is_one_command(self):
        same = command(add_contributor=pb.AddContributor(name=self.name("Twin"), kind=1))
        answers = self.race([same] * 32)
        self.assertTrue(all(isinstance(a, pb.Receipt) for a in answers))
        kinds = [a.kind for a in answers]
        self.assertEqual(kinds.count(pb.RECEIPT_KIND_NEW), 1)
        self.assertEqual(kinds.count(pb.RECEIPT_KIND_REPLAY), 31)
        self.assertEqual(len({(a.seq, a.time_us, a.outcome.contributor) for a in answers}), 1)

    def test_a_race_of_tier_changes_leaves_nobody_without_a_slot(self):
        who = self.contenders(12)
        pledges = [self.clerk.submit_tier("argent", c).outcome.pledge for c in who]
        answers = self.race([command(change_tier=pb.ChangeTier(pledge=p, tier="diamant"),
                                     reason="race") for p in pledges])
        won = [p for p, a in zip(pledges, answers) if isinstance(a, pb.Receipt)]
        self.assertEqual(len(won), 1)
        tiers = {p: self.clerk.GetPledge(pledge=p).pledge.tier for p in pledges}
        self.assertEqual(tiers[won[0]], "diamant")
        self.assertEqual({tiers[p] for p in pledges if p != won[0]}, {"argent"})
        self.clerk.withdraw(won[0])

    def test_give_back_and_take_again_never_oversells(self):
        load = Load(self.home, threads=8, seed=4).start()
        time.sleep(1.5)
        load.reach(31).join()
        check_ledger(self.auditor.dump())


class Batches(DaemonTest):
    def test_thousands_with_mixed_verdicts_in_order(self):
        known = self.clerk.contributor(self.name())
        commands, expected = [], []
        for n in range(5000):
            kind = n % 5
            if kind == 0:
                commands.append(command(add_contributor=pb.AddContributor(
                    name=self.name("Mass"), kind=1)))
                expected.append(None)
            elif kind == 1:
                commands.append(command(submit=pb.Submit(contributor="C999999", free=True,
                                                         amount=pb.Money(minor=1, currency="CHF")),
                                        reason="r"))
                expected.append("CONTRIBUTOR_UNKNOWN")
            elif kind == 2:
                commands.append(command(submit=pb.Submit(
                    contributor=known, free=True,
                    amount=pb.Money(minor=n + 1, currency="CHF")), reason="r"))
                expected.append(None)
            elif kind == 3:
                commands.append(command(pay=pb.Pay(pledge="P000001",
                                                   amount=pb.Money(minor=0, currency="CHF"))))
                expected.append("AMOUNT_NOT_POSITIVE")
            else:
                commands.append(pb.Command(request_id=b"short", hold=pb.Hold(
                    tier="or", contributor=known)))
                expected.append("REQUEST_ID_INVALID")
        results = self.clerk.batch(commands)
        self.assertEqual(len(results), len(commands))
        seqs = []
        for sent, result, reason in zip(commands, results, expected):
            if reason is None:
                self.assertEqual(result.WhichOneof("result"), "receipt", result)
                self.assertEqual(result.receipt.request_id, sent.request_id)
                seqs.append(result.receipt.seq)
            else:
                self.assertEqual(pb.Reason.Name(result.refusal.reason)[7:], reason)
        self.assertEqual(seqs, sorted(seqs), "decided in the order of the request")
        again = self.clerk.batch(commands[:100])
        for old, new in zip(results, again):
            if old.HasField("receipt"):
                self.assertEqual(new.receipt.kind, pb.RECEIPT_KIND_REPLAY)
                self.assertEqual(new.receipt.seq, old.receipt.seq)

    def test_later_commands_of_a_batch_see_the_earlier_ones(self):
        who = [self.clerk.contributor(self.name()) for _ in range(2)]
        results = self.clerk.batch([
            command(hold=pb.Hold(tier="diamant", contributor=who[0], for_s=600)),
            command(hold=pb.Hold(tier="diamant", contributor=who[1], for_s=600))])
        self.assertTrue(results[0].HasField("receipt"))
        self.assertEqual(results[1].refusal.deciding_seq, results[0].receipt.seq)
        self.clerk.withdraw(results[0].receipt.outcome.pledge)

    def test_one_request_id_twice_in_a_batch_is_done_once(self):
        twin = command(add_contributor=pb.AddContributor(name=self.name("Twin"), kind=1))
        other = command(request_id=twin.request_id,
                        add_contributor=pb.AddContributor(name=self.name("Other"), kind=1))
        a, b, c = self.clerk.batch([twin, twin, other])
        self.assertEqual((a.receipt.kind, b.receipt.kind),
                         (pb.RECEIPT_KIND_NEW, pb.RECEIPT_KIND_REPLAY))
        self.assertEqual(a.receipt.seq, b.receipt.seq)
        self.assertEqual(c.refusal.reason, pb.REASON_REQUEST_ID_REUSED)

    def test_the_limits_of_a_batch(self):
        with self.refused("FIELD_INVALID"):
            self.clerk.call("ExecuteBatch", pb.ExecuteBatchRequest())
        exactly = [command(dry_run=True, add_contributor=pb.AddContributor(name="D", kind=1))
                   for _ in range(8192)]
        self.assertEqual(len(self.clerk.batch(exactly)), 8192)
        with self.assertRaises(Refused) as caught:
            self.clerk.batch([*exactly, exactly[0]])
        self.assertIn(caught.exception.code, (grpc.StatusCode.INVALID_ARGUMENT,
                                              grpc.StatusCode.RESOURCE_EXHAUSTED))
        big = [command(add_contributor=pb.AddContributor(name="x" * 150, kind=1), reason="y" * 900)
               for _ in range(1100)]
        with self.assertRaises(Refused) as caught:
            self.clerk.batch(big)
        self.assertEqual(caught.exception.code, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_roles_are_checked_for_each_command_of_a_batch(self):
        results = self.admin.batch([command(add_contributor=pb.AddContributor(name="A", kind=1))])
        self.assertEqual(results[0].refusal.reason, pb.REASON_PERMISSION_DENIED)


class ReadYourWrites(DaemonTest):
    def test_the_next_read_on_any_connection_sees_an_acknowledged_write(self):
        readers = [self.home.client("reader") for _ in range(4)]
        for reader in readers:
            reader.ListTiers()
        for n in range(60):
            receipt = self.clerk.submit_tier("appui", self.clerk.contributor(self.name()),
                                             amount=pb.Money(minor=100, currency="CHF"))
            answer = readers[n % 4].GetTier(tier="appui")
            self.assertGreaterEqual(answer.as_of_seq, receipt.seq)
            self.assertEqual(answer.tier.pledged, n + 1)

    def test_reads_while_many_write_never_go_back(self):
        load = Load(self.home, threads=3, seed=8).start()
        reader = self.home.client("reader")
        last = 0
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            answer = reader.ListTiers()
            self.assertGreaterEqual(answer.as_of_seq, last)
            last = answer.as_of_seq
            for tier in answer.tier:
                if tier.capacity.WhichOneof("value") == "count":
                    taken = tier.held + tier.pledged + tier.committed
                    self.assertLessEqual(taken, tier.capacity.count)
                    self.assertEqual(tier.remaining.count, tier.capacity.count - taken)
        load.join()


class Overload(unittest.TestCase):
    def test_a_full_inbox_is_answered_busy_and_nothing_dies(self):
        home = opened(settings={"limits": {"inbox": 16, "calls": 64}})
        self.addCleanup(home.close)
        clients = [home.client("clerk") for _ in range(4)]
        calls = []
        for n in range(600):
            sent = command(add_contributor=pb.AddContributor(name=f"Flood {n}", kind=1))
            calls.append((sent, clients[n % 4].raw("Execute").future(sent, timeout=patience(30))))
        done, busy = 0, []
        for sent, call in calls:
            try:
                call.result()
                done += 1
            except grpc.RpcError as error:
                refused = Refused(error)
                self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED, refused)
                self.assertEqual(refused.reason, "BUSY")
                self.assertTrue(refused.refusal.retryable)
                busy.append(sent)
        self.assertGreater(done, 0)
        clerk = home.client("clerk")
        for sent in busy:  # the same request id, a little later
            self.assertEqual(clerk.execute(sent).kind, pb.RECEIPT_KIND_NEW)
        self.assertEqual(len(check_ledger(home.client("auditor").dump()).contributors), 600)

    def test_more_batches_than_there_is_room_for_are_answered_busy_and_others_are_served(self):
        """Repeats are the slowest commands there are: the writer looks each of them up in the log."""
        home = opened(settings={"daemon": {"workers": 1}})
        self.addCleanup(home.close)
        batch = pb.ExecuteBatchRequest(command=[
            command(add_contributor=pb.AddContributor(name=f"Import {n}", kind=1)) for n in range(8192)])
        importer, clerk = home.client("clerk"), home.client("clerk")
        importer.raw("ExecuteBatch")(batch, timeout=patience(30))
        calls = [importer.raw("ExecuteBatch").future(batch, timeout=patience(60)) for _ in range(12)]
        self.assertEqual(clerk.execute(command(add_contributor=pb.AddContributor(name="Between", kind=1))).kind,
                         pb.RECEIPT_KIND_NEW)
        done, busy = 0, 0
        for call in calls:
            try:
                self.assertEqual({result.receipt.kind for result in call.result().result},
                                 {pb.RECEIPT_KIND_REPLAY})
                done += 1
            except grpc.RpcError as error:
                refused = Refused(error)
                self.assertEqual(refused.reason, "BUSY")
                self.assertTrue(refused.refusal.retryable)
                busy += 1
        self.assertGreaterEqual(done, 4, "so many have room at least")
        self.assertGreater(busy, 0)
        importer.raw("ExecuteBatch")(batch, timeout=patience(30))  # there is room again
        self.assertEqual(len(check_ledger(home.client("auditor").dump()).contributors), 8193)


if __name__ == "__main__":
    unittest.main()
