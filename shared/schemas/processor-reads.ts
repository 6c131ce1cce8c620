// What can be read of the state that keyed processors hold: by key, and as lists.
import * as z from 'zod';
import { EVENT_TYPE_MAX_CHARS, STATE_KEY_MAX_BYTES } from '../limits.ts';
import { IsoTime, JsonValue, ListQuery } from './common.ts';
import { StreamEvent } from './stream.ts';

/** Everything up to `offset` (not included) has been applied; `end` is where the partition ends now. */
export const AppliedOffset = z.object({
  stream: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  end: z.number().int(),
});
export type AppliedOffset = z.infer<typeof AppliedOffset>;

export const WaitingEvent = z.object({
  type: z.string(),
  stream: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  id: z.string(),
  at: IsoTime.meta({ description: 'when it was taken in' }),
});
export const WaitingKey = z
  .object({
    key: z.string(),
    state: z.enum(['waiting', 'fired', 'timedOut']),
    since: IsoTime.meta({ description: 'of the first arrival; of the end, once it has fired' }),
    dueAt: IsoTime.nullable().meta({ description: 'when it times out' }),
    arrived: z.array(WaitingEvent),
    missing: z.array(z.string()),
  })
  .meta({ id: 'WaitingKey' });
export type WaitingKey = z.infer<typeof WaitingKey>;

export const OpenEventWindow = z
  .object({
    key: z.string(),
    start: IsoTime,
    end: IsoTime,
    closesAt: IsoTime.meta({ description: 'in event time: its end and the grace after it' }),
    events: z.number().int(),
    bytes: z.number().int(),
    state: JsonValue.optional().meta({ description: 'what `add` has made so far' }),
  })
  .meta({ id: 'OpenEventWindow' });
export type OpenEventWindow = z.infer<typeof OpenEventWindow>;

/** `GET …/state/:key`. */
export const KeyedState = z
  .object({
    key: z.string(),
    shard: z.number().int(),
    version: z.number().int(),
    state: JsonValue.meta({ description: 'stateful; null where there is none' }),
    changedAt: IsoTime.nullable(),
    expiresAt: IsoTime.nullable(),
    bytes: z.number().int(),
    waiting: WaitingKey.nullable().optional().meta({ description: 'join' }),
    windows: z.array(OpenEventWindow).optional().meta({ description: 'window' }),
    asOf: z.array(AppliedOffset),
  })
  .meta({ id: 'KeyedState' });
export type KeyedState = z.infer<typeof KeyedState>;

/** Cursors are keys, or a time and a key. */
const KeyedListQuery = ListQuery.extend({
  cursor: z
    .string()
    .max(STATE_KEY_MAX_BYTES + 100)
    .optional(),
});

export const StateQuery = KeyedListQuery.extend({
  prefix: z.string().max(STATE_KEY_MAX_BYTES).default(''),
  format: z.enum(['json', 'ndjson']).default('json').meta({
    description: 'ndjson: all of it, a line a key, as it is read',
  }),
});

export const StateEntry = z
  .object({
    key: z.string(),
    state: JsonValue.meta({ description: 'null in lists where it is larger than a list carries' }),
    bytes: z.number().int(),
    changedAt: IsoTime,
    expiresAt: IsoTime.nullable(),
  })
  .meta({ id: 'StateEntry' });
export type StateEntry = z.infer<typeof StateEntry>;

export const WaitingQuery = KeyedListQuery.extend({
  missing: z
    .string()
    .max(EVENT_TYPE_MAX_CHARS)
    .optional()
    .meta({ description: 'only keys that wait for this type' }),
});

export const OpenWindowsQuery = KeyedListQuery;

/** Cursors are an offset, and the consumer where there are several. */
export const DeadLettersQuery = ListQuery.extend({
  cursor: z
    .string()
    .regex(/^(?:\d{1,16}:)?\d{0,16}$/)
    .optional(),
});

export const LateQuery = ListQuery.pick({ limit: true });

export const LATE_REASONS = ['fired', 'timed-out', 'type-taken', 'closed', 'future'] as const;
export type LateReason = (typeof LATE_REASONS)[number];
export const LateEvent = z
  .object({
    event: StreamEvent,
    stream: z.string(),
    key: z.string(),
    reason: z.enum(LATE_REASONS),
    at: IsoTime,
  })
  .meta({ id: 'LateEvent' });
export type LateEvent = z.infer<typeof LateEvent>;
