// SPDX-License-Identifier: Apache-2.0
// interop/conformance: what the gRPC, Connect and gRPC-Web protocols demand of a server, row by row,
// as raw HTTP/2 exchanges (node:http2, no client library between the test and the frames).
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  SERVICE, Exchange, connectH2, connectTls, envelope, envelopes, exchange, facts, field, fields, http2,
  identity, origin, requestId, sleep, text, tls, within,
} from "./lib.mjs";

const OK = 0, INVALID_ARGUMENT = 3, DEADLINE_EXCEEDED = 4, NOT_FOUND = 5, PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8, UNIMPLEMENTED = 12, INTERNAL = 13, UNAUTHENTICATED = 16;
const GET_OR = field(1, "or"); // GetTierRequest{tier: "or"}
const PLEDGE_MISSING = field(1, "P999999"); // GetPledgeRequest
const EMPTY = Buffer.alloc(0);

let clerk, auditor, publicPerson;
before(async () => {
  [clerk, auditor, publicPerson] = await Promise.all(["clerk", "auditor", "public"].map((who) => connectH2(who)));
});
after(() => [clerk, auditor, publicPerson].forEach((session) => session?.destroy()));

/** One gRPC call; `message` is framed unless `body` or `chunks` says otherwise. */
function grpc(method, message = EMPTY, { session = clerk, type = "application/grpc", headers = {}, ...rest } = {}) {
  return exchange(session, method.startsWith("/") ? method : SERVICE + method, {
    headers: { "content-type": type, te: "trailers", ...headers },
    body: message === null ? EMPTY : envelope(message),
    ...rest,
  });
}

function fails(answer, code) {
  assert.equal(answer.status, 200, answer.describe());
  assert.equal(answer.grpc.status, code, answer.describe());
}

function tierOf(message) {
  return text(fields(fields(message).get(5)[0]), 1);
}

function answersTier(answer, code = "or") {
  assert.equal(answer.grpc.status, OK, answer.describe());
  assert.equal(answer.messages.length, 1);
  assert.equal(answer.messages[0].flag, 0);
  assert.equal(tierOf(answer.messages[0].message), code);
}

