# SPDX-License-Identifier: Apache-2.0
"""idempotency: one request id, one effect, one answer, for ever (G3)."""
import hashlib
import hmac
import pathlib
import re
import shutil
import unittest

import grpc

from harness import (DaemonTest, Home, Refused, attempt, check_ledger, command, document, given_time, money, new_id, pb,
                     same_outcome)


class Replays(DaemonTest):
    def story(self):
        """Every kind of command once, accepted; and some that were refused."""
        clerk, sent = self.clerk, []

        def do(fields, person=clerk):
            cmd = command(**fields)
            answer = attempt(person, cmd)
            sent.append((person, cmd, answer))
            return answer

        a = do(dict(add_contributor=pb.AddContributor(name=self.name(), kind=1))).outcome
        b = do(dict(add_contributor=pb.AddContributor(name=self.name(), kind=2))).outcome
        c = do(dict(add_contributor=pb.AddContributor(name=self.name(), kind=3))).outcome
        do(dict(amend_contributor=pb.AmendContributor(contributor=a.contributor,
                                                      name=self.name("Renamed"), kind=1)))
        held = do(dict(hold=pb.Hold(tier="diamant", contributor=a.contributor, for_s=900))).outcome
        do(dict(extend=pb.Extend(pledge=held.pledge, for_s=1800), reason="board meets later"))
        waits = do(dict(wait=pb.Wait(tier="diamant", contributor=b.contributor))).outcome
        do(dict(hold=pb.Hold(tier="diamant", contributor=c.contributor, for_s=900)))  # refused
        do(dict(submit=pb.Submit(pledge=held.pledge), reason="letter"))
        do(dict(commit=pb.Commit(pledge=held.pledge), evidence=[document()]))
        do(dict(amend_pledge=pb.AmendPledge(pledge=held.pledge, amount=money(26000000)),
                evidence=[document()]))
        paid = do(dict(pay=pb.Pay(pledge=held.pledge, amount=money(1000000),
                                  bank_ref="REF-" + self.name())))
        do(dict(reverse=pb.Reverse(seq=paid.seq), reason="typed twice"))
        do(dict(reverse=pb.Reverse(seq=paid.seq), reason="typed twice"))  # refused
        do(dict(cancel=pb.Cancel(pledge=held.pledge, money_plan=pb.MONEY_PLAN_REFUND),
                evidence=[document()]))  # promotes b
        do(dict(withdraw=pb.Withdraw(pledge=waits.pledge), reason="no"))
        other = do(dict(submit=pb.Submit(contributor=c.contributor, tier="argent"),
                        reason="letter")).outcome
        do(dict(change_tier=pb.ChangeTier(pledge=other.pledge, tier="innovation"), reason="less"))
        return sent

    def test_every_command_is_replayed_with_its_original_answer_also_after_restart(self):
        sent = self.story()
        refused = [a for _, _, a in sent if isinstance(a, Refused)]
        self.assertEqual([r.reason for r in refused], ["TIER_SOLD_OUT", "ALREADY_REVERSED"])
        for person, cmd, answer in sent:
            same_outcome(self, attempt(person, cmd), answer)
        size = self.reader.GetStatus().size
        for kill in (False, True):
            self.home.restart(kill=kill)
            type(self).clerk = clerk = self.home.client("clerk")
            type(self).reader = self.home.client("reader")
            type(self).auditor = self.home.client("auditor")
            type(self).admin = self.home.client("admin")
            for _, cmd, answer in sent:
                same_outcome(self, attempt(clerk, cmd), answer)
            self.assertEqual(self.reader.GetStatus().size, size, "a replay writes nothing")

    def test_the_same_id_with_other_content_is_refused_and_changes_nothing(self):
        first = command(add_contributor=pb.AddContributor(name=self.name(), kind=1))
        receipt = self.clerk.execute(first)
        size = self.reader.GetStatus().size
        for other in (
                pb.Command(request_id=first.request_id, add_contributor=pb.AddContributor(
                    name=self.name(), kind=1)),
                pb.Command(request_id=first.request_id, add_contributor=first.add_contributor,
                           reason="now with a reason"),
                pb.Command(request_id=first.request_id, hold=pb.Hold(
                    tier="or", contributor=receipt.outcome.contributor))):
            with self.refused("REQUEST_ID_REUSED", grpc.StatusCode.ABORTED):
                self.clerk.execute(other)
        self.assertEqual(self.reader.GetStatus().size, size)
        same_outcome(self, self.clerk.execute(first), receipt)

    def test_an_id_belongs_to_the_person_who_used_it(self):
        first = command(add_contributor=pb.AddContributor(name=self.name(), kind=1))
        self.clerk.execute(first)
        with self.refused("REQUEST_ID_FOREIGN") as box:
            self.home.client("clerk2").execute(first)
        self.assertEqual(box[0].refusal.seq, 0, "tells nothing of the other's entry")
        with self.refused("PERMISSION_DENIED"):  # the role is checked before the id is looked up
            self.reader.execute(first)

    def test_invalid_input_does_not_use_up_the_id(self):
        request_id = new_id()
        with self.refused("FIELD_REQUIRED"):
            self.clerk.execute(command(request_id, add_contributor=pb.AddContributor(kind=1)))
        receipt = self.clerk.execute(command(request_id, add_contributor=pb.AddContributor(
            name=self.name(), kind=1)))
        self.assertEqual(receipt.kind, pb.RECEIPT_KIND_NEW)

    def test_a_dry_run_writes_nothing_and_uses_up_nothing(self):
        size = self.reader.GetStatus().size
        dry = command(dry_run=True, add_contributor=pb.AddContributor(name=self.name(), kind=1))
        would = self.clerk.execute(dry)
        self.assertEqual(would.kind, pb.RECEIPT_KIND_DRY_RUN)
        self.assertEqual(would.seq, size + 1)
        self.assertEqual(self.reader.GetStatus().size, size)
        real = pb.Command()
        real.CopyFrom(dry)
        real.dry_run = False
        receipt = self.clerk.execute(real)
        self.assertEqual(receipt.kind, pb.RECEIPT_KIND_NEW)
        self.assertEqual(receipt.outcome, would.outcome)
        # a refusal is only rehearsed, too
        size = self.reader.GetStatus().size
        with self.refused("CONTRIBUTOR_DUPLICATE") as box:
            self.clerk.execute(command(dry_run=True,
                                       add_contributor=dry.add_contributor))
        self.assertEqual(box[0].refusal.seq, 0)
        self.assertEqual(self.reader.GetStatus().size, size)


