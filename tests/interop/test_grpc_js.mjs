// SPDX-License-Identifier: Apache-2.0
// interop/grpc_js: @grpc/grpc-js with @grpc/proto-loader (messages read from the .proto files), and
// with grpc-js-reflection-client (messages asked from the daemon). This client sends protobuf only.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import reflection from "grpc-js-reflection-client";
import { fromBinary } from "@bufbuild/protobuf";
import { facts, fields, patience, requestId, text, within } from "./lib.mjs";
import { RefusalSchema, contributorName, reasonName } from "./messages.mjs";

const { status } = grpc;
const LOADER = { longs: String, enums: String, defaults: true, oneofs: true, includeDirs: facts.protos };
const loaded = protoLoader.loadSync(["pledged/v1/service.proto", "grpc/health/v1/health.proto"], LOADER);
const packages = grpc.loadPackageDefinition(loaded);
const address = `localhost:${facts.port}`;
const open = [];
after(() => open.forEach((client) => client.close()));

function credentials(person, certs = facts.certs) {
  const read = (name) => readFileSync(join(certs, name));
  return grpc.credentials.createSsl(readFileSync(facts.ca),
    ...(person === null ? [] : [read(`${person}.key`), read(`${person}.crt`)]));
}
function talk(person, { Client = packages.pledged.v1.LedgerService, certs, options = {} } = {}) {
  const client = new Client(address, credentials(person, certs), { "grpc.use_local_subchannel_pool": 1, ...options });
  open.push(client);
  return client;
}
const deadline = (ms = 20_000) => ({ deadline: Date.now() + patience(ms) });

/** One unary call as a promise; `handle` gets the call, for those who want to cancel it. */
function call(client, method, request = {}, { options = deadline(), metadata = new grpc.Metadata(), handle } = {}) {
  return new Promise((resolve, reject) => {
    const running = client[method](request, metadata, options, (error, answer) => (error ? reject(error) : resolve(answer)));
    handle?.(running);
  });
}
/** All messages of a stream; `each` may end it by returning true. */
function collect(stream, each = () => false) {
  return new Promise((resolve, reject) => {
    const messages = [];
    let enough = false;
    stream.on("data", (message) => {
      if (enough) return;
      messages.push(message);
      Promise.resolve(each(message, messages.length)).then((done) => {
        if (!done) return;
        enough = true;
        stream.cancel();
        resolve(messages);
      }, reject);
    });
    stream.on("error", (error) => (enough ? undefined : reject(error)));
    stream.on("end", () => resolve(messages));
  });
}
async function refused(promise, code, reason) {
  const error = await promise.then(() => assert.fail("not refused"), (caught) => caught);
  assert.equal(status[error.code], status[code], error.message);
  if (reason === undefined) return error;
  const rpcStatus = fields(error.metadata.get("grpc-status-details-bin")[0]);
  assert.equal(Number(rpcStatus.get(1)[0]), code, "the code in the details agrees");
  const any = fields(rpcStatus.get(3)[0]);
  assert.equal(text(any, 1), "type.googleapis.com/pledged.v1.Refusal");
  const refusal = fromBinary(RefusalSchema, any.get(2)[0]);
  assert.equal(reasonName(refusal.reason), reason);
  assert.equal(refusal.message, error.details);
  return refusal;
}
const contributor = (more = {}) => ({ requestId: requestId(),
  addContributor: { name: contributorName(), kind: "CONTRIBUTOR_KIND_ACADEMIA" }, ...more });