describe("gRPC: requests", () => {
  test("a unary call: headers, one message, trailers with status 0", async () => {
    const answer = await grpc("GetTier", GET_OR);
    assert.equal(answer.status, 200);
    assert.equal(answer.trailersOnly, false);
    assert.equal(answer.grpc.raw, "0", "the status is there, in digits");
    answersTier(answer);
    assert.equal(answer.stream.rstCode, 0);
  });
  test("unary with no message is UNIMPLEMENTED", async () => fails(await grpc("GetTier", null), UNIMPLEMENTED));
  test("unary with two messages is UNIMPLEMENTED", async () =>
    fails(await grpc("GetTier", null, { body: Buffer.concat([envelope(GET_OR), envelope(GET_OR)]) }), UNIMPLEMENTED));
  test("server streaming with no message is UNIMPLEMENTED", async () =>
    fails(await grpc("Dump", null, { session: auditor }), UNIMPLEMENTED));
  test("server streaming with two messages is UNIMPLEMENTED", async () =>
    fails(await grpc("Dump", null, { session: auditor, body: Buffer.concat([envelope(EMPTY), envelope(EMPTY)]) }),
      UNIMPLEMENTED));
  for (const path of [SERVICE + "NoSuch", SERVICE + "getTier", SERVICE, "/pledged.v1.Nobody/GetTier", "/", "/x",
    SERVICE + "GetTier/"])
    test(`an unknown path is UNIMPLEMENTED: ${path}`, async () => fails(await grpc(path, GET_OR), UNIMPLEMENTED));
  for (const verb of ["GET", "PUT", "DELETE"])
    test(`${verb} with a gRPC content type is 405`, async () => {
      const answer = await grpc("GetTier", null, { method: verb });
      assert.equal(answer.status, 405, answer.describe());
      assert.match(answer.headers.allow, /POST/);
      assert.equal(answer.grpc.status, null);
    });
  for (const type of ["application/grpc+foo", "application/grpcfoo", "application/grpc-foo", "application/grp",
    "application/grpc-web-text+foo", "application/grpc+"])
    test(`an unknown codec is 415: ${type}`, async () => {
      const answer = await grpc("GetTier", GET_OR, { type });
      assert.equal(answer.status, 415, answer.describe());
    });
  for (const type of ["application/grpc", "application/grpc+proto"])
    test(`${type} works and is echoed`, async () => {
      const answer = await grpc("GetTier", GET_OR, { type });
      assert.equal(answer.type, type);
      answersTier(answer);
    });
  test("parameters of the content type are ignored", async () =>
    answersTier(await grpc("GetTier", GET_OR, { type: "application/grpc;charset=utf-8" })));
  test("application/grpc+json: ProtoJSON in gRPC's frames, echoed", async () => {
    const answer = await grpc("GetTier", Buffer.from('{"tier":"or"}'), { type: "application/grpc+json" });
    assert.equal(answer.type, "application/grpc+json", answer.describe());
    assert.equal(answer.grpc.status, OK);
    const told = JSON.parse(answer.messages[0].message);
    assert.equal(told.tier.code, "or");
    assert.deepEqual(told.tier.remaining, { unlimited: true });
  });
  test("application/grpc+json: JSON that is wrong is INVALID_ARGUMENT", async () => {
    for (const body of ["", "{", '{"teir":"or"}', "[]"])
      fails(await grpc("GetTier", Buffer.from(body), { type: "application/grpc+json" }), INVALID_ARGUMENT);
  });
  test("application/grpc+json: streams too", async () => {
    const answer = await grpc("Dump", Buffer.from('{"toSeq":"2"}'), { session: auditor, type: "application/grpc+json" });
    assert.equal(answer.grpc.status, OK, answer.describe());
    const last = JSON.parse(answer.messages.at(-1).message);
    assert.equal(last.trailer.toSeq, "2");
  });
  test("an unsupported grpc-encoding is UNIMPLEMENTED and names what is accepted", async () => {
    for (const encoding of ["gzip", "snappy", "br"]) {
      const answer = await grpc("GetTier", null, { body: envelope(GET_OR, 1), headers: { "grpc-encoding": encoding } });
      fails(answer, UNIMPLEMENTED);
      assert.equal({ ...answer.headers, ...answer.trailers }["grpc-accept-encoding"], "identity");
    }
  });
  test("grpc-encoding: identity is fine", async () =>
    answersTier(await grpc("GetTier", GET_OR, { headers: { "grpc-encoding": "identity" } })));
  test("grpc-accept-encoding of a client gets an answer that is not compressed", async () =>
    answersTier(await grpc("GetTier", GET_OR, { headers: { "grpc-accept-encoding": "gzip,deflate" } })));
  test("the compressed flag without grpc-encoding is INTERNAL", async () =>
    fails(await grpc("GetTier", null, { body: envelope(GET_OR, 1) }), INTERNAL));
  test("any other flag is INTERNAL", async () => {
    for (const flag of [2, 0x80, 255]) fails(await grpc("GetTier", null, { body: envelope(GET_OR, flag) }), INTERNAL);
  });
  test("a message of exactly the limit passes, one byte more is RESOURCE_EXHAUSTED", async () => {
    const long = facts.maxRequestBytes - 4;
    const passes = field(1, "x".repeat(long));
    assert.equal(passes.length, facts.maxRequestBytes);
    const answer = await grpc("GetTier", passes);
    assert.notEqual(answer.grpc.status, RESOURCE_EXHAUSTED, answer.describe());
    assert.notEqual(answer.grpc.status, null, answer.describe());
    fails(await grpc("GetTier", field(1, "x".repeat(long + 1))), RESOURCE_EXHAUSTED);
  });
  test("a length that is far too long is refused before its bytes come", async () => {
    const head = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    const open = new Exchange(clerk, { ":method": "POST", ":path": SERVICE + "GetTier",
      "content-type": "application/grpc", te: "trailers" }, { body: head, keepOpen: true });
    await within(open.until((seen) => seen.grpc.status !== null, "an early refusal"), 20_000, "an early refusal");
    assert.equal(open.grpc.status, RESOURCE_EXHAUSTED);
    open.stream.close();
    await open.done;
    answersTier(await grpc("GetTier", GET_OR));
  });
  test("an early answer is followed by RST_STREAM(NO_ERROR), never by another code", async () => {
    const open = new Exchange(clerk, { ":method": "POST", ":path": SERVICE + "NoSuch",
      "content-type": "application/grpc", te: "trailers" }, { keepOpen: true });
    await within(open.done, 40_000, "an early answer");
    assert.equal(open.grpc.status, UNIMPLEMENTED, open.describe());
    assert.ok([http2.constants.NGHTTP2_NO_ERROR].includes(open.stream.rstCode), open.describe());
  });
  test("a zero-byte message is a message", async () => {
    const answer = await grpc("ListTiers", EMPTY);
    assert.equal(answer.grpc.status, OK, answer.describe());
    assert.equal(fields(answer.messages[0].message).get(5).length, 6);
  });
  test("DATA frames may cut a message anywhere", async () => {
    const whole = envelope(GET_OR);
    const chunks = [...whole].map((byte) => Buffer.from([byte]));
    answersTier(await grpc("GetTier", null, { chunks }));
    answersTier(await grpc("GetTier", null, { chunks: [EMPTY, whole.subarray(0, 3), EMPTY, whole.subarray(3)] }));
  });
  test("a message that ends too early is an error, not a guess", async () => {
    const whole = envelope(GET_OR);
    for (const cut of [1, 4, 5, whole.length - 1]) {
      const answer = await grpc("GetTier", null, { body: whole.subarray(0, cut) });
      assert.ok([INTERNAL, INVALID_ARGUMENT].includes(answer.grpc.status), `${cut}: ${answer.describe()}`);
    }
  });
  test("bytes that are no protobuf are INVALID_ARGUMENT", async () => {
    for (const bytes of [[0xff, 0xff], [0x08], [0x0a, 0x7f], [0x0b, 0x0b], [0x0a, 1, 0xff]])
      fails(await grpc("GetTier", Buffer.from(bytes)), INVALID_ARGUMENT);
  });
  test("unknown headers and binary metadata are ignored", async () =>
    answersTier(await grpc("GetTier", GET_OR, { headers: { "x-a": "b", "trace-bin": "AAEC/w", "user-agent": "raw/1" } })));
  test("te is not insisted on", async () => answersTier(await exchange(clerk, SERVICE + "GetTier", {
    headers: { "content-type": "application/grpc" }, body: envelope(GET_OR) })));
});

