/** Every reason admission can give. A message says what and where, a remedy what to type next. */
import { defineErrors, type ErrorDetails, type ErrorTable } from "@vnes/schemas";
import type { Reason } from "./verdict.ts";

const integrity = { fault: "capsule", retry: false, exit: "integrity" } as const;
const policy = { fault: "capsule", retry: false, exit: "policy" } as const;

export type AdmissionCode =
  | "MANIFEST_MISSING"
  | "RECEIPT_MISSING"
  | "RECEIPT_FOR_OTHER_CAPSULE"
  | "RECEIPT_HASH_MISMATCH"
  | "RECEIPT_FILE_MISSING"
  | "RECEIPT_FILE_EXTRA"
  | "RECEIPT_PART_MISMATCH"
  | "RECEIPT_TIER_MISMATCH"
  | "RECEIPT_SIGNATURE_DIFFERS"
  | "SIGNATURE_INVALID"
  | "SIGNATURE_KEY_UNKNOWN"
  | "SIGNATURE_KEY_EXPIRED"
  | "SIGNATURE_KEY_NOT_YET_VALID"
  | "SIGNATURE_KEY_REVOKED"
  | "SIGNATURE_KEY_NAMESPACE"
  | "SIGNATURE_KEY_TIER"
  | "SIGNATURE_KEY_ZONE"
  | "SIGNATURE_KEY_OWNER"
  | "SIGNATURE_KEY_ROLE"
  | "SIGNATURE_THRESHOLD"
  | "SIGNATURE_THRESHOLD_FOREIGN"
  | "POLICY_NO_RULE"
  | "POLICY_TIER_FORBIDDEN"
  | "POLICY_DETERMINISM_FORBIDDEN"
  | "POLICY_ZONE_FORBIDDEN"
  | "POLICY_POWER_NOT_GRANTED"
  | "DRIVER_OUTSIDE_SYSTEM_ZONE"
  | "DRIVER_OWNS_KEYS"
  | "POWER_WITHOUT_DRIVER"
  | "ENTRY_MISSING"
  | "ENTRY_INVALID"
  | "NATIVE_NOT_DETERMINISTIC"
  | "NATIVE_NOT_PROGRAM"
  | "SCHEMA_REFERENCE_BROKEN"
  | "TOPIC_OWNER_MISMATCH"
  | "TOPIC_FILE_NAME"
  | "TOPIC_SCHEMA_NOT_ADDITIVE"
  | "SUBSCRIPTION_TWICE"
  | "WASM_MODULE_BROKEN"
  | "WASM_MEMORY_KIND"
  | "WASM_MEMORY_UNBOUNDED"
  | "WASM_MEMORY_TOO_LARGE"
  | "WASM_TABLE_UNBOUNDED"
  | "WASM_IMPORT_UNKNOWN"
  | "WASM_EXPORT_MISSING"
  | "ADMISSION_CAPABILITIES_WIDENED"
  | "TRUST_ROLLED_BACK"
  | "TRUST_SIGNATURE_INVALID";

