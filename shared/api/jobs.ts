// Jobs of both kinds, from submission to result; the steps and signals of DAG jobs.
import * as z from 'zod';
import { SIGNAL_MAX_BYTES } from '../limits.ts';
import { Digits, JsonValue, listOf, NumberedQuery } from '../schemas/common.ts';
import {
  JobEvent,
  JobListQuery,
  ResultQuery,
  ResultRecord,
  Task,
  TopQuery,
} from '../schemas/job.ts';
import { AnyJob, AnyJobSummary, JobSpec } from '../schemas/jobs.ts';
import { StepDetail, StepItem, StepName, StepQuery } from '../schemas/dag.ts';
import {
  created,
  EtagConditions,
  IdempotencyKey,
  json,
  jsonBody,
  live,
  nothing,
  optionalBody,
  raw,
  resource,
} from './operation.ts';
import { ROUTES } from './routes.ts';

const LastSeen = Digits.optional().meta({
  description: 'The `seq` of the last event that was seen.',
});

const EXAMPLE_SPEC = `{
  "kind": "mapreduce",
  "name": "page hits",
  "input": { "dataset": "access.log", "format": "lines" },
  "code": "export function map(line, emit, ctx) { emit(ctx.accessLog(line)?.request?.path ?? \\"-\\", 1) }\\nexport const combine = \\"sum\\"\\nexport const reduce = \\"sum\\""
}`;

