/** Number of transport bindings a session has in each of its states. */
export const BINDINGS = {
  BIRTH: 0,
  ATTACHED: 1,
  VOLATILE: 1,
  DEGRADED: 1,
  RECOVERING: 0,
  TERMINATED: 0,
} as const;

export type State = keyof typeof BINDINGS;
