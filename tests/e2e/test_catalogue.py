# SPDX-License-Identifier: Apache-2.0
"""catalogue: adopting the shipped offers, what is malformed is refused whole with the path of the
wrong field, a later version follows the rules."""
import hashlib
import json
import unittest

import grpc

from harness import (CATALOGUE, DaemonTest, Refused, check_ledger, opened, pb,
                     shipped_catalogue)


class Shipped(DaemonTest):
    catalogue = False

    def test_adopt_show_and_compare(self):
        ran = self.pledge("admin", "catalogue", "adopt", str(CATALOGUE))
        self.assertEqual(ran.rows[0][2], "NEW")
        answer = self.reader.GetCatalogue()
        self.assertEqual(answer.catalogue, shipped_catalogue())
        entry = self.auditor.dump(from_seq=int(ran.rows[0][1]))[0]
        self.assertEqual(answer.adopted_seq, entry.seq)
        adopted = entry.catalogue_adopted
        self.assertEqual((adopted.code, adopted.version), ("wsis-forum-2026", 1))
        self.assertEqual(adopted.sha256, answer.sha256)
        # the hash covers the exact bytes that stand in the entry's command
        command_bytes, found = entry.command, None
        sent = pb.Command.FromString(command_bytes).adopt_catalogue.catalogue
        size = sent.ByteSize()
        for start in range(len(command_bytes) - size + 1):
            if hashlib.sha256(command_bytes[start:start + size]).digest() == adopted.sha256:
                found = start
        self.assertIsNotNone(found, "the hash is not of the catalogue's bytes in the command")
        shown = self.pledge("reader", "catalogue", "show", format="json").json
        text = json.dumps(shown, ensure_ascii=False)
        for part in ("wsis-forum-2026", "PLATINE", "wsis-info@itu.int", adopted.sha256.hex()):
            self.assertTrue(part.lower() in text.lower(), part)
        # the same again is not newer
        ran = self.fails(10, "admin", "catalogue", "adopt", str(CATALOGUE), format="json")
        self.assertEqual(ran.error["reason"], "CATALOGUE_NOT_NEWER")
        self.assertEqual(int(ran.error["deciding_seq"]), entry.seq)

    def test_it_fits_one_entry(self):
        self.assertLess(shipped_catalogue().ByteSize(), 48 * 1024)


class Malformed(DaemonTest):
    catalogue = False

    def broken(self):
        """(path that must be named, how to break it)."""
        def set_(path, value):
            def change(c):
                *steps, last = path
                for step in steps:
                    c = c[step] if isinstance(step, int) else getattr(c, step)
                setattr(c, last, value)
            return change
        yield "code", set_(("code",), "")
        yield "code", set_(("code",), "WSIS 2026")
        yield "version", set_(("version",), 0)
        yield "fund.currency", set_(("fund", "currency"), "CHX")
        yield "tier[1].code", set_(("tier", 1, "code"), "diamant")
        yield "tier[1].code", set_(("tier", 1, "code"), "Not a code")
        yield "tier[2].group", set_(("tier", 2, "group"), "nobody")
        yield "tier[1].capacity", lambda c: c.tier[1].capacity.__setattr__("count", -1)
        yield "tier[1].capacity", lambda c: c.tier[1].ClearField("capacity")
        yield "tier[0].amount", lambda c: c.tier[0].amount.__setattr__("currency", "ABC")
        yield "tier[0].amount", lambda c: c.tier[0].amount.__setattr__("minor", 0)
        yield "benefit[3].section", set_(("benefit", 3, "section"), "XXX")
        yield "benefit[3].code", set_(("benefit", 3, "code"), "VIS1")
        yield "grant[5].tier", set_(("grant", 5, "tier"), "bronze")
        yield "grant[5].benefit", set_(("grant", 5, "benefit"), "NONE9")
        yield "grant[5].quantity", set_(("grant", 5, "quantity"), 0)
        yield "grant[5].unit", set_(("grant", 5, "unit"), 0)
        yield "event.starts", set_(("event", "starts"), "2026-07-32")
        yield "event.ends", set_(("event", "ends"), "2026-07-05")
        yield "letter.date", set_(("letter", "date"), "23 December 2025")
        yield "grant[136]", lambda c: c.grant.add().CopyFrom(c.grant[0])
        yield "policy", set_(("policy", "hold_default_s"), -1)
        yield "tier", lambda c: c.ClearField("tier")

    def test_each_is_refused_whole_with_the_path(self):
        size = self.reader.GetStatus().size
        for path, change in self.broken():
            with self.subTest(path=path):
                bad = shipped_catalogue()
                change(bad)
                with self.assertRaises(Refused) as caught:
                    self.admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=bad))
                refused = caught.exception
                self.assertEqual(refused.code, grpc.StatusCode.INVALID_ARGUMENT)
                self.assertEqual(refused.reason, "CATALOGUE_INVALID")
                self.assertTrue(refused.refusal.field.startswith(
                    "adopt_catalogue.catalogue." + path), refused.refusal.field)
        self.assertEqual(self.reader.GetStatus().size, size)
        with self.refused("CATALOGUE_UNKNOWN"):
            self.reader.GetCatalogue()

    def test_the_client_names_the_path_in_the_file(self):
        place = self.home.path / "catalogue.json"
        data = json.loads(CATALOGUE.read_text(encoding="utf-8"))
        data["tier"][2]["gruop"] = "x"
        place.write_text(json.dumps(data))
        ran = self.fails(65, "admin", "catalogue", "adopt", str(place), format="json")
        self.assertIn("tier[2].gruop", ran.err)
        data = json.loads(CATALOGUE.read_text(encoding="utf-8"))
        data["grant"][7]["quantity"] = "many"
        place.write_text(json.dumps(data))
        ran = self.fails(65, "admin", "catalogue", "adopt", str(place), format="json")
        self.assertIn("grant[7].quantity", ran.err)
        place.write_text('{"code": "x",')
        ran = self.fails(65, "admin", "catalogue", "adopt", str(place), format="json")
        self.assertIn(place.name, ran.err)
        data = json.loads(CATALOGUE.read_text(encoding="utf-8"))
        data["grant"][7]["tier"] = "bronze"
        place.write_text(json.dumps(data))
        ran = self.fails(65, "admin", "catalogue", "adopt", str(place), format="json")
        self.assertEqual(ran.error["reason"], "CATALOGUE_INVALID")
        self.assertIn("grant[7].tier", ran.err)


