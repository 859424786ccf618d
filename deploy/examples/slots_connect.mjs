#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// slots_connect: how many places of a tier are left, with Connect for Node (@connectrpc/connect-node).
//
//   slots_connect.mjs [TIER]            prints the number alone ("unlimited": no cap), once
//   slots_connect.mjs --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change
//
// TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and
// who asks: see README.md. The message classes are made by protoc when the program starts, from
// PLEDGED_PROTO (../../proto); a program of your own would make them once (protoc-gen-es).
// Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Http2SessionManager, createConnectTransport } from "@connectrpc/connect-node";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const { PLEDGED_SERVER = "localhost:7443", PLEDGED_CA, PLEDGED_CERT, PLEDGED_KEY } = process.env;
const PROTO = process.env.PLEDGED_PROTO ?? fileURLToPath(new URL("../../proto", import.meta.url));
const EXITS = { [Code.InvalidArgument]: 65, [Code.Unauthenticated]: 77, [Code.PermissionDenied]: 77,
  [Code.Unavailable]: 69, [Code.DeadlineExceeded]: 69, [Code.ResourceExhausted]: 69, [Code.Internal]: 69,
  [Code.Aborted]: 69, [Code.Unknown]: 69, [Code.Canceled]: 69 };

function end(code, words) {
  console.error(`slots: ${words}`);
  process.exit(code);
}

const words = process.argv.slice(2);
const watching = words[0] === "--watch";
if (watching) words.shift();
if (words.length > 1 || words[0]?.startsWith("-")) end(64, "slots_connect.mjs [--watch] [TIER]");

let identity;
try {
  identity = { ca: readFileSync(PLEDGED_CA), cert: readFileSync(PLEDGED_CERT), key: readFileSync(PLEDGED_KEY) };
} catch (error) {
  end(64, `set PLEDGED_CA, PLEDGED_CERT and PLEDGED_KEY to files: ${error.message}`);
}

function readSchema() {
  const directory = mkdtempSync(join(tmpdir(), "slots-"));
  try {
    const file = join(directory, "schema.bin");
    execFileSync("protoc", ["-I", PROTO, "--include_imports", `--descriptor_set_out=${file}`, "pledged/v1/service.proto"]);
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
  } catch (error) {
    return end(1, `the .proto files in ${PROTO} cannot be read: ${error.message}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const registry = readSchema();
const baseUrl = `https://${PLEDGED_SERVER}`;
const ledger = createClient(registry.getService("pledged.v1.LedgerService"),
  createConnectTransport({ baseUrl, httpVersion: "2", sessionManager: new Http2SessionManager(baseUrl, {}, identity) }));

const left = ({ remaining }) => (remaining.value.case === "unlimited" ? "unlimited" : String(remaining.value.value));

/** Prints now and at every change, for ever: a stream that breaks is asked for again. */
async function watch(code) {
  for (let last; ; ) {
    try {
      // the first message has every tier, the others those that changed
      for await (const { tier } of ledger.watch({})) {
        const found = tier.find((one) => one.code === code);
        if (found === undefined || left(found) === last) continue;
        last = left(found);
        console.log(`${new Date().toISOString().replace(/\.\d+/, "")}\t${code}\t${last}`);
      }
    } catch (error) {
      const { code: why } = ConnectError.from(error);
      if (why === Code.Unauthenticated || why === Code.PermissionDenied) throw error;
      console.error(`slots: the stream ended: ${error.message}; asking again`);
    }
    await new Promise((next) => setTimeout(next, 2000));
  }
}

try {
  const { tier } = await ledger.getTier({ tier: words[0] ?? "platine" }, { timeoutMs: 20_000 });
  if (watching) await watch(tier.code);
  console.log(left(tier));
  process.exit(0);
} catch (error) {
  const failure = ConnectError.from(error);
  end(EXITS[failure.code] ?? 1, failure.message);
}
