/** What the `branch.*` methods of the control socket ask of a node. Params were checked by the schema. */
import type { BranchInput, Node, ShardChoice } from "@vnes/kernel";
import type { ControlMethod, JsonObject } from "@vnes/schemas";

export type BranchMethod = Extract<ControlMethod, `branch.${string}`>;

interface Params {
  readonly branch: string;
  readonly from?: number;
  readonly name?: string;
  readonly after?: number | string;
  readonly input: BranchInput;
  readonly with?: string;
  readonly at?: number;
}

export async function branchAnswer(
  state: Node["state"],
  method: BranchMethod,
  given: JsonObject,
): Promise<object> {
  const { branches } = state;
  const params = given as unknown as Params;
  switch (method) {
    case "branch.new": {
      const parent = state.shardName(given as unknown as ShardChoice);
      return await branches.create(parent, params.from, params.name);
    }
    case "branch.list":
      return await branches.list();
    case "branch.show":
      return await branches.show(params.branch, (params.after as number | undefined) ?? 0);
    case "branch.run":
      return await branches.run(params.branch, params.input);
    case "branch.diff": {
      const { branch, with: other, at: seq, ...page } = params;
      const base = {
        ...(other === undefined ? {} : { branch: other }),
        ...(seq === undefined ? {} : { seq }),
      };
      return await branches.diff(branch, base, page as { readonly after?: string; readonly limit?: number });
    }
    case "branch.discard":
      return await branches.discard(params.branch);
  }
}
