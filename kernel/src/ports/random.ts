export interface Random {
  /** 16 hex digits nobody can predict (a seeded driver repeats them). */
  seed(): string;
}
