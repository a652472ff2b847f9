/** The turns that benches of sandboxes send: calls of `bench.turn` with about 1 KB of JSON each way, whatever the language. */
import type { TurnRequest } from "@vnes/schemas";

export const INPUT = { session: "ses_0123456789abcdefghjk", note: "x".repeat(900), path: 7 } as const;

let turns = 0;

export function requests(count: number): TurnRequest[] {
  return Array.from({ length: count }, (): TurnRequest => {
    const turn = ++turns;
    const delivery = {
      kind: "call",
      callId: `call_${turn}`,
      capability: "bench",
      method: "turn",
      input: INPUT,
      caller: "control",
      deadlineAt: 5_000,
    } as const;
    return { turn, at: 1_000, seed: "0011223344556677", delivery };
  });
}