describe("gRPC: answers", () => {
  test("an error is trailers-only: one HEADERS frame that ends the stream", async () => {
    const answer = await grpc("GetPledge", PLEDGE_MISSING);
    fails(answer, NOT_FOUND);
    assert.equal(answer.trailersOnly, true, answer.describe());
    assert.equal(answer.type, "application/grpc");
    assert.equal(answer.trailers, null);
    assert.equal(answer.body.length, 0);
  });
  test("HTTP's status is 200 whatever grpc-status says", async () => {
    for (const [method, message, session] of [["GetPledge", PLEDGE_MISSING, clerk], ["GetPledge", EMPTY, clerk],
      ["Dump", EMPTY, publicPerson], ["NoSuch", EMPTY, clerk]]) {
      const answer = await grpc(method, message, { session });
      assert.equal(answer.status, 200, answer.describe());
      assert.ok(answer.grpc.status > 0);
    }
  });
  test("grpc-message is percent-encoded UTF-8 of bounded length", async () => {
    const answer = await grpc("GetPledge", field(1, "é%\n".repeat(3)));
    const raw = (answer.trailers ?? answer.headers)["grpc-message"];
    assert.match(raw, /^[ -$&-~]*(%[0-9A-F]{2}[ -$&-~]*)*$/);
    assert.ok(raw.length <= 1024);
    const long = await grpc("GetTier", field(1, "é".repeat(5000)));
    assert.ok(((long.trailers ?? long.headers)["grpc-message"] ?? "").length <= 1024 * 3);
    assert.doesNotThrow(() => long.grpc.message, "cut between characters");
  });
  test("grpc-status-details-bin is unpadded base64 of a Status whose code agrees", async () => {
    const answer = await grpc("GetPledge", PLEDGE_MISSING);
    assert.match(answer.grpc.details, /^[A-Za-z0-9+/]+$/);
    const status = fields(Buffer.from(answer.grpc.details, "base64"));
    assert.equal(Number(status.get(1)[0]), NOT_FOUND);
    assert.equal(text(status, 2), answer.grpc.message);
    assert.equal(status.get(3).length, 1);
    const any = fields(status.get(3)[0]);
    assert.equal(text(any, 1), "type.googleapis.com/pledged.v1.Refusal");
    const refusal = fields(any.get(2)[0]);
    assert.equal(Number(refusal.get(1)[0]), 41, "REASON_PLEDGE_UNKNOWN");
    assert.equal(text(refusal, 2), "pledge", "the field");
    assert.equal(text(refusal, 3), answer.grpc.message);
  });
  test("a role that may not is PERMISSION_DENIED, also for streams", async () => {
    fails(await grpc("GetPledge", PLEDGE_MISSING, { session: publicPerson }), PERMISSION_DENIED);
    fails(await grpc("Dump", EMPTY, { session: clerk }), PERMISSION_DENIED);
  });
  test("a certificate of nobody known is UNAUTHENTICATED", async () => {
    const session = await connectH2("stranger");
    fails(await grpc("ListTiers", EMPTY, { session }), UNAUTHENTICATED);
    session.destroy();
  });
  test("server streaming: messages, then trailers", async () => {
    const answer = await grpc("Dump", EMPTY, { session: auditor });
    assert.equal(answer.grpc.raw, "0", answer.describe());
    assert.equal(answer.trailersOnly, false);
    const last = fields(answer.messages.at(-1).message);
    assert.ok(last.has(3), "the trailer message");
  });
  test("trailers are small enough for every client", async () => {
    const answer = await grpc("Execute", Buffer.concat([field(1, requestId()), field(20, Buffer.concat([
      field(1, "t".repeat(4000)), field(2, "c".repeat(4000))]))]));
    const bytes = Object.entries(answer.trailers ?? answer.headers)
      .reduce((sum, [name, value]) => sum + name.length + String(value).length + 32, 0);
    assert.ok(answer.grpc.status > 0, answer.describe());
    assert.ok(bytes <= 8192, `${bytes}`);
  });
});

describe("gRPC: deadlines and cancel", () => {
  for (const value of ["1H", "99999999H", "60M", "30S", "20000m", "20000000u"])
    test(`grpc-timeout ${value} is understood`, async () =>
      answersTier(await grpc("GetTier", GET_OR, { headers: { "grpc-timeout": value } })));
  test("grpc-timeout in nanoseconds is understood, and is at most a tenth of a second", async () => {
    const answer = await grpc("GetTier", GET_OR, { headers: { "grpc-timeout": "99999999n" } });
    assert.ok([OK, DEADLINE_EXCEEDED].includes(answer.grpc.status), answer.describe());
  });
  for (const value of ["100000000n", "1", "S", "", "-1S", "1.5S", "1s", "1 S", "0x1S", "1SS"])
    test(`grpc-timeout "${value}" is refused`, async () => {
      const answer = await grpc("GetTier", GET_OR, { headers: { "grpc-timeout": value } });
      assert.ok(answer.status !== 200 || [INVALID_ARGUMENT, INTERNAL].includes(answer.grpc.status), answer.describe());
    });
  test("a deadline that has passed is DEADLINE_EXCEEDED", async () => {
    const answer = await grpc("GetTier", GET_OR, { headers: { "grpc-timeout": "1n" } });
    assert.ok(answer.grpc.status === DEADLINE_EXCEEDED || answer.stream.rstCode === http2.constants.NGHTTP2_CANCEL,
      answer.describe());
  });
  test("a deadline ends a stream that would never end", async () => {
    const answer = await grpc("Watch", EMPTY, { headers: { "grpc-timeout": "300m" } });
    assert.ok(answer.grpc.status === DEADLINE_EXCEEDED || answer.stream.rstCode === http2.constants.NGHTTP2_CANCEL,
      answer.describe());
  });
  test("cancelled streams leave the connection as it was", async () => {
    for (let turn = 0; turn < 20; turn++) {
      const open = new Exchange(auditor, { ":method": "POST", ":path": SERVICE + (turn % 2 ? "Dump" : "GetTier"),
        "content-type": "application/grpc", te: "trailers" }, { body: envelope(EMPTY), keepOpen: turn % 3 === 0 });
      open.stream.close(http2.constants.NGHTTP2_CANCEL);
      await within(open.done, 20_000, "the end of a cancelled stream");
    }
    answersTier(await grpc("GetTier", GET_OR, { session: auditor }));
  });
});

