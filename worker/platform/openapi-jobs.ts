// Described here: jobs of both kinds, from submission to result. What only DAG jobs have: openapi-runs.ts.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { IDEMPOTENCY_KEY_MAX_CHARS } from '../../shared/limits.ts';
import { JsonValue, listOf, ListQuery } from '../../shared/schemas/common.ts';
import {
  JobEvent,
  JobListQuery,
  ResultQuery,
  ResultRecord,
  Task,
  TopQuery,
} from '../../shared/schemas/job.ts';
import { AnyJob, AnyJobSummary, JobSpec } from '../../shared/schemas/jobs.ts';
import { json, location, nothing, operation } from './openapi-operation.ts';

const tag = 'Jobs';
const path = z.object({ id: z.string().meta({ description: 'The job’s id.' }) });
const resume = z
  .string()
  .regex(/^\d+$/)
  .optional()
  .meta({ description: 'The `seq` of the last event that was seen.' });

const EXAMPLE_SPEC = `{
  "kind": "mapreduce",
  "name": "page hits",
  "input": { "dataset": "access.log", "format": "lines" },
  "code": "export function map(line, emit) { emit(line.split(\\" \\")[6], 1) }\\nexport const combine = \\"sum\\"\\nexport const reduce = \\"sum\\""
}`;

export const jobPaths: ZodOpenApiPathsObject = {
  '/api/jobs': {
    post: operation({
      id: 'submitJob',
      tag,
      summary: 'Submit a job',
      description:
        'Of `mapreduce` only `kind`, `input` and `code` are required. The code is one ES module that exports `map(record, emit, ctx)` and may export `combine` and `reduce`, as functions or as the name of a built-in: sum, count, min, max, first, collect. Of `dag` only `kind` and `steps` are: each step says how it runs and what it `needs`; one that runs code has an ES module with `export default (input, ctx)`, whose first argument is `{input, steps, item?}`, with the outputs of the steps that it needs. A circle is refused as `cycle`, a need of a step that is not there as `unknown_step`. The same Idempotency-Key within 24 hours answers with the same job; with another body it is a conflict.',
      params: {
        header: z.object({
          'idempotency-key': z.string().min(1).max(IDEMPOTENCY_KEY_MAX_CHARS).optional(),
        }),
      },
      body: { required: true, content: { 'application/json': { schema: JobSpec } } },
      answers: {
        201: {
          ...json('The job, under way.', AnyJob),
          headers: location('job'),
        },
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
    }),
    get: operation({
      id: 'listJobs',
      tag,
      summary: 'Jobs, newest first',
      params: { query: JobListQuery },
      answers: { 200: json('A page of jobs, without their code.', listOf(AnyJobSummary)) },
      problems: ['invalid_request'],
      curl: "'$API/jobs?state=done&limit=10'",
    }),
  },
  '/api/jobs/{id}': {
    get: operation({
      id: 'getJob',
      tag,
      summary: 'A job: state and why, how far it is, cost',
      params: { path },
      answers: { 200: json('The job.', AnyJob) },
      problems: ['not_found'],
      curl: '$API/jobs/$JOB',
    }),
    delete: operation({
      id: 'forgetJob',
      tag,
      summary: 'Forget a job and all its objects',
      description: 'A job that still runs is stopped first.',
      params: { path },
      answers: { 204: nothing('It is gone.') },
      problems: ['not_found'],
      curl: '-X DELETE $API/jobs/$JOB',
    }),
  },
  '/api/jobs/{id}/result': {
    get: operation({
      id: 'getResult',
      tag,
      summary: 'The result of a done job, streamed',
      description:
        'Of a DAG job: one JSON object, `{"<step>": output, …}`; outputs that lie in R2 are in their place, bytes are their claim. Of a MapReduce job: one record a line. By `partition` the result comes as it is stored, sorted by key within each partition; by `key` it is merged on its way, by the UTF-8 bytes of the keys. As CSV, a value that is a string stands as itself, any other as JSON text.',
      params: { path, query: ResultQuery },
      answers: {
        200: {
          description: 'One record a line, or the outputs by step.',
          content: {
            'application/json': { schema: z.record(z.string(), JsonValue) },
            'application/x-ndjson': { schema: ResultRecord },
            'text/csv': { schema: z.string() },
          },
        },
      },
      problems: ['invalid_request', 'not_found', 'conflict', 'too_large'],
      curl: "'$API/jobs/$JOB/result?format=csv&order=key' -o result.csv",
    }),
  },
  '/api/jobs/{id}/result/top': {
    get: operation({
      id: 'getTop',
      tag,
      summary: 'The first n records of a MapReduce job’s result',
      description:
        'By value the order is: null < false < true < numbers < strings < lists < objects; numbers by size, strings by their UTF-8 bytes, lists and objects by their JSON text; `desc` is the reverse. Equal values come by ascending key.',
      params: { path, query: TopQuery },
      answers: { 200: json('The records.', z.array(ResultRecord)) },
      problems: ['invalid_request', 'not_found', 'conflict', 'too_large'],
      curl: "'$API/jobs/$JOB/result/top?n=20&by=value&direction=desc'",
    }),
  },
  '/api/jobs/{id}/tasks': {
    get: operation({
      id: 'listTasks',
      tag,
      summary: 'A MapReduce job’s tasks with all their attempts',
      params: { path, query: ListQuery },
      answers: { 200: json('A page of tasks.', listOf(Task)) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/tasks',
    }),
  },
  '/api/jobs/{id}/events': {
    get: operation({
      id: 'listEvents',
      tag,
      summary: 'What happened to a job, in order',
      params: { path, query: ListQuery },
      answers: { 200: json('A page of events.', listOf(JobEvent)) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/events',
    }),
  },
  '/api/jobs/{id}/events/live': {
    get: operation({
      id: 'followEvents',
      tag,
      summary: 'The same, as it happens (server-sent events)',
      description:
        'Each event’s `id:` is its `seq`; a client that comes back with Last-Event-ID goes on behind it. The stream ends with the job.',
      params: {
        path,
        query: z.object({ after: resume }),
        header: z.object({ 'last-event-id': resume }),
      },
      answers: {
        200: {
          description: 'A JobEvent as the `data:` of every event.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
        204: nothing('The job has ended and all its events were seen.'),
      },
      problems: ['not_found'],
      curl: '-N $API/jobs/$JOB/events/live',
    }),
  },
  '/api/jobs/{id}/cancel': {
    post: operation({
      id: 'cancelJob',
      tag,
      summary: 'Stop a job',
      description:
        'Leases are revoked, intermediate objects deleted. Of a DAG job the steps that run are given up, and jobs that they submitted are stopped.',
      params: { path },
      answers: { 200: json('The job, cancelled.', AnyJob) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/jobs/$JOB/cancel',
    }),
  },
  '/api/jobs/{id}/retry': {
    post: operation({
      id: 'retryJob',
      tag,
      summary: 'Try a job again that failed',
      description:
        'Only what is not committed runs again. Of a DAG job, which may also have been cancelled: what failed and what did not come to run; finished outputs stay.',
      params: { path },
      answers: { 200: json('The job, under way.', AnyJob) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/jobs/$JOB/retry',
    }),
  },
};
