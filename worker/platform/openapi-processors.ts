// Described here: processors, the user code that reads streams.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { listOf, ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import {
  Batch,
  DeadLetter,
  DeadLettersQuery,
  KeyedState,
  LateEvent,
  LateQuery,
  OpenEventWindow,
  OpenWindowsQuery,
  Processor,
  ProcessorSpec,
  ProcessorSummary,
  RedriveBody,
  ReplayBody,
  StateEntry,
  StateQuery,
  WaitingKey,
  WaitingQuery,
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
        'The code is one ES module that exports `process`: `process(event, ctx)` for the kind `stateless`, `process(event, state, ctx)` for `stateful` (it returns the new state of the event’s key; `undefined` leaves it, `null` forgets it), `process(joined, ctx)` for `join` (the events by type), `process(window, ctx)` for `window`, and `process(batch, ctx)` for `batch`. What it returns (one event, a list, or nothing; a stateful one returns its state instead) and what `ctx.emit(event)` emits goes to `output`, once, however often a batch has to be run. `ctx` is `{emit, call(service, key), payload(event), log, params, attempt, version}`, and `key` where there is one. A batch processor may start a MapReduce `job` over each window instead. A new processor reads from `startFrom` on; one whose code changed goes on where it was, with the state as it is. Its kind and its streams cannot change, nor can `shards`, `keyBy`, the types of a join, or the type, size, slide, gap and time of windows. A circle of processors and streams is refused, naming it.',
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
      summary: 'Close what is open now: a batch’s window, waiting joins, windows of event time',
      description:
        'A batch processor’s window runs with the reason `drain`; nothing happens when it is empty. Joins that wait time out, windows of event time close.',
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
  '/api/processors/{name}/state': {
    get: operation({
      id: 'listStates',
      tag,
      summary: 'The states of a stateful processor, by key',
      description:
        'In order of the keys’ UTF-8 bytes. A state larger than 64 KiB is `null` here: read it by its key. With `format=ndjson` all of them come as lines, whole, shard by shard, each as it is when it is read; `cursor` and `limit` mean nothing then.',
      params: { path, query: StateQuery },
      answers: {
        200: {
          description: 'A page of states, or all of them.',
          content: {
            'application/json': { schema: listOf(StateEntry) },
            'application/x-ndjson': { schema: StateEntry },
          },
        },
      },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: "'$API/processors/addresses/state?prefix=u&format=ndjson'",
    }),
  },
  '/api/processors/{name}/state/{key}': {
    get: operation({
      id: 'getState',
      tag,
      summary: 'What is kept under a key, and how fresh that is',
      description:
        'stateful: its state. join: what waits under it, or when it fired. window: its open windows. `asOf` says for each partition how far events had been applied, and where the partition ended: what lies between is not in the state yet. A key that nothing is known of is no error: its state is `null`. The key is URL-encoded and may have any characters; `.`, `..` and the empty key, which no path can carry, are found by `prefix` in the list.',
      params: {
        path: path.extend({ key: z.string().meta({ description: 'The key, URL-encoded.' }) }),
      },
      answers: { 200: json('What is kept under the key.', KeyedState) },
      problems: ['not_found', 'conflict', 'unavailable'],
      curl: '$API/processors/addresses/state/u1',
    }),
  },
  '/api/processors/{name}/waiting': {
    get: operation({
      id: 'listWaiting',
      tag,
      summary: 'The keys of a join that wait, the longest waiting first',
      params: { path, query: WaitingQuery },
      answers: {
        200: json('A page of keys: what has arrived, and what is missing.', listOf(WaitingKey)),
      },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: "'$API/processors/products/waiting?missing=VideoEncoded'",
    }),
  },
  '/api/processors/{name}/windows': {
    get: operation({
      id: 'listOpenWindows',
      tag,
      summary: 'The open windows of event time, those first that close first',
      params: { path, query: OpenWindowsQuery },
      answers: { 200: json('A page of windows.', listOf(OpenEventWindow)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/clicks-a-minute/windows',
    }),
  },
  '/api/processors/{name}/late': {
    get: operation({
      id: 'listLate',
      tag,
      summary: 'Events that came too late for a join or a window, newest first',
      description:
        'The newest are kept to be read here; all of them go to the stream `late`, if the processor names one.',
      params: { path, query: LateQuery },
      answers: { 200: json('Late events, each with the reason.', listOf(LateEvent)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/products/late',
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
