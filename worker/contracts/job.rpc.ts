// What others may ask of a JobObject, as plain interfaces: the lobby leases and reports in bulk, the
// edge mapper is a lobby of one, the reduce consumer fetches sections and commits a part.
import type { MapPlan, MapTask, SpillReceipt, StepPlan } from '../../shared/mapreduce/task.ts';
import type { Json, List } from '../../shared/schemas/common.ts';
import type {
  Job,
  JobEvent,
  MapReduceSpec,
  StreamRange,
  Task,
  TaskError,
} from '../../shared/schemas/job.ts';

/** What a live reader of events gets. */
export interface NewEvents {
  events: JobEvent[];
  /** There will be no more. */
  ended: boolean;
  /** Too many readers wait already: this one asks again after a pause. */
  full: boolean;
}

// --- Mapping: lobbies and edge mappers -----------------------------------------------------------

export interface Report {
  task: number;
  attempt: number;
  by: string;
  /** Running time by the mapper's own clock. */
  ms: number;
  outcome:
    | { kind: 'done'; receipt: string }
    | { kind: 'failed'; error: TaskError }
    | { kind: 'returned'; reason: string }
    | { kind: 'alive'; fraction: number };
}

/** A wish: grant until this mapper holds `outstanding` leases of the job. */
export interface Want {
  by: string;
  /** Shown in events and on the grid. */
  name: string;
  /** Keyed hash of the network prefix, for replicas on different networks. */
  network: string;
  outstanding: number;
}

export interface Granted {
  by: string;
  lease: string;
  attempt: number;
  task: MapTask;
  leaseMs: number;
}

export interface Exchange {
  /** Where revocations are sent: the lobby shard's name, or "edge". */
  lobby: string;
  reports: Report[];
  wants: Want[];
  /** Volunteers that left: all their leases go back. */
  gone: { by: string; reason: string }[];
  /** Edge mappers: which wake-up woke them, and whether this is their last word. */
  ring?: { ring: number; leaving: boolean };
}

export interface Credit {
  by: string;
  tasks: number;
  bytes: number;
  verified: number;
  rejected: number;
}

/** What an edge mapper finds when a wake-up wakes it. */
export type EdgeWork =
  | { kind: 'map'; programKey: string; programHash: string; guard: boolean }
  /** The input's records have to be found first: see csv-scan.ts. */
  | { kind: 'scan'; key: string; splitBytes: number; bytes: number; state: string | null };

export interface Exchanged {
  /** Null when the job no longer maps: forget it. */
  plan: MapPlan | null;
  grants: Granted[];
  /** What became of this lobby's volunteers' results. */
  credits: Credit[];
  /** Why nothing (more) was granted. */
  reason: string;
}

// --- Reducing -------------------------------------------------------------------------------------

/** Everything the reduce of one partition needs but its sections. */
export interface ReduceWork {
  job: string;
  partition: number;
  /** Which try this is, from 1; names intermediate objects. */
  attempt: number;
  /** Compiled program text's R2 key and hash, needed when `reduce` is "code". */
  programKey: string;
  programHash: string;
  /** A built-in's name, "code", or null: without a reduce the result is the grouped map output. */
  reduce: 'sum' | 'count' | 'min' | 'max' | 'first' | 'collect' | 'code' | null;
  /** A built-in combine may also run between merge passes; "code" combines are the mappers' affair. */
  combine: 'sum' | 'count' | 'min' | 'max' | 'first' | 'collect' | 'code' | null;
  params: Json;
  nowMs: number;
  /** Local mode: custom code gets the loop guard. */
  guard: boolean;
  sources: number;
  /** Sum over the sources: what the merge must see, else the part is refused. */
  records: number;
  storedBytes: number;
}

/** Section r of one committed spill. */
export interface ReduceSource {
  task: number;
  key: string;
  offset: number;
  storedBytes: number;
  records: number;
}

export interface PartCommit {
  partition: number;
  attempt: number;
  /** Bytes of the part object. */
  bytes: number;
  keys: number;
  /** Records merged: compared with what the spills' indexes promised. */
  recordsIn: number;
  ms: number;
  userCounters: Record<string, number>;
  /** Operations made, by kind, for the cost. */
  operations: Record<string, number>;
}

