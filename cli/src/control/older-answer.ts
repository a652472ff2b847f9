/** What a node answers that may run an older program than this one: members that came later can be missing. */
export type OlderAnswer<Answer, Later extends keyof Answer> = Omit<Answer, Later> &
  Partial<Pick<Answer, Later>>;
