/** Strongly connected components (Tarjan 1972), without recursion: a hostile graph must not exhaust the stack. */

/** Components of more than one node, or of one node with an edge to itself; each sorted, in a stable order. */
export function cycles(
  nodes: readonly string[],
  edges: (node: string) => readonly string[],
): readonly (readonly string[])[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const onStack = new Set<string>();
  const stack: string[] = [];
  const found: string[][] = [];
  for (const root of nodes) {
    if (index.has(root)) continue;
    const work: { readonly node: string; readonly next: readonly string[]; at: number }[] = [];
    const open = (node: string): void => {
      index.set(node, index.size);
      low.set(node, index.get(node) as number);
      stack.push(node);
      onStack.add(node);
      work.push({ node, next: edges(node), at: 0 });
    };
    open(root);
    for (let frame = work.at(-1); frame !== undefined; frame = work.at(-1)) {
      const { node } = frame;
      const next = frame.next[frame.at++];
      if (next !== undefined) {
        if (!index.has(next)) open(next);
        else if (onStack.has(next))
          low.set(node, Math.min(low.get(node) as number, index.get(next) as number));
        continue;
      }
      work.pop();
      const parent = work.at(-1)?.node;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent) as number, low.get(node) as number));
      if (low.get(node) !== index.get(node)) continue;
      const component: string[] = [];
      for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
        onStack.delete(member);
        component.push(member);
        if (member === node) break;
      }
      if (component.length > 1 || edges(node).includes(node)) found.push(component.sort());
    }
  }
  return found.sort((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : 1));
}
