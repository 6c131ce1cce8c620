// What a map task is, as plain values: what the lobby grants, what the runtime runs, what it gives
// back. Everything here crosses a wire or a postMessage; nothing here computes.
import type { Json } from '../schemas/common.ts';
import type { BadRecord, TaskError } from '../schemas/job.ts';

/** Records of a `range` input are integers; the rest are framed from bytes. */
export type RecordFormat = 'lines' | 'ndjson' | 'csv' | 'bytes' | 'integers';

/** Half-open. `bytes`: a raw byte range of the input object; `integers`: from ≤ n < to. */
export type Split =
  { kind: 'bytes'; start: number; end: number } | { kind: 'integers'; from: number; to: number };

/** Of a job that does the work of a DAG's step: the program has a step's function, and no `map`. */
export interface StepPlan {
  run: string;
  step: string;
  /** Of the step, from 1. */
  attempt: number;
  timeoutMs: number;
  /** Its code uses what only browsers have: see BROWSER_GLOBALS. */
  browser: boolean;
}

/** What every task of one job shares; sent once to a volunteer, not with each lease. */
export interface MapPlan {
  job: string;
  name: string;
  /** SHA-256 hex of the compiled program text: cache key in pools and in isolates. */
  programHash: string;
  format: RecordFormat;
  /** The input is gzip; the one split is the whole file. */
  gzip: boolean;
  partitions: number;
  params: Json;
  skipBadRecords: number;
  /** The header fields of a `csv` input whose split does not begin the file. */
  csvHeader: string[] | null;
  /** What `Date.now()` says in user code: the job's creation time. */
  nowMs: number;
  step?: StepPlan;
}

export interface MapTask {
  task: number;
  split: Split;
}

/** Counted by the runtime, carried in the spill's trailer, covered by its digest. */
export interface SpillTrailer {
  recordsIn: number;
  bytesIn: number;
  /** `emit` calls. */
  emitted: number;
  /** Records in the spill, after combining. */
  recordsOut: number;
  badRecords: number;
  /** The first BAD_RECORDS_LISTED_PER_TASK of them. */
  badRecordsListed: BadRecord[];
  userCounters: Record<string, number>;
}

/** Where section r of a spill lies in its object. */
export interface SpillSection {
  offset: number;
  storedBytes: number;
  records: number;
}

/** A finished map attempt, before it is stored. */
export interface MapOutcome {
  ok: true;
  /** The whole spill object: sections, trailer, index (see spill.ts). */
  spill: Uint8Array<ArrayBuffer>;
  /** SHA-256 hex over the canonical content. */
  digest: string;
  trailer: SpillTrailer;
  /** `ctx.log` lines, for the dry run and the volunteer's page. Not part of the digest. */
  log: string[];
}

export interface MapFailure {
  ok: false;
  error: TaskError;
  log: string[];
}

export type MapResult = MapOutcome | MapFailure;

/** What the edge signed for when it stored a spill; carried in `done`, checked by the JobObject. */
export interface SpillReceipt {
  job: string;
  task: number;
  attempt: number;
  digest: string;
  /** Bytes of the stored object; 0 when the spill holds no record and nothing was stored. */
  storedBytes: number;
  /** base64 of the packed sections: see `packSections` in spill.ts. */
  sections: string;
  trailer: SpillTrailer;
}

/** What a lease lets its bearer do: read one range, read one program, write one object. */
export interface LeaseClaims {
  /** Lease id: `<job>.<task>.<attempt>`. */
  job: string;
  task: number;
  attempt: number;
  /** Volunteer id, or "edge". */
  by: string;
  expiresAtMs: number;
  /** R2 key and raw range of the input; null for `range` inputs. */
  input: { key: string; start: number; end: number; size: number; align: 'lines' | 'none' } | null;
  partitions: number;
}
