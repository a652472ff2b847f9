/** `crash.intake`: one turn with an effect of every durable kind. */
import { capsule, type Json, type Keys } from "@vnes/sdk";

/** Longer than any restart: a call must end by its answer, not by its deadline. */
const NOTE_TIMEOUT_MS = 600_000;

export default capsule({
  calls: {
    "crash.intake.add": (turn, input) => {
      const { id } = input as { readonly id: string };
      count(turn.keys, "own", id);
      turn.publish("crash.added.v1", id, { id });
      turn.call({
        capability: "crash.tally",
        method: "note",
        input: { id },
        tag: "noted",
        context: { id },
        timeoutMs: NOTE_TIMEOUT_MS,
      });
      return { id };
    },
    "crash.intake.counts": (turn, input) => {
      const { round } = input as { readonly round: string };
      return { own: counts(turn.keys, "own", round), noted: counts(turn.keys, "noted", round) };
    },
  },
  answers: {
    noted: (turn, answer, context) => {
      if (answer.ok) count(turn.keys, "noted", (context as { readonly id: string }).id);
    },
  },
});

/** Keys are `<path>/<round>-<n>`, so that one round can be read without the others. */
function count(keys: Keys, path: string, id: string): void {
  const key = `${path}/${id}`;
  keys.set(key, ((keys.get(key) as number | undefined) ?? 0) + 1);
}

function counts(keys: Keys, path: string, round: string): Json {
  const prefix = `${path}/`;
  return Object.fromEntries(
    keys.entries(`${prefix}${round}-`).map(([key, value]) => [key.slice(prefix.length), value]),
  );
}
