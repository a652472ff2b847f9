/**
 * H9: is there an order of the operations on one key that fits real time and a sequential model? The search of Wing and
 * Gong (1993) with Lowe's memory of what was tried (2017), as Porcupine does it, one key at a time.
 *
 * An operation without an end may be put anywhere after its beginning, or nowhere. The search is bounded: a history that
 * is too wide to decide is said to be undecided, not right.
 */
export interface Step<State> {
  readonly state: State;
  /** Whether what the client saw fits; true for what it did not see. */
  readonly fits: boolean;
}

export interface Model<Op, State> {
  readonly initial: State;
  apply(state: State, operation: Op, seen: boolean): Step<State>;
  /** Equal texts for equal states. */
  textOf(state: State): string;
}

export interface Interval<Op> {
  readonly operation: Op;
  readonly from: number;
  /** Undefined: the client never learned how it ended. */
  readonly to: number | undefined;
}

export type Verdict =
  | { readonly kind: "linearizable" }
  /** `longest`: how many operations the best order tried could place. */
  | { readonly kind: "not linearizable"; readonly longest: number }
  | { readonly kind: "undecided" };

/** Far above what a history of a few clients needs; a search beyond it would take minutes. */
const MAX_STEPS = 2_000_000;

export function checkLinearizable<Op, State>(
  model: Model<Op, State>,
  history: readonly Interval<Op>[],
  maxSteps: number = MAX_STEPS,
): Verdict {
  const operations = [...history].sort((a, b) => a.from - b.from);
  const mustEnd = operations.filter(({ to }) => to !== undefined).length;
  const placed = new Set<number>();
  const tried = new Set<string>();
  const stack: { readonly index: number; readonly before: State }[] = [];
  let state = model.initial;
  let ended = 0;
  let longest = 0;
  let next = 0;
  for (let steps = 0; steps < maxSteps; steps++) {
    if (ended === mustEnd) return { kind: "linearizable" };
    const found = nextMove(model, operations, { placed, tried, state }, next);
    if (found !== undefined) {
      stack.push({ index: found.index, before: state });
      placed.add(found.index);
      if (operations[found.index]?.to !== undefined) ended++;
      longest = Math.max(longest, placed.size);
      state = found.state;
      next = 0;
      continue;
    }
    const last = stack.pop();
    if (last === undefined) return { kind: "not linearizable", longest };
    placed.delete(last.index);
    if (operations[last.index]?.to !== undefined) ended--;
    state = last.before;
    next = last.index + 1;
  }
  return { kind: "undecided" };
}

/** The first operation from `next` on that may come now, fits, and leads to something not tried yet. */
function nextMove<Op, State>(
  model: Model<Op, State>,
  operations: readonly Interval<Op>[],
  at: { readonly placed: ReadonlySet<number>; readonly tried: Set<string>; readonly state: State },
  next: number,
): { readonly index: number; readonly state: State } | undefined {
  const { placed, tried, state } = at;
  // Nothing may come before an operation that had ended when it began.
  let firstEnd = Number.POSITIVE_INFINITY;
  for (const [index, { to }] of operations.entries())
    if (!placed.has(index) && to !== undefined && to < firstEnd) firstEnd = to;
  for (let index = next; index < operations.length; index++) {
    const one = operations[index] as Interval<Op>;
    if (one.from > firstEnd) return undefined;
    if (placed.has(index)) continue;
    const step = model.apply(state, one.operation, one.to !== undefined);
    if (!step.fits) continue;
    const key = textOf(placed, index, operations.length) + model.textOf(step.state);
    if (tried.has(key)) continue;
    tried.add(key);
    return { index, state: step.state };
  }
  return undefined;
}

function textOf(placed: ReadonlySet<number>, added: number, size: number): string {
  let text = "";
  for (let from = 0; from < size; from += 16) {
    let bits = 0;
    for (let bit = 0; bit < 16; bit++) if (placed.has(from + bit) || from + bit === added) bits |= 1 << bit;
    text += String.fromCharCode(bits);
  }
  return `${text}|`;
}
