# SPDX-License-Identifier: Apache-2.0
"""interop/requests: Python's requests, which speaks HTTP/1.1 alone: Connect's unary calls as JSON
and as protobuf, by POST and by GET, on connections that are kept."""
import base64
import json
import pathlib
import sys
import threading
import unittest
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import requests  # noqa: E402

from harness import DaemonTest, Pki, command, new_id, patience, pb  # noqa: E402

SERVICE = "/pledged.v1.LedgerService/"


class RequestsTest(DaemonTest):
    def setUp(self):
        self.sessions = []
        self.addCleanup(lambda: [session.close() for session in self.sessions])

    def session(self, person, pki=None):
        """A stock session; nothing but certificates is set."""
        pki = pki or self.home.pki
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.home.pki.ca)
        if person:
            session.cert = (str(pki.cert(person)), str(pki.key(person)))
        session.hooks["response"].append(
            lambda answer, *_, **__: self.assertEqual(answer.raw.version, 11))
        self.sessions.append(session)
        return session

    def url(self, method):
        return f"https://localhost:{self.home.port}{SERVICE}{method}"

    def post(self, method, message, person="clerk", session=None, **fields):
        session = session or self.session(person)
        fields.setdefault("timeout", patience(30))
        return session.post(self.url(method), json=message, **fields)

    def refused(self, answer, status, code, reason=None):
        self.assertEqual(answer.status_code, status, answer.text)
        error = answer.json()
        self.assertEqual(error["code"], code)
        if reason is None:
            return error
        detail = error["details"][0]
        self.assertEqual(detail["type"], "pledged.v1.Refusal")
        value = detail["value"] + "=" * (-len(detail["value"]) % 4)
        refusal = pb.Refusal.FromString(base64.b64decode(value))
        self.assertEqual(pb.Reason.Name(refusal.reason)[7:], reason)
        return refusal

    def stream(self, method, type, message, person="auditor"):
        """A server stream of Connect: flag, length and message, as often as the server likes."""
        answer = self.session(person).post(
            self.url(method), data=b"\0" + len(message).to_bytes(4, "big") + message, stream=True,
            headers={"content-type": type}, timeout=patience(30))
        self.addCleanup(answer.close)
        self.assertEqual((answer.status_code, answer.headers["content-type"]), (200, type))
        return answer

    def envelope(self, raw):
        head = raw.read(5)
        self.assertEqual(len(head), 5, "the stream ended without an end")
        return head[0], raw.read(int.from_bytes(head[1:], "big"))

    def envelopes(self, raw):
        """All messages, and what the end says."""
        messages = []
        while True:
            flag, message = self.envelope(raw)
            if flag == 2:
                self.assertEqual(raw.read(), b"", "nothing after the end")
                return messages, json.loads(message)
            self.assertEqual(flag, 0)
            messages.append(message)

    def dump(self, type, message, decode):
        messages, end = self.envelopes(self.stream("Dump", type, message).raw)
        self.assertNotIn("error", end)
        return [decode(message) for message in messages]

    def contribution(self, **fields):
        return {"requestId": base64.b64encode(new_id()).decode(),
                "addContributor": {"name": self.name("Requests"), "kind": 4}, **fields}


