/** What became of the session and its stream when the path died: what was promised, and whether it was kept. */
import type { ClientStatus } from "../vpn/said.ts";
import type { SessionView } from "./nodes.ts";
import type { StreamCounts } from "./stream.ts";

export interface Outcome {
  readonly before: ClientStatus;
  readonly after: ClientStatus;
  /** As the gateway has it. */
  readonly owner: SessionView;
  /** Of the stream, while the first path lived, and in the end. */
  readonly flowing: StreamCounts;
  readonly counts: StreamCounts;
}

export interface Finding {
  readonly name: string;
  readonly good: boolean;
  readonly text: string;
}

export function findingsOf({ before, after, owner, flowing, counts }: Outcome): readonly Finding[] {
  const [was, is] = [before.session, after.session];
  return [
    {
      name: "session",
      good: was?.id === is?.id && owner.sessionId === was?.id,
      text: `${was?.id} before, ${is?.id} after, ${owner.sessionId} at the gateway`,
    },
    {
      name: "version",
      good: (is?.version ?? 0) > (was?.version ?? 0),
      text: `${was?.version} -> ${is?.version}, epoch ${was?.epoch} -> ${is?.epoch}`,
    },
    {
      name: "bindings",
      good: owner.bindings === 1,
      text: `${owner.bindings} at the gateway, ${owner.state} over ${owner.binding?.pathId ?? "nothing"}`,
    },
    {
      name: "stream",
      good: counts.received > flowing.received,
      text: `${counts.received} of ${counts.sent} arrived, ${counts.missing} lost, longest pause ${Math.round(counts.longestPauseMs)} ms`,
    },
    {
      name: "duplicates",
      good: counts.duplicates === 0,
      text: `${counts.duplicates} (${counts.late} out of order)`,
    },
  ];
}
