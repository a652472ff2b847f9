/** Where the seeds of turns come from: what a handler takes for chance is drawn from one, and the same again on replay. */
export interface Random {
  /** 16 hex digits nobody can predict (a seeded driver repeats them). */
  seed(): string;
}