// --- health and reflection ---

const HEALTH = "/grpc.health.v1.Health/";
const SERVING = 1, SERVICE_UNKNOWN = 3;
const serving = (message) => Number(fields(message).get(1)?.[0] ?? 0n);

describe("grpc.health.v1", () => {
  test("Check of the whole server is SERVING", async () => {
    const answer = await grpc(HEALTH + "Check", EMPTY);
    assert.equal(answer.grpc.status, OK, answer.describe());
    assert.equal(serving(answer.messages[0].message), SERVING);
  });
  test("Check of the service by its name is SERVING", async () => {
    const answer = await grpc(HEALTH + "Check", field(1, "pledged.v1.LedgerService"));
    assert.equal(answer.grpc.status, OK, answer.describe());
    assert.equal(serving(answer.messages[0].message), SERVING);
  });
  test("Check of an unknown service is NOT_FOUND", async () =>
    fails(await grpc(HEALTH + "Check", field(1, "no.such.Service")), NOT_FOUND));
  test("Check works in every role", async () =>
    assert.equal((await grpc(HEALTH + "Check", EMPTY, { session: publicPerson })).grpc.status, OK));
  for (const [name, message, expected] of [["the whole server", EMPTY, SERVING],
    ["an unknown service", field(1, "no.such.Service"), SERVICE_UNKNOWN]])
    test(`Watch of ${name} tells the state at once and stays open`, async () => {
      const open = new Exchange(clerk, { ":method": "POST", ":path": HEALTH + "Watch",
        "content-type": "application/grpc", te: "trailers" }, { body: envelope(message) });
      await open.until((seen) => seen.body.length >= 5, "the first state");
      assert.equal(serving(open.messages[0].message), expected);
      await sleep(300);
      assert.ok(!open.closed && open.trailers === null, open.describe());
      open.stream.close(http2.constants.NGHTTP2_CANCEL);
      await open.done;
    });
});

for (const version of ["v1", "v1alpha"])
  describe(`reflection ${version}`, () => {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    let stream;

    async function ask(request) {
      const before = stream.messages.length;
      stream.stream.write(envelope(request));
      await stream.until((seen) => seen.messages.length > before, "an answer of reflection");
      const answer = fields(stream.messages.at(-1).message);
      assert.deepEqual(answer.get(2)[0], request, "original_request is echoed");
      return answer;
    }
    before(() => {
      stream = new Exchange(clerk, { ":method": "POST", ":path": path, "content-type": "application/grpc",
        te: "trailers" }, { keepOpen: true });
    });
    after(() => stream.stream.close(http2.constants.NGHTTP2_CANCEL));

    /** Names of the files in a file_descriptor_response. */
    const files = (answer) => fields(answer.get(4)[0]).get(1).map((file) => text(fields(file), 1));

    test("each request is answered before the client is done", async () => {
      const services = fields((await ask(field(7, ""))).get(6)[0]).get(1).map((entry) => text(fields(entry), 1));
      for (const name of ["pledged.v1.LedgerService", "grpc.health.v1.Health"])
        assert.ok(services.includes(name), services.join());
    });
    for (const symbol of ["pledged.v1.LedgerService", "pledged.v1.LedgerService.GetTier", "pledged.v1.Refusal",
      "pledged.v1.Reason"])
      test(`file_containing_symbol ${symbol}`, async () => {
        const found = files(await ask(field(4, symbol)));
        assert.ok(found.some((name) => name.startsWith("pledged/v1/")), found.join());
      });
    test("a file comes with everything that it imports", async () => {
      const found = files(await ask(field(4, "pledged.v1.LedgerService")));
      for (const name of ["service", "types", "catalogue", "command", "entry"])
        assert.ok(found.includes(`pledged/v1/${name}.proto`), found.join());
    });
    test("file_by_filename", async () =>
      assert.ok(files(await ask(field(3, "pledged/v1/types.proto"))).includes("pledged/v1/types.proto")));
    test("what is not there is an error in the stream, which stays open", async () => {
      for (const request of [field(4, "no.such.Symbol"), field(3, "no/such.proto"), field(6, "no.such.Message"),
        field(5, Buffer.concat([field(1, "pledged.v1.Refusal"), field(2, 99)]))]) {
        const answer = await ask(request);
        if (answer.has(7)) assert.equal(Number(fields(answer.get(7)[0]).get(1)[0]), NOT_FOUND);
        else assert.ok(answer.has(5), "numbers of extensions: none");
      }
      assert.ok(!stream.closed);
      assert.ok((await ask(field(7, ""))).has(6));
    });
    test("half-close ends it with status 0", async () => {
      const short = await grpc(path, field(7, ""));
      assert.equal(short.grpc.status, OK, short.describe());
      assert.equal(short.messages.length, 1);
    });
  });

// --- Connect ---

