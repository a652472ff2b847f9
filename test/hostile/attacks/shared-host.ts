/** Bundles of a capsule that would take its host, and its neighbours with it, along; each is to end in a turn of its own that failed. */
interface Hostile {
  readonly name: string;
  readonly bundle: string;
  readonly ends: string;
}

const INVALID = "SANDBOX_ANSWER_INVALID";

const answering = (name: string, result: string, ends: string, top = ""): Hostile => ({
  name,
  ends,
  bundle: `${top}
var capsule = { default: { reset() {}, deliver(request) {
  const { turn, delivery } = request;
  if (delivery.method !== "go") return { turn, kind: "done", effects: [] };
  return ${result};
} } };`,
});

export const SHARED_HOST: readonly Hostile[] = [
  answering(
    "asks for a key of ten million characters",
    `({ turn, kind: "needKeys", keys: ["x".repeat(1e7)], ranges: [] })`,
    INVALID,
  ),
  answering(
    "says a line of ten million characters",
    `({ turn, kind: "done", effects: [], logs: [{ level: "info", message: "x".repeat(1e7) }] })`,
    "done",
  ),
  answering(
    "fails with a message of ten million characters",
    `({ turn, kind: "failed", code: "TURN_HANDLER_THREW", message: "x".repeat(1e7) })`,
    INVALID,
  ),
  answering(
    "has an answer put together by a method of its own",
    `(Array.prototype.join = () => "1 0 [" + "x".repeat(5e8), { turn, kind: "done", effects: [] })`,
    "done",
  ),
  answering(
    "answers with what throws an error that never ends",
    `({ turn, get kind() { const e = new Error("x"); Object.defineProperty(e, "message", { get() { while (true); } }); throw e; } })`,
    INVALID,
  ),
  answering(
    "has every object throw an error that never ends",
    `(Object.prototype.toJSON = () => { const e = new Error("x"); Object.defineProperty(e, "stack", { get() { while (true); } }); throw e; }, { turn })`,
    INVALID,
  ),
];