export const admissionErrors: ErrorTable<AdmissionCode> = defineErrors({
  MANIFEST_MISSING: {
    ...integrity,
    message: "there is no manifest.json",
    remedy: "write one, or start from a template: vnes capsule new <id>",
  },
  RECEIPT_MISSING: {
    ...integrity,
    message: "there is no receipt.stunir.json, so nobody vouches for these bytes",
    remedy: "vnes capsule build {dir}",
  },
  RECEIPT_FOR_OTHER_CAPSULE: {
    ...integrity,
    message: "the receipt is about {said}, the manifest about {is}",
    remedy: "vnes capsule build {dir}",
  },
  RECEIPT_HASH_MISMATCH: {
    ...integrity,
    message: "{file} is not the file the receipt vouches for: {is} instead of {said}",
    remedy: "restore {file}, or build and sign what is there: vnes capsule build {dir}",
  },
  RECEIPT_FILE_MISSING: {
    ...integrity,
    message: "{file} is in the receipt and not in the capsule",
    remedy: "restore {file}, or build again: vnes capsule build {dir}",
  },
  RECEIPT_FILE_EXTRA: {
    ...integrity,
    message: "{file} is in the capsule and not in the receipt",
    remedy: "remove {file}, or build again: vnes capsule build {dir}",
  },
  RECEIPT_PART_MISMATCH: {
    ...integrity,
    message: "the receipt gives {said} for {part}, which hashes to {is}",
    remedy: "vnes capsule build {dir}",
  },
  RECEIPT_TIER_MISMATCH: {
    ...integrity,
    message: "the receipt was given for determinism {said}, the manifest declares {is}",
    remedy: "vnes capsule build {dir}",
  },
  RECEIPT_SIGNATURE_DIFFERS: {
    ...integrity,
    message: "`signature` does not repeat a build signature of `signatures`",
    remedy: "vnes capsule build {dir}",
  },
  SIGNATURE_INVALID: {
    ...integrity,
    message: "the {role} signature by {key} does not fit the receipt",
    remedy: "vnes capsule sign {dir}; if others signed it, fetch it again",
  },
  SIGNATURE_KEY_UNKNOWN: {
    ...integrity,
    message: "the {role} signature is by {key}, which trust.json does not know",
    remedy:
      "if you trust whose it is, with the file their `key export` wrote: vnes key trust <file> --role {role} --namespace {id}; to vouch for it yourself: vnes capsule build {dir}",
  },
  SIGNATURE_KEY_EXPIRED: {
    ...integrity,
    message: "{key}, which signed as {role}, expired {when}",
    remedy: "ask for a new signature, or vnes capsule sign {dir}",
  },
  SIGNATURE_KEY_NOT_YET_VALID: {
    ...integrity,
    message: "{key}, which signed as {role}, is valid from {when} only",
    remedy: "check this machine's clock: vnes doctor",
  },
  SIGNATURE_KEY_REVOKED: {
    ...integrity,
    message: "{key}, which signed as {role}, was revoked {when}: {reason}",
    remedy: "do not use this build; fetch one signed by another key",
  },
  SIGNATURE_KEY_NAMESPACE: {
    ...integrity,
    message: "{key} may not sign for {id}",
    remedy:
      "build with a key that may, which drops this signature: vnes capsule build {dir} --key <name>; vnes key list says which may, and vnes key new <name> --namespace {id} makes one",
  },
  SIGNATURE_KEY_TIER: {
    ...integrity,
    message: "{key} may not sign for governance tier {tier}",
    remedy:
      "declare another governance.tier, or make a key for this one and build with it, which drops this signature: vnes key new <name> --namespace {id} --tier {tier}; then vnes capsule build {dir} --key <name>",
  },
  SIGNATURE_KEY_ZONE: {
    ...integrity,
    message: "{key} may not sign for trust zone {zone}",
    remedy:
      "declare another security.trust_zone, or make a key for this one and build with it, which drops this signature: vnes key new <name> --namespace {id} --zone {zone}; then vnes capsule build {dir} --key <name>",
  },
  SIGNATURE_KEY_OWNER: {
    ...integrity,
    message: "{key} may not sign for capsules of {owner}",
    remedy:
      "build with a key that may, which drops this signature: vnes capsule build {dir} --key <name>; if it is somebody else's and should: vnes key trust <file> --owner {owner} --namespace {id} --replace",
  },
  SIGNATURE_KEY_ROLE: {
    ...integrity,
    message: "{key} may not sign as {role}",
    remedy:
      "make a key for the role: vnes key new <name> --role {role}; then vnes capsule build {dir} drops this signature",
  },
  SIGNATURE_THRESHOLD: {
    ...integrity,
    message: "tier {tier} needs {needed} valid {role} signature(s), there are {valid}",
    remedy: "{next}",
  },
  SIGNATURE_THRESHOLD_FOREIGN: {
    ...integrity,
    message:
      "tier {tier} needs {needed} valid {role} signature(s), there are {valid}; it is signed by {keys}, which trust.json does not know",
    remedy:
      "if you trust whose {keys} is, with the file their `key export` wrote: vnes key trust <file> --role {role} --namespace {id}; to vouch for it yourself, which drops the foreign signature as signing beside it does not: vnes capsule build {dir}",
  },
  POLICY_NO_RULE: {
    ...policy,
    message: "no admission rule of the policy is about {id}, and what is not allowed is refused",
    remedy: "add a rule for {id} to policy.json",
  },
  POLICY_TIER_FORBIDDEN: {
    ...policy,
    message: "the policy allows {id} the tiers {allowed}, not {tier}",
    remedy: "declare an allowed governance.tier, or change the rule in policy.json",
  },
  POLICY_DETERMINISM_FORBIDDEN: {
    ...policy,
    message: "the policy allows {id} the determinism tiers {allowed}, not {tier}",
    remedy: "declare an allowed capabilities.determinism_tier, or change the rule in policy.json",
  },
  POLICY_ZONE_FORBIDDEN: {
    ...policy,
    message: "the policy allows {id} the zones {allowed}, not {zone}",
    remedy: "declare an allowed security.trust_zone, or change the rule in policy.json",
  },
  POLICY_POWER_NOT_GRANTED: {
    ...policy,
    message: "{id} asks for the host power {power}, which the policy does not grant it",
    remedy: "grant it under powers in policy.json, if it should have it",
  },
  DRIVER_OUTSIDE_SYSTEM_ZONE: {
    ...policy,
    message: "a driver touches the world and lives in zone system only; this one declares {zone}",
    remedy: "set security.trust_zone to system and have it signed for that zone, or change type",
  },
  DRIVER_OWNS_KEYS: {
    ...policy,
    message: "a driver is not replayed, so it owns no keys",
    remedy: "remove state from manifest.json, or change type",
  },
  POWER_WITHOUT_DRIVER: {
    ...policy,
    message: "{id} asks for host powers and is no driver",
    remedy: "remove security.resources, or set type to driver",
  },
  ENTRY_MISSING: {
    ...integrity,
    message: "interfaces.{language} names {file}, which is not in the capsule",
    remedy:
      "put {file} there, or correct interfaces in manifest.json; src/main.ts becomes impl/main.js, other languages are compiled by hand; then vnes capsule build {dir}",
  },
  ENTRY_INVALID: {
    ...integrity,
    message: "interfaces.python is {entry}, which is not module.path:function",
    remedy: "name a function of a module below impl/, such as impl.main:run",
  },
  NATIVE_NOT_DETERMINISTIC: {
    ...policy,
    message: "{id} is a native program and says it is {tier}; nothing keeps a program from reading the clock",
    remedy: "declare D2_soft_deterministic or NX_experimental, or write it in another language",
  },
  NATIVE_NOT_PROGRAM: {
    ...integrity,
    message:
      "interfaces.native names {file}, which is text and no program; behind a wall nothing is there that could interpret it",
    remedy:
      "compile it, as docs/native.md says, or let interfaces name another language; then vnes capsule build {dir}",
  },
  SCHEMA_REFERENCE_BROKEN: {
    ...integrity,
    message: "{reference} leads to no schema in this capsule",
    remedy: "add the definition to spec/schema.json, or remove the reference",
  },
  TOPIC_OWNER_MISMATCH: {
    ...integrity,
    message: "{topic} names {owner} as its owner and is defined by {id}",
    remedy: "a topic is defined by its owner alone: remove the file, or set its owner",
  },
  TOPIC_FILE_NAME: {
    ...integrity,
    message: "{file} defines {topic}; a topic stands in a file of its name",
    remedy: "rename it to spec/topics/{topic}.json",
  },
  TOPIC_SCHEMA_NOT_ADDITIVE: {
    ...policy,
    message: "{topic} was defined before, and its new definition breaks {rule} at {pointer}: {why}",
    remedy: 'keep to what docs/authoring.md lists under "Changing a topic", or define {next} beside it',
  },
  SUBSCRIPTION_TWICE: {
    ...integrity,
    message: "bus.subscribes names {topic} more than once",
    remedy: "leave one entry for {topic} and build again: vnes capsule build {dir}",
  },
  WASM_MODULE_BROKEN: {
    ...integrity,
    message: "{file} is no module that is run here: {problem}",
    remedy:
      "compile it to a core module of WebAssembly 2.0 for wasm32, without threads, garbage collection and relaxed SIMD",
  },
  WASM_MEMORY_KIND: {
    ...integrity,
    message: "{file} has {what}; a module has one memory of its own, of 32-bit addresses",
    remedy: "compile it without threads, memory64 and several memories",
  },
  WASM_MEMORY_UNBOUNDED: {
    ...integrity,
    message: "{file} declares no maximum of its memory",
    remedy:
      "declare one: asc --maximumMemory PAGES, clang -Wl,--max-memory=BYTES, rustc -C link-arg=--max-memory=BYTES",
  },
  WASM_MEMORY_TOO_LARGE: {
    ...integrity,
    message: "the memory of {file} may come to {most} MB, and {allowed} are allowed",
    remedy: "declare a smaller maximum, or ask for more in runtime.memory_limit_mb",
  },
  WASM_TABLE_UNBOUNDED: {
    ...integrity,
    message: "the tables of {file} have no maximum, or more than {allowed} elements together",
    remedy: "declare a maximum: compile without a table that grows",
  },
  WASM_IMPORT_UNKNOWN: {
    ...integrity,
    message: "{file} imports {import}, a {what}, which is not there",
    remedy: "docs/wasm.md has every function that can be imported, with its type",
  },
  WASM_EXPORT_MISSING: {
    ...integrity,
    message: "{file} has to export {export}: a {what}",
    remedy: "export it; docs/wasm.md shows how each compiler is told to",
  },
  ADMISSION_CAPABILITIES_WIDENED: {
    ...policy,
    message: "{id} {version} asks for more than {before} did: {added}",
    remedy: "if it should have that: vnes capsule install {dir} --allow-widened",
  },
  TRUST_ROLLED_BACK: {
    ...integrity,
    message: "trust document version {version} is older than version {seen}, which was seen before",
    remedy: "restore the newer trust.json",
  },
  TRUST_SIGNATURE_INVALID: {
    ...integrity,
    message: "no pinned root key signed this trust document",
    remedy: "restore trust.json from its source",
  },
});

/** Details that are absent read as the words a person would type. */
export function admissionReason(
  code: AdmissionCode,
  details: ErrorDetails,
  place: { readonly file?: string; readonly pointer?: string } = {},
): Reason {
  const { message, remedy } = admissionErrors.create(code, { dir: "<dir>", ...details });
  return { code, message, ...place, remedy };
}
