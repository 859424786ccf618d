// SPDX-License-Identifier: Apache-2.0
// lib: what the tests for Node share, with nothing but Node itself: where the daemon is, who people
// are, raw HTTP/2 exchanges frame by frame, and just enough of protobuf to write requests by hand.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import http2 from "node:http2";
import tls from "node:tls";
import { randomBytes } from "node:crypto";

export const facts = JSON.parse(process.env.PLEDGED_TEST ?? "null");
if (facts === null) {
  console.error("run this with run_node.py, which starts a daemon");
  process.exit(64);
}
export const origin = `https://localhost:${facts.port}`;
export const SERVICE = "/pledged.v1.LedgerService/";

/** Milliseconds that a test may wait: generous, longer where the build is slow. */
export const patience = (ms) => ms * facts.scale;

/** TLS options of a person; null: nobody (no certificate). */
export function identity(person, certs = facts.certs) {
  const options = { ca: readFileSync(facts.ca), servername: "localhost" };
  if (person !== null) {
    options.cert = readFileSync(join(certs, `${person}.crt`));
    options.key = readFileSync(join(certs, `${person}.key`));
  }
  return options;
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Rejects with `what` if the promise takes longer than the machine may need. */
export function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patience(ms)} ms`)), patience(ms));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// --- protobuf by hand ---

export function varint(number) {
  const bytes = [];
  let rest = BigInt(number);
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** One field: bytes and strings with their length, numbers as varints. */
export function field(number, value) {
  if (typeof value === "string" || Buffer.isBuffer(value)) {
    const bytes = Buffer.from(value);
    return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
  }
  return Buffer.concat([varint(number << 3), varint(value)]);
}

/** The fields of a message: Map of number -> [values], bytes as Buffer and varints as BigInt. */
export function fields(message) {
  const found = new Map();
  let at = 0;
  const number = () => {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= message.length) throw new Error("a message that ends too early");
      const byte = message[at++];
      result |= BigInt(byte & 127) << shift;
      if (byte < 128) return result;
    }
  };
  while (at < message.length) {
    const tag = Number(number());
    const values = found.get(tag >> 3) ?? [];
    if ((tag & 7) === 0) {
      values.push(number());
    } else if ((tag & 7) === 2) {
      const length = Number(number());
      if (at + length > message.length) throw new Error("a field that ends too early");
      values.push(message.subarray(at, (at += length)));
    } else {
      throw new Error(`wire type ${tag & 7}`);
    }
    found.set(tag >> 3, values);
  }
  return found;
}

export const text = (found, number) => found.get(number)?.[0]?.toString() ?? "";
export const requestId = () => randomBytes(16);

// --- envelopes: flag, length, message ---

export function envelope(message, flag = 0) {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export function envelopes(bytes, more = false) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 5 > bytes.length ? Infinity : bytes.readUInt32BE(at + 1);
    if (at + 5 + length > bytes.length) {
      if (more) break;
      throw new Error("an envelope that ends too early");
    }
    found.push({ flag: bytes[at], message: bytes.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return found;
}

// --- raw HTTP/2 ---

/** A connection as a person; close it with session.destroy(). */
export function connectH2(person = "clerk", { certs, options } = {}) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(origin, {
      ...identity(person, certs), host: "127.0.0.1", ALPNProtocols: ["h2"],
      lookup: (_, how, back) => (how?.all ? back(null, [{ address: "127.0.0.1", family: 4 }]) : back(null, "127.0.0.1", 4)),
      ...options,
    });
    const closed = () => reject(new Error("the connection was closed"));
    session.once("error", reject);
    session.once("close", closed);
    session.once("remoteSettings", () => {
      session.off("error", reject);
      session.off("close", closed);
      session.on("error", () => {});
      resolve(session);
    });
  });
}

/** One stream: what was received, in order, and how it ended. */
export class Exchange {
  constructor(session, headers, { body = Buffer.alloc(0), chunks = null, keepOpen = false } = {}) {
    this.headers = null;
    this.trailers = null;
    this.chunks = [];
    this.trailersOnly = false;
    this.waiting = [];
    this.stream = session.request(headers, { endStream: false, waitForTrailers: false });
    this.stream.on("response", (received, flags) => {
      this.headers = received;
      this.trailersOnly = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      this.#wake();
    });
    this.stream.on("trailers", (received) => {
      this.trailers = received;
      this.#wake();
    });
    this.stream.on("data", (bytes) => {
      this.chunks.push(bytes);
      this.#wake();
    });
    this.stream.on("error", (error) => (this.error = error));
    this.done = new Promise((resolve) => this.stream.on("close", () => {
      this.closed = true;
      this.#wake();
      resolve(this);
    }));
    for (const chunk of chunks ?? (body.length > 0 ? [body] : [])) this.stream.write(chunk);
    if (!keepOpen) this.stream.end();
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** Waits until the condition holds of what was received so far. */
  async until(condition, what, ms = 20_000) {
    const end = Date.now() + patience(ms);
    while (!condition(this)) {
      if (this.closed || Date.now() > end) throw new Error(`${what}: never; ${this.describe()}`);
      await Promise.race([new Promise((wake) => this.waiting.push(wake)), sleep(500)]);
    }
    return this;
  }

  describe() {
    return JSON.stringify({ headers: this.headers, trailers: this.trailers, bytes: this.body.length,
      rst: this.stream.rstCode, error: String(this.error) });
  }

  get status() {
    return this.headers?.[":status"];
  }
  get type() {
    return this.headers?.["content-type"];
  }
  get body() {
    return Buffer.concat(this.chunks);
  }
  get json() {
    return JSON.parse(this.body.toString());
  }
  /** The envelopes that are there; of a stream that goes on, perhaps without the last one's rest. */
  get messages() {
    return envelopes(this.body, !this.closed);
  }
  /** Of gRPC: from the trailers, or from the only HEADERS. */
  get grpc() {
    const where = this.trailers ?? this.headers ?? {};
    const status = where["grpc-status"];
    return { status: status === undefined ? null : Number(status), raw: status,
      message: decodeURIComponent(where["grpc-message"] ?? ""), details: where["grpc-status-details-bin"] };
  }
}

/** Sends a request and waits for its end. */
export function exchange(session, path, { method = "POST", headers = {}, ...rest } = {}, ms = 20_000) {
  const all = { ":method": method, ":path": path, ...headers };
  const run = new Exchange(session, all, rest);
  return within(run.done, ms, `${method} ${path}`);
}

/** Like tls.connect, until the handshake is over or has failed. */
export function connectTls(options) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "127.0.0.1", port: facts.port, ...options });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
  });
}

export { http2, tls };
