/** `sim.alarm`: timers by id, counted and published when they ring. */
import { capsule } from "@vnes/sdk";

const AGAIN_MS = 250;

export default capsule({
  calls: {
    "sim.alarm.arm": (turn, input) => {
      const { id, afterMs, again } = input as { readonly id: string; afterMs: number; again: number };
      turn.setTimer(`ring:${id}`, turn.at + afterMs, again);
      return { at: turn.at + afterMs };
    },
    "sim.alarm.cancel": (turn, input) => {
      turn.cancelTimer(`ring:${(input as { readonly id: string }).id}`);
      return {};
    },
  },
  timers: {
    ring: (turn, payload, timer, dueAt) => {
      const id = timer.slice("ring:".length);
      const count = ((turn.keys.get(`rang/${id}`) as number | undefined) ?? 0) + 1;
      turn.keys.set(`rang/${id}`, count);
      turn.publish("sim.rang.v1", id, { id, dueAt, count });
      const again = payload as number;
      if (again > 0) turn.setTimer(timer, turn.at + AGAIN_MS, again - 1);
    },
  },
});
