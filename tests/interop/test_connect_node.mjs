// SPDX-License-Identifier: Apache-2.0
// interop/connect_node: @connectrpc/connect-node with its three transports (Connect, gRPC, gRPC-Web),
// each with protobuf and JSON over HTTP/2, and Connect and gRPC-Web over HTTP/1.1 as far as the
// daemon speaks it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Http2SessionManager, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { fromBinary } from "@bufbuild/protobuf";
import { facts, identity, patience, sleep, within } from "./lib.mjs";
import { EntrySchema, Health, LedgerService, RefusalSchema, command, contributorName, reasonName } from "./messages.mjs";

const baseUrl = `https://localhost:${facts.port}`;
const OVER = { "grpc-timeout": "1n", "connect-timeout-ms": "0" }; // the client itself would not even ask
const make = { connect: createConnectTransport, grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport };
const open = [];

/** Clients of a person over one transport; all connections end with the test. */
function talk(protocol, person, { json = false, version = "2", certs, ...more } = {}) {
  const options = { baseUrl, httpVersion: version, useBinaryFormat: !json, ...more };
  if (options.sessionManager !== undefined) {
    // brought by the test
  } else if (version === "2") {
    options.sessionManager = new Http2SessionManager(baseUrl, {}, identity(person, certs));
    open.push(options.sessionManager);
  } else {
    options.nodeOptions = identity(person, certs);
  }
  const transport = make[protocol](options);
  return { ledger: createClient(LedgerService, transport), health: createClient(Health, transport) };
}
after(() => open.forEach((manager) => manager.abort()));

/** The call must fail with this code; returns the refusal that came with it. */
async function refused(promise, code, reason) {
  const error = await promise.then(
    () => assert.fail("not refused"), (caught) => ConnectError.from(caught));
  assert.equal(Code[error.code], Code[code], error.message);
  if (reason === undefined) return error;
  const [detail] = error.findDetails(RefusalSchema);
  assert.ok(detail, `no detail: ${error.message}`);
  assert.equal(reasonName(detail.reason), reason);
  assert.equal(detail.message, error.rawMessage);
  return detail;
}

/** Unary calls and errors: the same for every protocol, codec and version of HTTP. */
function unary(connected) {
  test("a unary call answers", async () => {
    const { tier } = await connected("reader").ledger.getTier({ tier: "or" });
    assert.equal(tier.code, "or");
    assert.deepEqual([tier.remaining.value.case, tier.remaining.value.value], ["unlimited", true]);
  });
  test("64-bit numbers arrive whole", async () => {
    const { tier, asOfSeq } = await connected("reader").ledger.getTier({ tier: "diamant" });
    assert.equal(tier.price.value.minor, 25000000n);
    assert.ok(asOfSeq > 0n);
  });
  test("a write is NEW, its repetition is REPLAY of the same entry", async () => {
    const { ledger } = connected("clerk");
    const sent = command("addContributor", { name: contributorName(), kind: 1, country: "CH" });
    const first = await ledger.execute(sent);
    const second = await ledger.execute(sent);
    assert.deepEqual([first.kind, second.kind], [1, 2]);
    assert.equal(second.seq, first.seq);
    assert.equal(Buffer.compare(first.requestId, sent.requestId), 0);
    assert.match(first.outcome.contributor, /^C\d{6}$/);
    const other = command("addContributor", { name: contributorName(), kind: 1 }, { requestId: sent.requestId });
    await refused(ledger.execute(other), Code.Aborted, "REQUEST_ID_REUSED");
  });
  test("a refusal carries reason and field", async () => {
    const { ledger } = connected("clerk");
    const missing = await refused(ledger.getPledge({ pledge: "P999999" }), Code.NotFound, "PLEDGE_UNKNOWN");
    assert.equal(missing.field, "pledge");
    const sent = command("addContributor", { name: contributorName(), kind: 1 });
    const { outcome } = await ledger.execute(sent);
    const rule = await refused(ledger.execute(command("wait", { tier: "platine", contributor: outcome.contributor })),
      Code.FailedPrecondition, "TIER_NOT_FULL");
    assert.equal(rule.field, "wait.tier");
    assert.ok(rule.seq > 0n, "the entry that records it");
    const input = await refused(ledger.execute(command("hold", { tier: "bronze", contributor: outcome.contributor })),
      Code.InvalidArgument, "TIER_UNKNOWN");
    assert.equal(input.field, "hold.tier");
  });
  test("a role that may not is refused", async () => {
    await refused(connected("public").ledger.getPledge({ pledge: "P000001" }), Code.PermissionDenied, "PERMISSION_DENIED");
    await refused(connected("reader").ledger.execute(command("addContributor", { name: "No", kind: 1 })),
      Code.PermissionDenied, "PERMISSION_DENIED");
  });
  test("nobody known is unauthenticated", async () =>
    void (await refused(connected("stranger").ledger.listTiers({}), Code.Unauthenticated, "UNAUTHENTICATED")));
  test("a deadline that is over is deadline_exceeded", async () =>
    void (await refused(connected("reader").ledger.listTiers({}, { headers: OVER }), Code.DeadlineExceeded)));
  test("a deadline that is far away does not disturb", async () =>
    assert.equal((await connected("reader").ledger.listTiers({}, { timeoutMs: 3_600_000 })).tier.length, 6));
  test("a cancelled call is canceled, the next one works", async () => {
    const { ledger } = connected("reader");
    const stop = new AbortController();
    const call = ledger.listTiers({}, { signal: stop.signal });
    stop.abort();
    await refused(call, Code.Canceled);
    assert.equal((await ledger.listTiers({})).tier.length, 6);
  });
  test("without a certificate, or with a foreign one, there is no answer", async () => {
    for (const [person, certs] of [[null, undefined], ["clerk", facts.otherCerts]]) {
      const { ledger } = connected(person, { certs });
      // node's own HTTP/2 client may not notice the alert: then the deadline ends it
      const error = await ledger.listTiers({}, { timeoutMs: 2000 }).then(() => assert.fail("answered"), ConnectError.from);
      assert.ok([Code.Internal, Code.Unavailable, Code.Unknown, Code.Aborted, Code.DeadlineExceeded, Code.Canceled]
        .includes(error.code), error.message);
    }
  });
}