class NextVersion(DaemonTest):
    def setUp(self):
        self.version = self.reader.GetCatalogue().catalogue.version

    def following(self):
        following = pb.Catalogue()
        following.CopyFrom(self.reader.GetCatalogue().catalogue)
        following.version = self.version + 1
        return following

    def adopt(self, catalogue):
        return self.admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=catalogue))

    def tier(self, catalogue, code):
        return next(t for t in catalogue.tier if t.code == code)

    def test_capacity_below_what_is_taken_is_refused(self):
        taken = [self.clerk.submit_tier("platine", self.clerk.contributor(self.name()))
                 for _ in range(2)]
        smaller = self.following()
        self.tier(smaller, "platine").capacity.count = 1
        with self.refused("CAPACITY_BELOW_TAKEN", grpc.StatusCode.FAILED_PRECONDITION) as box:
            self.adopt(smaller)
        self.assertTrue(box[0].refusal.field.startswith("adopt_catalogue.catalogue.tier"))
        self.assertIn("platine", [a.value for a in box[0].refusal.arg])
        self.clerk.withdraw(taken[0].outcome.pledge)
        self.adopt(smaller)
        self.assertEqual(self.clerk.remaining("platine"), 0)
        self.clerk.withdraw(taken[1].outcome.pledge)
        self.assertEqual(self.clerk.remaining("platine"), 1)

    def test_a_new_version_changes_offers_but_not_what_was_agreed(self):
        old = self.reader.GetCatalogue()
        pledge = self.clerk.submit_tier("argent", self.clerk.contributor(self.name())) \
            .outcome.pledge
        self.clerk.commit(pledge)
        agreed = len(self.clerk.ListBenefits(pledge=pledge).benefit)
        following = self.following()
        self.tier(following, "argent").amount.minor += 100000
        kept = [g for g in following.grant if not (g.tier == "argent" and g.benefit == "VIS6")]
        following.ClearField("grant")
        following.grant.extend(kept)
        receipt = self.adopt(following)
        self.assertEqual(self.reader.GetCatalogue().adopted_seq, receipt.seq)
        self.assertEqual(self.clerk.GetPledge(pledge=pledge).pledge.amount.minor,
                         self.tier(old.catalogue, "argent").amount.minor)
        self.assertEqual(len(self.clerk.ListBenefits(pledge=pledge).benefit), agreed,
                         "the benefits are frozen at the commitment")
        self.assertEqual(len(self.reader.ListBenefits(tier="argent").benefit), agreed - 1)
        new = self.clerk.submit_tier("argent", self.clerk.contributor(self.name())).outcome.pledge
        self.assertEqual(self.clerk.GetPledge(pledge=new).pledge.amount.minor,
                         self.tier(following, "argent").amount.minor)

    def test_an_older_or_equal_version_is_not_newer(self):
        for version in (self.version, 1):
            same = self.following()
            same.version = version
            with self.refused("CATALOGUE_NOT_NEWER", grpc.StatusCode.FAILED_PRECONDITION):
                self.adopt(same)

    def test_a_tier_in_use_cannot_disappear(self):
        pledge = self.clerk.submit_tier("or", self.clerk.contributor(self.name())).outcome.pledge
        without = self.following()
        kept_tiers = [t for t in without.tier if t.code != "or"]
        kept_grants = [g for g in without.grant if g.tier != "or"]
        without.ClearField("tier")
        without.tier.extend(kept_tiers)
        without.ClearField("grant")
        without.grant.extend(kept_grants)
        with self.refused("TIER_IN_USE", grpc.StatusCode.FAILED_PRECONDITION):
            self.adopt(without)
        self.clerk.withdraw(pledge)

    def test_more_capacity_promotes_those_who_wait(self):
        home = opened()
        self.addCleanup(home.close)
        clerk, admin = home.client("clerk"), home.client("admin")
        clerk.submit_tier("diamant", clerk.contributor("A"))
        waits = clerk.execute(wait=pb.Wait(tier="diamant",
                                           contributor=clerk.contributor("B"))).outcome.pledge
        wider = pb.Catalogue()
        wider.CopyFrom(clerk.GetCatalogue().catalogue)
        wider.version = 2
        wider.tier[0].capacity.count = 2
        admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=wider))
        self.eventually(lambda: clerk.GetPledge(pledge=waits).pledge.stage == pb.STAGE_HELD)
        check_ledger(home.client("auditor").dump())


