// Described here: processors, the user code that reads streams.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { listOf, ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import {
  Batch,
  DeadLetter,
  DeadLettersQuery,
  Processor,
  ProcessorSpec,
  ProcessorSummary,
  RedriveBody,
  ReplayBody,
} from '../../shared/schemas/processor.ts';
import { json, location, nothing, operation } from './openapi-operation.ts';

const tag = 'Processors';
const path = z.object({ name: ResourceName.meta({ description: 'The processor’s name.' }) });

const EXAMPLE_SPEC = `{
  "kind": "stateless", "stream": "orders", "types": ["OrderPlaced"], "output": "emails",
  "code": "export async function process(event, ctx) { const user = await ctx.call(\\"users\\", event.payload.userId); return { type: \\"Email\\", key: user.id, payload: { to: user.email } } }",
  "services": { "users": { "url": "/api/services/users/{key}" } }
}`;

export const processorPaths: ZodOpenApiPathsObject = {
  '/api/processors': {
    get: operation({
      id: 'listProcessors',
      tag,
      summary: 'All processors, by name',
      params: { query: ListQuery },
      answers: {
        200: json('A page of processors, without their code.', listOf(ProcessorSummary)),
      },
      problems: ['invalid_request'],
      curl: '$API/processors',
    }),
  },
  '/api/processors/{name}': {
    put: operation({
      id: 'putProcessor',
      tag,
      summary: 'Attach code to a stream, or change it',
      description:
        'The code is one ES module that exports `process(event, ctx)`, or `process(batch, ctx)` for the kind `batch`. What it returns (one event, a list, or nothing) and what `ctx.emit(event)` emits goes to `output`, once, however often a batch has to be run. `ctx` is `{emit, call(service, key), payload(event), log, params, attempt, version}`. A batch processor may start a MapReduce `job` over each window instead. A new processor reads from `startFrom` on; one whose code changed goes on where it was; its kind and its streams cannot change. A circle of processors and streams is refused, naming it.',
      params: { path },
      body: { required: true, content: { 'application/json': { schema: ProcessorSpec } } },
      answers: {
        200: json('The processor, changed.', Processor),
        201: { ...json('The processor, new.', Processor), headers: location('processor') },
      },
      problems: [
        'invalid_request',
        'bad_program',
        'cycle',
        'not_found',
        'conflict',
        'too_large',
        'unavailable',
      ],
      curl: `-X PUT $API/processors/mail -H 'content-type: application/json' -d '${EXAMPLE_SPEC}'`,
    }),
    get: operation({
      id: 'getProcessor',
      tag,
      summary: 'A processor: definition, state and why, lag, counters, latency',
      params: { path },
      answers: { 200: json('The processor.', Processor) },
      problems: ['not_found'],
      curl: '$API/processors/mail',
    }),
    delete: operation({
      id: 'deleteProcessor',
      tag,
      summary: 'Delete a processor with its dead letters',
      description: 'What it emitted stays.',
      params: { path },
      answers: { 204: nothing('It is gone.') },
      problems: ['not_found'],
      curl: '-X DELETE $API/processors/mail',
    }),
  },
  '/api/processors/{name}/pause': {
    post: operation({
      id: 'pauseProcessor',
      tag,
      summary: 'Stop reading, keep the place',
      params: { path },
      answers: { 200: json('The processor, paused.', Processor) },
      problems: ['not_found'],
      curl: '-X POST $API/processors/mail/pause',
    }),
  },
  '/api/processors/{name}/resume': {
    post: operation({
      id: 'resumeProcessor',
      tag,
      summary: 'Go on reading where it stopped',
      params: { path },
      answers: { 200: json('The processor, running.', Processor) },
      problems: ['not_found'],
      curl: '-X POST $API/processors/mail/resume',
    }),
  },
  '/api/processors/{name}/replay': {
    post: operation({
      id: 'replayProcessor',
      tag,
      summary: 'Read again from an older place',
      description:
        'A new version is rebuilt beside the present one, which goes on serving; when it has caught up it takes the other’s place. What each emits says in `source.version` which it was.',
      params: { path },
      body: { content: { 'application/json': { schema: ReplayBody } } },
      answers: { 202: json('The processor, replaying.', Processor) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: `$API/processors/mail/replay -H 'content-type: application/json' -d '{"from": "earliest"}'`,
    }),
  },
  '/api/processors/{name}/drain': {
    post: operation({
      id: 'drainProcessor',
      tag,
      summary: 'Close a batch processor’s open window now',
      description: 'The window runs with the reason `drain`. Nothing happens when it is empty.',
      params: { path },
      answers: { 200: json('The processor.', Processor) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/processors/archive/drain',
    }),
  },
  '/api/processors/{name}/batches': {
    get: operation({
      id: 'listBatches',
      tag,
      summary: 'The windows of a batch processor, newest first',
      params: { path, query: ListQuery },
      answers: { 200: json('A page of windows that fired.', listOf(Batch)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/archive/batches',
    }),
  },
  '/api/processors/{name}/dead-letters': {
    get: operation({
      id: 'listDeadLetters',
      tag,
      summary: 'Events that failed at every attempt',
      params: { path, query: DeadLettersQuery },
      answers: {
        200: json('A page of dead letters, with event, error and attempts.', listOf(DeadLetter)),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/processors/mail/dead-letters',
    }),
  },
  '/api/processors/{name}/dead-letters/redrive': {
    post: operation({
      id: 'redriveDeadLetters',
      tag,
      summary: 'Run dead letters again',
      description:
        'Some of them, by `ids`, or `all`; with `ratePerSecond` spread over time. One that succeeds is a dead letter no more; one that fails stays, with its new error.',
      params: { path },
      body: { required: true, content: { 'application/json': { schema: RedriveBody } } },
      answers: {
        202: json('How many are run again.', z.object({ redriven: z.number().int() })),
      },
      problems: ['invalid_request', 'not_found'],
      curl: `$API/processors/mail/dead-letters/redrive -H 'content-type: application/json' -d '{"all": true, "ratePerSecond": 10}'`,
    }),
  },
};
