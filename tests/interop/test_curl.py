# SPDX-License-Identifier: Apache-2.0
"""interop/curl: the Connect dialect as curl speaks it (JSON and binary, POST and GET), its errors,
its limits; raw HTTP/2 as nghttp shows it, where a frame matters."""
import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import DaemonTest, command, new_id, patience, pb  # noqa: E402

SERVICE = "/pledged.v1.LedgerService/"


class Answer:
    def __init__(self, status, headers, body, version):
        self.status, self.headers, self.body, self.version = status, headers, body, version

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers}\n{self.body!r}"


class CurlTest(DaemonTest):
    http = ("--http2", "HTTP/2")

    def curl(self, path, *args, person="clerk", data=None):
        """One request; stdin is the body if data is given."""
        pki = self.home.pki
        words = ["curl", "--silent", "--show-error", self.http[0], "--include", "--max-time",
                 str(int(patience(20))), "--resolve", f"localhost:{self.home.port}:127.0.0.1",
                 "--cacert", pki.ca, "--cert", pki.cert(person), "--key", pki.key(person), *args]
        if data is not None:
            words += ["--data-binary", "@-"]
        done = subprocess.run([*map(str, words), f"https://localhost:{self.home.port}{path}"],
                              input=data, capture_output=True, timeout=patience(30))
        if done.returncode in (55, 56):  # of curl: sending or receiving failed
            raise ConnectionError(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/") and b" 100" in head.split(b"\r\n")[0]:
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.assertEqual(lines[0].split()[0], self.http[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Answer(int(lines[0].split()[1]), headers, body, lines[0].split()[0])

    def post(self, method, message, type="application/json", person="clerk", extra=()):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.curl(SERVICE + method, "-X", "POST", "-H", f"content-type: {type}", *extra,
                         person=person, data=data)

    def get(self, method, extra="", person="clerk", args=(), **query):
        return self.curl(SERVICE + method + "?" + urllib.parse.urlencode(query) + extra, *args,
                         person=person)

    def error(self, answer, status, code, reason=None):
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers["content-type"].startswith("application/json"), answer)
        error = answer.json
        self.assertEqual(error["code"], code, answer)
        self.assertNotIn(None, error.values())
        if reason is not None:
            detail = error["details"][0]
            self.assertEqual(detail["type"], "pledged.v1.Refusal")
            self.assertNotIn("=", detail["value"])
            value = detail["value"] + "=" * (-len(detail["value"]) % 4)
            refusal = pb.Refusal.FromString(base64.b64decode(value))
            self.assertEqual(pb.Reason.Name(refusal.reason)[7:], reason)
            self.assertEqual(error["message"], refusal.message)
            return refusal
        return error


class Connect(CurlTest):
    def test_the_json_flag_of_curl_is_all_it_takes(self):
        done = self.curl(SERVICE + "GetTier", "--json", '{"tier": "platine"}')
        self.assertEqual(done.status, 200)
        self.assertEqual(done.headers["content-type"], "application/json")
        self.assertEqual(done.json["tier"]["remaining"], {"count": "2"})

    def test_canonical_protojson(self):
        answer = self.post("ListTiers", {}).json
        self.assertIsInstance(answer["asOfSeq"], str)
        tiers = {t["code"]: t for t in answer["tier"]}
        self.assertEqual(tiers["or"]["remaining"], {"unlimited": True})
        self.assertEqual(tiers["diamant"]["remaining"], {"count": "1"})
        self.assertEqual(tiers["diamant"]["amount"], {"minor": "25000000", "currency": "CHF"})
        self.assertEqual(tiers["diamant"]["held"], "0", "zero is printed")
        self.assertTrue(tiers["appui"]["onRequest"])
        from google.protobuf import json_format
        ours = json_format.Parse(json.dumps(answer), pb.ListTiersResponse())
        theirs = self.clerk.ListTiers()
        ours.as_of_time_us = theirs.as_of_time_us = 0
        self.assertEqual(ours, theirs)

    def test_names_numbers_and_bytes_in_all_their_forms(self):
        raw = new_id()
        forms = [base64.b64encode(raw).decode(), base64.b64encode(raw).decode().rstrip("="),
                 base64.urlsafe_b64encode(raw).decode()]
        name = self.name("Forms")
        bodies = [
            {"requestId": forms[0], "addContributor": {"name": name,
                                                       "kind": "CONTRIBUTOR_KIND_ACADEMIA"}},
            {"request_id": forms[1], "add_contributor": {"name": name, "kind": 4}},
            {"requestId": forms[2], "addContributor": {"name": name, "kind": 4, "country": None}},
        ]
        answers = [self.post("Execute", body).json for body in bodies]
        self.assertEqual([a["kind"] for a in answers],
                         ["RECEIPT_KIND_NEW", "RECEIPT_KIND_REPLAY", "RECEIPT_KIND_REPLAY"])
        self.assertEqual(len({a["seq"] for a in answers}), 1)

    def test_json_and_grpc_are_the_same_ledger_and_the_same_ids(self):
        sent = command(add_contributor=pb.AddContributor(name=self.name("Both"), kind=1))
        receipt = self.clerk.execute(sent)
        answer = self.post("Execute", {
            "requestId": base64.b64encode(sent.request_id).decode(),
            "addContributor": {"name": sent.add_contributor.name, "kind": 1}}).json
        self.assertEqual((answer["kind"], int(answer["seq"])),
                         ("RECEIPT_KIND_REPLAY", receipt.seq))

    def test_binary(self):
        answer = self.post("GetTier", pb.GetTierRequest(tier="or").SerializeToString(),
                           type="application/proto")
        self.assertEqual((answer.status, answer.headers["content-type"]),
                         (200, "application/proto"))
        self.assertEqual(pb.GetTierResponse.FromString(answer.body).tier.code, "or")
        empty = self.post("ListTiers", b"", type="application/proto")
        self.assertEqual(len(pb.ListTiersResponse.FromString(empty.body).tier), 6)

    def test_binary_errors_are_json(self):
        answer = self.post("GetPledge", pb.GetPledgeRequest(pledge="P999999").SerializeToString(),
                           type="application/proto")
        self.error(answer, 404, "not_found", "PLEDGE_UNKNOWN")

    def test_get_for_reads(self):
        answer = self.get("GetTier", connect="v1", encoding="json", message='{"tier":"or"}')
        self.assertEqual(answer.json["tier"]["code"], "or", answer)
        packed = pb.GetTierRequest(tier="argent").SerializeToString()
        for encode in (base64.urlsafe_b64encode, base64.b64encode):
            for strip in (b"", b"="):
                message = encode(packed).rstrip(strip) if strip else encode(packed)
                answer = self.get("GetTier", encoding="proto", base64="1", connect="v1",
                                  message=message.decode())
                self.assertEqual(pb.GetTierResponse.FromString(answer.body).tier.code, "argent")
        answer = self.get("GetTier", message=base64.urlsafe_b64encode(b'{"tier":"or"}').decode(),
                          base64="1", encoding="json", other="thing")
        self.assertEqual(answer.json["tier"]["code"], "or")

    def test_get_never_writes(self):
        size = self.reader.GetStatus().size
        answer = self.get("Execute", encoding="json", connect="v1", message=json.dumps({
            "requestId": base64.b64encode(new_id()).decode(),
            "addContributor": {"name": self.name(), "kind": 1}}))
        self.assertEqual(answer.status, 405, answer)
        self.assertEqual(self.reader.GetStatus().size, size)

    def test_wrong_verb_path_and_codec(self):
        for verb in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = self.curl(SERVICE + "ListTiers", "-X", verb, "-H",
                               "content-type: application/json", data=b"{}")
            self.assertEqual(answer.status, 405, answer)
        self.assertEqual(self.post("NoSuch", {}).status, 404)
        self.assertEqual(self.curl("/", "--json", "{}").status, 404)
        self.assertEqual(self.curl("/pledged.v1.LedgerService", "--json", "{}").status, 404)
        for type in ("application/xml", "text/json", "application/json5", "application/grpc-web+foo",
                     "application/x-www-form-urlencoded", "application/protobuf"):
            self.assertEqual(self.post("ListTiers", {}, type=type).status, 415, type)
        answer = self.get("GetTier", encoding="xml", connect="v1", message="{}")
        self.assertIn(answer.status, (400, 415), answer)

    def test_a_charset_is_fine(self):
        answer = self.post("ListTiers", {}, type="application/json; charset=utf-8")
        self.assertEqual(answer.status, 200, answer)

    def test_compression_is_refused_by_name(self):
        answer = self.post("ListTiers", b"\x1f\x8b", extra=["-H", "content-encoding: gzip"])
        error = self.error(answer, 501, "unimplemented")
        self.assertIn("identity", error["message"])
        plain = self.post("ListTiers", {}, extra=["-H", "content-encoding: identity"])
        self.assertEqual(plain.status, 200, plain)

    def test_bad_json_names_the_path(self):
        for body, path in ((b'{"tier": 5}', "tier"), (b'{"teir": "or"}', "teir"),
                           (b'{"tier": "or", "tier": "or"}', "tier")):
            answer = self.post("GetTier", body)
            refusal = self.error(answer, 400, "invalid_argument")
            self.assertIn(path, json.dumps(refusal), body)
        nested = {"requestId": base64.b64encode(new_id()).decode(),
                  "pay": {"pledge": "P000001", "amount": {"minor": "ten", "currency": "CHF"}}}
        answer = self.post("Execute", nested)
        self.assertIn("pay.amount.minor", json.dumps(self.error(answer, 400, "invalid_argument")))
        for body in (b"", b"{", b"[]", b"null", b'{"tier": "\xff"}', b'{"tier": "\\ud800"}',
                     b"{}{}", b'{"tier":"a\\u0000b"}', b"[" * 5000, b'{"a":' * 5000):
            answer = self.post("GetTier", body)
            self.error(answer, 400, "invalid_argument")

    def test_the_statuses_of_errors(self):
        who = self.clerk.contributor(self.name())
        self.error(self.post("GetPledge", {"pledge": "P999999"}), 404, "not_found",
                   "PLEDGE_UNKNOWN")
        self.error(self.post("GetPledge", {"pledge": "P1"}, person="reader"), 403,
                   "permission_denied", "PERMISSION_DENIED")

        def execute(**fields):
            return self.post("Execute", {"requestId": base64.b64encode(new_id()).decode(),
                                         **fields})
        self.error(execute(wait={"tier": "platine", "contributor": who}), 400,
                   "failed_precondition", "TIER_NOT_FULL")
        self.error(execute(hold={"tier": "bronze", "contributor": who}), 400, "invalid_argument",
                   "TIER_UNKNOWN")
        used = new_id()
        self.clerk.execute(command(used, add_contributor=pb.AddContributor(name=self.name(),
                                                                           kind=1)))
        self.error(self.post("Execute", {"requestId": base64.b64encode(used).decode(),
                                         "addContributor": {"name": "Z", "kind": 1}}),
                   409, "aborted", "REQUEST_ID_REUSED")

    def test_nobody_known(self):
        self.home.pki.person("stranger")
        self.error(self.post("ListTiers", {}, person="stranger"), 401, "unauthenticated",
                   "UNAUTHENTICATED")

    def test_over_the_limit(self):
        body = json.dumps({"tier": "x" * (300 * 1024)}).encode()
        self.error(self.post("GetTier", body), 429, "resource_exhausted")
        for size in (900 << 10, 20 << 20):
            body = b'{"tier":"' + b"x" * size + b'"}'
            try:
                answer = self.curl(SERVICE + "GetTier", "-H", "content-type: application/json", "-H",
                                   "expect:", data=body)
                self.assertIn(answer.status, (413, 429), answer.status)
            except ConnectionError:  # who goes on for more than a megabyte may be cut off before it reads
                self.assertGreater(size, 1 << 20)
        self.assertEqual(self.clerk.remaining("platine"), 2)

    def test_timeouts(self):
        answer = self.post("ListTiers", {}, extra=["-H", "connect-timeout-ms: 10000"])
        self.assertEqual(answer.status, 200, answer)
        for bad in ("ten", "-1", "99999999999"):
            answer = self.post("ListTiers", {}, extra=["-H", f"connect-timeout-ms: {bad}"])
            self.error(answer, 400, "invalid_argument")

    def test_the_protocol_version_may_be_told(self):
        answer = self.post("ListTiers", {}, extra=["-H", "connect-protocol-version: 1"])
        self.assertEqual(answer.status, 200, answer)
        answer = self.post("ListTiers", {}, extra=["-H", "connect-protocol-version: 7"])
        self.error(answer, 400, "invalid_argument")

    def test_pages_of_other_sites_get_nothing(self):
        for extra in (["-H", "origin: https://evil.example"],
                      ["-H", "sec-fetch-site: cross-site"]):
            answer = self.post("ListTiers", {}, extra=extra)
            self.assertEqual(answer.status, 403, answer)
            self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_a_stream_is_not_a_unary_call(self):
        answer = self.post("Dump", {}, person="auditor")
        self.assertIn(answer.status, (415, 501), answer)

    def test_a_dump_comes_in_envelopes(self):
        for type, message in (("application/connect+json", b"{}"),
                              ("application/connect+proto", b"")):
            answer = self.post("Dump", b"\0" + len(message).to_bytes(4, "big") + message,
                               type=type, person="auditor")
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, type))
            rest, found = answer.body, []
            while rest:
                length = int.from_bytes(rest[1:5], "big")
                found.append((rest[0], rest[5:5 + length]))
                rest = rest[5 + length:]
            self.assertEqual([flag for flag, _ in found], [0] * (len(found) - 1) + [2])
            self.assertEqual(json.loads(found[-1][1]), {})
            if type.endswith("json"):
                self.assertIn("trailer", json.loads(found[-2][1]))
            else:
                self.assertTrue(pb.DumpResponse.FromString(found[-2][1]).HasField("trailer"))

    def test_a_batch_in_json(self):
        commands = [{"requestId": base64.b64encode(new_id()).decode(),
                     "addContributor": {"name": self.name("Json batch") if n % 7 < 5 else "",
                                        "kind": 1}} for n in range(300)]
        answer = self.post("ExecuteBatch", {"command": commands})
        results = answer.json["result"]
        self.assertEqual(len(results), 300)
        for n, result in enumerate(results):
            self.assertIn("receipt" if n % 7 < 5 else "refusal", result)
            if "receipt" in result:
                self.assertRegex(result["receipt"]["outcome"]["contributor"], "^C[0-9]{6}$")

    def test_tls_1_2_is_not_spoken(self):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.home.port}", "-tls1_2"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=patience(30))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"alert", done.stderr + done.stdout)