class OnTheCommandLine(DaemonTest):
    def test_a_given_request_id_is_used_and_replayed(self):
        request_id = new_id()
        args = ("contributor", "add", "--name", self.name(), "--kind", "academia")
        first = self.pledge("clerk", *args, request_id=request_id)
        again = self.pledge("clerk", *args, request_id=request_id)
        self.assertEqual(first.rows[0][2], "NEW")
        self.assertEqual(again.rows[0][2], "REPLAY")
        self.assertEqual(first.rows[0][:2], again.rows[0][:2])
        entry = pb.Entry.FromString(self.auditor.dump_bytes(
            from_seq=int(first.rows[0][1]))[0][0])
        self.assertEqual(entry.request_id, request_id)

    def test_other_content_under_the_same_id_exits_12(self):
        request_id = new_id()
        self.pledge("clerk", "contributor", "add", "--name", self.name(), "--kind", "academia",
                    request_id=request_id)
        ran = self.fails(12, "clerk", "contributor", "add", "--name", self.name(), "--kind",
                         "academia", request_id=request_id, format="json")
        self.assertEqual(ran.error["reason"], "REQUEST_ID_REUSED")

    def test_an_unusable_request_id_is_a_usage_error(self):
        ran = self.home.pledge("clerk", "contributor", "add", "--name", self.name(), "--kind",
                               "academia", options=["--request-id", "not-a-uuid"])
        self.assertIn(ran.code, (64, 65), ran)
        self.assertEqual(ran.out, "")

    def test_a_lost_reply_is_asked_for_again_with_the_same_id(self):
        before = self.reader.GetStatus().size
        watcher = self.home.client("reader")
        lost = []

        def cut(number):
            if not lost and watcher.GetStatus().size > before:
                lost.append(number)
                return True  # the command is durable; its reply never arrives
            return False
        proxy = self.home.proxy(cut=cut)
        ran = self.pledge("clerk", "contributor", "add", "--name", self.name("Lost reply"),
                          "--kind", "academia", port=proxy.port)
        self.assertEqual(lost, [1], "the proxy did not lose a reply")
        self.assertGreaterEqual(proxy.connections, 2)
        self.assertEqual(ran.rows[0][2], "REPLAY", ran)
        self.assertEqual(self.reader.GetStatus().size, before + 1)

    def test_an_outcome_that_stays_unknown_exits_75_and_prints_the_id(self):
        before = self.reader.GetStatus().size
        watcher = self.home.client("reader")
        proxy = self.home.proxy(cut=lambda n: watcher.GetStatus().size > before)
        name = self.name("Unknown outcome")
        args = ("contributor", "add", "--name", name, "--kind", "academia")
        ran = given_time(  # 69: nothing was sent
            lambda seconds: self.home.pledge("clerk", *args, port=proxy.port, timeout=120,
                                             options=["--timeout", f"{seconds}s"]),
            lambda ran: ran.code != 69)
        self.assertEqual((ran.code, ran.out), (75, ""), ran)
        self.eventually(lambda: self.reader.GetStatus().size > before)
        found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", ran.err)
        self.assertIsNotNone(found, ran)
        self.assertEqual(self.reader.GetStatus().size, before + 1)
        again = self.pledge("clerk", *args, options=["--request-id", found[0]])
        self.assertEqual(again.rows[0][2], "REPLAY")

    def test_the_id_is_on_disk_before_the_command_is_sent(self):
        proxy = self.home.proxy(cut=lambda n: True)
        ran = self.home.pledge("clerk", "contributor", "add", "--name", self.name(), "--kind",
                               "academia", port=proxy.port, options=["--timeout", "1s"], timeout=60)
        self.assertIn(ran.code, (69, 75), ran)
        state = self.home.path / "state"
        kept = "".join(p.read_text(errors="replace") + p.name
                       for p in state.rglob("*") if p.is_file())
        found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", ran.err)
        if found:
            self.assertIn(found[0], kept)
        self.assertRegex(kept, r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}")

    def test_a_daemon_that_is_not_there_exits_69(self):
        import socket
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        ran = self.fails(69, "reader", "slots", "platine", port=port, format="json",
                         options=["--timeout", "2s"])
        self.assertTrue(ran.error["retryable"])


