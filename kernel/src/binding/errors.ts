/** Why a capsule cannot be bound to what it needs. */
import { defineErrors, type ErrorDetails, type ErrorTable } from "@vnes/schemas";
import type { Reason } from "../admission/verdict.ts";

export type BindingCode =
  | "BINDING_CAPABILITY_MISSING"
  | "BINDING_VERSION_MISMATCH"
  | "BINDING_AMBIGUOUS"
  | "BINDING_CYCLE"
  | "BINDING_TIER_TOO_LOW"
  | "BINDING_ZONE_FORBIDDEN"
  | "BINDING_TENANT_FORBIDDEN"
  | "BINDING_ACCESS_FORBIDDEN"
  | "BINDING_TOPIC_FORBIDDEN"
  | "BINDING_NAME_FOREIGN"
  | "BINDING_NAME_TAKEN"
  | "BINDING_PROVIDER_REFUSED"
  | "BINDING_TOPIC_UNKNOWN"
  | "BINDING_TOPIC_DEFINED_TWICE"
  | "BINDING_TOPIC_CYCLE"
  | "BINDING_BATCH_MISSING";

const policy = { fault: "capsule", retry: false, exit: "policy" } as const;

export const bindingErrors: ErrorTable<BindingCode> = defineErrors({
  BINDING_CAPABILITY_MISSING: {
    ...policy,
    message: "{capsule} requires {requirement}, and nothing here provides it",
    remedy: "install a capsule that provides {requirement}: vnes capsule install <dir>",
  },
  BINDING_VERSION_MISMATCH: {
    ...policy,
    message: "{capsule} requires {requirement}; here there is only {offered}",
    remedy: "install a version that fits: vnes capsule install <dir>",
  },
  BINDING_AMBIGUOUS: {
    ...policy,
    message: "{capsule} requires {requirement}, and more than one provides it: {candidates}",
    remedy: "name the capsules to run under capsules.run in config.json so that one is left",
  },
  BINDING_CYCLE: {
    ...policy,
    message: "{capsule} is part of a circle of requirements: {cycle}",
    remedy: "remove one of the requirements, or talk over a topic instead",
  },
  BINDING_TIER_TOO_LOW: {
    ...policy,
    message: "{capsule} is {tier} and requires {requirement}, which only {offered} provides",
    remedy: "use a provider at least as deterministic, or declare the tier that is true",
  },
  BINDING_ZONE_FORBIDDEN: {
    ...policy,
    message: "{capsule} in zone {zone} may not use {requirement} of {offered}",
    remedy: "change providers.{zone} in policy.json if it should",
  },
  BINDING_TENANT_FORBIDDEN: {
    ...policy,
    message: "{capsule} of {tenant} may not use {requirement} of another tenant: {offered}",
    remedy:
      "where one author made both, whose ids begin alike: give both the same governance.owner and build them again; otherwise name {name} under access in policy.json, with {capsule} under to, if it should",
  },
  BINDING_ACCESS_FORBIDDEN: {
    ...policy,
    message: "{capsule} may not use {requirement}: the policy of this node names who may",
    remedy: "add {capsule} to the line for {name} under access in policy.json if it should",
  },
  BINDING_TOPIC_FORBIDDEN: {
    ...policy,
    message: "{capsule} {does} {topic} of {owner}, and may not: {why}",
    remedy:
      "where the tenant is why and one author made both, whose ids begin alike: give both the same governance.owner and build them again; otherwise name {topic} under access in policy.json, with {capsule} under to, if it should",
  },
  BINDING_NAME_FOREIGN: {
    ...policy,
    message: "{capsule} {does} {name}, which is not in its namespace {namespace}",
    remedy: "give it a name that begins with {namespace}.",
  },
  BINDING_NAME_TAKEN: {
    ...policy,
    message: "{capsule} {does} {name}, and so does {other}, of another tenant",
    remedy: "give it a name that begins with {capsule}., which nobody can take",
  },
  BINDING_PROVIDER_REFUSED: {
    ...policy,
    message: "{capsule} requires {requirement} of {provider}, which was refused itself",
    remedy: "mend {provider} first: vnes capsule inspect {provider}",
  },
  BINDING_TOPIC_UNKNOWN: {
    ...policy,
    message: "{capsule} {does} {topic}, and no capsule here defines that topic",
    remedy: "install the capsule that owns {topic}, or define it in spec/topics/{topic}.json of its owner",
  },
  BINDING_TOPIC_DEFINED_TWICE: {
    ...policy,
    message: "{topic} is defined by {capsule} and differently by {other}",
    remedy: "a topic has one owner: remove one of the definitions, or use another version of the topic",
  },
  BINDING_TOPIC_CYCLE: {
    ...policy,
    message: "{capsule} is part of a circle of topics that block when full: {cycle}",
    remedy: "let one of the topics shed or aggregate, or break the circle",
  },
  BINDING_BATCH_MISSING: {
    ...policy,
    message: "{capsule} subscribes to {topic}, which hands a backlog out in batches, without taking batches",
    remedy: "give the subscription to {topic} a batch, and the capsule a handler for batches",
  },
});

export function bindingReason(code: BindingCode, details: ErrorDetails, pointer?: string): Reason {
  const { message, remedy } = bindingErrors.create(code, details);
  const place = pointer === undefined ? {} : { file: "manifest.json", pointer };
  return { code, message, ...place, remedy };
}
