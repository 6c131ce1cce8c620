// The states of a shard's keys as its operator sees them: plain values, and a port that is SQLite in the object and a
// map in tests. A state whose time is over stays a row until it is overwritten or swept; it is not shown.

/** One key's row. */
export interface Held {
  key: string;
  /** JSON. */
  state: string;
  /** Of the state, in UTF-8. */
  bytes: number;
  expiresMs: number | null;
  /** What the code said with `ctx.expire`; null: the processor's own time to live holds. */
  ttlMs: number | null;
}

/** Kept beside the rows, in one row of their own, so that millions of keys are never counted. */
export interface Totals {
  keys: number;
  bytes: number;
  /** Keys whose time will be over once. */
  expiring: number;
  /** When the next sweep begins; null: no key expires. */
  sweepAtMs: number | null;
}

/** What a look at consecutive keys found. */
export interface Slice {
  keys: number;
  /** Null: there were none. */
  last: string | null;
  dead: number;
  deadBytes: number;
  /** Of the keys that live on: the first time that is over, and the shortest from write to end. */
  nextExpiryMs: number | null;
  shortestMs: number | null;
}

export interface States {
  totals(): Totals;
  /** Those that are there, in the order of `keys`; also what has expired. Read one by one: a caller that has enough stops. */
  read(keys: string[]): Iterable<Held>;
  /** The next keys in byte order, after one or from the first. */
  look(after: string | null, limit: number, nowMs: number): Slice;
  /** All in the caller's transaction. */
  write(puts: Held[], drops: string[], totals: Totals, nowMs: number): void;
  /** Deletes what has expired after `after` up to `last`. */
  sweep(after: string | null, last: string, totals: Totals, nowMs: number): void;
}

export const NO_TOTALS: Totals = { keys: 0, bytes: 0, expiring: 0, sweepAtMs: null };

export const isOver = ({ expiresMs }: Pick<Held, 'expiresMs'>, nowMs: number): boolean =>
  expiresMs !== null && expiresMs <= nowMs;