class AfterAnUpgrade(unittest.TestCase):
    """Ledgers of versions that took what this one does not (tests/golden)."""

    def begin(self, version):
        old = pathlib.Path(__file__).resolve().parent.parent / "golden" / version
        self.home = Home(settings={"ledger": {"clock_ahead_limit": "36500d"}})  # it is an old one
        self.addCleanup(self.home.close)
        self.home.init()  # for a key of its own
        shutil.rmtree(self.home.data / "log")
        shutil.copytree(old / "log", self.home.data / "log")
        shutil.copy(old / "ledger.id", self.home.data / "ledger.id")
        self.home.start()
        self.clerk = self.home.client("clerk")

    def test_what_older_rules_took_keeps_its_answer(self):
        self.begin("v1-rules3")
        before = self.home.client("auditor").dump()
        promised = [e for e in before if e.command
                    and pb.Command.FromString(e.command).WhichOneof("command") == "submit"]
        self.assertEqual([e.WhichOneof("fact") for e in promised],
                         ["pledge_made", "command_refused", "pledge_made"])
        for entry in promised:
            cmd = pb.Command.FromString(entry.command)
            self.assertEqual(cmd.reason, "")
            fresh = pb.Command()
            fresh.CopyFrom(cmd)
            fresh.request_id = new_id()
            for answer in (attempt(self.clerk, fresh), self.clerk.batch([fresh])[0].refusal):
                refusal = answer.refusal if isinstance(answer, Refused) else answer
                self.assertEqual((refusal.reason, refusal.field, refusal.seq),
                                 (pb.REASON_REASON_REQUIRED, "reason", 0))
            self.assertEqual(cmd.SerializeToString(), entry.command)
            for answer in (attempt(self.clerk, cmd), self.clerk.batch([cmd])[0]):
                if isinstance(answer, pb.CommandResult):
                    answer = answer.receipt if answer.HasField("receipt") else answer.refusal
                elif isinstance(answer, Refused):
                    answer = answer.refusal
                self.assertEqual(answer.seq, entry.seq)
                if entry.WhichOneof("fact") == "command_refused":
                    self.assertEqual(answer.reason, entry.command_refused.reason)
                    self.assertTrue(answer.replay)
                else:
                    self.assertEqual(answer.kind, pb.RECEIPT_KIND_REPLAY)
                    self.assertEqual(answer.outcome.pledge, entry.pledge_made.pledge)
            foreign = attempt(self.home.client("clerk2"), cmd)
            self.assertEqual(foreign.reason, "REQUEST_ID_FOREIGN")
            cmd.reason = "now with one"
            self.assertEqual(attempt(self.clerk, cmd).reason, "REQUEST_ID_REUSED")
        now = self.home.client("auditor").dump()
        self.assertEqual([e.seq for e in now if e.command][len([e for e in before if e.command]):],
                         [], "nothing was recorded for what was asked again")
        self.clerk.contributor("It goes on")
        check_ledger(self.home.client("auditor").dump())

    def test_a_contact_that_older_rules_took_keeps_its_answer(self):
        """Its name turns the order of the line: refused today, but not where it is known."""
        self.begin("v1-rules10")
        size = self.home.client("auditor").GetStatus().size

        def asked(request_id, client=self.clerk, name="Ann \u202eOther"):
            record = pb.Contact(name=name).SerializeToString()
            salt = bytes(range(32))
            commitment = hmac.new(salt, record, hashlib.sha256).digest()
            try:
                return client.ExecutePrivate(pb.ExecutePrivateRequest(
                    command=command(request_id, record_contact=pb.RecordContact(
                        contributor="C000001", commitment=commitment)),
                    record=[pb.PrivateRecord(commitment=commitment, salt=salt, record=record)]))
            except Refused as refused:
                return refused

        first = bytes(range(16, 32))
        answer = asked(first)
        self.assertEqual((answer.kind, answer.seq, answer.outcome.contact),
                         (pb.RECEIPT_KIND_REPLAY, 10, "K000001"))
        self.assertEqual(asked(first, self.home.client("clerk2")).reason, "REQUEST_ID_FOREIGN")
        self.assertEqual(asked(first, name="Ann Another").reason, "REQUEST_ID_REUSED")
        fresh = new_id()
        refused = asked(fresh)
        self.assertEqual((refused.reason, refused.refusal.field, refused.refusal.seq),
                         ("FIELD_INVALID", "contact.name", 0))
        self.assertEqual(self.home.client("auditor").GetStatus().size, size)
        self.assertEqual(asked(fresh, name="Ann Other").kind, pb.RECEIPT_KIND_NEW)
        check_ledger(self.home.client("auditor").dump())

    def test_names_that_older_rules_took_for_others_stay(self):
        """They differ in what nobody sees: each may be amended, none comes again."""
        self.begin("v1-rules10")
        with self.assertRaises(Refused) as refused:
            self.clerk.contributor("Example\u2060 Org")
        self.assertEqual(refused.exception.reason, "CONTRIBUTOR_DUPLICATE")
        self.clerk.execute(amend_contributor=pb.AmendContributor(
            contributor="C000002", name="Example\u200b Org", kind=2, country="CH"))
        for contributor in ("C000001", "C000002", "C000003"):
            self.clerk.execute(amend_contributor=pb.AmendContributor(
                contributor=contributor, name=f"Example {contributor}", kind=2))
        self.clerk.contributor("Example Org")
        self.home.restart()
        check_ledger(self.home.client("auditor").dump())

    def test_prices_that_older_rules_asked_for(self):
        """An agreement was amended at the price of the newest offers; now at the one it was signed under."""
        self.begin("v1-rules12")
        amended, refused = [e for e in self.home.client("auditor").dump()
                            if e.WhichOneof("fact") in ("commitment_amended", "command_refused")]
        cheaper = pb.Command.FromString(amended.command)
        answer = self.clerk.execute(cheaper)
        self.assertEqual((answer.kind, answer.seq), (pb.RECEIPT_KIND_REPLAY, amended.seq))
        self.assertEqual(self.clerk.GetPledge(pledge="P000001").pledge.amount, money(4_500_000))
        dearer = pb.Command.FromString(refused.command)
        again = attempt(self.clerk, dearer)
        self.assertEqual((again.reason, again.refusal.seq, again.refusal.replay),
                         ("AMOUNT_NOT_TIER", refused.seq, True))
        cheaper.request_id, dearer.request_id = new_id(), new_id()
        self.assertEqual(attempt(self.clerk, cheaper).reason, "AMOUNT_NOT_TIER")  # 50,000 were signed
        self.assertEqual(self.clerk.execute(dearer).kind, pb.RECEIPT_KIND_NEW)
        self.home.restart(kill=True)
        check_ledger(self.home.client("auditor").dump())

    def test_a_raise_that_older_rules_refused_may_come_again(self):
        """It was signed before a payment was taken back."""
        self.begin("v1-rules15")
        early = next(e for e in self.home.client("auditor").dump() if e.WhichOneof("fact") == "command_refused")
        self.assertEqual(early.command_refused.reason, pb.REASON_DATE_INVALID)
        cmd = pb.Command.FromString(early.command)
        again = attempt(self.clerk, cmd)
        self.assertEqual((again.reason, again.refusal.seq, again.refusal.replay),
                         ("DATE_INVALID", early.seq, True))
        # meanwhile it was typed as of that day; another of the paper's day comes before that
        cmd.request_id = new_id()
        self.assertEqual(attempt(self.clerk, cmd).reason, "DATE_INVALID")
        pledge = self.clerk.execute(submit=pb.Submit(contributor="C000001", free=True, amount=money(100)),
                                    reason="letter", effective_date="2026-01-10").outcome.pledge
        self.clerk.commit(pledge)
        paid = self.clerk.pay(pledge, 100, value_date="2026-01-12")
        self.clerk.execute(reverse=pb.Reverse(seq=paid.seq + 1), reason="another's")
        cmd.amend_pledge.pledge, cmd.amend_pledge.amount.minor = pledge, 200
        cmd.request_id = new_id()
        self.assertEqual(self.clerk.execute(cmd).kind, pb.RECEIPT_KIND_NEW)
        self.home.restart(kill=True)
        check_ledger(self.home.client("auditor").dump())

    def test_dates_that_older_rules_took_keep_their_answers(self):
        """They come before what they rest on: refused today, but not where they are known."""
        self.begin("v1-rules13")
        entries = self.home.client("auditor").dump()
        dated = [e for e in entries if e.command and e.effective_date
                 and e.WhichOneof("fact") != "payment_recorded"]
        self.assertEqual(
            [e.WhichOneof("fact") for e in dated],
            ["commitment_signed", "allocated", "reversed", "refund_ordered", "refund_cancelled",
             "refund_ordered", "difference_accepted", "reversed", "reversed", "cancelled"])
        for entry in dated:
            who = next(name for name in ("clerk", "approver") if entry.actor.person == name)
            cmd = pb.Command.FromString(entry.command)
            answer = self.home.client(who).execute(cmd)
            self.assertEqual((answer.kind, answer.seq), (pb.RECEIPT_KIND_REPLAY, entry.seq))
        again = pb.Command.FromString(next(e for e in dated if e.HasField("refund_ordered")).command)
        again.request_id = new_id()
        again.refund.bank_entry = "B000002"
        refused = attempt(self.clerk, again)
        self.assertEqual((refused.reason, refused.refusal.field,
                          {a.name: a.value for a in refused.refusal.arg}["earliest"]),
                         ("DATE_INVALID", "effective_date", "2026-04-10"))
        self.home.restart(kill=True)
        check_ledger(self.home.client("auditor").dump())

    def test_what_the_books_of_older_rules_have_stays(self):
        """A name in a second copy, a charge on the bank's day, a reversal posted before what it takes
        back: they stay as they were; today's rules decide otherwise from here on."""
        self.begin("v1-rules14")
        entries = self.home.client("auditor").dump()
        said = [e for e in entries if e.HasField("statement_imported")][1]
        charge = next(e for e in entries if e.HasField("charge_booked"))
        back = [e for e in entries if e.HasField("reversed")][1]
        taken = entries[back.reversed.target_seq - 1]
        self.assertEqual((charge.charge_booked.value_date, back.posting_date, taken.posting_date),
                         ("2026-01-10", "", "2026-02-01"))
        for entry in (said, charge, back):
            cmd = pb.Command.FromString(entry.command)
            answer = self.clerk.execute(cmd) if entry is not said else None
            if answer is not None:
                self.assertEqual((answer.kind, answer.seq), (pb.RECEIPT_KIND_REPLAY, entry.seq))
        self.assertNotIn("payer_learned", [e.WhichOneof("fact") for e in entries])
        # the same reversal today, of what was posted as late
        again = self.clerk.execute(allocate=pb.Allocate(
            bank_entry="B000002", pledge="P000002", amount=money(100)), effective_date="2026-02-01")
        refused = attempt(self.clerk, command(
            allocate=pb.Allocate(bank_entry="B000002", pledge="P000002", amount=money(100)),
            effective_date="2026-01-22"))
        self.assertEqual((refused.reason, refused.refusal.field,
                          {a.name: a.value for a in refused.refusal.arg}["earliest"]),
                         ("DATE_INVALID", "effective_date", "2026-02-01"))
        self.clerk.execute(reverse=pb.Reverse(seq=again.seq), reason="wrong", effective_date="2026-02-03")
        self.home.restart(kill=True)
        check_ledger(self.home.client("auditor").dump())

    def test_what_older_rules_did_not_keep_of_a_copy(self):
        """It stays away, as long as nobody brings it again."""
        self.begin("v1-rules15-copies")
        entries = self.home.client("auditor").dump()
        self.assertEqual(entries[-1 - self.added(entries)].WhichOneof("fact"), "payer_learned")
        rows = {b.movement.bank_ref: b for b in self.clerk.ListBankEntries().bank_entry}
        self.assertEqual((rows["X1"].movement.uetr, rows["X1"].learned_seq, rows["X1"].completed_seq,
                          rows["Y1"].movement.kind, len(rows["R1"].more_detail)), ("", 14, 0, 1, 0))
        self.home.restart(kill=True)
        check_ledger(self.home.client("auditor").dump())

    @staticmethod
    def added(entries):
        """Entries that today's daemon wrote when it started: its policy, its people."""
        return sum(1 for e in entries if e.seq > 14)


if __name__ == "__main__":
    unittest.main()
