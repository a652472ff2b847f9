/** `sim.register`: what a linearizable register must do, and an event for every change of one. */
import { capsule, type Json, type Turn } from "@vnes/sdk";

interface Asked {
  readonly key: string;
  readonly id: string;
  readonly value: number;
  readonly by: number;
  readonly expected: number | null;
}

/** A change to a value that this divides is told once more, on a topic that keeps nothing. */
const FLASH_EVERY = 2;

function read(turn: Turn, key: string): number | null {
  return (turn.keys.get(`reg/${key}`) as number | undefined) ?? null;
}

function write(turn: Turn, { key, id }: Asked, value: number): void {
  turn.keys.set(`reg/${key}`, value);
  turn.publish("sim.changed.v1", key, { key, id, value });
  if (value % FLASH_EVERY === 0) turn.publish("sim.flash.v1", key, { id, value });
}

export default capsule({
  calls: {
    "sim.register.set": (turn, input) => {
      const asked = input as unknown as Asked;
      write(turn, asked, asked.value);
      return { value: asked.value };
    },
    "sim.register.add": (turn, input) => {
      const asked = input as unknown as Asked;
      const value = (read(turn, asked.key) ?? 0) + asked.by;
      write(turn, asked, value);
      return { value };
    },
    "sim.register.cas": (turn, input) => {
      const asked = input as unknown as Asked;
      const before = read(turn, asked.key);
      if (before !== asked.expected) return { value: before, swapped: false };
      write(turn, asked, asked.value);
      return { value: asked.value, swapped: true };
    },
    "sim.register.get": (turn, input): Json => ({ value: read(turn, (input as unknown as Asked).key) }),
  },
});