class Json(RequestsTest):
    def test_unary(self):
        answer = self.post("GetTier", {"tier": "platine"}, person="public")
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.json()["tier"]["remaining"], {"count": "2"})

    def test_get(self):
        for session in (self.session("reader"), self.session("public")):
            answer = session.get(self.url("GetTier"), timeout=patience(30), params={
                "connect": "v1", "encoding": "json", "message": '{"tier":"or"}'})
            self.assertEqual(answer.json()["tier"]["code"], "or", answer.text)

    def test_a_write_is_new_then_replayed(self):
        sent = self.contribution()
        answers = [self.post("Execute", sent).json() for _ in range(2)]
        self.assertEqual([a["kind"] for a in answers], ["RECEIPT_KIND_NEW", "RECEIPT_KIND_REPLAY"])
        self.assertEqual(answers[0]["seq"], answers[1]["seq"])
        self.refused(self.post("Execute", self.contribution(requestId=sent["requestId"])), 409,
                     "aborted", "REQUEST_ID_REUSED")

    def test_refusals_carry_reason_and_field(self):
        missing = self.refused(self.post("GetPledge", {"pledge": "P999999"}), 404, "not_found",
                               "PLEDGE_UNKNOWN")
        self.assertEqual(missing.field, "pledge")
        who = self.clerk.contributor(self.name())
        rule = self.refused(self.post("Execute", {
            "requestId": base64.b64encode(new_id()).decode(),
            "wait": {"tier": "platine", "contributor": who}}), 400, "failed_precondition",
            "TIER_NOT_FULL")
        self.assertEqual(rule.field, "wait.tier")

    def test_wrong_role(self):
        self.refused(self.post("GetPledge", {"pledge": "P000001"}, person="public"), 403,
                     "permission_denied", "PERMISSION_DENIED")
        self.refused(self.post("Execute", self.contribution(), person="reader"), 403,
                     "permission_denied", "PERMISSION_DENIED")

    def test_no_certificate_and_unknown_ones(self):
        self.home.pki.person("stranger")
        self.refused(self.post("ListTiers", {}, person="stranger"), 401, "unauthenticated",
                     "UNAUTHENTICATED")
        other = Pki.shared("other")
        other.person("clerk")
        for session in (self.session(None), self.session("clerk", pki=other)):
            with self.assertRaises(requests.exceptions.ConnectionError):
                self.post("ListTiers", {}, session=session)

    def test_deadlines(self):
        self.refused(self.post("ListTiers", {}, headers={"connect-timeout-ms": "0"}), 504,
                     "deadline_exceeded")
        answer = self.post("ListTiers", {}, headers={"connect-timeout-ms": "20000"})
        self.assertEqual(answer.status_code, 200, answer.text)

    def test_a_client_that_gives_up_leaves_no_doubt_about_the_request_id(self):
        """Whatever became of the first try: asking again gives one effect."""
        for timeout in (0.0001, 0.001, 0.003):
            sent = self.contribution()
            session = self.session("clerk")
            try:
                self.post("Execute", sent, session=session, timeout=(patience(20), timeout))
            except requests.exceptions.Timeout:
                pass
            receipt = self.post("Execute", sent, session=session).json()
            raw = base64.b64decode(sent["requestId"])
            seen = [str(e.seq) for e in self.auditor.dump() if e.request_id == raw]
            self.assertEqual(seen, [receipt["seq"]])

    def test_unknown_paths_verbs_and_codecs(self):
        self.assertEqual(self.post("NoSuch", {}).status_code, 404)
        session = self.session("clerk")
        self.assertEqual(session.put(self.url("ListTiers"), json={},
                                     timeout=patience(30)).status_code, 405)
        self.assertEqual(session.get(self.url("Execute"), timeout=patience(30), params={
            "connect": "v1", "encoding": "json", "message": "{}"}).status_code, 405)
        self.assertEqual(session.post(self.url("ListTiers"), data={"a": "b"},
                                      timeout=patience(30)).status_code, 415)

    def test_other_sites(self):
        answer = self.post("ListTiers", {}, headers={"origin": "https://evil.example"})
        self.assertEqual(answer.status_code, 403)

    def test_over_the_limit(self):
        answer = self.post("GetTier", {"tier": "x" * (300 * 1024)})
        self.assertIn(answer.status_code, (413, 429), answer.text)
        self.assertEqual(self.clerk.remaining("platine"), 2)

    def test_bodies_without_a_length_are_refused_with_a_word(self):
        """A generator is sent in chunks; HTTP/1.1 is served small and strict."""
        session = self.session("clerk")
        answer = session.post(self.url("ListTiers"), data=iter([b"{", b"}"]),
                              headers={"content-type": "application/json"}, timeout=patience(30))
        self.assertEqual(answer.status_code, 411, answer.text)
        self.assertEqual(self.post("ListTiers", {}, session=session).status_code, 200)

    def test_a_dump_comes_whole(self):
        messages = self.dump("application/connect+json", b"{}", json.loads)
        entries = [pb.Entry.FromString(base64.b64decode(entry))
                   for message in messages for entry in message.get("entry", [])]
        self.assertEqual([e.seq for e in entries], list(range(1, len(entries) + 1)))
        self.assertEqual(messages[-1]["trailer"]["toSeq"], str(len(entries)))

    def test_a_refused_stream_says_why(self):
        stream = self.stream("Dump", "application/connect+json", b"{}", person="clerk")
        messages, end = self.envelopes(stream.raw)
        self.assertEqual((messages, end["error"]["code"]), ([], "permission_denied"))

    def test_watch_a_hold_made_elsewhere(self):
        stream = self.stream("Watch", "application/connect+json", b'{"heartbeatS":1}', "reader")
        first = json.loads(self.envelope(stream.raw)[1])
        self.assertEqual(len(first["tier"]), 6)
        seq = self.clerk.hold("or", self.clerk.contributor(self.name())).seq
        while True:
            flag, message = self.envelope(stream.raw)
            self.assertEqual(flag, 0, message)
            told = json.loads(message)
            if int(told["seq"]) >= seq and any(t["code"] == "or" for t in told.get("tier", [])):
                break
        stream.close()
        self.assertEqual(self.post("ListTiers", {}).status_code, 200)


