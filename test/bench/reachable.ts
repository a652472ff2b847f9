/** What a process holds. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What is still reachable, buffers included. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
