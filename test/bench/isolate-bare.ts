/**
 * The limit the isolate bench compares with: isolated-vm and nothing else. One isolate, one function that does what the
 * bench's capsule does, JSON text in and out. A process of its own, because isolated-vm needs a flag at start.
 */
import ivm from "isolated-vm";

export interface BareRequest {
  /** JSON of requests, to be answered with JSON of results. */
  readonly text?: string;
  /** The same many times over, without anybody asking: answered with microseconds a request. */
  readonly measure?: { readonly text: string; readonly requests: number; readonly roundMs: number };
}

const BODY = `
  const keys = new Map();
  return (text) => {
    const results = [];
    for (const { turn, delivery } of JSON.parse(text)) {
      const count = (keys.get("n") ?? 0) + 1;
      keys.set("n", count);
      const answer = { ok: true, value: delivery.input };
      results.push({ turn, kind: "done", effects: [
        { do: "write", key: "n", value: count },
        { do: "answer", callId: delivery.callId, answer },
      ] });
    }
    return JSON.stringify(results);
  };
`;

const isolate = new ivm.Isolate({ memoryLimit: 32 });
const context = isolate.createContextSync();
const handle = context.evalClosureSync(BODY, [], { result: { reference: true } }) as ivm.Reference<
  (text: string) => string
>;
const call = (text: string): string => handle.applySync(undefined, [text], { timeout: 1_000 }) as string;

process.on("message", ({ text, measure }: BareRequest) => {
  if (text !== undefined) process.send?.(call(text));
  if (measure === undefined) return;
  let calls = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < measure.roundMs) {
    // Parsed on the far side as well: a result nobody can read is no result.
    JSON.parse(call(measure.text));
    calls++;
  }
  process.send?.(((performance.now() - startedAt) * 1_000) / (calls * measure.requests));
});