function connect(method, body, { type = "application/json", session = clerk, headers = {}, ...rest } = {}) {
  return exchange(session, method.startsWith("/") ? method : SERVICE + method, {
    headers: { "content-type": type, ...headers }, body: Buffer.from(body), ...rest });
}
function get(method, query, { session = clerk, headers = {} } = {}) {
  return exchange(session, `${SERVICE}${method}?${query}`, { method: "GET", headers });
}

/** An error of Connect's unary calls: mapped status, always JSON, no nulls, details that decode. */
function refused(answer, status, code, reason) {
  assert.equal(answer.status, status, answer.describe());
  assert.match(answer.type, /^application\/json/);
  assert.equal(answer.json.code, code);
  for (const value of Object.values(answer.json)) assert.notEqual(value, null);
  if (reason !== undefined) {
    const [detail] = answer.json.details;
    assert.equal(detail.type, "pledged.v1.Refusal");
    assert.match(detail.value, /^[A-Za-z0-9+/]+$/, "unpadded base64");
    assert.equal(Number(fields(Buffer.from(detail.value, "base64")).get(1)[0]), reason);
  }
  return answer.json;
}

describe("Connect: unary", () => {
  test("JSON: 200, the same content type, the bare message", async () => {
    const answer = await connect("GetTier", '{"tier":"or"}');
    assert.equal(answer.status, 200, answer.describe());
    assert.equal(answer.type, "application/json");
    assert.equal(answer.json.tier.code, "or");
  });
  test("protobuf: 200, the same content type, the bare message", async () => {
    const answer = await connect("GetTier", GET_OR, { type: "application/proto" });
    assert.equal(answer.type, "application/proto");
    assert.equal(tierOf(answer.body), "or");
  });
  test("an empty protobuf body is an empty message", async () => {
    const answer = await connect("ListTiers", EMPTY, { type: "application/proto" });
    assert.equal(answer.status, 200, answer.describe());
    assert.equal(fields(answer.body).get(5).length, 6);
  });
  test("errors are JSON also when the request was protobuf", async () =>
    refused(await connect("GetPledge", PLEDGE_MISSING, { type: "application/proto" }), 404, "not_found", 41));
  test("connect-protocol-version is not insisted on, 1 is fine, others are refused", async () => {
    const one = await connect("ListTiers", "{}", { headers: { "connect-protocol-version": "1" } });
    assert.equal(one.status, 200);
    refused(await connect("ListTiers", "{}", { headers: { "connect-protocol-version": "2" } }), 400, "invalid_argument");
  });
  test("statuses of HTTP are those of the current table", async () => {
    const id = () => requestId().toString("base64");
    refused(await connect("GetPledge", '{"pledge":"P999999"}'), 404, "not_found", 41);
    refused(await connect("GetPledge", '{"pledge":""}'), 400, "invalid_argument");
    refused(await connect("GetPledge", "{}", { session: publicPerson }), 403, "permission_denied", 90);
    refused(await connect("Execute", JSON.stringify({ requestId: id(), hold: { tier: "bronze", contributor: "C000001" } })),
      400, "invalid_argument");
    refused(await connect("GetTier", JSON.stringify({ tier: "x".repeat(facts.maxRequestBytes * 2) })), 429,
      "resource_exhausted");
    const session = await connectH2("stranger");
    refused(await connect("ListTiers", "{}", { session }), 401, "unauthenticated", 93);
    session.destroy();
  });
  for (const type of ["application/foo", "application/xml", "text/json", "application/json5", "application/protobuf",
    "application/connect+foo", "application/", ""])
    test(`an unknown codec is 415: "${type}"`, async () => {
      const answer = await connect("GetTier", '{"tier":"or"}', { type });
      assert.equal(answer.status, 415, answer.describe());
    });
  test("no content type at all is 415", async () => {
    const answer = await exchange(clerk, SERVICE + "ListTiers", { body: Buffer.from("{}") });
    assert.equal(answer.status, 415, answer.describe());
  });
  test("a charset is fine", async () => {
    for (const type of ["application/json; charset=utf-8", "application/json;charset=UTF-8"])
      assert.equal((await connect("ListTiers", "{}", { type })).status, 200);
  });
  test("an unknown content-encoding is unimplemented and the supported ones are named", async () => {
    for (const encoding of ["gzip", "br", "zstd"]) {
      const answer = await connect("ListTiers", "\x1f\x8b", { headers: { "content-encoding": encoding } });
      assert.match(refused(answer, 501, "unimplemented").message, /identity/);
    }
  });
  test("content-encoding: identity is fine, accept-encoding gets plain bytes", async () => {
    const answer = await connect("ListTiers", "{}", { headers: { "content-encoding": "identity", "accept-encoding": "gzip, br" } });
    assert.equal(answer.status, 200, answer.describe());
    assert.equal(answer.headers["content-encoding"], undefined);
    assert.equal(answer.json.tier.length, 6);
  });
  for (const verb of ["PUT", "DELETE", "PATCH", "OPTIONS"])
    test(`${verb} is 405 and says what is allowed`, async () => {
      const answer = await connect("ListTiers", "{}", { method: verb });
      assert.equal(answer.status, 405, answer.describe());
      assert.match(answer.headers.allow, /POST/);
    });
  for (const path of ["NoSuch", "listTiers", "", "ListTiers/"])
    test(`an unknown path is 404: "${path}"`, async () => {
      const answer = await connect(path, "{}");
      assert.equal(answer.status, 404, answer.describe());
    });
  test("connect-timeout-ms: digits, at most ten", async () => {
    for (const value of ["1000000", "9999999999"])
      assert.equal((await connect("ListTiers", "{}", { headers: { "connect-timeout-ms": value } })).status, 200);
    for (const value of ["ten", "-1", "1.5", "99999999999", ""])
      refused(await connect("ListTiers", "{}", { headers: { "connect-timeout-ms": value } }), 400, "invalid_argument");
  });
  test("a deadline that has passed is 504 deadline_exceeded", async () =>
    refused(await connect("ListTiers", "{}", { headers: { "connect-timeout-ms": "0" } }), 504, "deadline_exceeded"));
  test("a streaming method is not asked as a unary one", async () => {
    for (const type of ["application/json", "application/proto"])
      assert.equal((await connect("Dump", "{}", { type, session: auditor })).status, 415);
  });
  test("a unary method is not asked as a streaming one", async () => {
    for (const [type, message] of [["application/connect+json", '{"tier":"or"}'], ["application/connect+proto", GET_OR]]) {
      const answer = await connect("GetTier", envelope(Buffer.from(message)), { type });
      if (answer.status === 200) assert.equal(streamed(answer, type).end.error.code, "unimplemented");
      else assert.equal(answer.status, 415, answer.describe());
    }
  });
  test("requests that other sites make a browser send are refused", async () => {
    for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }, { origin: "null" }]) {
      const answer = await connect("ListTiers", "{}", { headers });
      assert.equal(answer.status, 403, answer.describe());
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
    }
    assert.equal((await connect("ListTiers", "{}", { headers: { origin, "sec-fetch-site": "same-origin" } })).status, 200);
  });
});

