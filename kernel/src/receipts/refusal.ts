/** Why a receipt is refused: one reason, and the place in the file it is about. */
import type { RefusalCode } from "./errors.ts";

export interface Refusal {
  readonly code: RefusalCode;
  /** JSON pointer. */
  readonly pointer: string;
  readonly problem: string;
}

/** `pointer` may be empty for the file as a whole. */
export function refusal(
  code: RefusalCode extends `EXECUTION_RECEIPT_${infer Name}` ? Name : never,
  pointer: string,
  problem: string,
): Refusal {
  return { code: `EXECUTION_RECEIPT_${code}`, pointer: pointer === "" ? "/" : pointer, problem };
}
