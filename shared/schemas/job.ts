// Jobs of kind `mapreduce`: the specification that is submitted, and what is shown of a job.
import * as z from 'zod';
import {
  CODE_MAX_BYTES,
  INLINE_MAX_BYTES,
  NAME_MAX_CHARS,
  PARTITIONS_DEFAULT,
  PARTITIONS_MAX,
  QUORUM_COPIES_DEFAULT,
  QUORUM_COPIES_MAX,
  SKIP_BAD_RECORDS_MAX,
  SPLIT_DEFAULT_BYTES,
  SPLIT_DEFAULT_ITEMS,
  SPLIT_MAX_BYTES,
  SPLIT_MAX_ITEMS,
  STREAM_PARTITIONS_MAX,
  TOP_DEFAULT_ITEMS,
  TOP_MAX_ITEMS,
} from '../limits.ts';
import { digits, IsoTime, JsonValue, ListQuery, ResourceName, StreamPoint } from './common.ts';

export const FORMATS = ['lines', 'ndjson', 'csv', 'bytes'] as const;
export const Format = z.enum(FORMATS);
export type Format = z.infer<typeof Format>;

const Integer = z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);

export const DatasetInput = z.strictObject({
  dataset: ResourceName,
  format: Format.default('lines'),
});
export const InlineInput = z.strictObject({
  inline: z.string().max(INLINE_MAX_BYTES),
  format: Format.default('lines'),
});
export const RangeInput = z
  .strictObject({
    range: z.strictObject({ from: Integer, to: Integer }),
    splitItems: z.number().int().min(1).max(SPLIT_MAX_ITEMS).default(SPLIT_DEFAULT_ITEMS),
  })
  .refine((input) => input.range.from <= input.range.to, {
    path: ['range', 'to'],
    message: 'must not be below `from`; the records are from, from + 1, … to − 1',
  });

const Offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Offsets [from, to) of one partition of a stream. */
export const StreamRange = z
  .strictObject({
    partition: z
      .number()
      .int()
      .min(0)
      .max(STREAM_PARTITIONS_MAX - 1),
    from: Offset,
    to: Offset.meta({ description: 'not included' }),
  })
  .refine((range) => range.from <= range.to, {
    path: ['to'],
    message: 'must not be below `from`; the events are from, from + 1, … to − 1',
  });
export type StreamRange = z.infer<typeof StreamRange>;

/** Records are events. With `ranges`, `from` and `to` only say what was asked for: so a shown input reads the same. */
export const StreamInput = z.strictObject({
  stream: ResourceName,
  from: z
    .union([z.literal('lastRun'), StreamPoint])
    .optional()
    .meta({ description: '"lastRun": in schedules only' }),
  to: StreamPoint.optional().meta({ description: 'not included' }),
  ranges: z
    .array(StreamRange)
    .min(1)
    .max(STREAM_PARTITIONS_MAX)
    .refine(
      (ranges) => new Set(ranges.map(({ partition }) => partition)).size === ranges.length,
      'a partition comes once',
    )
    .optional(),
});
export type StreamInput = z.infer<typeof StreamInput>;

export const JobInput = z.union([DatasetInput, InlineInput, RangeInput, StreamInput]);
export type JobInput = z.infer<typeof JobInput>;

export const MAPPERS = ['any', 'volunteers', 'edge'] as const;

export const Verify = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('adaptive') }),
  z.strictObject({ mode: z.literal('none') }),
  z.strictObject({
    mode: z.literal('quorum'),
    copies: z.number().int().min(2).max(QUORUM_COPIES_MAX).default(QUORUM_COPIES_DEFAULT),
  }),
]);
export type Verify = z.infer<typeof Verify>;