class ConnectHttp1(Connect):
    """All of it again over HTTP/1.1, and what that alone has."""

    http = ("--http1.1", "HTTP/1.1")

    def test_a_body_in_chunks_is_refused_with_a_word(self):
        answer = self.post("ListTiers", {}, extra=["-H", "transfer-encoding: chunked"])
        self.assertEqual(answer.status, 411, answer)

    def test_a_long_body_waits_for_100_continue(self):
        body = json.dumps({"tier": "x" * (100 * 1024)}).encode()
        answer = self.post("GetTier", body, extra=["-H", "expect: 100-continue"])
        self.error(answer, 400, "invalid_argument")

    def test_grpc_needs_http_2_and_is_told_so(self):
        answer = self.curl(SERVICE + "ListTiers", "-X", "POST", "-H",
                           "content-type: application/grpc", data=b"\0\0\0\0\0")
        self.assertGreaterEqual(answer.status, 400, answer)
        self.assertNotIn("grpc-status", answer.headers)

    def test_a_client_without_alpn_is_served(self):
        answer = self.post("GetTier", {"tier": "or"}, extra=["--no-alpn"])
        self.assertEqual(answer.json["tier"]["code"], "or", answer)


class GrpcByHand(CurlTest):
    """gRPC requests that no client library would send."""

    def framed(self, body, flag=0):
        return bytes([flag]) + len(body).to_bytes(4, "big") + body

    def grpc(self, method, data, type="application/grpc", extra=()):
        return self.curl(SERVICE + method, "-X", "POST", "-H", f"content-type: {type}", "-H",
                         "te: trailers", *extra, data=data)

    def test_content_types(self):
        for type in ("application/grpc", "application/grpc+proto"):
            answer = self.grpc("ListTiers", self.framed(b""), type=type)
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, type))
        self.assertEqual(self.grpc("ListTiers", self.framed(b""),
                                   type="application/grpc+foo").status, 415)
        self.assertEqual(self.grpc("ListTiers", self.framed(b""),
                                   type="application/grpcfoo").status, 415)

    def test_get_with_a_grpc_content_type(self):
        answer = self.curl(SERVICE + "ListTiers", "-H", "content-type: application/grpc")
        self.assertEqual(answer.status, 405, answer)

    def trailers_only(self, answer, status):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers.get("grpc-status"), str(status), answer)

    def test_flags_and_encodings(self):
        self.trailers_only(self.grpc("ListTiers", self.framed(b"", flag=1)), 13)
        answer = self.grpc("ListTiers", self.framed(b"", flag=1),
                           extra=["-H", "grpc-encoding: br"])
        self.trailers_only(answer, 12)
        self.assertEqual(answer.headers.get("grpc-accept-encoding"), "identity")

    def test_no_message_two_messages_half_a_message(self):
        self.trailers_only(self.grpc("ListTiers", b""), 12)
        self.trailers_only(self.grpc("ListTiers", self.framed(b"") * 2), 12)
        for half in (b"\0\0", self.framed(b"abcdef")[:-2]):
            answer = self.grpc("ListTiers", half)
            self.assertEqual(answer.status, 200)
            self.assertNotEqual(answer.headers.get("grpc-status"), "0")

    def test_a_length_that_lies(self):
        answer = self.grpc("ListTiers", b"\0\xff\xff\xff\xff" + b"x" * 100)
        self.trailers_only(answer, 8)

    def test_timeouts_that_are_none(self):
        for bad in ("5", "1234567890S", "1x", "S", "-1S"):
            answer = self.grpc("ListTiers", self.framed(b""), extra=["-H", f"grpc-timeout: {bad}"])
            self.assertEqual(answer.status, 200)
            self.assertNotIn(answer.headers.get("grpc-status"), (None, "0"), bad)
        for good in ("5S", "99999999H", "20000m"):
            answer = self.grpc("ListTiers", self.framed(b""), extra=["-H", f"grpc-timeout: {good}"])
            self.assertNotIn("grpc-status", answer.headers)  # it comes as a trailer
            self.assertGreater(len(answer.body), 100)

    def test_a_deadline_that_has_passed(self):
        packed = command(add_contributor=pb.AddContributor(name=self.name("Late"), kind=1))
        size = self.reader.GetStatus().size
        answer = self.grpc("Execute", self.framed(packed.SerializeToString()),
                           extra=["-H", "grpc-timeout: 1n"])
        self.trailers_only(answer, 4)
        self.assertEqual(self.reader.GetStatus().size, size, "nothing happened")

    def test_error_details_are_unpadded_base64(self):
        answer = self.grpc("GetPledge",
                           self.framed(pb.GetPledgeRequest(pledge="P999999").SerializeToString()))
        self.trailers_only(answer, 5)
        self.assertNotIn("=", answer.headers["grpc-status-details-bin"])
        self.assertLess(len(answer.headers["grpc-message"]), 1100)


