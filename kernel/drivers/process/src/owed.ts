/** What an instance's process was asked, or is to be asked, in the order of asking. */
import type { JudgedRequest } from "@vnes/driver-sandbox";
import type { TurnResult, VnesError } from "@vnes/schemas";

export interface OwedBatch {
  readonly kind: "batch";
  readonly requests: readonly JudgedRequest[];
  /** JSON of the whole requests, made when they were asked for: what the kernel does to its objects later is nobody else's business. */
  readonly text: string;
  /** Stops of the instance when it was asked for (rule 2 of the port). */
  readonly stops: number;
  readonly results: TurnResult[];
  /** Number of the message that the process works off; undefined while it has none of this. */
  sent: number | undefined;
  /** JSON of each request once the turns go one by one. */
  alone: readonly string[] | undefined;
  resolve(results: readonly TurnResult[]): void;
  reject(error: VnesError): void;
}

export interface OwedAsk {
  readonly kind: "reset";
  /** Number of the message. */
  sent: number | undefined;
  resolve(): void;
  reject(error: VnesError): void;
}

export type Owed = OwedBatch | OwedAsk;

/** Requests that the message under way asks for. */
export function askedOf({ requests, results, alone }: OwedBatch): readonly JudgedRequest[] {
  return alone === undefined
    ? requests.slice(results.length)
    : requests.slice(results.length, results.length + 1);
}

export function goAlone(batch: OwedBatch): void {
  batch.alone ??= (JSON.parse(batch.text) as unknown[]).map((request) => JSON.stringify(request));
}
