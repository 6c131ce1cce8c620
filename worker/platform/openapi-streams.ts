// Described here: streams, and their events in and out.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import {
  APPEND_MAX_BYTES,
  APPEND_MAX_EVENTS,
  IDEMPOTENCY_KEY_MAX_CHARS,
  MIB,
} from '../../shared/limits.ts';
import { listOf, ListQuery } from '../../shared/schemas/common.ts';
import {
  Appended,
  EventInput,
  EventsLiveQuery,
  EventsPage,
  EventsQuery,
  Stream,
  StreamName,
  StreamSpec,
} from '../../shared/schemas/stream.ts';
import { json, location, nothing, operation } from './openapi-operation.ts';

const tag = 'Streams';
const path = z.object({ name: StreamName.meta({ description: 'The stream’s name.' }) });
export const streamPaths: ZodOpenApiPathsObject = {
  '/api/streams': {
    get: operation({
      id: 'listStreams',
      tag,
      summary: 'All streams, by name',
      params: { query: ListQuery },
      answers: { 200: json('A page of streams.', listOf(Stream)) },
      problems: ['invalid_request'],
      curl: '$API/streams',
    }),
  },
  '/api/streams/{name}': {
    put: operation({
      id: 'putStream',
      tag,
      summary: 'Create a stream, or change what may change',
      description: `Everything has a default. The number of partitions stays what it was at first: keys would move. \`claimCheckBytes\` is the payload size past which the payload goes to storage and the event carries a claim; \`retention\` says how long events are kept at least, and \`partitionMaxBytes\` how much a partition may hold before appends are refused as \`stream_full\`.`,
      params: { path },
      body: { required: true, content: { 'application/json': { schema: StreamSpec } } },
      answers: {
        200: json('The stream, changed.', Stream),
        201: { ...json('The stream, new.', Stream), headers: location('stream') },
      },
      problems: ['invalid_request', 'conflict', 'too_large'],
      curl: `-X PUT $API/streams/orders -H 'content-type: application/json' -d '{"partitions": 4, "retention": {"hours": 168}}'`,
    }),
    get: operation({
      id: 'getStream',
      tag,
      summary: 'A stream: its partitions, and how far its readers are',
      params: { path },
      answers: { 200: json('The stream.', Stream) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/streams/orders',
    }),
    delete: operation({
      id: 'deleteStream',
      tag,
      summary: 'Delete a stream with all its events',
      description:
        'Refused while processors read from it or write to it. Payloads that only its events referred to go with it.',
      params: { path },
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X DELETE $API/streams/orders',
    }),
  },
  '/api/streams/{name}/events': {
    post: operation({
      id: 'publishEvents',
      tag,
      summary: 'Publish events',
      description: `One event, a list of events, or NDJSON with one event a line; at most ${APPEND_MAX_EVENTS.toLocaleString('en')} events and ${APPEND_MAX_BYTES / MIB} MiB a request. Events with the same \`key\` go to the same partition and stay in order. Every event is checked before any is appended: one that is wrong refuses them all, and \`errors\` says which (\`line 7\`, \`[6]\`). An event whose \`id\` is in the log already is a duplicate: counted, not appended. A large payload becomes a claim by itself; to send one by hand, upload it to \`/api/claims\` first. The same Idempotency-Key within 24 hours appends nothing twice and answers the same; with another body it is a conflict.`,
      params: {
        path,
        header: z.object({
          'idempotency-key': z.string().min(1).max(IDEMPOTENCY_KEY_MAX_CHARS).optional(),
        }),
      },
      body: {
        required: true,
        content: {
          'application/json': { schema: z.union([EventInput, z.array(EventInput)]) },
          'application/x-ndjson': { schema: EventInput },
        },
      },
      answers: { 202: json('How many were appended, and where they lie.', Appended) },
      problems: [
        'invalid_request',
        'not_found',
        'conflict',
        'gone',
        'too_large',
        'stream_full',
        'unavailable',
      ],
      curl: `$API/streams/orders/events -H 'content-type: application/json' -d '{"type": "OrderPlaced", "key": "u1", "payload": {"userId": "u1", "total": 12.5}}'`,
    }),
    get: operation({
      id: 'readEvents',
      tag,
      summary: 'Events of one partition, from an offset on',
      description: `At most \`limit\` events and about 4 MiB. Read on from \`next\`. With \`resolve=true\` the payload of a claim is put in its place when it is JSON. An offset that retention took is \`gone\`: the header First-Offset, and the detail, name the first one that is there.`,
      params: { path, query: EventsQuery },
      answers: { 200: json('The events, in order.', EventsPage) },
      problems: ['invalid_request', 'not_found', 'gone'],
      curl: "'$API/streams/orders/events?partition=0&from=0&limit=100'",
    }),
  },
  '/api/streams/{name}/events/live': {
    get: operation({
      id: 'followStream',
      tag,
      summary: 'Events as they come (server-sent events)',
      description:
        'All partitions, or one; from the end on, or from the oldest event. Each event’s `id:` is a place in every partition; a client that comes back with Last-Event-ID misses none. What retention took in between is told by an event of the type `gap`, with `partition`, `from` and `to`. Comments show that the stream lives while nothing comes; it ends when the stream is deleted.',
      params: {
        path,
        query: EventsLiveQuery,
        header: z.object({ 'last-event-id': EventsLiveQuery.shape.lastEventId }),
      },
      answers: {
        200: {
          description: 'A StreamEvent as the `data:` of every event.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
      },
      problems: ['invalid_request', 'not_found'],
      curl: '-N $API/streams/orders/events/live',
    }),
  },
};