describe("Connect: GET", () => {
  const json = encodeURIComponent('{"tier":"or"}');
  test("in any order, with parameters that are not ours", async () => {
    for (const query of [`connect=v1&encoding=json&message=${json}`, `message=${json}&x=y&encoding=json&connect=v1`,
      `encoding=json&message=${json}`]) {
      const answer = await get("GetTier", query);
      assert.equal(answer.status, 200, answer.describe());
      assert.equal(answer.type, "application/json");
      assert.equal(answer.json.tier.code, "or");
    }
  });
  test("base64 is URL-safe or not, padded or not", async () => {
    const odd = field(1, "platine>?>?~~"); // bytes that differ between the two alphabets
    for (const [bytes, status] of [[GET_OR, 200], [odd, 400]])
      for (const form of [bytes.toString("base64url"), encodeURIComponent(bytes.toString("base64"))]) {
        const answer = await get("GetTier", `connect=v1&encoding=proto&base64=1&message=${form}`);
        assert.equal(answer.status, status, answer.describe());
        if (status === 200) assert.equal(tierOf(answer.body), "or");
        else assert.match(answer.json.message + JSON.stringify(answer.json.details), /tier|[A-Za-z]/);
      }
  });
  test("an empty message is a message", async () => {
    for (const query of ["connect=v1&encoding=proto&message=", "connect=v1&encoding=json&message=%7B%7D"])
      assert.equal((await get("ListTiers", query)).status, 200);
  });
  test("timeouts stay a header", async () => {
    const answer = await get("GetTier", `connect=v1&encoding=json&message=${json}`, { headers: { "connect-timeout-ms": "20000" } });
    assert.equal(answer.status, 200);
  });
  test("methods that change something are 405", async () => {
    for (const method of ["Execute", "ExecuteBatch"]) {
      const answer = await get(method, "connect=v1&encoding=json&message=%7B%7D");
      assert.equal(answer.status, 405, answer.describe());
    }
  });
  test("unknown encodings and what cannot be read are refused", async () => {
    assert.ok([400, 415].includes((await get("GetTier", `connect=v1&encoding=xml&message=${json}`)).status));
    assert.ok([400, 415].includes((await get("GetTier", `connect=v1&message=${json}`)).status));
    for (const query of [`connect=v2&encoding=json&message=${json}`, "connect=v1&encoding=proto&base64=1&message=***",
      "connect=v1&encoding=json&message=%7B", "connect=v1&encoding=json&message=%zz"])
      assert.equal((await get("GetTier", query)).status, 400, query);
    assert.ok((await get("GetTier", `connect=v1&encoding=json&compression=gzip&message=${json}`)).status >= 400);
  });
});

const END = 2; // flag of the last envelope

function stream(method, message, { type = "application/connect+json", session = auditor, ...rest } = {}) {
  return connect(method, message === null ? EMPTY : envelope(Buffer.from(message)), { type, session, ...rest });
}

/** The messages before the end, and what the end says. */
function streamed(answer, type = "application/connect+json") {
  assert.equal(answer.status, 200, answer.describe());
  assert.equal(answer.type, type);
  const all = answer.messages;
  assert.ok(all.length > 0, "no EndStream");
  const end = all.pop();
  assert.equal(end.flag & END, END, "the last envelope is the end");
  for (const { flag } of all) assert.equal(flag, 0);
  return { messages: all.map(({ message }) => message), end: JSON.parse(end.message) };
}

