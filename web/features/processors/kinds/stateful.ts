// Code that sees and changes the state of each event's key. Pure.
import { KEYED, keysDraftOf, keysPartOf } from './keyed.ts';
import type { KindRules, SpecOf } from './rules.ts';

export const STATEFUL: KindRules<SpecOf<'stateful'>> = {
  ...KEYED,
  title: 'With a state by key',
  line: 'each event sees and changes its key’s state',
  templates: ['counter', 'address'],
  templateOf: () => 'counter',
  fields: [...KEYED.fields, 'ttlMs'],
  draftOf: (spec) => ({ ...keysDraftOf(spec), ttlMs: spec.ttlMs ?? null }),
  partOf: (draft, streams, errors) => ({
    ...keysPartOf(draft, streams, errors),
    ...(draft.ttlMs !== null && { ttlMs: draft.ttlMs }),
  }),
  holds: { one: 'key', many: 'keys', short: 'keys', heading: 'Keys with state' },
  counters: ({ forgotten = 0 }) => [['Forgotten', 'keys whose time to live was over', forgotten]],
};
