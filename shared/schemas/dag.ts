// DAG jobs: steps with needs. What is submitted, and how a run is shown.
import * as z from 'zod';
import {
  CODE_MAX_BYTES,
  DAG_EXPRESSION_MAX_CHARS,
  DAG_STEPS_MAX,
  EVENT_TYPE_MAX_CHARS,
  FOR_EACH_CONCURRENCY_DEFAULT,
  FOR_EACH_CONCURRENCY_MAX,
  JOIN_TYPES_MAX,
  NAME_MAX_CHARS,
  PROCESSOR_SERVICES_MAX,
  SLEEP_MAX_MS,
  STEP_TIMEOUT_DEFAULT_MS,
  STEP_TIMEOUT_MAX_MS,
  WAIT_TIMEOUT_MAX_MS,
} from '../limits.ts';
import { Claim } from './claim.ts';
import { digits, IsoTime, JsonValue, namedBy, ResourceName } from './common.ts';
import { Cost, JOB_STATES, MapReduceSpec, TaskError, Verify } from './job.ts';
import { KeyPath, RetrySpec, ServiceSpec } from './processor.ts';

/** Also a name in code: `steps.<name>`. */
export const StepName = z
  .string()
  .max(NAME_MAX_CHARS)
  .regex(
    /^[A-Za-z_][A-Za-z0-9_-]*$/,
    'letters, digits, dash and underscore, not beginning with a digit',
  )
  .refine((name) => name !== '__proto__', {
    message: 'this name means something else in JavaScript',
  });

const expression = (description: string) =>
  z.string().min(1).max(DAG_EXPRESSION_MAX_CHARS).optional().meta({ description });

const common = {
  needs: z.array(StepName).max(DAG_STEPS_MAX).default([]),
  when: expression('an expression over `input` and `steps`; when it is false the step is skipped'),
  afterSkipped: z.enum(['skip', 'run']).default('skip').meta({
    description:
      'when a step that it needs was skipped: skip it as well, or run it with null for that output',
  }),
};
const repeated = {
  forEach: expression(
    'an expression that gives a list: the step runs for each `item`, and its output is the list of outputs',
  ),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(FOR_EACH_CONCURRENCY_MAX)
    .default(FOR_EACH_CONCURRENCY_DEFAULT),
};
const tried = {
  retry: RetrySpec.prefault({ maxAttempts: 1 }),
  timeoutMs: z.number().int().min(1).max(STEP_TIMEOUT_MAX_MS).default(STEP_TIMEOUT_DEFAULT_MS),
};
const code = z.string().min(1).max(CODE_MAX_BYTES);

export const EdgeStep = z
  .strictObject({
    run: z.literal('edge'),
    ...common,
    ...repeated,
    ...tried,
    code,
    services: namedBy(z.string().min(1).max(NAME_MAX_CHARS), ServiceSpec)
      .refine((services) => Object.keys(services).length <= PROCESSOR_SERVICES_MAX, {
        message: `at most ${PROCESSOR_SERVICES_MAX} services`,
      })
      .default({}),
  })
  .meta({ id: 'EdgeStep' });

export const VolunteerStep = z
  .strictObject({
    run: z.literal('volunteer'),
    ...common,
    ...repeated,
    ...tried,
    code,
    verify: Verify.default({ mode: 'none' }),
  })
  .meta({ id: 'VolunteerStep' });
export type VolunteerStep = z.infer<typeof VolunteerStep>;

export const MapReduceStep = z
  .strictObject({
    run: z.literal('mapreduce'),
    ...common,
    ...tried,
    timeoutMs: z.number().int().min(1).max(WAIT_TIMEOUT_MAX_MS).default(WAIT_TIMEOUT_MAX_MS),
    job: MapReduceSpec.extend({ kind: z.literal('mapreduce').default('mapreduce') }).meta({
      id: 'StepJob',
    }),
  })
  .meta({ id: 'MapReduceStep' });
export type MapReduceStep = z.infer<typeof MapReduceStep>;

export const WaitStep = z
  .strictObject({
    run: z.literal('wait'),
    ...common,
    timeoutMs: z.number().int().min(1).max(WAIT_TIMEOUT_MAX_MS).default(WAIT_TIMEOUT_MAX_MS),
    signal: StepName.optional(),
    stream: ResourceName.optional(),
    types: z
      .array(z.string().min(1).max(EVENT_TYPE_MAX_CHARS))
      .min(1)
      .max(JOIN_TYPES_MAX)
      .optional(),
    keyBy: KeyPath.optional().meta({ description: '"key" unless something else is said' }),
    key: z
      .string()
      .min(1)
      .max(DAG_EXPRESSION_MAX_CHARS)
      .optional()
      .meta({ description: 'an expression over `input` and `steps` that gives the key' }),
  })
  .refine(
    ({ signal, stream, types, key }) =>
      signal === undefined
        ? stream !== undefined && types !== undefined && key !== undefined
        : stream === undefined && types === undefined && key === undefined,
    { message: 'a wait has a `signal`, or a `stream` with `types` and `key`', path: ['signal'] },
  )
  .meta({ id: 'WaitStep' });

