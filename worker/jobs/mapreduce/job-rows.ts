// What a job needs of its storage, as plain interfaces: its machines know no tables, and property tests keep rows in
// memory.
import type { MapReduceSpec } from '../../../shared/schemas/job.ts';
import type { AttemptRecord } from './attempts.ts';
import type { JobRecord } from './job-record.ts';
import type { SplitPlan } from './plan.ts';

export interface PartRow {
  partition: number;
  /** Tries begun. */
  attempt: number;
  state: 'waiting' | 'running' | 'committed' | 'failed';
  bytes: number;
  keys: number;
  ms: number | null;
  error: string | null;
  /** When its wake-up was last sent, or it last showed life. */
  rungAtMs: number;
}

/** What the committed spills hold for one partition. */
export interface PartitionTotal {
  records: number;
  storedBytes: number;
  /** Spills that hold any of it. */
  sources: number;
}

/** Where attempts and commits are stored. */
export interface MapRows {
  saveAttempt(record: AttemptRecord): void;
  saveCommitted(task: number, attempt: number, sections: Uint8Array<ArrayBuffer>): void;
}

/** Where the parts of the result are stored. */
export interface ReduceRows {
  partitionTotals(partitions: number): PartitionTotal[];
  partRow(partition: number): PartRow | null;
  partRows(): PartRow[];
  savePart(part: PartRow): void;
}

/** Where a job is stored. */
export interface JobRows extends MapRows, ReduceRows {
  transaction<Result>(work: () => Result): Result;
  loadRecord(): JobRecord | null;
  saveRecord(record: JobRecord): void;
  loadSpec(): MapReduceSpec | null;
  saveSpec(spec: MapReduceSpec): void;
  loadPlan(): SplitPlan | null;
  savePlan(plan: SplitPlan): void;
  loadScan(): string | null;
  saveScan(state: string): void;
  committedTasks(): number[];
  committedCount(): number;
  /** Attempts of tasks that are not committed. */
  openAttempts(): AttemptRecord[];
  clearMap(): void;
  /** All but the committed ones. */
  clearParts(): void;
  clearAllParts(): void;
}