export const jobs = resource(
  'jobs',
  ROUTES.jobs,
  {
    tag: { name: 'Jobs', description: 'Short-lived work, and what comes of it.' },
    params: {
      id: z.string().meta({ description: 'The job’s id.' }),
      step: z.string(),
      name: StepName.meta({ title: 'name of the signal' }),
    },
  },
  {
    submit: {
      summary: 'Submit a job',
      description:
        'Of `mapreduce` only `kind`, `input` and `code` are required. The code is one ES module that exports `map(record, emit, ctx)` and may export `combine` and `reduce`, as functions or as the name of a built-in: sum, count, min, max, first, collect. `ctx` is `{params, split, random, log, counter, accessLog}`; `ctx.accessLog(line)` reads a line of an access log in the common or combined format and returns `{host, ident, user, time, request: {method, path, query, protocol}, rawRequest, status, bytes, referer, userAgent}`, or null when it is no such line; `request` is null when the client sent no HTTP request. Of `dag` only `kind` and `steps` are: each step says how it runs and what it `needs`; one that runs code has an ES module with `export default (input, ctx)`, whose first argument is `{input, steps, item?}`. `steps.<name>` is the output of a step that it needs, directly or through others; one that it needs through others only is loaded when the text of the code or of an expression names it. To read any other step is an error that names both. Code of edge steps has `setTimeout`, `clearTimeout`, `crypto`, `URL`, `TextEncoder`, `TextDecoder` and `structuredClone`. A circle is refused as `cycle`, a need of a step that is not there as `unknown_step`. The same Idempotency-Key within 24 hours answers with the same job; with another body, or once that job was deleted, it is a conflict. A submission that is refused does not spend its key.',
      headers: IdempotencyKey,
      readsItself: true,
      body: jsonBody(JobSpec),
      answers: {
        201: created('The job, under way.', AnyJob, 'job'),
      },
      problems: [
        'invalid_request',
        'bad_program',
        'cycle',
        'unknown_step',
        'not_found',
        'conflict',
        'too_large',
      ],
      curl: `$API/jobs -H 'content-type: application/json' -d '${EXAMPLE_SPEC}'`,
    },
    list: {
      summary: 'Jobs, newest first',
      query: JobListQuery,
      answers: { 200: json('A page of jobs, without their code.', listOf(AnyJobSummary)) },
      problems: ['invalid_request'],
      curl: "'$API/jobs?state=done&limit=10'",
    },
    get: {
      summary: 'A job: state and why, how far it is, cost',
      answers: { 200: json('The job.', AnyJob) },
      problems: ['not_found'],
      curl: '$API/jobs/$JOB',
    },
    delete: {
      summary: 'Forget a job and all its objects',
      description: 'A job that still runs is stopped first.',
      answers: { 204: nothing('It is gone.') },
      problems: ['not_found'],
      curl: '-X DELETE $API/jobs/$JOB',
    },
    result: {
      summary: 'The result of a done job, streamed',
      description:
        'Of a DAG job: one JSON object, `{"<step>": output, …}`; outputs that lie in R2 are in their place, bytes are their claim. Of a MapReduce job: one record a line. By `partition` the result comes as it is stored, sorted by key within each partition; by `key` it is merged on its way, by the UTF-8 bytes of the keys. As CSV, a value that is a string stands as itself, any other as JSON text. Conditional by ETag.',
      query: ResultQuery,
      headers: EtagConditions,
      answers: {
        200: raw('One record a line, or the outputs by step.', {
          'application/json': z.record(z.string(), JsonValue),
          'application/x-ndjson': ResultRecord,
          'text/csv': z.string(),
        }),
        304: nothing('The result is the one of If-None-Match.'),
      },
      problems: ['invalid_request', 'not_found', 'conflict', 'precondition_failed', 'too_large'],
      curl: "'$API/jobs/$JOB/result?format=csv&order=key' -o result.csv",
    },
    top: {
      summary: 'The first n records of a MapReduce job’s result',
      description:
        'By value the order is: null < false < true < numbers < strings < lists < objects; numbers by size, strings by their UTF-8 bytes, lists and objects by their JSON text; `desc` is the reverse. Equal values come by ascending key.',
      query: TopQuery,
      answers: { 200: json('The records.', z.array(ResultRecord)) },
      problems: ['invalid_request', 'not_found', 'conflict', 'too_large'],
      curl: "'$API/jobs/$JOB/result/top?n=20&by=value&direction=desc'",
    },
    tasks: {
      summary: 'A MapReduce job’s tasks with all their attempts',
      query: NumberedQuery,
      answers: { 200: json('A page of tasks.', listOf(Task)) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/tasks',
    },
    events: {
      summary: 'What happened to a job, in order',
      query: NumberedQuery,
      answers: { 200: json('A page of events.', listOf(JobEvent)) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/events',
    },
    follow: {
      summary: 'The same, as it happens (server-sent events)',
      description:
        'Each event’s `id:` is its `seq`; a client that comes back with Last-Event-ID goes on behind it. The stream ends with the job.',
      query: z.object({ after: LastSeen }),
      headers: z.object({ 'last-event-id': LastSeen }),
      answers: {
        200: live('A JobEvent as the `data:` of every event.', JobEvent),
        204: nothing('The job has ended and all its events were seen.'),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '-N $API/jobs/$JOB/events/live',
    },
    cancel: {
      summary: 'Stop a job',
      description:
        'Leases are revoked, intermediate objects deleted. Of a DAG job the steps that run are given up, and jobs that they submitted are stopped.',
      answers: { 200: json('The job, cancelled.', AnyJob) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/jobs/$JOB/cancel',
    },
    retry: {
      summary: 'Try a job again that failed',
      description:
        'Only what is not committed runs again. Of a DAG job, which may also have been cancelled: what failed and what did not come to run; finished outputs stay.',
      answers: { 200: json('The job, under way.', AnyJob) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/jobs/$JOB/retry',
    },
    step: {
      summary: 'A step of a DAG job: state and why, output, attempts with their logs',
      query: StepQuery,
      answers: { 200: json('The step.', StepDetail) },
      problems: ['invalid_request', 'not_found'],
      curl: "'$API/jobs/$JOB/steps/resize?item=3'",
    },
    items: {
      summary: 'The items of a step’s `forEach`, in order',
      query: NumberedQuery,
      answers: {
        200: json('A page of items; of a step without `forEach`, none.', listOf(StepItem)),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/steps/resize/items',
    },
    signal: {
      summary: 'Send a signal that a step waits for, or will wait for',
      description:
        'The body, any JSON, is the output of the step that takes it; none at all is null. Signals that came before the wait began are kept, and taken in their order, one by each step that waits.',
      body: optionalBody(JsonValue, null, SIGNAL_MAX_BYTES),
      answers: { 202: json('It was taken note of.', z.object({ signal: z.string() })) },
      problems: ['invalid_request', 'not_found', 'conflict', 'too_large', 'rate_limited'],
      curl: `$API/jobs/$JOB/signals/approve -H 'content-type: application/json' -d '{"by": "ada"}'`,
    },
  },
);