export const SleepStep = z
  .strictObject({
    run: z.literal('sleep'),
    ...common,
    ms: z.number().int().min(0).max(SLEEP_MAX_MS),
  })
  .meta({ id: 'SleepStep' });

export const Step = z.discriminatedUnion('run', [
  EdgeStep,
  VolunteerStep,
  MapReduceStep,
  WaitStep,
  SleepStep,
]);
export type Step = z.infer<typeof Step>;

export const DagSpec = z
  .strictObject({
    kind: z.literal('dag'),
    name: z.string().trim().min(1).max(NAME_MAX_CHARS).default('untitled'),
    input: JsonValue.default(null),
    steps: namedBy(StepName, Step)
      .refine((steps) => Object.keys(steps).length > 0, { message: 'at least one step' })
      .refine((steps) => Object.keys(steps).length <= DAG_STEPS_MAX, {
        message: `at most ${DAG_STEPS_MAX} steps`,
      }),
  })
  .meta({ id: 'DagSpec' });
export type DagSpec = z.infer<typeof DagSpec>;
export type DagSpecInput = z.input<typeof DagSpec>;

export const STEP_STATES = [
  'waiting',
  'ready',
  'running',
  'done',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type StepState = (typeof STEP_STATES)[number];

/** A step, or one item of a `forEach`, as it is shown. */
const shown = {
  state: z.enum(STEP_STATES),
  reason: z.string().meta({ description: 'why it waits or was skipped; empty when it just works' }),
  attempts: z.number().int(),
  startedAt: IsoTime.nullable(),
  finishedAt: IsoTime.nullable(),
  output: JsonValue.optional(),
  claim: Claim.optional().meta({ description: 'of an output that is too large to be shown' }),
  error: TaskError.nullable(),
};

export const StepStatus = z
  .object({
    ...shown,
    level: z
      .number()
      .int()
      .meta({ description: 'how many steps lie before it, on the longest way' }),
    items: z
      .object({
        count: z.number().int(),
        done: z.number().int(),
        failed: z.number().int(),
        running: z.number().int(),
      })
      .optional()
      .meta({ description: 'of a `forEach`' }),
    job: z.string().optional().meta({ description: 'the MapReduce job that does the work' }),
  })
  .meta({ id: 'StepStatus' });
export type StepStatus = z.infer<typeof StepStatus>;

export const StepItem = z.object({ item: z.number().int(), ...shown }).meta({ id: 'StepItem' });
export type StepItem = z.infer<typeof StepItem>;

export const StepAttempt = z
  .object({
    item: z.number().int().nullable(),
    attempt: z.number().int(),
    startedAt: IsoTime,
    finishedAt: IsoTime.nullable(),
    error: TaskError.nullable(),
    log: z.array(z.string()),
  })
  .meta({ id: 'StepAttempt' });
export type StepAttempt = z.infer<typeof StepAttempt>;

export const DagJob = z
  .object({
    id: z.string(),
    kind: z.literal('dag'),
    name: z.string(),
    state: z.enum(JOB_STATES),
    reason: z.string(),
    createdAt: IsoTime,
    startedAt: IsoTime.nullable(),
    finishedAt: IsoTime.nullable(),
    spec: DagSpec,
    levels: z.array(z.array(z.string())).meta({
      description: 'the steps, each after all that it needs: those of one level can run at once',
    }),
    steps: z.record(z.string(), StepStatus),
    signals: z
      .array(z.string())
      .meta({ description: 'signals that came and were not waited for yet' }),
    criticalPath: z.array(z.string()).meta({
      description: 'the chain of steps that took the longest so far',
    }),
    cost: Cost,
    error: TaskError.nullable(),
  })
  .meta({ id: 'DagJob' });
export type DagJob = z.infer<typeof DagJob>;

/** In lists: how far its steps are, and none of them. */
export const DagJobSummary = DagJob.omit({
  spec: true,
  levels: true,
  steps: true,
  signals: true,
  criticalPath: true,
})
  .extend({
    progress: z.object({
      steps: z.number().int(),
      done: z.number().int(),
      skipped: z.number().int(),
      failed: z.number().int(),
      cancelled: z.number().int(),
      running: z.number().int(),
    }),
  })
  .meta({ id: 'DagJobSummary' });
export type DagJobSummary = z.infer<typeof DagJobSummary>;

/** A step with its attempts: of the step itself, or of one item of its `forEach`. */
export const StepDetail = StepStatus.extend({
  step: z.string(),
  attemptsMade: z.array(StepAttempt).meta({ description: 'the newest ones, oldest first' }),
}).meta({ id: 'StepDetail' });
export type StepDetail = z.infer<typeof StepDetail>;

export const StepQuery = z.object({
  item: digits(0)
    .optional()
    .meta({ description: 'of a `forEach`: whose attempts are shown, from 0' }),
});
