// Streams and their events: what is put and published, what is read back, and a stream as it is shown.
import * as z from 'zod';
import {
  CLAIM_CHECK_DEFAULT_BYTES,
  CLAIM_CHECK_MAX_BYTES,
  CLAIM_CHECK_MIN_BYTES,
  EVENT_ID_MAX_CHARS,
  EVENT_KEY_MAX_BYTES,
  EVENT_TYPE_MAX_CHARS,
  EVENTS_DEFAULT_ITEMS,
  EVENTS_MAX_ITEMS,
  PARTITION_DEFAULT_BYTES,
  PARTITION_MIN_BYTES,
  RETENTION_DEFAULT_HOURS,
  RETENTION_MAX_HOURS,
  STREAM_PARTITIONS_DEFAULT,
  STREAM_PARTITIONS_MAX,
} from '../limits.ts';
import { Claim } from './claim.ts';
import { digits, IsoTime, JsonValue, ResourceName } from './common.ts';
import { Cost } from './job.ts';

/** `PUT /api/streams/:name`. The number of partitions can never change: keys would move. */
export const StreamSpec = z
  .strictObject({
    partitions: z.number().int().min(1).max(STREAM_PARTITIONS_MAX).optional(),
    claimCheckBytes: z
      .number()
      .int()
      .min(CLAIM_CHECK_MIN_BYTES)
      .max(CLAIM_CHECK_MAX_BYTES)
      .optional(),
    retention: z.strictObject({ hours: z.number().positive().max(RETENTION_MAX_HOURS) }).optional(),
    partitionMaxBytes: z.number().int().min(PARTITION_MIN_BYTES).optional(),
  })
  .meta({ id: 'StreamSpec' });
export type StreamSpec = z.infer<typeof StreamSpec>;

/** What a stream is when nothing else was said. */
export const STREAM_DEFAULTS = {
  partitions: STREAM_PARTITIONS_DEFAULT,
  claimCheckBytes: CLAIM_CHECK_DEFAULT_BYTES,
  retention: { hours: RETENTION_DEFAULT_HOURS },
  partitionMaxBytes: PARTITION_DEFAULT_BYTES,
} as const;

const utf8Bytes = (text: string) => new TextEncoder().encode(text).length;

/** One event as it is published. Without `key` its id places it; without `id` and `time` they are made. */
export const EventInput = z
  .strictObject({
    type: z.string().min(1).max(EVENT_TYPE_MAX_CHARS),
    key: z
      .string()
      .refine((key) => key.length <= EVENT_KEY_MAX_BYTES && utf8Bytes(key) <= EVENT_KEY_MAX_BYTES, {
        message: `a key has at most ${EVENT_KEY_MAX_BYTES} bytes`,
      })
      .nullish(),
    payload: JsonValue.optional(),
    claim: Claim.optional(),
    id: z.string().min(1).max(EVENT_ID_MAX_CHARS).optional(),
    time: z.iso.datetime({ offset: true }).optional(),
  })
  .refine((event) => event.payload === undefined || event.claim === undefined, {
    message: 'an event has a payload or a claim, not both',
    path: ['claim'],
  })
  .meta({ id: 'EventInput' });
export type EventInput = z.infer<typeof EventInput>;

/** Which processor emitted an event, and from which offset of what it read. */
export const EventSource = z.object({
  processor: z.string(),
  version: z.number().int(),
  stream: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  late: z.string().optional().meta({
    description: 'why it is in a stream of late events: see LATE_REASONS',
  }),
});
export type EventSource = z.infer<typeof EventSource>;

/** One event as it is read: also what processors and MapReduce programs get. */
export const StreamEvent = z
  .object({
    partition: z.number().int(),
    offset: z.number().int(),
    id: z.string(),
    type: z.string(),
    key: z.string().nullable(),
    time: IsoTime,
    payload: JsonValue.optional(),
    claim: Claim.optional(),
    source: EventSource.optional(),
  })
  .meta({ id: 'StreamEvent' });
export type StreamEvent = z.infer<typeof StreamEvent>;

export const Appended = z
  .object({
    accepted: z.number().int(),
    duplicates: z.number().int(),
    offsets: z
      .array(
        z.object({
          partition: z.number().int(),
          first: z.number().int(),
          last: z.number().int(),
        }),
      )
      .meta({ description: 'where the accepted events lie; both ends included' }),
  })
  .meta({ id: 'Appended' });
export type Appended = z.infer<typeof Appended>;

export const EventsQuery = z.object({
  partition: digits(0).default(0),
  from: z.union([z.literal('earliest'), z.literal('latest'), digits(0)]).default('earliest'),
  limit: digits(1, EVENTS_MAX_ITEMS).default(EVENTS_DEFAULT_ITEMS),
  resolve: z.enum(['true', 'false']).default('false'),
});

export const EventsLiveQuery = z.object({
  partition: digits(0).optional().meta({ description: 'one; else all' }),
  from: z
    .enum(['earliest', 'latest'])
    .default('latest')
    .meta({ description: 'where partitions begin that `lastEventId` does not name' }),
  lastEventId: z
    .string()
    .optional()
    .meta({ description: 'The `id` of the last event that was seen: a place in every partition.' }),
});

export const EventsPage = z
  .object({
    events: z.array(StreamEvent),
    next: z.number().int().meta({ description: 'read on from here' }),
  })
  .meta({ id: 'EventsPage' });
export type EventsPage = z.infer<typeof EventsPage>;

export const PartitionStatus = z.object({
  partition: z.number().int(),
  first: z.number().int().meta({ description: 'the oldest offset that is still there' }),
  next: z.number().int().meta({ description: 'the offset that the next event gets' }),
  bytes: z.number().int(),
  segments: z.number().int(),
  sealed: z.number().int().optional().meta({
    description: 'events below this offset lie in sealed segments, the others in the tail',
  }),
});
export type PartitionStatus = z.infer<typeof PartitionStatus>;

export const StreamConsumer = z.object({
  processor: z.string(),
  partition: z.number().int(),
  committed: z.number().int(),
  lag: z.number().int(),
});
export type StreamConsumer = z.infer<typeof StreamConsumer>;

export const Stream = z
  .object({
    name: z.string(),
    claimCheckBytes: z.number().int(),
    retention: z.object({ hours: z.number() }),
    partitionMaxBytes: z.number().int(),
    createdAt: IsoTime,
    partitions: z.array(PartitionStatus),
    consumers: z.array(StreamConsumer),
    claims: z.object({ events: z.number().int(), bytes: z.number().int() }).meta({
      description:
        'events whose payload lies in R2, and the bytes that this kept out of the stream',
    }),
    duplicates: z.number().int(),
    cost: Cost,
  })
  .meta({ id: 'Stream' });
export type Stream = z.infer<typeof Stream>;

export { StreamPoint } from './common.ts';

export const StreamName = ResourceName;