describe("Connect: streams", () => {
  test("JSON: envelopes, then EndStream", async () => {
    const { messages, end } = streamed(await stream("Dump", "{}"));
    assert.deepEqual(end.error, undefined);
    assert.ok(JSON.parse(messages.at(-1)).trailer, "the trailer message");
  });
  test("protobuf: envelopes, then EndStream in JSON", async () => {
    const { messages, end } = streamed(await stream("Dump", EMPTY, { type: "application/connect+proto" }),
      "application/connect+proto");
    assert.equal(end.error, undefined);
    assert.ok(fields(messages.at(-1)).has(3));
  });
  test("errors are in EndStream and HTTP says 200", async () => {
    const { messages, end } = streamed(await stream("Dump", "{}", { session: clerk }));
    assert.equal(messages.length, 0);
    assert.equal(end.error.code, "permission_denied");
    assert.equal(end.error.details[0].type, "pledged.v1.Refusal");
  });
  test("no message, and two, are unimplemented", async () => {
    assert.equal(streamed(await stream("Dump", null)).end.error.code, "unimplemented");
    const two = Buffer.concat([envelope(Buffer.from("{}")), envelope(Buffer.from("{}"))]);
    assert.equal(streamed(await connect("Dump", two, { type: "application/connect+json", session: auditor })).end.error.code,
      "unimplemented");
  });
  test("an unsupported connect-content-encoding is unimplemented", async () => {
    const { end } = streamed(await stream("Dump", "{}", { headers: { "connect-content-encoding": "gzip" } }));
    assert.equal(end.error.code, "unimplemented");
    assert.match(end.error.message, /identity/);
  });
  test("the compressed flag without an encoding is an error", async () => {
    const answer = await connect("Dump", envelope(Buffer.from("{}"), 1), { type: "application/connect+json", session: auditor });
    assert.ok(["internal", "invalid_argument"].includes(streamed(answer).end.error.code), answer.describe());
  });
  test("bad JSON in an envelope is invalid_argument", async () =>
    assert.equal(streamed(await stream("Dump", '{"nope":1}')).end.error.code, "invalid_argument"));
  test("an envelope over the limit is resource_exhausted", async () => {
    const answer = await stream("Dump", `{"fromSeq":"${"1".repeat(facts.maxRequestBytes)}"}`);
    assert.equal(streamed(answer).end.error.code, "resource_exhausted");
  });
  test("a range that is wrong names its field", async () => {
    const { end } = streamed(await stream("Dump", '{"fromSeq":"9","toSeq":"5"}'));
    assert.equal(end.error.code, "invalid_argument");
    assert.ok(text(fields(Buffer.from(end.error.details[0].value, "base64")), 2).length > 0);
  });
  test("an unknown path is 404", async () => {
    const answer = await stream("NoSuch", "{}");
    assert.equal(answer.status, 404, answer.describe());
  });
  test("a deadline ends a stream that would never end", async () => {
    const answer = await stream("Watch", "{}", { headers: { "connect-timeout-ms": "300" } });
    if (answer.stream.rstCode !== http2.constants.NGHTTP2_CANCEL)
      assert.equal(streamed(answer).end.error.code, "deadline_exceeded");
  });
});

// --- gRPC-Web ---

function web(method, message, { type = "application/grpc-web+proto", session = clerk, headers = {}, ...rest } = {}) {
  return exchange(session, method.startsWith("/") ? method : SERVICE + method, {
    headers: { "content-type": type, "x-grpc-web": "1", ...headers },
    body: message === null ? EMPTY : envelope(Buffer.from(message)), ...rest });
}

/** Messages, and the trailers that travel as the last envelope (flag 0x80). */
function unwrapped(answer) {
  assert.equal(answer.status, 200, answer.describe());
  assert.equal(answer.trailers, null, "no trailers of HTTP");
  if (answer.body.length === 0) return { messages: [], trailers: answer.headers };
  const all = envelopes(answer.body);
  const end = all.pop();
  assert.equal(end.flag, 0x80, "the last envelope holds the trailers");
  for (const { flag } of all) assert.equal(flag, 0);
  const lines = end.message.toString().split("\r\n").filter((line) => line.length > 0);
  const trailers = Object.fromEntries(lines.map((line) => {
    const [, name, value] = /^([a-z0-9-]+): ?(.*)$/.exec(line) ?? assert.fail(line);
    return [name, value];
  }));
  return { messages: all.map(({ message }) => message), trailers };
}

