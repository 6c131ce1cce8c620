// The seam between a shard and what it does with events. The shard (shard.ts) knows offsets, the outbox, failures and
// crashes; an operator knows states, joins or windows. It reads and runs code as it likes, and what it wants changed
// it hands over as a Change, which the shard writes in one transaction with the offset and the outputs.
//
// Calls of one operator never overlap, and between a call's begin and its Change being written nothing else is. A
// Change may be thrown away unwritten, for another try: an operator remembers nothing of it before `write`. After a
// transaction that failed it is made anew, over the same tables.
import type { TaskError } from '../../../shared/schemas/job.ts';
import type { LateReason, ProcessorCounters } from '../../../shared/schemas/processor.ts';
import type {
  FireCall,
  FireOutcome,
  FoldCall,
  FoldOutcome,
} from '../../../shared/streaming/process.ts';

/** One event on its way into an operator. */
export interface Arrival {
  offset: number;
  key: string;
  /** The event's line, as the log keeps it. */
  line: string;
  /** When it was appended; null: not known (a dead letter). */
  appendedMs: number | null;
}

export interface Arrivals {
  /** The place of the partition in the config's sources. */
  source: number;
  /** In order of offset. Without those that were applied before. */
  events: Arrival[];
  attempt: number;
  final: boolean;
  redrive: boolean;
  /** Windows: the largest event time of this partition up to the batch's end. */
  clock: { maxTimeMs: number } | null;
  nowMs: number;
}

/** Where something came from. */
export interface Place {
  source: number;
  offset: number;
}

export interface Output extends Place {
  /** JSON of EventInput. */
  text: string;
}

export interface Late extends Place {
  key: string;
  line: string;
  reason: LateReason;
}

/** An event for the dead letters that is not the failure of the batch at hand: a join that timed out. */
export interface Lost extends Place {
  line: string;
  error: TaskError;
  attempts: number;
}

export interface Change {
  /** Runs inside the transaction. Synchronous; reads what it needs anew if it wants. */
  write(): void;
  outputs: Output[];
  late: Late[];
  lost: Lost[];
  /** Without `emitted`, `late` and `processed`: those are counted for every operator. */
  counters: Partial<ProcessorCounters>;
  log: string[];
  /**
   * With `final` these events are left out and all others are in. Else the first one is enough, and nothing else of
   * the change counts: it is not written, and the shard applies the events before it in a call of their own.
   */
  failures: { offset: number; error: TaskError }[];
  /** This change covers the events before this offset only, and not the clock. Never the first one's. */
  stoppedAt: number | null;
}

/** What changes nothing. */
export const NO_CHANGE: Change = {
  write: () => undefined,
  outputs: [],
  late: [],
  lost: [],
  counters: {},
  log: [],
  failures: [],
  stoppedAt: null,
};

/** Runs the processor's code in its isolate. Throws IsolateCrashError, ProgramLoadError, or infrastructure's errors. */
export interface KeyedCode {
  fold(call: Omit<FoldCall, 'params' | 'version'>): Promise<FoldOutcome>;
  fire(call: Omit<FireCall, 'params' | 'version'>): Promise<FireOutcome>;
}

export interface Operator {
  apply(arrivals: Arrivals): Promise<Change>;
  /** A partition was read to its end. Not in a transaction with anything. */
  rested(source: number, nowMs: number): void;
  /**
   * What the clock has made due: at most DUE_TOGETHER of it. Null: nothing. `drain`: everything open counts as due.
   * An operator takes note itself (in `write`) of what failed and when it is tried again.
   */
  due(nowMs: number, drain: boolean): Promise<(Change & { ended: number }) | null>;
  /** When `due` is to be asked next; null: only after the next change. */
  dueAtMs(): number | null;
  keys(): number;
  bytes(): number;
}