export interface Part {
  partition: number;
  key: string;
  bytes: number;
  keys: number;
}

export interface JobRpc {
  /** The ranges that this job reads: those of the first call, so that a submission sent twice reads the same. */
  fixRanges(ranges: StreamRange[]): Promise<StreamRange[]>;
  submit(submission: Submission): Promise<Job>;
  get(): Promise<Job | null>;
  exchange(exchange: Exchange): Promise<Exchanged>;
  /** Null: nothing to do any more. Acknowledge the wake-up. */
  edgeBegin(ring: number): Promise<EdgeWork | null>;
  /** A scan's state, to go on with in another message. */
  scanned(ring: number, state: string): Promise<void>;
  planned(boundaries: number[], csvHeader: string[]): Promise<void>;
  planFailed(error: TaskError): Promise<void>;
  /** Null: already committed, or the job no longer reduces. Acknowledge the message. */
  beginReduce(partition: number): Promise<ReduceWork | null>;
  /** A reducer works on. False: the job no longer reduces, stop. */
  reduceAlive(partition: number): Promise<boolean>;
  /** Non-empty sections of a partition in task order; page on with the last task + 1. */
  reduceSources(partition: number, fromTask: number, limit: number): Promise<ReduceSource[]>;
  /** False: somebody else committed it, or the job ended. */
  commitPart(commit: PartCommit): Promise<boolean>;
  /** True: wake again (retry later); false: given up, the job has failed. */
  failPart(partition: number, attempt: number, error: TaskError): Promise<boolean>;
  parts(): Promise<{ state: Job['state']; parts: Part[] } | null>;
  tasks(cursor: string | undefined, limit: number): Promise<List<Task> | null>;
  events(after: number, limit: number): Promise<JobEvent[] | null>;
  /** Waits up to `waitMs` for events past `after`; `ended`: the job will have no more. */
  eventsAfter(after: number, limit: number, waitMs: number): Promise<NewEvents | null>;
  cancel(): Promise<Job | 'conflict' | null>;
  retry(): Promise<Job | 'conflict' | null>;
  delete(): Promise<boolean>;
}

/** A checked specification, with what the route already looked up. */
export interface Submission {
  job: string;
  spec: MapReduceSpec;
  /** The R2 object the input lies in, pinned; null for a `range`. */
  input: { key: string; bytes: number; gzip: boolean } | null;
  /** A stream's range instead: what the plan reads is pinned in the partitions' logs until the job lets go. */
  stream: PinnedStream | null;
  plan: SplitPlan;
  programHash: string;
  reduce: ReduceWork['reduce'];
  combine: ReduceWork['combine'];
  guard: boolean;
  /** The run of a DAG whose step this is the work of: it is told when the job has ended. */
  run?: string;
  /** The program is a step's function. */
  step?: StepPlan;
}

export interface PinnedStream {
  uid: string;
  /** Partitions whose log holds a pin. */
  partitions: number[];
  bytes: number;
}

export type { SpillReceipt };

/** Whole lines of one R2 object. */
export interface Piece {
  key: string;
  start: number;
  end: number;
}

/** Which splits an input has. */
export type SplitPlan =
  /** Split n is bytes [n × splitBytes, (n + 1) × splitBytes) of the input. */
  | { kind: 'bytes'; bytes: number; splitBytes: number; splits: number }
  /** Split n is bytes [boundaries[n], boundaries[n + 1]); each begins a record. */
  | { kind: 'boundaries'; boundaries: number[]; splits: number }
  | { kind: 'integers'; from: number; to: number; splitItems: number; splits: number }
  /** Split n is bytes [spans[2n], spans[2n + 1]) of object number objectOf[n]: whole records. */
  | { kind: 'pieces'; objects: string[]; objectOf: number[]; spans: number[]; splits: number }
  /** Boundaries are not known yet: the input has to be scanned. */
  | { kind: 'scan'; bytes: number; splitBytes: number };
