/**
 * The limit the isolate bench compares with: isolated-vm and nothing else. One isolate, one function that does what the
 * bench's capsule does, JSON text in and out. A process of its own, because isolated-vm needs a flag at start.
 */
import ivm from "isolated-vm";

export interface BareRequest {
  /** JSON of requests, to be answered with JSON of results. */
  readonly text?: string;
  /** Measured in here, without a process between: answered with `BareCosts`. */
  readonly measure?: { readonly requests: readonly unknown[]; readonly roundMs: number };
}

/** Microseconds a request, JSON made and read on both sides included. */
export interface BareCosts {
  /** Every request an asynchronous call of its own, all of them in flight. */
  readonly inFlight: number;
  /** All requests in one synchronous call. */
  readonly inOneCall: number;
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
  if (measure !== undefined) void costs(measure).then((measured) => process.send?.(measured));
});

async function costs({ requests, roundMs }: NonNullable<BareRequest["measure"]>): Promise<BareCosts> {
  const inOneCall = await perRequest(requests.length, roundMs, async () => {
    JSON.parse(call(JSON.stringify(requests)));
  });
  const inFlight = await perRequest(requests.length, roundMs, async () => {
    await Promise.all(
      requests.map(async (request) => {
        const answer = await handle.apply(undefined, [JSON.stringify([request])], { timeout: 1_000 });
        JSON.parse(answer as string);
      }),
    );
  });
  return { inFlight, inOneCall };
}

async function perRequest(requests: number, roundMs: number, work: () => Promise<void>): Promise<number> {
  let done = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < roundMs) {
    await work();
    done += requests;
  }
  return ((performance.now() - startedAt) * 1_000) / done;
}
