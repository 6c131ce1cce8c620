// Streams, and their events in and out.
import * as z from 'zod';
import { APPEND_MAX_BYTES, APPEND_MAX_EVENTS, MIB } from '../limits.ts';
import { listOf, ListQuery } from '../schemas/common.ts';
import {
  Appended,
  EventInput,
  EventsLiveQuery,
  EventsPage,
  EventsQuery,
  Stream,
  StreamEvent,
  StreamName,
  StreamSpec,
} from '../schemas/stream.ts';
import {
  created,
  IdempotencyKey,
  json,
  jsonBody,
  live,
  nothing,
  raw,
  resource,
} from './operation.ts';
import { ROUTES } from './routes.ts';

export const streams = resource(
  'streams',
  ROUTES.streams,
  {
    tag: {
      name: 'Streams',
      description: 'Logs of events, in order by key, that can be read again.',
    },
    params: { name: StreamName.meta({ description: 'The stream’s name.' }) },
  },
  {
    list: {
      summary: 'All streams, by name',
      query: ListQuery,
      answers: { 200: json('A page of streams.', listOf(Stream)) },
      problems: ['invalid_request'],
      curl: '$API/streams',
    },
    put: {
      summary: 'Create a stream, or change what may change',
      description: `Everything has a default. The number of partitions stays what it was at first: keys would move. \`claimCheckBytes\` is the payload size past which the payload goes to storage and the event carries a claim; \`retention\` says how long events are kept at least, and \`partitionMaxBytes\` how much a partition may hold before appends are refused as \`stream_full\`.`,
      body: jsonBody(StreamSpec),
      answers: {
        200: json('The stream, changed.', Stream),
        201: created('The stream, new.', Stream, 'stream'),
      },
      problems: ['invalid_request', 'conflict', 'too_large'],
      curl: `-X PUT $API/streams/orders -H 'content-type: application/json' -d '{"partitions": 4, "retention": {"hours": 168}}'`,
    },
    get: {
      summary: 'A stream: its partitions, and how far its readers are',
      answers: { 200: json('The stream.', Stream) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/streams/orders',
    },
    delete: {
      summary: 'Delete a stream with all its events',
      description:
        'Refused while processors read from it or write to it. Payloads that only its events referred to go with it.',
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X DELETE $API/streams/orders',
    },
    append: {
      summary: 'Publish events',
      description: `One event, a list of events, or NDJSON with one event a line; at most ${APPEND_MAX_EVENTS.toLocaleString('en')} events and ${APPEND_MAX_BYTES / MIB} MiB a request. Events with the same \`key\` go to the same partition and stay in order. Every event is checked before any is appended: one that is wrong refuses them all, and \`errors\` says which (\`line 7\`, \`[6]\`). An event whose \`id\` is in the log already is a duplicate: counted, not appended. A payload is kept as it was written, but for blanks between its parts; a number that is too large for a reader is refused. A large payload becomes a claim by itself; to send one by hand, upload it to \`/api/claims\` first. The same Idempotency-Key within 24 hours appends nothing twice and answers the same; with another body it is a conflict.`,
      headers: IdempotencyKey,
      readsItself: true,
      body: {
        required: true,
        content: {
          'application/json': z.union([EventInput, z.array(EventInput)]),
          'application/x-ndjson': EventInput,
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
    },
    events: {
      summary: 'Events of one partition, from an offset on',
      description: `At most \`limit\` events and about 4 MiB. Read on from \`next\`. With \`resolve=true\` the payload of a claim is put in its place when it is JSON. An offset that retention took is \`gone\`: the header First-Offset, and the detail, name the first one that is there.`,
      query: EventsQuery,
      answers: { 200: raw('The events, in order.', { 'application/json': EventsPage }) },
      problems: ['invalid_request', 'not_found', 'gone'],
      curl: "'$API/streams/orders/events?partition=0&from=0&limit=100'",
    },
    follow: {
      summary: 'Events as they come (server-sent events)',
      description:
        'All partitions, or one; from the end on, or from the oldest event. Each event’s `id:` is a place in every partition; a client that comes back with Last-Event-ID misses none. What retention took in between is told by an event of the type `gap`, with `partition`, `from` and `to`. Comments show that the stream lives while nothing comes; it ends when the stream is deleted.',
      query: EventsLiveQuery,
      headers: z.object({ 'last-event-id': EventsLiveQuery.shape.lastEventId }),
      answers: {
        200: live('A StreamEvent as the `data:` of every event.', StreamEvent),
      },
      problems: ['invalid_request', 'not_found'],
      curl: '-N $API/streams/orders/events/live',
    },
  },
);