describe("gRPC-Web", () => {
  for (const type of ["application/grpc-web", "application/grpc-web+proto"])
    test(`${type}: messages, then trailers as an envelope, the type echoed`, async () => {
      const answer = await web("GetTier", GET_OR, { type });
      const { messages, trailers } = unwrapped(answer);
      assert.equal(answer.type, type);
      assert.equal(trailers["grpc-status"], "0");
      assert.equal(tierOf(messages[0]), "or");
    });
  test("application/grpc-web+json", async () => {
    const answer = await web("GetTier", '{"tier":"or"}', { type: "application/grpc-web+json" });
    const { messages, trailers } = unwrapped(answer);
    assert.equal(trailers["grpc-status"], "0");
    assert.equal(JSON.parse(messages[0]).tier.code, "or");
  });
  for (const type of ["application/grpc-web-text", "application/grpc-web-text+proto"])
    test(`${type}: the same in base64, for clients that cannot read bytes`, async () => {
      const body = Buffer.from(envelope(GET_OR).toString("base64"));
      const answer = await web("GetTier", null, { type, body });
      assert.equal(answer.type, type, answer.describe());
      const told = answer.body.toString();
      assert.match(told, /^[A-Za-z0-9+/=]+$/);
      const parts = told.match(/[A-Za-z0-9+/]+={0,2}/g).map((part) => Buffer.from(part, "base64"));
      const [message, end] = envelopes(Buffer.concat(parts));
      assert.equal(tierOf(message.message), "or");
      assert.equal(end.flag, 0x80);
      assert.match(end.message.toString(), /^grpc-status: ?0\r\n/m);
    });
  test("errors carry status, message and details", async () => {
    const { messages, trailers } = unwrapped(await web("GetPledge", PLEDGE_MISSING));
    assert.equal(messages.length, 0);
    assert.equal(trailers["grpc-status"], String(NOT_FOUND));
    assert.ok(trailers["grpc-message"].length > 0);
    assert.equal(Number(fields(Buffer.from(trailers["grpc-status-details-bin"], "base64")).get(1)[0]), NOT_FOUND);
  });
  test("server streaming", async () => {
    const { messages, trailers } = unwrapped(await web("Dump", EMPTY, { session: auditor }));
    assert.equal(trailers["grpc-status"], "0");
    assert.ok(fields(messages.at(-1)).has(3));
  });
  test("x-grpc-web is not insisted on", async () => {
    const answer = await exchange(clerk, SERVICE + "GetTier", {
      headers: { "content-type": "application/grpc-web+proto" }, body: envelope(GET_OR) });
    assert.equal(unwrapped(answer).trailers["grpc-status"], "0");
  });
  test("no message, two messages, unknown path and codec", async () => {
    const status = async (answer) => unwrapped(await answer).trailers["grpc-status"];
    assert.equal(await status(web("GetTier", null)), String(UNIMPLEMENTED));
    assert.equal(await status(web("GetTier", null, { body: Buffer.concat([envelope(GET_OR), envelope(GET_OR)]) })),
      String(UNIMPLEMENTED));
    assert.equal(await status(web("NoSuch", EMPTY)), String(UNIMPLEMENTED));
    assert.equal((await web("GetTier", EMPTY, { type: "application/grpc-web+foo" })).status, 415);
  });
  test("pages of other sites get nothing", async () =>
    assert.equal((await web("ListTiers", EMPTY, { headers: { origin: "https://evil.example" } })).status, 403));
});

// --- the connection ---

describe("connections", () => {
  test("h2 is selected, also when a client names http/1.1 first", async () => {
    for (const ALPNProtocols of [["h2"], ["http/1.1", "h2"], ["h2", "http/1.1"]]) {
      const socket = await connectTls({ ...identity("reader"), ALPNProtocols });
      assert.equal(socket.alpnProtocol, "h2", ALPNProtocols.join());
      socket.destroy();
    }
  });
  test("TLS 1.3 only", async () => {
    const socket = await connectTls({ ...identity("reader"), ALPNProtocols: ["h2"] });
    assert.equal(socket.getProtocol(), "TLSv1.3");
    socket.destroy();
    await assert.rejects(connectTls({ ...identity("reader"), ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" }));
  });
  test("no certificate, or one of another authority, ends in a TLS alert that says so", async () => {
    for (const [person, certs, words] of [[null, undefined, /certificate required/], ["clerk", facts.otherCerts, /unknown ca/]]) {
      // in TLS 1.3 the client is done before the server has judged its certificate
      const ended = new Promise((_, reject) => {
        const socket = tls.connect({ host: "127.0.0.1", port: facts.port, ...identity(person, certs), ALPNProtocols: ["h2"] });
        socket.on("error", reject);
        socket.on("close", () => reject(new Error("closed without a word")));
      });
      await assert.rejects(within(ended, 20_000, "the alert"), words);
    }
  });
  test("pings are answered, and a client's usual ones never end a connection", async () => {
    const session = await connectH2("reader");
    for (let turn = 0; turn < 8; turn++) {
      await within(new Promise((done, fail) => session.ping((error) => (error ? fail(error) : done()))), 20_000, "a ping");
      answersTier(await grpc("GetTier", GET_OR, { session }));
    }
    session.destroy();
  });
  test("a flood of pings is told to go away: ENHANCE_YOUR_CALM, too_many_pings", async () => {
    const session = await connectH2("reader");
    const gone = new Promise((done) => session.on("goaway", (code, _, data) => done([code, data?.toString()])));
    for (let turn = 0; turn < 2000 && !session.destroyed; turn++) {
      try {
        session.ping(() => {});
      } catch {
        await sleep(1); // too many on their way
      }
      if (turn % 9 === 0) await new Promise((next) => setImmediate(next));
    }
    const [code, words] = await within(gone, 20_000, "GOAWAY");
    assert.equal(code, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    assert.equal(words, "too_many_pings");
    session.destroy();
  });
  test("too many header bytes are refused and the daemon goes on", async () => {
    const session = await connectH2("reader", { options: { maxSendHeaderBlockLength: 1 << 20 } });
    const answer = await grpc("GetTier", GET_OR, { session, headers: { "x-long": "y".repeat(60_000) } }).catch((error) => error);
    assert.ok(answer instanceof Error || answer.grpc.status !== OK);
    session.destroy();
    answersTier(await grpc("GetTier", GET_OR));
  });
  test("limits are announced", () => {
    assert.ok(clerk.remoteSettings.maxConcurrentStreams <= 1024);
    assert.ok(clerk.remoteSettings.maxHeaderListSize <= 65536);
  });
  test("as many streams at once as were announced", async () => {
    const session = await connectH2("reader");
    const count = Math.min(session.remoteSettings.maxConcurrentStreams, 200);
    const answers = await Promise.all(Array.from({ length: count }, () => grpc("GetTier", GET_OR, { session })));
    for (const answer of answers) answersTier(answer);
    session.destroy();
  });
});
