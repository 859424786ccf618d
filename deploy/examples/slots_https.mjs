#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// slots_https: how many places of a tier are left, with Node alone (no package).
//
//   slots_https.mjs [TIER]            prints the number alone ("unlimited" where there is no cap), once
//   slots_https.mjs --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change
//
// TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and
// who asks: see README.md. Asks over HTTPS (HTTP/1.1, JSON); watches a stream over HTTP/2.
// Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import https from "node:https";

const { PLEDGED_SERVER = "localhost:7443", PLEDGED_CA, PLEDGED_CERT, PLEDGED_KEY } = process.env;
const SERVICE = "/pledged.v1.LedgerService/";
const EXITS = { 400: 65, 401: 77, 403: 77, 429: 69, 503: 69 };

function end(code, words) {
  console.error(`slots: ${words}`);
  process.exit(code);
}

const words = process.argv.slice(2);
const watching = words[0] === "--watch";
if (watching) words.shift();
if (words.length > 1 || words[0]?.startsWith("-")) end(64, "slots_https.mjs [--watch] [TIER]");
const tier = words[0] ?? "platine";

let identity;
try {
  identity = { ca: readFileSync(PLEDGED_CA), cert: readFileSync(PLEDGED_CERT), key: readFileSync(PLEDGED_KEY) };
} catch (error) {
  end(64, `set PLEDGED_CA, PLEDGED_CERT and PLEDGED_KEY to files: ${error.message}`);
}

// 64-bit numbers are strings in JSON
const left = ({ remaining }) => (remaining.unlimited ? "unlimited" : remaining.count);

function ask() {
  const body = JSON.stringify({ tier });
  const request = https.request(`https://${PLEDGED_SERVER}${SERVICE}GetTier`, { ...identity, method: "POST", timeout: 20_000,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (answer) => {
    let text = "";
    answer.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => {
      if (answer.statusCode !== 200) end(EXITS[answer.statusCode] ?? 1, text); // {"code", "message", "details"}
      console.log(left(JSON.parse(text).tier));
    });
  });
  request.on("timeout", () => request.destroy(new Error("no answer within 20 s")));
  request.on("error", (error) => end(69, `no answer from ${PLEDGED_SERVER}: ${error.message}`));
  request.end(body);
}

// One connection with two calls: which tier is meant, then the stream. Ends when the stream breaks.
let last;
function watch() {
  return new Promise((over) => {
    const session = http2.connect(`https://${PLEDGED_SERVER}`, identity);
    const again = (why) => {
      console.error(`slots: ${why}; asking again`);
      session.destroy();
      over();
    };
    session.on("error", (error) => again(error.message));
    session.on("close", () => over());
    const call = (method, type, body) => {
      const stream = session.request({ ":method": "POST", ":path": SERVICE + method, "content-type": type });
      stream.on("error", (error) => again(error.message));
      stream.end(body);
      return stream;
    };
    const first = call("GetTier", "application/json", JSON.stringify({ tier }));
    let status, text = "";
    first.on("response", (headers) => (status = headers[":status"]));
    first.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => {
      if (status === undefined) return; // the connection broke
      if (status !== 200) end(EXITS[status] ?? 1, text);
      const { code } = JSON.parse(text).tier;
      // each message: flag (1 byte; 2: the last one), length (4 bytes), JSON
      let pending = Buffer.alloc(0);
      call("Watch", "application/connect+json", Buffer.from("\0\0\0\0\x02{}")).on("data", (bytes) => {
        pending = Buffer.concat([pending, bytes]);
        while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
          const length = pending.readUInt32BE(1);
          const message = JSON.parse(pending.subarray(5, 5 + length));
          if (pending[0] === 2) return again(`the stream ended: ${JSON.stringify(message)}`);
          const found = message.tier?.find((one) => one.code === code); // the first message has every tier
          if (found !== undefined && left(found) !== last) {
            last = left(found);
            console.log(`${new Date().toISOString().replace(/\.\d+/, "")}\t${code}\t${last}`);
          }
          pending = pending.subarray(5 + length);
        }
      });
    });
  });
}

if (!watching) ask();
while (watching) {
  await watch();
  await new Promise((next) => setTimeout(next, 2000));
}
