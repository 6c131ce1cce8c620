// Processors, the user code that reads streams.
import * as z from 'zod';
import { listOf, ListQuery, NumberedQuery, ResourceName } from '../schemas/common.ts';
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
} from '../schemas/processor.ts';
import { created, json, jsonBody, nothing, optionalBody, raw, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

const EXAMPLE_SPEC = `{
  "kind": "stateless", "stream": "orders", "types": ["OrderPlaced"], "output": "emails",
  "code": "export async function process(event, ctx) { const user = await ctx.call(\\"users\\", event.payload.userId); return { type: \\"Email\\", key: user.id, payload: { to: user.email } } }",
  "services": { "users": { "url": "/api/services/users/{key}" } }
}`;

export const processors = resource(
  'processors',
  ROUTES.processors,
  {
    tag: { name: 'Processors', description: 'Code that reads streams as events come.' },
    params: {
      name: z.string().meta({ description: 'The processor’s name.' }),
      key: z.string().meta({ description: 'The key, URL-encoded.' }),
    },
  },
  {
    list: {
      summary: 'All processors, by name',
      query: ListQuery,
      answers: {
        200: json('A page of processors, without their code.', listOf(ProcessorSummary)),
      },
      problems: ['invalid_request'],
      curl: '$API/processors',
    },
    put: {
      params: { name: ResourceName.meta({ description: 'The processor’s name.' }) },
      summary: 'Attach code to a stream, or change it',
      description:
        'The code is one ES module that exports `process`: `process(event, ctx)` for the kind `stateless`, `process(event, state, ctx)` for `stateful` (it returns the new state of the event’s key; `undefined` leaves it, `null` forgets it), `process(joined, ctx)` for `join` (the events by type), `process(window, ctx)` for `window`, and `process(batch, ctx)` for `batch`. What it returns (one event, a list, or nothing; a stateful one returns its state instead) and what `ctx.emit(event)` emits goes to `output`, once, however often a batch has to be run. `ctx` is `{emit, call(service, key), payload(event), log, params, attempt, version}`, and `key` where there is one. Besides the language there are `setTimeout`, `clearTimeout`, `crypto`, `URL`, `TextEncoder`, `TextDecoder` and `structuredClone`. A batch processor may start a MapReduce `job` over each window instead. A new processor reads from `startFrom` on; one whose code changed goes on where it was, with the state as it is. Its kind and its streams cannot change, nor can `shards`, `keyBy`, the types of a join, or the type, size, slide, gap and time of windows. A circle of processors and streams is refused, naming it.',
      body: jsonBody(ProcessorSpec),
      answers: {
        200: json('The processor, changed.', Processor),
        201: created('The processor, new.', Processor, 'processor'),
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
    },
    get: {
      summary: 'A processor: definition, state and why, lag, counters, latency',
      answers: { 200: json('The processor.', Processor) },
      problems: ['not_found'],
      curl: '$API/processors/mail',
    },
    delete: {
      summary: 'Delete a processor with its dead letters',
      description: 'What it emitted stays.',
      answers: { 204: nothing('It is gone.') },
      problems: ['not_found'],
      curl: '-X DELETE $API/processors/mail',
    },
    pause: {
      summary: 'Stop reading, keep the place',
      answers: { 200: json('The processor, paused.', Processor) },
      problems: ['not_found'],
      curl: '-X POST $API/processors/mail/pause',
    },
    resume: {
      summary: 'Go on reading where it stopped',
      answers: { 200: json('The processor, running.', Processor) },
      problems: ['not_found'],
      curl: '-X POST $API/processors/mail/resume',
    },
    replay: {
      summary: 'Read again from an older place',
      description:
        'A new version is rebuilt beside the present one, which goes on serving; when it has caught up it takes the other’s place. What each emits says in `source.version` which it was.',
      body: optionalBody(ReplayBody, {}),
      answers: { 202: json('The processor, replaying.', Processor) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: `$API/processors/mail/replay -H 'content-type: application/json' -d '{"from": "earliest"}'`,
    },
    drain: {
      summary: 'Close what is open now: a batch’s window, waiting joins, windows of event time',
      description:
        'A batch processor’s window runs with the reason `drain`; nothing happens when it is empty. Joins that wait time out, windows of event time close.',
      answers: { 200: json('The processor.', Processor) },
      problems: ['not_found', 'conflict'],
      curl: '-X POST $API/processors/archive/drain',
    },
    batches: {
      summary: 'The windows of a batch processor, newest first',
      query: NumberedQuery,
      answers: { 200: json('A page of windows that fired.', listOf(Batch)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/archive/batches',
    },
    states: {
      summary: 'The states of a stateful processor, by key',
      description:
        'In order of the keys’ UTF-8 bytes. A state larger than 64 KiB is `null` here: read it by its key. With `format=ndjson` all of them come as lines, whole, shard by shard, each as it is when it is read; `cursor` and `limit` mean nothing then.',
      query: StateQuery,
      answers: {
        200: raw('A page of states, or all of them.', {
          'application/json': listOf(StateEntry),
          'application/x-ndjson': StateEntry,
        }),
      },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: "'$API/processors/addresses/state?prefix=u&format=ndjson'",
    },
    state: {
      summary: 'What is kept under a key, and how fresh that is',
      description:
        'stateful: its state. join: what waits under it, or when it fired. window: its open windows. `asOf` says for each partition how far events had been applied, and where the partition ended: what lies between is not in the state yet. A key that nothing is known of is no error: its state is `null`. The key is URL-encoded and may have any characters; `.`, `..` and the empty key, which no path can carry, are found by `prefix` in the list.',
      answers: { 200: json('What is kept under the key.', KeyedState) },
      problems: ['not_found', 'conflict', 'unavailable'],
      curl: '$API/processors/addresses/state/u1',
    },
    waiting: {
      summary: 'The keys of a join that wait, the longest waiting first',
      query: WaitingQuery,
      answers: {
        200: json('A page of keys: what has arrived, and what is missing.', listOf(WaitingKey)),
      },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: "'$API/processors/products/waiting?missing=VideoEncoded'",
    },
    windows: {
      summary: 'The open windows of event time, those first that close first',
      query: OpenWindowsQuery,
      answers: { 200: json('A page of windows.', listOf(OpenEventWindow)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/clicks-a-minute/windows',
    },
    late: {
      summary: 'Events that came too late for a join or a window, newest first',
      description:
        'The newest are kept to be read here; all of them go to the stream `late`, if the processor names one.',
      query: LateQuery,
      answers: { 200: json('Late events, each with the reason.', listOf(LateEvent)) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '$API/processors/products/late',
    },
    deadLetters: {
      summary: 'Events that failed at every attempt',
      query: DeadLettersQuery,
      answers: {
        200: json('A page of dead letters, with event, error and attempts.', listOf(DeadLetter)),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/processors/mail/dead-letters',
    },
    redrive: {
      summary: 'Run dead letters again',
      description:
        'Some of them, by `ids`, or `all`; with `ratePerSecond` spread over time. One that succeeds is a dead letter no more; one that fails stays, with its new error.',
      body: jsonBody(RedriveBody),
      answers: {
        202: json('How many are run again.', z.object({ redriven: z.number().int() })),
      },
      problems: ['invalid_request', 'not_found'],
      curl: `$API/processors/mail/dead-letters/redrive -H 'content-type: application/json' -d '{"all": true, "ratePerSecond": 10}'`,
    },
  },
);
