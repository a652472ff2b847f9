/** What a call is about: the method and its checks, the shard that takes it, and the answer when nobody can. */
import type { Answer, Json } from "@vnes/schemas";
import type { Capabilities, Capability, Method } from "../../bus/capabilities.ts";
import { stringAt } from "../../bus/routing.ts";
import { kernelErrors } from "../../errors.ts";
import { shardForKey } from "../../placement/shard-names.ts";

export type Refusal = Extract<Answer, { ok: false }>;

export function refusal(
  code: Parameters<typeof kernelErrors.create>[0],
  details: { readonly [key: string]: Json },
): Refusal {
  const { message } = kernelErrors.create(code, details);
  return { ok: false, code, message, details };
}

/** The method, or why there is none. */
export function methodOf(
  { capabilities }: { readonly capabilities: Capabilities },
  capability: string,
  method: string,
): Method | Refusal {
  const found = capabilities.get(capability);
  if (found === undefined) return refusal("CALL_CAPABILITY_UNAVAILABLE", { capability });
  return found.methods.get(method) ?? methodUnknown(found, method);
}

/** More than anybody reads; a capsule may have thousands. */
const MAX_METHODS_NAMED = 20;

/** What there is instead is named: who called mostly mistyped. */
export function methodUnknown({ name, provider, methods }: Capability, method: string): Refusal {
  const known = [...methods.keys()];
  const more = known.length > MAX_METHODS_NAMED ? ", ..." : "";
  const named = known.length === 0 ? "none" : `${known.slice(0, MAX_METHODS_NAMED).join(", ")}${more}`;
  return refusal("CALL_METHOD_UNKNOWN", { capability: name, method, provider, methods: named });
}

/** The one loaded provider, or why there is none to ask: of two that are, nobody chooses. */
export function loadedProvider(
  {
    capabilities,
    slots,
    devices,
  }: {
    readonly capabilities: Capabilities;
    readonly slots: ReadonlyMap<string, unknown>;
    readonly devices: ReadonlyMap<string, unknown>;
  },
  capability: string,
): Capability | Refusal {
  const found = capabilities.get(capability);
  if (found === undefined) return refusal("CALL_CAPABILITY_UNAVAILABLE", { capability });
  if (found.others.length === 0) return found;
  const loaded = [found, ...found.others].filter(
    ({ provider }) => slots.has(provider) || devices.has(provider),
  );
  if (loaded.length <= 1) return loaded[0] ?? found;
  const providers = loaded.map(({ provider }) => provider).join(", ");
  return refusal("CALL_PROVIDER_AMBIGUOUS", { capability, providers });
}

/** The shard that takes the call; of no shard's name when the provider is not loaded. */
export function providerShard(
  { slots }: { readonly slots: ReadonlyMap<string, readonly string[]> },
  provider: string,
  method: Method,
  input: Json,
): string {
  const names = slots.get(provider);
  if (names === undefined) return "";
  const key = method.shardKey === undefined ? "" : (stringAt(input, method.shardKey) ?? "");
  return shardForKey(names, key);
}

/** A value that the provider's own schema does not allow is an error of the provider. */
export function checkedAnswer(method: Method, capability: string, name: string, answer: Answer): Answer {
  if (!answer.ok) return answer;
  const [problem] = method.output(answer.value);
  if (problem === undefined) return answer;
  const details = { capability, method: name, pointer: problem.pointer || "/", problem: problem.message };
  return refusal("CALL_OUTPUT_INVALID", details);
}
