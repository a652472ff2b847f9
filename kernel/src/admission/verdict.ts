/** What admission says of an image: verified, or quarantined with every reason. */

export interface Reason {
  readonly code: string;
  readonly message: string;
  /** File within the capsule, when the reason has one. */
  readonly file?: string;
  /** JSON pointer within that file. */
  readonly pointer?: string;
  /** What to do next, preferably a command. */
  readonly remedy: string;
  /** As an error's entry says it: for another node. */
  readonly elsewhere?: true;
}

export type Verdict =
  | { readonly kind: "verified"; readonly warnings: readonly Reason[] }
  | {
      readonly kind: "quarantined";
      readonly reasons: readonly Reason[];
      readonly warnings: readonly Reason[];
    };