@unittest.skipUnless(shutil.which("nghttp"), "nghttp (package nghttp2-client) is not installed")
class Frames(CurlTest):
    def frames(self, method, body, *headers):
        """What nghttp -v tells of the frames that came back for one gRPC request."""
        file = self.home.path / "request.bin"
        file.write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
        pki = self.home.pki
        words = ["nghttp", "-v", "-n", "-t", "10", f"--cert={pki.cert('clerk')}",
                 f"--key={pki.key('clerk')}", f"--data={file}", "-H", ":method: POST", "-H",
                 "content-type: application/grpc", "-H", "te: trailers",
                 f"https://127.0.0.1:{self.home.port}{SERVICE}{method}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=patience(30))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        received = []
        for block in re.split(r"\n(?=\[ *[0-9.]+\] )", text):
            kind = re.search(r"recv (HEADERS|DATA|RST_STREAM|GOAWAY|SETTINGS) frame", block)
            if kind:
                received.append((kind[1], block))
        return received, text

    def stream(self, received):
        """Header and data frames of the one stream; nghttp prints header lines before the frame."""
        return [(kind, "END_STREAM" in block) for kind, block in received
                if kind in ("HEADERS", "DATA", "RST_STREAM")]

    def test_an_error_is_one_headers_frame(self):
        received, text = self.frames("GetPledge",
                                     pb.GetPledgeRequest(pledge="P999999").SerializeToString())
        self.assertEqual(self.stream(received), [("HEADERS", True)], text)
        for line in (":status: 200", "content-type: application/grpc", "grpc-status: 5"):
            self.assertIn(line, text)

    def test_an_answer_is_headers_data_trailers(self):
        received, text = self.frames("GetTier", pb.GetTierRequest(tier="or").SerializeToString())
        kinds = self.stream(received)
        self.assertEqual(kinds[0], ("HEADERS", False), text)
        self.assertEqual(kinds[-1], ("HEADERS", True), text)
        self.assertTrue(all(k == ("DATA", False) for k in kinds[1:-1]) and len(kinds) >= 3, text)
        self.assertIn("grpc-status: 0", text)

    def test_the_settings_bound_what_a_peer_may_do(self):
        received, text = self.frames("ListTiers", b"")
        settings = next(block for kind, block in received if kind == "SETTINGS")
        self.assertRegex(settings, r"SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):\d+")
        self.assertRegex(settings, r"SETTINGS_MAX_HEADER_LIST_SIZE\(0x06\):\d+")


if __name__ == "__main__":
    unittest.main()
