/** How long a turn of a sandbox takes while turns go on and on, and the capsule that most benches of sandboxes run. */
const ROUND_MS = 400;

/** Counts its calls in one key and answers with what it was given. */
export const COUNTER = `
import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "bench.turn": (turn, input) => {
      turn.keys.set("n", (turn.keys.get("n") ?? 0) + 1);
      return input;
    },
  },
});
`;

/** Microseconds for one of the `turnsEach` turns of `work`, over one round. */
export async function perTurn(turnsEach: number, work: () => Promise<unknown>): Promise<number> {
  let done = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < ROUND_MS) {
    await work();
    done += turnsEach;
  }
  return ((performance.now() - startedAt) * 1_000) / done;
}