class Protobuf(RequestsTest):
    def call(self, method, message, person="clerk", session=None):
        return (session or self.session(person)).post(
            self.url(method), data=message.SerializeToString(),
            headers={"content-type": "application/proto"}, timeout=patience(30))

    def test_unary(self):
        answer = self.call("GetTier", pb.GetTierRequest(tier="or"))
        self.assertEqual(answer.headers["content-type"], "application/proto")
        self.assertEqual(pb.GetTierResponse.FromString(answer.content).tier.code, "or")
        empty = self.call("ListTiers", pb.ListTiersRequest())
        self.assertEqual(len(pb.ListTiersResponse.FromString(empty.content).tier), 6)

    def test_get(self):
        packed = base64.urlsafe_b64encode(pb.GetTierRequest(tier="or").SerializeToString())
        answer = self.session("reader").get(self.url("GetTier"), timeout=patience(30), params={
            "connect": "v1", "encoding": "proto", "base64": "1",
            "message": packed.decode().rstrip("=")})
        self.assertEqual(pb.GetTierResponse.FromString(answer.content).tier.code, "or")

    def test_a_write_is_new_then_replayed(self):
        sent = command(add_contributor=pb.AddContributor(name=self.name(), kind=1))
        receipts = [pb.Receipt.FromString(self.call("Execute", sent).content) for _ in range(2)]
        self.assertEqual([r.kind for r in receipts], [pb.RECEIPT_KIND_NEW, pb.RECEIPT_KIND_REPLAY])
        self.assertEqual(receipts[0].seq, receipts[1].seq)

    def test_a_dump_comes_whole(self):
        messages = self.dump("application/connect+proto", b"", pb.DumpResponse.FromString)
        entries = [entry for message in messages for entry in message.entry]
        self.assertEqual(messages[-1].trailer.to_seq, len(entries))
        self.assertEqual(entries, self.auditor.dump_bytes(to_seq=len(entries))[0])

    def test_refusals_are_json(self):
        self.refused(self.call("GetPledge", pb.GetPledgeRequest(pledge="P999999")), 404,
                     "not_found", "PLEDGE_UNKNOWN")

    def test_wrong_role(self):
        self.refused(self.call("GetPledge", pb.GetPledgeRequest(pledge="P1"), person="public"),
                     403, "permission_denied", "PERMISSION_DENIED")


class Connections(RequestsTest):
    def test_one_connection_is_kept_for_many_requests(self):
        session = self.session("clerk")
        for turn in range(50):
            answer = self.post("GetTier", {"tier": "or"}, session=session)
            self.assertEqual(answer.json()["tier"]["code"], "or")
            if turn % 10 == 9:  # an error of the call is none of the connection
                self.post("GetPledge", {"pledge": "P999999"}, session=session)
        pools = session.adapters["https://"].poolmanager.pools
        pool = pools[pools.keys()[0]]
        self.assertEqual((pool.num_connections, pool.num_requests), (1, 55))

    def test_a_client_that_closes_after_each_request(self):
        session = self.session("clerk")
        for _ in range(5):
            answer = self.post("GetTier", {"tier": "or"}, session=session,
                               headers={"connection": "close"})
            self.assertEqual(answer.json()["tier"]["code"], "or")
            self.assertEqual(answer.headers.get("connection", "").lower(), "close")

    def test_many_at_once(self):
        problems = []

        def ask():
            session = self.session("reader")
            for _ in range(10):
                try:
                    self.assertEqual(self.post("GetTier", {"tier": "or"}, session=session)
                                     .json()["tier"]["code"], "or")
                except Exception as error:  # told by the main thread
                    problems.append(error)
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience(60))
        self.assertEqual(problems, [])

    def test_the_same_ledger_as_over_grpc(self):
        sent = command(add_contributor=pb.AddContributor(name=self.name(), kind=1))
        receipt = self.clerk.execute(sent)
        answer = self.post("Execute", {
            "requestId": base64.b64encode(sent.request_id).decode(),
            "addContributor": {"name": sent.add_contributor.name, "kind": 1}}).json()
        self.assertEqual((answer["kind"], int(answer["seq"])),
                         ("RECEIPT_KIND_REPLAY", receipt.seq))

    def test_after_a_restart_the_session_works_again(self):
        session = self.session("clerk")
        self.post("ListTiers", {}, session=session)
        self.home.settings["daemon"]["listen"] = f"127.0.0.1:{self.home.port}"
        self.home.write_config()
        self.home.restart()
        type(self).clerk = self.home.client("clerk")
        answer = self.post("ListTiers", {}, session=session)
        self.assertEqual(answer.status_code, 200, answer.text)


if __name__ == "__main__":
    # the urllib3 of Debian 12 looks at commonName where there is no subjectAltName; ours has one
    warnings.simplefilter("error")
    unittest.main()
