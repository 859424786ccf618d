// SPDX-License-Identifier: Apache-2.0
// messages: the schema as message classes made while the test runs, from what protoc says of the
// .proto files: nothing is generated into the source tree.
import { readFileSync } from "node:fs";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { facts, requestId } from "./lib.mjs";

export const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(facts.schema)));
export const LedgerService = registry.getService("pledged.v1.LedgerService");
export const Health = registry.getService("grpc.health.v1.Health");
export const RefusalSchema = registry.getMessage("pledged.v1.Refusal");
export const EntrySchema = registry.getMessage("pledged.v1.Entry");

const reasons = registry.getEnum("pledged.v1.Reason");
export const reasonName = (number) => reasons.value[number].name.replace("REASON_", "");

const CommandSchema = registry.getMessage("pledged.v1.Command");
/** A command with a request id of its own: command("hold", {tier: "or", contributor: "C000001"}). */
export function command(kind, value, more = {}) {
  return create(CommandSchema, { requestId: requestId(), command: { case: kind, value }, ...more });
}

let names = 0;
export const contributorName = () => `Interop ${process.pid} ${++names} ${Math.random().toString(36).slice(2)}`;