class Closed(DaemonTest):
    def test_offers_close_on_their_day_and_what_was_held_goes_on(self):
        who = [self.clerk.contributor(self.name()) for _ in range(2)]
        held = self.clerk.hold("platine", who[0]).outcome.pledge
        closing = shipped_catalogue()
        closing.version, closing.closes = 2, "2026-01-31"
        receipt = self.admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=closing))
        for fields in (dict(hold=pb.Hold(tier="platine", contributor=who[1])),
                       dict(submit=pb.Submit(tier="or", contributor=who[1]), reason="r")):
            with self.refused("TIER_CLOSED", grpc.StatusCode.FAILED_PRECONDITION) as box:
                self.clerk.execute(**fields)
            self.assertEqual(box[0].refusal.deciding_seq, receipt.seq)
        # a business date before the closing day counts; a hold that stands may become a pledge
        self.clerk.execute(submit=pb.Submit(tier="or", contributor=who[1]), reason="r",
                           effective_date="2026-01-31")
        self.clerk.execute(submit=pb.Submit(pledge=held), reason="letter")

    def test_a_past_event_is_a_warning_never_a_refusal(self):
        receipt = self.clerk.execute(submit=pb.Submit(
            tier="argent", contributor=self.clerk.contributor(self.name())), reason="r",
            effective_date="2026-01-30")
        self.assertNotIn(pb.WARNING_KIND_EVENT_PAST, [w.kind for w in receipt.outcome.warning])
        later = shipped_catalogue()
        later.code, later.version = "long-ago", 1
        later.event.starts, later.event.ends = "2016-05-02", "2016-05-06"
        self.admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=later))
        receipt = self.clerk.submit_tier("argent", self.clerk.contributor(self.name()))
        self.assertIn(pb.WARNING_KIND_EVENT_PAST, [w.kind for w in receipt.outcome.warning])


class SecondYear(DaemonTest):
    def test_another_years_catalogue_stands_beside_the_first(self):
        first = self.clerk.submit_tier("platine", self.clerk.contributor("Loyal")).outcome
        following = shipped_catalogue()
        following.code = "wsis-forum-2027"
        following.event.starts, following.event.ends = "2027-07-05", "2027-07-09"
        self.admin.execute(adopt_catalogue=pb.AdoptCatalogue(catalogue=following))
        tiers = self.reader.ListTiers()
        self.assertEqual(tiers.catalogue, "wsis-forum-2027")
        self.assertEqual(self.clerk.remaining("platine"), 2)
        again = self.clerk.submit_tier("platine", "C000001")  # one live slot a catalogue
        self.assertNotEqual(again.outcome.pledge, first.pledge)
        old = self.reader.ListTiers(catalogue="wsis-forum-2026")
        self.assertEqual([t.pledged for t in old.tier if t.code == "platine"], [1])


if __name__ == "__main__":
    unittest.main()
