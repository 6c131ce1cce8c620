// Described here: what only DAG jobs have, steps and signals.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { JsonValue, listOf, ListQuery } from '../../shared/schemas/common.ts';
import { StepDetail, StepItem, StepName, StepQuery } from '../../shared/schemas/dag.ts';
import { json, operation } from './openapi-operation.ts';

const tag = 'Jobs';
const id = z.string().meta({ description: 'The id of a DAG job.' });
const stepPath = z.object({ id, step: z.string() });

export const runPaths: ZodOpenApiPathsObject = {
  '/api/jobs/{id}/steps/{step}': {
    get: operation({
      id: 'getStep',
      tag,
      summary: 'A step of a DAG job: state and why, output, attempts with their logs',
      params: { path: stepPath, query: StepQuery },
      answers: { 200: json('The step.', StepDetail) },
      problems: ['invalid_request', 'not_found'],
      curl: "'$API/jobs/$JOB/steps/resize?item=3'",
    }),
  },
  '/api/jobs/{id}/steps/{step}/items': {
    get: operation({
      id: 'listItems',
      tag,
      summary: 'The items of a step’s `forEach`, in order',
      params: { path: stepPath, query: ListQuery },
      answers: {
        200: json('A page of items; of a step without `forEach`, none.', listOf(StepItem)),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/jobs/$JOB/steps/resize/items',
    }),
  },
  '/api/jobs/{id}/signals/{name}': {
    post: operation({
      id: 'sendSignal',
      tag,
      summary: 'Send a signal that a step waits for, or will wait for',
      description:
        'The body, any JSON, is the output of the step that takes it; none at all is null. Signals that came before the wait began are kept, and taken in their order, one by each step that waits.',
      params: { path: z.object({ id, name: StepName }) },
      body: { required: false, content: { 'application/json': { schema: JsonValue } } },
      answers: { 202: json('It was taken note of.', z.object({ signal: z.string() })) },
      problems: ['invalid_request', 'not_found', 'conflict', 'too_large', 'rate_limited'],
      curl: `$API/jobs/$JOB/signals/approve -H 'content-type: application/json' -d '{"by": "ada"}'`,
    }),
  },
};