function streaming(connected) {
  test("server streaming: a dump comes whole", async () => {
    const entries = [];
    let trailer;
    for await (const message of connected("auditor").ledger.dump({}, { timeoutMs: patience(60_000) })) {
      assert.equal(trailer, undefined, "nothing after the trailer");
      entries.push(...message.entry);
      trailer = message.trailer;
    }
    assert.equal(trailer.toSeq, BigInt(entries.length));
    entries.forEach((bytes, at) => assert.equal(fromBinary(EntrySchema, bytes).seq, BigInt(at + 1)));
  });
  test("server streaming: refusals and their detail", async () => {
    const read = async (person, request) => {
      for await (const _ of connected(person).ledger.dump(request)) assert.fail("a message");
    };
    await refused(read("clerk", {}), Code.PermissionDenied, "PERMISSION_DENIED");
    await refused(read("auditor", { fromSeq: 9n, toSeq: 5n }), Code.InvalidArgument, "FIELD_INVALID");
  });
  test("server streaming: giving up in the middle", async () => {
    const { ledger } = connected("auditor");
    for (let turn = 0; turn < 5; turn++)
      for await (const message of ledger.dump({})) {
        assert.ok(message.entry.length > 0);
        break;
      }
    let last;
    for await (const message of ledger.dump({})) last = message;
    assert.ok(last.trailer);
  });
  test("Watch: every tier at once, then a hold made elsewhere, until the deadline", async () => {
    const { ledger } = connected("reader");
    const clerk = talk("connect", "clerk").ledger;
    const { outcome } = await clerk.execute(command("addContributor", { name: contributorName(), kind: 1 }));
    const seen = [];
    let receipt;
    const watch = async () => {
      for await (const message of ledger.watch({ heartbeatS: 1 })) {
        if (seen.push(message) === 1) {
          assert.equal(message.tier.length, 6, "the first message has every tier");
          receipt = await clerk.execute(command("hold", { tier: "or", contributor: outcome.contributor }));
        } else if (receipt !== undefined && message.seq >= receipt.seq) {
          const or = message.tier.find(({ code }) => code === "or");
          if (or === undefined) continue;
          assert.ok(or.held > 0n);
          return;
        }
      }
      assert.fail("the stream ended");
    };
    await within(watch(), 40_000, "the hold");
    for (let at = 1; at < seen.length; at++) assert.ok(seen[at].seq >= seen[at - 1].seq);
    const short = async () => {
      for await (const _ of ledger.watch({}, { timeoutMs: 400 }));
    };
    await refused(within(short(), 20_000, "the deadline"), Code.DeadlineExceeded);
  });
  test("Watch: entries for those who may see them, from any entry on", async () => {
    const clerk = talk("connect", "clerk").ledger;
    const watch = async (person, request, count) => {
      const found = [];
      for await (const message of connected(person).ledger.watch(request)) {
        for (const bytes of message.entry) found.push(fromBinary(EntrySchema, bytes).seq);
        for (const entry of message.decoded) found.push(entry.seq);
        if (found.length >= count || (count === 0 && message.tier.length > 0)) return found;
      }
      return assert.fail("the stream ended");
    };
    const { size } = await connected("reader").ledger.getStatus({});
    const wanted = Array.from({ length: Number(size) }, (_, at) => BigInt(at + 1));
    for (const decoded of [false, true])
      assert.deepEqual((await within(watch("clerk", { fromSeq: 1n, decoded }, wanted.length), 30_000, "all entries"))
        .slice(0, wanted.length), wanted);
    assert.deepEqual(await within(watch("reader", { fromSeq: 1n }, 0), 30_000, "the tiers"), [], "a reader gets no entries");
    await clerk.execute(command("addContributor", { name: contributorName(), kind: 1 }));
    assert.equal((await within(watch("auditor", { fromSeq: size + 1n }, 1), 30_000, "the new entry"))[0], size + 1n);
  });
  test("health: Check and Watch", async () => {
    const { health } = connected("public");
    assert.equal((await health.check({})).status, 1);
    assert.equal((await health.check({ service: "pledged.v1.LedgerService" })).status, 1);
    await refused(health.check({ service: "no.such.Service" }), Code.NotFound);
    const first = async (service) => {
      for await (const message of health.watch({ service })) return message.status;
      return assert.fail("the stream ended");
    };
    assert.equal(await within(first(""), 20_000, "the state of the server"), 1);
    assert.equal(await within(first("no.such.Service"), 20_000, "the state of an unknown service"), 3);
  });
}

