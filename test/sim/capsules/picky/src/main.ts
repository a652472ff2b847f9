/** A subscriber to which some events are poison. */
import { capsule } from "@vnes/sdk";

const POISON = 5;
const FORBIDDEN = 7;
const ASKS = 3;

export default capsule({
  events: {
    "sim.changed.v1": (turn, event) => {
      const { key, value } = event as { readonly key: string; readonly value: number };
      const before = (turn.keys.get(`took/${key}`) as number | undefined) ?? 0;
      turn.keys.set(`took/${key}`, before + 1);
      if (value % POISON === 0) throw new Error(`cannot digest ${value}`);
      if (value % FORBIDDEN === 0) turn.keys.set(`elsewhere/${key}`, value);
      if (value % ASKS === 0)
        turn.call({ capability: "sim.register", method: "get", input: { key }, tag: "asked", context: key });
    },
  },
  answers: {
    asked: (turn, _answer, context) => {
      const key = `asked/${context as string}`;
      turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
    },
  },
});