export const MapReduceSpec = z
  .strictObject({
    kind: z.literal('mapreduce'),
    name: z.string().trim().min(1).max(NAME_MAX_CHARS).default('untitled'),
    input: JobInput,
    code: z.string().min(1).max(CODE_MAX_BYTES),
    partitions: z.number().int().min(1).max(PARTITIONS_MAX).default(PARTITIONS_DEFAULT),
    splitBytes: z.number().int().min(1).max(SPLIT_MAX_BYTES).default(SPLIT_DEFAULT_BYTES),
    params: JsonValue.default({}),
    mappers: z.enum(MAPPERS).default('any'),
    verify: Verify.default({ mode: 'adaptive' }),
    skipBadRecords: z.number().int().min(0).max(SKIP_BAD_RECORDS_MAX).default(0),
  })
  .meta({ id: 'MapReduceSpec' });
export type MapReduceSpec = z.infer<typeof MapReduceSpec>;
/** What a client may send: defaults left out. */
export type MapReduceSpecInput = z.input<typeof MapReduceSpec>;

export const JOB_STATES = [
  'queued',
  'mapping',
  'reducing',
  'running',
  'done',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];
export const JOB_KINDS = ['mapreduce', 'dag'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** Why a job or an attempt failed. Codes of attempts are stable too, but not HTTP problems. */
export const TASK_ERROR_CODES = [
  'program_threw', // map, combine or reduce threw
  'bad_program', // it does not load, or exports no map
  'bad_key', // a key that is not a string, number or boolean, or is over 64 KiB
  'bad_value', // a value that is not JSON, or is over 1 MiB
  'bad_record', // a record that does not parse, and no skip left
  'too_many_bad_records',
  'loop_guard', // local edge mode: too many loop iterations
  'deadline', // ran past its lease, or stalled
  'memory', // a spill, a group or a record past its bound
  'bad_spill', // digest or structure does not match
  'disagreement', // digests of two attempts differ
  'input_missing', // the dataset is gone
  'returned', // given back unfinished: tab closed, snoozed, revoked
  'counters', // the counters do not reconcile
  'internal',
] as const;
export type TaskErrorCode = (typeof TASK_ERROR_CODES)[number];

export const TaskError = z
  .object({
    code: z.enum(TASK_ERROR_CODES),
    message: z.string(),
    stack: z.string().optional(),
    line: z.number().int().optional().meta({ description: 'line in the submitted code, from 1' }),
    column: z.number().int().optional().meta({ description: 'column in that line, from 1' }),
    record: z
      .number()
      .int()
      .optional()
      .meta({ description: 'byte offset (or integer) of the record' }),
    task: z.number().int().optional(),
    partition: z.number().int().optional(),
  })
  .meta({ id: 'TaskError' });
export type TaskError = z.infer<typeof TaskError>;

export const Counters = z
  .object({
    recordsIn: z.number().int(),
    recordsOut: z.number().int(),
    bytesIn: z.number().int(),
    bytesShuffled: z.number().int(),
    keysOut: z.number().int(),
    attempts: z.number().int(),
    backups: z.number().int(),
    disagreements: z.number().int(),
    badRecords: z.number().int(),
    edgeTasks: z.number().int(),
    volunteerTasks: z.number().int(),
    user: z.record(z.string(), z.number()),
  })
  .meta({ id: 'Counters' });
export type Counters = z.infer<typeof Counters>;

export const Progress = z.object({
  splits: z.number().int(),
  mapped: z.number().int(),
  partitions: z.number().int(),
  reduced: z.number().int(),
});
export type Progress = z.infer<typeof Progress>;

/** Operations by kind, counted; `usd` is the list price of them on Cloudflare. */
export const Cost = z
  .object({
    operations: z.record(z.string(), z.number()),
    usd: z.number(),
  })
  .meta({ id: 'Cost' });
export type Cost = z.infer<typeof Cost>;

export const BadRecord = z.object({
  task: z.number().int(),
  offset: z.number().meta({ description: 'byte offset in the input, or the integer' }),
  error: z.string(),
});
export type BadRecord = z.infer<typeof BadRecord>;

export const Job = z
  .object({
    id: z.string(),
    kind: z.literal('mapreduce'),
    name: z.string(),
    state: z.enum(JOB_STATES),
    reason: z
      .string()
      .meta({ description: 'why it waits, or why it ended so; empty when it just works' }),
    createdAt: IsoTime,
    startedAt: IsoTime.nullable(),
    finishedAt: IsoTime.nullable(),
    spec: MapReduceSpec,
    progress: Progress,
    counters: Counters,
    cost: Cost,
    error: TaskError.nullable(),
    inputBytes: z.number().int().meta({ description: 'size of the input; 0 for a range' }),
    badRecords: z.array(BadRecord).meta({ description: 'the first ones, with offset and error' }),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof Job>;

/** In lists: no code, no bad records. */
export const JobSummary = Job.omit({ spec: true, badRecords: true }).meta({ id: 'JobSummary' });
export type JobSummary = z.infer<typeof JobSummary>;

export const JobListQuery = ListQuery.extend({
  state: z.enum(JOB_STATES).optional(),
  kind: z.enum(JOB_KINDS).optional(),
});

export const ResultQuery = z.object({
  format: z.enum(['ndjson', 'csv']).default('ndjson'),
  order: z.enum(['partition', 'key']).default('partition'),
});

export const TopQuery = z.object({
  n: digits(1, TOP_MAX_ITEMS).default(TOP_DEFAULT_ITEMS),
  by: z.enum(['value', 'key']).default('value'),
  direction: z.enum(['desc', 'asc']).default('desc'),
});
export type TopQuery = z.infer<typeof TopQuery>;

export const ResultRecord = z
  .object({ key: z.string(), value: JsonValue })
  .meta({ id: 'ResultRecord' });
export type ResultRecord = z.infer<typeof ResultRecord>;

export const ATTEMPT_STATES = [
  'leased',
  'awaiting-quorum', // its digest is in: the task waits for equal ones, or for the edge
  'held', // the name of `awaiting-quorum` until 0.4.0: not answered any more
  'committed',
  'discarded',
  'failed',
  'returned',
  'revoked',
] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];
export const STAGES = ['map', 'reduce'] as const;

export const Attempt = z.object({
  attempt: z.number().int(),
  by: z.string().meta({ description: '"edge" or a volunteer id' }),
  state: z.enum(ATTEMPT_STATES),
  ms: z.number().nullable(),
  digest: z.string().nullable(),
  error: TaskError.nullable(),
});
export type Attempt = z.infer<typeof Attempt>;

export const Task = z
  .object({
    task: z.number().int(),
    stage: z.enum(STAGES),
    state: z.enum(['waiting', 'running', 'checking', 'committed', 'failed']),
    attempts: z.array(Attempt),
  })
  .meta({ id: 'Task' });
export type Task = z.infer<typeof Task>;

/** What happened, in order. Closed set of types; fields beyond `seq,time,type` by type. */
export const JOB_EVENT_TYPES = [
  'submitted',
  'planned', // splits
  'waiting', // reason
  'mapping',
  'granted', // by, name?, tasks: [[task, attempt]]
  'committed', // by, tasks: [[task, attempt, ms, recordsIn, bytesIn]]
  'attemptFailed', // task, attempt, by, error
  'returned', // by, tasks
  'backup', // task, by, name: it was granted again since its mapper is silent
  'disagreement', // task, attempts
  'edge', // reason: why the edge maps
  'reducing',
  'partReduced', // partition, keys, bytes, ms
  'reduceFailed', // partition, error
  'retried',
  'done',
  'failed', // error
  'cancelled',
  // Of DAG jobs; each has `step`, and `item` where it is one of a `forEach`.
  'stepReady',
  'stepStarted', // attempt
  'stepDone', // attempt, ms
  'stepRetried', // attempt, error, notBefore
  'stepFailed', // attempt, error
  'stepSkipped', // reason
  'stepCancelled', // reason
  'signal', // name
] as const;

export const JobEvent = z
  .looseObject({
    seq: z.number().int(),
    time: IsoTime,
    type: z.enum(JOB_EVENT_TYPES),
  })
  .meta({ id: 'JobEvent' });
export type JobEvent = z.infer<typeof JobEvent>;
