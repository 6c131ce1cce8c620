// Full-jitter exponential back-off: the one way in which anything here waits before it tries again. Pure.
// (M. Brooker, "Exponential Backoff And Jitter": anything less random keeps a crowd in step.)

export interface Backoff {
  baseMs: number;
  maxMs: number;
}

/** The wait before try `failures` + 1; `random` from 0 to 1. */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: number): number {
  return random * Math.min(maxMs, baseMs * 2 ** Math.min(failures, 30));
}
