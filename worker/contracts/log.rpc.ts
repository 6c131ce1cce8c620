// What others may ask of a LogObject: one partition of one stream. Events cross as packed text, many in one
// string, since a thousand small values cost a thousand times the call.
import type { StreamWakeUp } from './wake-ups.ts';

export interface LogConfig {
  stream: string;
  uid: string;
  partition: number;
  retentionMs: number;
  maxBytes: number;
}

export interface PackedEvents {
  /** One JSON object a line, joined by newlines, each without `partition` and `offset`: the log puts them in front. */
  text: string;
  count: number;
  /** Ids that the client chose, by event, to be looked up in the log; null where the edge made the id. Null: none at all. */
  ids: (string | null)[] | null;
  /** Tokens of the claims, with the payload's size, by place in the batch. */
  claims: { index: number; token: string; bytes: number }[];
}

export interface Append extends PackedEvents {
  /**
   * An idempotent producer. `sequences[i]` is event i's (not decreasing); what is at or below the last
   * sequence of an earlier append of this producer is a duplicate.
   */
  producer: { id: string; sequences: number[] } | null;
  /** An Idempotency-Key and which piece of the request this is: the same piece again gives the same answer. */
  request: { key: string; piece: number } | null;
}

export type AppendOutcome =
  /** The accepted events have the offsets first … first + accepted − 1. `first` is null when there are none. */
  | { kind: 'appended'; accepted: number; duplicates: number; first: number | null }
  | { kind: 'full'; bytes: number; maxBytes: number }
  /** Not configured, or deleted: look the stream up again. */
  | { kind: 'unknown' };

/** Consecutive events with one append time, each line with `partition` and `offset`. */
export interface Chunk {
  first: number;
  count: number;
  appendedAtMs: number;
  text: string;
}

/** Where consecutive sealed events lie: bytes [start, end) of an immutable R2 object, NDJSON. */
export interface SegmentRange {
  key: string;
  start: number;
  end: number;
  /** Offset of the line that begins at `start`. */
  first: number;
  count: number;
  /** Append times: events from `offset` on (until the next entry) were appended at `atMs`. */
  times: { offset: number; atMs: number }[];
}

export type Located =
  /** `next` is the end of the log in each of these. */
  | { kind: 'rows'; chunks: Chunk[]; next: number }
  | { kind: 'segment'; range: SegmentRange; next: number }
  /** `from` is at the end of the log, or past it. */
  | { kind: 'end'; next: number }
  /** `from` is older than the oldest event that is still there. */
  | { kind: 'expired'; first: number; next: number }
  | { kind: 'unknown' };

export type Point = 'earliest' | 'latest' | { offset: number } | { timeMs: number };

export interface LogStatus {
  partition: number;
  first: number;
  next: number;
  bytes: number;
  segments: number;
  /** Events below this offset are sealed, the others in the tail. */
  sealed?: number;
  claimEvents: number;
  claimBytes: number;
  duplicates: number;
  operations: Record<string, number>;
}

/** How much lies between two places: `bytes` counts lines with their newline. */
export interface Measured {
  /** Where the count stopped: at a bound, or at the end of the log. */
  to: number;
  events: number;
  bytes: number;
  /** A bound was met: the window that ends at `to` is full. */
  full: 'events' | 'bytes' | null;
  /** Append time of the first event counted; null when there is none. */
  firstAtMs: number | null;
}

/** A piece of an input for MapReduce: whole lines of one R2 object. */
export interface InputPiece {
  key: string;
  start: number;
  end: number;
  events: number;
}

export interface LogRpc {
  /** Creates the partition, or changes what may change. */
  configure(config: LogConfig): Promise<void>;
  append(batch: Append): Promise<AppendOutcome>;
  /**
   * The home partition of an Idempotency-Key (by hash of the key) says whether a request is new. "conflict":
   * the key came with another body.
   */
  claimRequest(key: string, bodyDigest: string): Promise<'new' | 'same' | 'conflict' | 'unknown'>;
  /**
   * Events from `from` on, at most `maxEvents` and about `maxBytes` (at least one event). Sealed ones are
   * located, not sent: the reader gets them from R2.
   */
  locate(from: number, maxEvents: number, maxBytes: number): Promise<Located>;
  /** Resolves with the end of the log once it is past `after`, or after `waitMs`. `full`: too many wait already. */
  waitPast(after: number, waitMs: number): Promise<number | 'full'>;
  resolve(point: Point): Promise<number>;
  status(): Promise<LogStatus | null>;
  /** Counts from `from` on until a bound would be passed (at least one event is counted) or the log ends. */
  measure(from: number, maxEvents: number, maxBytes: number): Promise<Measured>;
  /**
   * Seals the tail up to `to`, keeps the segments of [from, to) until `unpin` (or PINS_KEEP_MS), and says
   * where they lie, in pieces of about `pieceBytes`.
   */
  pin(holder: string, from: number, to: number, pieceBytes: number): Promise<InputPiece[]>;
  unpin(holder: string): Promise<void>;

  /** From now on `wake-up` is sent after appends past where the reader is; answers where reading begins. */
  subscribe(reader: string, wakeUp: StreamWakeUp, from: Point): Promise<number>;
  unsubscribe(reader: string): Promise<void>;
  /**
   * The reader has read up to `at` and rests. False: there is more (it goes on by itself). A wake-up is sent
   * for what comes later.
   */
  caughtUp(reader: string, at: number): Promise<boolean>;
  /** Deletes the partition: rows, segments, claims. */
  delete(): Promise<void>;
}
