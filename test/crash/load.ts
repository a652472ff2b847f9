/** Keeps calls in flight until told to stop, and writes down every end of one. */
import type { Acknowledgements } from "./acknowledgements.ts";
import type { Control } from "./control.ts";

/** More than the 64 that must be in flight when a kill comes: while answers are read, fewer wait. */
const IN_FLIGHT = 96;
const CALL_TIMEOUT_MS = 30_000;

export interface Load {
  /** Calls without an answer at this moment. */
  readonly inFlight: number;
  readonly acknowledged: number;
  /** Refusals by code; those of a node that is gone are not refusals. */
  readonly refused: ReadonlyMap<string, number>;
  /** Resolves once that many were acknowledged, or the node is gone. */
  acknowledgedAtLeast(count: number): Promise<void>;
  /** Resolves once every call has ended. */
  ended: Promise<void>;
}

export function startLoad(control: Control, record: Acknowledgements, round: string, limit: number): Load {
  let sent = 0;
  let inFlight = 0;
  let acknowledged = 0;
  const refused = new Map<string, number>();
  let goals: { readonly count: number; readonly reached: () => void }[] = [];
  let answered: string[] = [];
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));

  const checkGoals = (): void => {
    const isReached = ({ count }: { readonly count: number }): boolean =>
      acknowledged >= count || inFlight === 0;
    const reached = goals.filter(isReached);
    goals = goals.filter((goal) => !isReached(goal));
    for (const goal of reached) goal.reached();
  };
  const refill = (): void => {
    record.acknowledge(round, answered);
    acknowledged += answered.length;
    answered = [];
    const ids: string[] = [];
    while (control.isOpen && inFlight + ids.length < IN_FLIGHT && sent < limit)
      ids.push(`${round}-${++sent}`);
    if (ids.length > 0) record.send(round, ids);
    inFlight += ids.length;
    for (const id of ids) {
      void control.call("crash.intake", "add", { id }, CALL_TIMEOUT_MS).then((reply) => {
        inFlight--;
        if (reply.ok) answered.push(id);
        else if (reply.code !== "GONE") refused.set(reply.code, (refused.get(reply.code) ?? 0) + 1);
        scheduled ??= setImmediate(() => {
          scheduled = undefined;
          refill();
        });
      });
    }
    checkGoals();
    if (inFlight === 0) end();
  };
  let scheduled: NodeJS.Immediate | undefined;
  refill();
  return {
    get inFlight() {
      return inFlight;
    },
    get acknowledged() {
      return acknowledged;
    },
    refused,
    ended,
    acknowledgedAtLeast: (count) =>
      new Promise((reached) => {
        goals.push({ count, reached });
        checkGoals();
      }),
  };
}
