/**
 * The receiving end of a link. It takes numbers without gaps and remembers nothing but how far it is: what arrives twice
 * is dropped by whoever it is for, by effect id. See `link-sender.ts` for what makes this enough.
 */

export type Reception =
  /** Hand its entries on, in order; `next` is the first number not taken yet. */
  | { readonly kind: "taken"; readonly next: number }
  /** Something before it is missing: hand nothing on. */
  | { readonly kind: "gap"; readonly next: number }
  /** Not the link this side follows, and not the beginning of one. */
  | { readonly kind: "unknown" };

export class LinkReceiver {
  #link = "";
  #next = 0;

  receive(link: string, first: number, count: number): Reception {
    if (link !== this.#link) {
      // Only the beginning of a link says that nothing before it is missing (LK1).
      if (first !== 0) return { kind: "unknown" };
      this.#link = link;
      this.#next = 0;
    }
    if (first > this.#next) return { kind: "gap", next: this.#next };
    this.#next = Math.max(this.#next, first + count);
    return { kind: "taken", next: this.#next };
  }
}
