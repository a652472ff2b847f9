/** What the `state.*` methods of the control socket ask of a node. Params were checked by the schema. */
import type { Moment, Node, ShardChoice } from "@vnes/kernel";
import type { ControlMethod, JsonObject } from "@vnes/schemas";

export type StateMethod = Extract<ControlMethod, `state.${string}`>;

export async function stateAnswer(
  state: Node["state"],
  method: StateMethod,
  params: JsonObject,
): Promise<object> {
  const { capsule, shard, ...rest } = params as unknown as ShardChoice & JsonObject;
  const choice = shard === undefined ? { capsule } : { capsule, shard };
  switch (method) {
    case "state.read":
      return await state.read(choice, rest);
    case "state.at": {
      const { seq, at, ...query } = rest as unknown as { readonly seq?: number; readonly at?: number };
      const moment: Moment = seq === undefined ? { at: at ?? 0 } : { seq };
      return await state.at(choice, moment, query);
    }
    case "state.history": {
      const { key, ...page } = rest as unknown as { readonly key: string };
      return await state.history(choice, key, page);
    }
    case "state.diff": {
      const { from, to, ...page } = rest as unknown as { readonly from: number; readonly to?: number };
      return await state.diff(choice, from, to, page);
    }
  }
}
