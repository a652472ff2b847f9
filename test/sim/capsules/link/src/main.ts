/** `sim.link`: a call that is answered in a later turn, when the register has answered. */
import { capsule, later, type Json } from "@vnes/sdk";

/** Shorter than what some clients wait, so that this deadline is met in some runs. */
const NEXT_TIMEOUT_MS = 3_000;

export default capsule({
  calls: {
    "sim.link.run": (turn, input, { callId }) => {
      const { key, id } = input as { readonly key: string; readonly id: string };
      turn.keys.set(`open/${id}`, callId);
      const next = { capability: "sim.register", method: "add", input: { key, id, by: 1 } };
      turn.call({ ...next, tag: "ended", context: id, timeoutMs: NEXT_TIMEOUT_MS });
      return later;
    },
  },
  answers: {
    ended: (turn, answer, context: Json) => {
      const id = context as string;
      const callId = turn.keys.get(`open/${id}`) as string;
      turn.keys.delete(`open/${id}`);
      turn.keys.set(`ended/${id}`, ((turn.keys.get(`ended/${id}`) as number | undefined) ?? 0) + 1);
      turn.answer(callId, answer);
    },
  },
});
