/** The model of a register that is set, added to, compared and swapped, and read; of client calls, what each did to which key. */
import type { Json } from "@vnes/schemas";
import { checkLinearizable, type Interval, type Model } from "./linearizable.ts";
import { effectOf, type Operation } from "./operation.ts";
import type { Problem } from "./problem.ts";

export type RegisterOp = {
  readonly key: string;
  /** What the client was told; undefined when it was told nothing. */
  readonly told: { readonly value: number | null; readonly swapped?: boolean } | undefined;
} & (
  | { readonly do: "get" }
  | { readonly do: "set"; readonly value: number }
  | { readonly do: "add"; readonly by: number }
  | { readonly do: "cas"; readonly expected: number | null; readonly value: number }
);

type Value = number | null;

export const registerModel: Model<RegisterOp, Value> = {
  initial: null,
  textOf: String,
  apply: (state, operation, seen) => {
    const swapped = operation.do === "cas" && state === operation.expected;
    const after = next(state, operation, swapped);
    if (!seen || operation.told === undefined) return { state: after, fits: true };
    const { told } = operation;
    const fits = told.value === after && (operation.do !== "cas" || told.swapped === swapped);
    return { state: after, fits };
  },
};

function next(state: Value, operation: RegisterOp, swapped: boolean): Value {
  switch (operation.do) {
    case "get":
      return state;
    case "set":
      return operation.value;
    case "add":
      return (state ?? 0) + operation.by;
    case "cas":
      return swapped ? operation.value : state;
  }
}

/** Calls that reach a register in the end, by their name; `direct` when the register answers itself. */
export interface Reading {
  readonly direct: boolean;
  read(input: Json): { readonly key: string } & Record<string, unknown>;
}

export function checkRegisters(
  operations: readonly Operation[],
  readings: ReadonlyMap<string, Reading>,
): { readonly problems: readonly Problem[]; readonly undecided: readonly string[] } {
  const byKey = new Map<string, Interval<RegisterOp>[]>();
  for (const one of operations) {
    const reading = readings.get(one.name);
    if (reading === undefined) continue;
    const effect = effectOf(one, reading.direct);
    const asked = reading.read(one.input) as unknown as RegisterOp;
    if (effect === "did not happen" || (effect === "unknown" && asked.do === "get")) continue;
    const answer = one.end?.answer;
    const told = answer?.ok === true ? (answer.value as unknown as RegisterOp["told"]) : undefined;
    const list = byKey.get(asked.key) ?? [];
    list.push({
      operation: { ...asked, told },
      from: one.invokedAt,
      to: effect === "happened" ? one.end?.at : undefined,
    });
    byKey.set(asked.key, list);
  }
  const problems: Problem[] = [];
  const undecided: string[] = [];
  for (const [key, history] of byKey) {
    const verdict = checkLinearizable(registerModel, history);
    if (verdict.kind === "undecided") undecided.push(key);
    if (verdict.kind !== "not linearizable") continue;
    const what = `no order of its ${history.length} operations fits; at best ${verdict.longest} of them`;
    problems.push({ rule: "H9", where: key, what });
  }
  return { problems, undecided };
}