describe("grpc-js protobuf", () => {
  test("a unary call answers", async () => {
    const { tier } = await call(talk("reader"), "getTier", { tier: "diamant" });
    assert.equal(tier.code, "diamant");
    assert.equal(tier.remaining.count, "1");
    assert.equal(tier.amount.minor, "25000000");
  });
  test("a write is NEW, its repetition is REPLAY of the same entry", async () => {
    const clerk = talk("clerk");
    const sent = contributor();
    const first = await call(clerk, "execute", sent);
    const second = await call(clerk, "execute", sent);
    assert.deepEqual([first.kind, second.kind], ["RECEIPT_KIND_NEW", "RECEIPT_KIND_REPLAY"]);
    assert.equal(first.seq, second.seq);
    await refused(call(clerk, "execute", contributor({ requestId: sent.requestId })), status.ABORTED, "REQUEST_ID_REUSED");
  });
  test("a refusal carries reason and field", async () => {
    const clerk = talk("clerk");
    const missing = await refused(call(clerk, "getPledge", { pledge: "P999999" }), status.NOT_FOUND, "PLEDGE_UNKNOWN");
    assert.equal(missing.field, "pledge");
    const { outcome } = await call(clerk, "execute", contributor());
    const rule = await refused(call(clerk, "execute", { requestId: requestId(),
      wait: { tier: "platine", contributor: outcome.contributor } }), status.FAILED_PRECONDITION, "TIER_NOT_FULL");
    assert.equal(rule.field, "wait.tier");
    assert.ok(rule.seq > 0n);
  });
  test("a role that may not is refused", async () => {
    await refused(call(talk("public"), "getPledge", { pledge: "P000001" }), status.PERMISSION_DENIED, "PERMISSION_DENIED");
    await refused(collect(talk("clerk").dump({}, deadline())), status.PERMISSION_DENIED, "PERMISSION_DENIED");
  });
  test("nobody known is unauthenticated", async () =>
    void (await refused(call(talk("stranger"), "listTiers"), status.UNAUTHENTICATED, "UNAUTHENTICATED")));
  test("without a certificate, or with a foreign one, there is no answer", async () => {
    for (const [person, certs] of [[null, undefined], ["clerk", facts.otherCerts]]) {
      const error = await call(talk(person, { certs }), "listTiers", {}, { options: { deadline: Date.now() + 3000 } })
        .then(() => assert.fail("answered"), (caught) => caught);
      assert.ok([status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(error.code), error.message);
    }
  });
  test("a deadline that is over is DEADLINE_EXCEEDED", async () => {
    await refused(call(talk("reader"), "listTiers", {}, { options: { deadline: Date.now() - 1 } }), status.DEADLINE_EXCEEDED);
  });
  test("a cancelled call is CANCELLED, the next one works", async () => {
    const reader = talk("reader");
    await refused(call(reader, "listTiers", {}, { handle: (running) => running.cancel() }), status.CANCELLED);
    assert.equal((await call(reader, "listTiers")).tier.length, 6);
  });
  test("an unknown method is UNIMPLEMENTED", async () => {
    const client = new grpc.Client(address, credentials("reader"));
    open.push(client);
    const unknown = new Promise((resolve, reject) => client.makeUnaryRequest("/pledged.v1.LedgerService/NoSuch",
      (bytes) => bytes, (bytes) => bytes, Buffer.alloc(0), deadline(), (error, answer) => (error ? reject(error) : resolve(answer))));
    await refused(unknown, status.UNIMPLEMENTED);
  });
  test("metadata, also binary, does not disturb", async () => {
    const metadata = new grpc.Metadata();
    metadata.set("x-request", "abc");
    metadata.set("x-bytes-bin", Buffer.from([0, 1, 255]));
    assert.equal((await call(talk("reader"), "listTiers", {}, { metadata })).tier.length, 6);
  });
  test("many calls at once on one connection", async () => {
    const reader = talk("reader");
    const answers = await Promise.all(Array.from({ length: 300 }, () => call(reader, "getTier", { tier: "or" })));
    assert.ok(answers.every(({ tier }) => tier.code === "or"));
  });
  test("keepalive pings are welcome", async () => {
    const reader = talk("reader", { options: { "grpc.keepalive_time_ms": 400, "grpc.keepalive_permit_without_calls": 1 } });
    await call(reader, "listTiers");
    await new Promise((next) => setTimeout(next, 2000));
    assert.equal((await call(reader, "listTiers")).tier.length, 6);
  });
  test("server streaming: a dump comes whole", async () => {
    const messages = await collect(talk("auditor").dump({}, deadline(60_000)));
    const { trailer } = messages.at(-1);
    assert.equal(Number(trailer.toSeq), messages.reduce((sum, { entry }) => sum + entry.length, 0));
    assert.ok(messages.slice(0, -1).every((message) => message.trailer === null));
  });
  test("server streaming: giving up in the middle", async () => {
    const auditor = talk("auditor");
    for (let turn = 0; turn < 5; turn++) await collect(auditor.dump({}, deadline()), () => true);
    assert.ok((await collect(auditor.dump({}, deadline()))).at(-1).trailer);
  });
  test("Watch: every tier at once, then a hold made elsewhere, until cancelled", async () => {
    const clerk = talk("clerk");
    const { outcome } = await call(clerk, "execute", contributor());
    const held = ({ tier }) => Number(tier.find(({ code }) => code === "or")?.held ?? 0);
    let before;
    const watching = collect(talk("reader").watch({ heartbeatS: 1 }, deadline(30_000)), async (message, count) => {
      if (count > 1) return held(message) > before;
      assert.equal(message.tier.length, 6);
      before = held(message);
      await call(clerk, "execute", { requestId: requestId(), hold: { tier: "or", contributor: outcome.contributor } });
    });
    await within(watching, 40_000, "the hold");
  });
  test("Watch: its deadline ends it", async () =>
    void (await refused(collect(talk("reader").watch({}, { deadline: Date.now() + 400 })), status.DEADLINE_EXCEEDED)));
  test("health: Check and Watch", async () => {
    const health = talk("public", { Client: packages.grpc.health.v1.Health });
    assert.equal((await call(health, "check")).status, "SERVING");
    await refused(call(health, "check", { service: "no.such.Service" }), status.NOT_FOUND);
    const [state] = await collect(health.watch({}, deadline()), () => true);
    assert.equal(state.status, "SERVING");
  });
});

describe("grpc-js reflection", () => {
  for (const version of ["v1", "v1alpha"])
    test(`the services and their methods are listed, and a call made of them answers: ${version}`, async () => {
      const client = new reflection.GrpcReflection(address, credentials("reader"), {}, version);
      const services = await within(client.listServices(), 20_000, "the list of services");
      assert.ok(services.includes("pledged.v1.LedgerService"), services.join());
      const methods = await within(client.listMethods("pledged.v1.LedgerService"), 20_000, "the list of methods");
      assert.ok(methods.some(({ name }) => name === "GetTier"));
      const descriptor = await within(client.getDescriptorBySymbol("pledged.v1.LedgerService"), 20_000, "the descriptor");
      const described = grpc.loadPackageDefinition(descriptor.getPackageDefinition(LOADER));
      const reader = talk("reader", { Client: described.pledged.v1.LedgerService });
      assert.equal((await call(reader, "getTier", { tier: "or" })).tier.code, "or");
    });
});