for (const protocol of ["connect", "grpc", "grpc-web"])
  for (const codec of ["protobuf", "json"])
    describe(`connect-node ${protocol} ${codec} HTTP/2`, () => {
      const connected = (person, more) => talk(protocol, person, { json: codec === "json", ...more });
      unary(connected);
      streaming(connected);
      test("many calls at once on one connection", async () => {
        const { ledger } = connected("reader");
        const answers = await Promise.all(Array.from({ length: 100 }, () => ledger.getTier({ tier: "or" })));
        assert.ok(answers.every(({ tier }) => tier.code === "or"));
      });
    });

/** Writes down the verbs that are used. */
class Recorder extends Http2SessionManager {
  verbs = [];
  request(verb, ...more) {
    this.verbs.push(verb);
    return super.request(verb, ...more);
  }
}

for (const codec of ["protobuf", "json"])
  describe(`connect-node connect ${codec} GET`, () => {
    async function reads(ledger) {
      assert.equal((await ledger.getTier({ tier: "or" })).tier.code, "or");
      assert.equal((await ledger.listTiers({})).tier.length, 6);
      await refused(ledger.getTier({ tier: "bronze" }), Code.InvalidArgument, "TIER_UNKNOWN");
      await refused(ledger.getPledge({ pledge: "P000001" }), Code.PermissionDenied, "PERMISSION_DENIED");
    }
    test("reads go by GET over HTTP/2", async () => {
      const sessionManager = new Recorder(baseUrl, {}, identity("reader"));
      open.push(sessionManager);
      const { ledger } = talk("connect", "reader", { json: codec === "json", useHttpGet: true, sessionManager });
      await reads(ledger);
      assert.deepEqual(sessionManager.verbs, ["GET", "GET", "GET", "GET"]);
    });
    test("reads go by GET over HTTP/1.1", async () =>
      reads(talk("connect", "reader", { json: codec === "json", version: "1.1", useHttpGet: true }).ledger));
    test("a POST over HTTP/1.1, which this client sends in chunks, is told so at once", async () => {
      for (const protocol of ["connect", "grpc-web"]) {
        const { ledger } = talk(protocol, "reader", { json: codec === "json", version: "1.1" });
        const error = await within(ledger.listTiers({}).then(() => assert.fail("answered"), ConnectError.from), 20_000, protocol);
        assert.match(error.message, /411|length|chunk/i);
      }
    });
  });
