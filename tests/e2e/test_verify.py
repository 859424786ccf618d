# SPDX-License-Identifier: Apache-2.0
"""verify: what an honest ledger gets told, from a dump, a mirror and a proof; and what a dishonest
operator, who holds the signing key, cannot hide: a history rewritten after somebody kept a
checkpoint, and entries that the rules do not make."""
import hashlib
import os
import pty
import subprocess
import unittest

import audit
from harness import BIN, DaemonTest, patience, pb, run


class Verify(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        audit.tell_story(cls.home, filler=300)
        cls.file = cls.home.path / "ledger.bin"
        ran = cls.home.pledge("auditor", "dump", "-o", cls.file)
        assert ran.code == 0, ran
        cls.data = cls.file.read_bytes()
        cls.entries = audit.entries_of(cls.data)
        cls.leaves = [audit.leaf_hash(entry) for entry in cls.entries]
        cls.signer = audit.Signer.from_file(cls.home.data / "ledger.key")

    def verify(self, path, *args, key=None, format="json"):
        return run([BIN / "pledge", "verify", path, "--key", key or self.signer.vkey, *args,
                    *(["--format", format] if format else [])], env=self.home.environment())

    def verdicts(self, ran):
        """{verdict: (result, seq, words)}"""
        return {row["verdict"]: (row["result"], int(row["seq"] or 0), row["what"])
                for row in ran.json["verdicts"]}

    def put(self, name, data):
        path = self.home.path / name
        path.write_bytes(data) if isinstance(data, bytes) else path.write_text(data, "utf-8")
        return path

    def signed(self, entries, name="forged.bin", **fields):
        return self.put(name, audit.dump_of(entries, self.signer, **fields))

    def holds(self, ran, **others):
        self.assertEqual(ran.code, 0, ran)
        want = {"integrity": "ok", "append-only": "not-checked", "completeness": "ok",
                "semantics": "ok", **others}
        self.assertEqual({k: v[0] for k, v in self.verdicts(ran).items()}, want, ran)

    def fails(self, ran, code, verdict, seq=None, words=""):
        self.assertEqual(ran.code, code, ran)
        result, where, what = self.verdicts(ran)[verdict]
        self.assertEqual(result, "failed", ran)
        if seq is not None:
            self.assertEqual(where, seq, ran)
        self.assertIn(words, what, ran)
        return ran

    # --- an honest ledger ---

    def test_a_dump_holds(self):
        ran = self.verify(self.signed(self.entries))
        self.holds(ran)
        self.assertEqual(ran.json["input"], "dump")
        self.assertEqual(ran.json["origin"], "test.example/fund")
        self.assertEqual(int(ran.json["size"]), len(self.entries))
        self.assertEqual(ran.json["root"], audit.root_of(self.leaves).hex())

    def test_a_dump_without_lists_holds_too(self):
        self.holds(self.verify(self.signed(self.entries, lists=False)))

    def test_lists_are_the_hashes_of_the_entries(self):
        listed = b"".join(body for kind, body in audit.frames_of(self.data) if kind == b"L")
        self.assertEqual(listed, b"".join(self.leaves))

    def test_a_dump_by_a_pipe(self):
        path = self.signed(self.entries)
        with open(path, "rb") as file:
            ran = run([BIN / "pledge", "verify", "-", "--key", self.signer.vkey, "--format",
                       "json"], env=self.home.environment(), stdin=file)
        self.holds(ran)

    def test_a_mirror_holds(self):
        path = audit.write_mirror(self.home.path / "mirror", self.entries, self.signer)
        ran = self.verify(path)
        self.holds(ran)
        self.assertEqual(ran.json["input"], "mirror")

    def test_sizes_around_the_edges_of_tiles(self):
        for size in (1, 2, 255, 256, 257, len(self.entries)):
            self.holds(self.verify(self.signed(self.entries[:size])))
            path = audit.write_mirror(self.home.path / f"mirror-{size}", self.entries[:size],
                                      self.signer)
            self.holds(self.verify(path))

    def test_a_proof_holds(self):
        for seq in (1, 2, 256, 257, len(self.entries)):
            path = self.put("one.tlog-proof", audit.proof_of(self.entries, seq, self.signer))
            self.holds(self.verify(path), completeness="not-checked", semantics="not-checked")

    def test_quick_leaves_the_rules_out(self):
        self.holds(self.verify(self.signed(self.entries), "--quick"), semantics="not-checked")

    def test_the_key_may_be_in_a_file_among_others(self):
        other = audit.Signer("test.example/other")
        path = self.put("keys", f"# keys\n{other.vkey}\n\n{self.signer.vkey}\r\n")
        self.holds(self.verify(self.signed(self.entries), key=path))

    def test_two_signatures_while_keys_change(self):
        new = audit.Signer("test.example/fund")
        checkpoint = self.signer.checkpoint(self.leaves)
        text = checkpoint.split("\n\n")[0] + "\n"
        path = self.signed(self.entries, checkpoint=checkpoint + new.line(text))
        self.holds(self.verify(path))
        self.holds(self.verify(path, key=new.vkey))

    def test_plain_and_words(self):
        path = self.signed(self.entries[:-1] + [self.entries[-1] + b"x"], leaves=self.leaves)
        rows = self.verify(path, format=None).rows
        self.assertEqual([row[:2] for row in rows],
                         [["integrity", "failed"], ["append-only", "not-checked"],
                          ["completeness", "ok"], ["semantics", "not-checked"]])
        english = self.verify(path, "--lang", "en", format="table")
        french = self.verify(path, "--lang", "fr", format="table")
        self.assertIn("altered", english.out)
        self.assertNotIn("altered", french.out)

    def on_a_terminal(self, *args):
        """What appears on a terminal that is standard error."""
        main, side = pty.openpty()
        try:
            process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=side,
                                       env=self.home.environment())
            self.assertEqual(process.wait(timeout=patience(60)), 0)
            os.set_blocking(main, False)
            try:
                return os.read(main, 1 << 16).decode()
            except BlockingIOError:
                return ""
        finally:
            os.close(main)
            os.close(side)

    def test_a_bar_for_people_alone(self):
        path = self.signed(self.entries)
        words = (BIN / "pledge", "verify", path, "--key", self.signer.vkey)
        shown = self.on_a_terminal(*words)
        self.assertRegex(shown, r"\r\w+ \[[#.]+\] +\d+ %")
        self.assertTrue(shown.endswith("\r\033[K"), repr(shown))
        self.assertEqual(self.on_a_terminal(*words, "--quiet"), "")
        self.assertEqual(run(words, env=self.home.environment()).err, "")

    # --- what is no ledger, and keys that are not ours ---

    def test_what_is_neither(self):
        for data, code in ((b"", 65), (b"PLDUMP2\n", 65), (b"hello, world", 65)):
            self.assertEqual(self.verify(self.put("nothing", data)).code, code)
        self.assertEqual(self.verify(self.home.path / "absent").code, 66)
        empty = self.home.path / "empty"
        empty.mkdir(exist_ok=True)
        self.assertEqual(self.verify(empty).code, 65)
        ran = run([BIN / "pledge", "verify", self.file], env=self.home.environment())
        self.assertEqual(ran.code, 64, ran)

    def test_wrong_keys(self):
        path = self.signed(self.entries)
        other = audit.Signer("test.example/fund")
        self.fails(self.verify(path, key=other.vkey), 14, "integrity", words="no key")
        stranger = audit.Signer("test.example/else")
        self.fails(self.verify(path, key=stranger.vkey), 14, "integrity", words="no key")
        for bad in ("abc+def", self.signer.vkey[:-4], self.signer.vkey.replace("+", "-", 1),
                    "x" + self.signer.vkey, self.signer.vkey[:-2] + "AA"):
            ran = self.verify(path, key=self.put("badkey", bad))
            self.fails(ran, 14, "integrity", words="key")
        same_id = self.signer.vkey.replace("test.example/fund", "test.example/evil")
        self.fails(self.verify(path, key=same_id), 14, "integrity")

    def test_a_key_signs_its_own_ledger_only(self):
        path = self.signed(self.entries, origin="test.example/else")
        self.fails(self.verify(path), 14, "integrity", words="another ledger")

    def test_a_dump_without_checkpoint_is_not_verified(self):
        frames = audit.frames_of(audit.dump_of(self.entries, self.signer))
        trailer = pb.DumpTrailer.FromString(frames[-1][1])
        trailer.checkpoint = ""
        frames[-1] = (b"T", trailer.SerializeToString())
        data = audit.MAGIC + b"".join(audit.frame(*one) for one in frames)
        self.fails(self.verify(self.put("bare.bin", data)), 14, "integrity", words="vouches")

    # --- append-only ---

    def since(self, checkpoint, entries=None):
        path = self.put("kept.checkpoint", checkpoint)
        return self.verify(self.signed(entries or self.entries), "--since", path)

    def test_a_ledger_that_only_grew(self):
        for size in (0, 1, 2, 255, 256, 257, len(self.entries) - 1, len(self.entries)):
            ran = self.since(self.signer.checkpoint(self.leaves[:size]))
            self.holds(ran, **{"append-only": "ok"})
            self.assertEqual(int(ran.json["since_size"]), size)

    def test_a_mirror_that_only_grew(self):
        kept = self.put("kept.checkpoint", self.signer.checkpoint(self.leaves[:259]))
        path = audit.write_mirror(self.home.path / "grown", self.entries, self.signer)
        self.holds(self.verify(path, "--since", kept), **{"append-only": "ok"})

    def test_a_rewritten_history(self):
        other = list(self.leaves)
        other[10] = audit.leaf_hash(b"what was there before")
        for size in (11, 256, 300, len(self.entries) - 1):
            ran = self.since(self.signer.checkpoint(other[:size]))
            self.fails(ran, 15, "append-only", words="rewritten")
        self.holds(self.since(self.signer.checkpoint(other[:10])), **{"append-only": "ok"})

    def test_two_ledgers_of_one_size(self):
        other = list(self.leaves)
        other[-1] = audit.leaf_hash(b"told to somebody else")
        ran = self.since(self.signer.checkpoint(other))
        self.fails(ran, 15, "append-only", words="two different ledgers")

    def test_a_ledger_that_shrank(self):
        ran = self.since(self.signer.checkpoint(self.leaves), self.entries[:-3])
        self.fails(ran, 15, "append-only", len(self.entries) - 2, "taken away")

    def test_a_kept_checkpoint_that_nobody_signed(self):
        ran = self.since(audit.Signer("test.example/fund").checkpoint(self.leaves[:9]))
        self.fails(ran, 15, "append-only", words="no key")
        ran = self.since("not a checkpoint\n")
        self.fails(ran, 15, "append-only", words="no signed checkpoint")

    # --- semantics: the operator forges entries and signs them ---

    def forged(self, seq, change):
        """The ledger with entry `seq` changed by `change(entry)` and everything signed again."""
        entries = list(self.entries)
        entry = pb.Entry.FromString(entries[seq - 1])
        change(entry)
        entries[seq - 1] = entry.SerializeToString(deterministic=True)
        self.assertNotEqual(entries[seq - 1], self.entries[seq - 1])
        return entries

    def first(self, fact, where=lambda entry: True):
        for seq, raw in enumerate(self.entries, 1):
            entry = pb.Entry.FromString(raw)
            if entry.WhichOneof("fact") == fact and where(entry):
                return seq
        raise AssertionError(f"no {fact} in the story")

    def breaks(self, fact, change, words="", where=lambda entry: True):
        seq = self.first(fact, where)
        ran = self.verify(self.signed(self.forged(seq, change)))
        self.fails(ran, 17, "semantics", seq, words)
        verdicts = self.verdicts(ran)
        self.assertEqual(verdicts["integrity"][0], "ok")
        self.assertEqual(verdicts["completeness"][0], "ok")
        self.assertEqual(self.verify(self.signed(self.forged(seq, change)), "--quick").code, 0)

    def test_amounts(self):
        def more(entry):
            entry.allocated.amount.minor += 100000000
        self.breaks("allocated", more, "more than")

        def less(entry):
            entry.allocated.amount.minor -= 1
        self.breaks("allocated", less, "not what the command before it leads to")

        def promised(entry):
            entry.pledge_made.amount.minor += 1
        self.breaks("pledge_made", promised, "something else")

    def test_slots(self):
        def tier(entry):
            entry.pledge_made.tier = "platine"
        self.breaks("pledge_made", tier, "more holders than",
                    lambda entry: entry.pledge_made.tier == "or")

    def test_commands(self):
        def reason(entry):
            entry.command = entry.command.replace(b"letter", b"LETTER")
        self.breaks("pledge_made", reason, "digest")

        def request(entry):
            entry.request_id = b"0123456789abcdef"
        self.breaks("payment_recorded", request, "request id")

    def test_a_command_that_no_daemon_accepts(self):
        def nonsense(entry):
            made = pb.Command.FromString(entry.command)
            made.pay.amount.currency = "XYZ"
            entry.command = made.SerializeToString(deterministic=True)
            entry.command_digest = hashlib.sha256(entry.command).digest()
        self.breaks("payment_recorded", nonsense, "should not have been accepted")

    def without_words(self, rules):
        """The story up to its first closed month under these rules, where nobody said why a pledge
        was made, and a clerk closed one: the changed entries in the list."""
        changed, entries = [], list(self.entries[:self.first("period_closed") - 1])
        clerk = pb.Entry.FromString(self.entries[self.first("pledge_made") - 1]).actor
        for at, raw in enumerate(entries):
            entry = pb.Entry.FromString(raw)
            if entry.WhichOneof("fact") == "policy_adopted":
                entry.policy_adopted.rules = rules
                entry.policy_adopted.sha256 = b""
                entry.policy_adopted.sha256 = hashlib.sha256(
                    entry.policy_adopted.SerializeToString(deterministic=True)).digest()
            elif entry.WhichOneof("fact") == "pledge_made":
                made = pb.Command.FromString(entry.command)
                made.reason = ""
                entry.command = made.SerializeToString(deterministic=True)
                entry.command_digest = hashlib.sha256(entry.command).digest()
                changed.append(at + 1)
            elif entry.WhichOneof("fact") == "pledge_closed":
                entry.actor.CopyFrom(clerk)
                changed.append(at + 1)
            else:
                continue
            entries[at] = entry.SerializeToString(deterministic=True)
        return entries, changed

    def test_each_command_is_judged_by_the_rules_of_its_time(self):
        entries, changed = self.without_words(3)
        ran = self.verify(self.signed(entries))
        self.holds(ran)
        entries, changed = self.without_words(4)
        self.fails(self.verify(self.signed(entries)), 17, "semantics", changed[0],
                   "should not have been accepted")

    def test_a_period_of_another_ledger(self):
        def root(entry):
            made = pb.Command.FromString(entry.command)
            made.close_period.head_root = hashlib.sha256(b"another").digest()
            entry.command = made.SerializeToString(deterministic=True)
            entry.command_digest = hashlib.sha256(entry.command).digest()
            entry.period_closed.head_root = made.close_period.head_root
        self.breaks("period_closed", root, "a ledger that is not this one")

        def size(entry):
            made = pb.Command.FromString(entry.command)
            made.close_period.head_size -= 1
            entry.command = made.SerializeToString(deterministic=True)
            entry.command_digest = hashlib.sha256(entry.command).digest()
            entry.period_closed.head_size = made.close_period.head_size
        self.breaks("period_closed", size, "a ledger that is not this one")

    def test_what_a_newer_version_wrote_is_told_as_such(self):
        """It is not judged by what can be read of it, and nobody is told that it is no entry."""
        newer = b"\xA2\x38\x00"  # field 900, of no bytes
        for what in (lambda entry: entry, lambda entry: entry.payment_recorded,
                     lambda entry: entry.actor):
            self.breaks("payment_recorded", lambda entry: what(entry).MergeFromString(newer),
                        "a newer version wrote it")

        def command(entry):
            entry.command += newer
            entry.command_digest = hashlib.sha256(entry.command).digest()
        self.breaks("payment_recorded", command, "a newer version wrote it")

    def test_a_command_that_was_exchanged(self):
        def other(entry):
            made = pb.Command.FromString(entry.command)
            made.pay.amount.minor += 1
            entry.command = made.SerializeToString(deterministic=True)
            entry.command_digest = hashlib.sha256(entry.command).digest()
        self.breaks("payment_recorded", other, "something else")

    def test_a_refusal_that_the_rules_do_not_make(self):
        def refuse(entry):
            entry.command_refused.reason = pb.REASON_TIER_UNKNOWN
        self.breaks("command_refused", refuse, "something else")

    def test_who(self):
        def role(entry):
            entry.actor.role = pb.ROLE_AUDITOR
        self.breaks("payment_recorded", role, "role")

        def closed(entry):
            entry.actor.CopyFrom(
                pb.Entry.FromString(self.entries[self.first("pledge_made") - 1]).actor)
        self.breaks("pledge_closed", closed, "role")

        def person(entry):
            entry.actor.person = "nobody"
        self.breaks("payment_recorded", person, "roster")

        def identity(entry):
            entry.actor.identity = "uri:pledged:person:approver"
        self.breaks("payment_recorded", identity, "roster")

        def daemon(entry):
            entry.actor.role = pb.ROLE_DAEMON
        self.breaks("payment_recorded", daemon, "request id")

    def test_time(self):
        def back(entry):
            entry.time_us -= 3600 * 1000000
        self.breaks("cancelled", back, "time")

    def test_chain(self):
        def prev(entry):
            entry.prev_seq -= 1
        self.breaks("cancelled", prev, "last one")

    def test_the_roster_is_what_it_says(self):
        def roster(entry):
            entry.roster_adopted.person[0].role = pb.ROLE_ADMIN
        self.breaks("roster_adopted", roster, "hash")

    def test_the_policy_is_what_it_says(self):
        def policy(entry):
            entry.policy_adopted.clock_jump_limit_s += 1
        self.breaks("policy_adopted", policy, "hash")

    def test_what_the_daemon_records_of_itself(self):
        def person(entry):
            entry.actor.person = "somebody"
        for fact in ("ledger_created", "roster_adopted", "policy_adopted"):
            self.breaks(fact, person, "when it starts")

    def test_an_effect_that_comes_twice(self):
        seq = self.first("contributor_added")
        twice = pb.Entry.FromString(self.entries[seq - 1])
        last = pb.Entry.FromString(self.entries[-1])
        twice.seq, twice.time_us = last.seq + 1, last.time_us + 1
        entries = self.entries + [twice.SerializeToString(deterministic=True)]
        self.fails(self.verify(self.signed(entries)), 17, "semantics", len(entries), "second")

    def test_something_that_nobody_asked_for(self):
        last = pb.Entry.FromString(self.entries[-1])
        own = pb.Entry(seq=last.seq + 1, time_us=last.time_us + 1,
                       actor=pb.Actor(person="pledged", role=pb.ROLE_DAEMON),
                       contributor_added=pb.ContributorAdded(
                           contributor=f"C{int(last.contributor_added.contributor[1:]) + 1:06d}",
                           name="Invented Ltd", kind=2))
        entries = self.entries + [own.SerializeToString(deterministic=True)]
        self.fails(self.verify(self.signed(entries)), 17, "semantics", len(entries), "asked for")

    def test_a_ledger_made_under_another_name(self):
        def origin(entry):
            entry.ledger_created.origin = "test.example/other"
        entries = self.forged(1, origin)
        self.fails(self.verify(self.signed(entries)), 17, "semantics", 1)

    def test_the_first_of_two_faults_is_named(self):
        entries = self.forged(self.first("payment_recorded"), lambda e: setattr(
            e.actor, "person", "nobody"))
        later = self.first("cancelled")
        bad = pb.Entry.FromString(entries[later - 1])
        bad.prev_seq -= 1
        entries[later - 1] = bad.SerializeToString(deterministic=True)
        self.fails(self.verify(self.signed(entries)), 17, "semantics",
                   self.first("payment_recorded"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
