// Code that runs once for a key, when an event of every type has come. Pure.
import { plural } from '../../../lib/format.ts';
import { words } from './draft.ts';
import { KEYED, keysDraftOf, keysPartOf, lateDraftOf, latePartOf, tooLate } from './keyed.ts';
import type { KindRules, SpecOf } from './rules.ts';

const HOLDS = {
  one: 'waiting key',
  many: 'waiting keys',
  short: 'waiting',
  heading: 'Waiting keys',
};

export const JOIN: KindRules<SpecOf<'join'>> = {
  ...KEYED,
  title: 'When all types are there',
  line: 'joins events of one key, once',
  templates: ['product'],
  templateOf: () => 'product',
  fields: [
    ...KEYED.fields,
    'late',
    'join.types',
    'join.timeoutMs',
    'join.onTimeout',
    'join.rememberMs',
  ],
  draftOf(spec) {
    const { types, ...rules } = spec.join;
    return { ...keysDraftOf(spec), ...lateDraftOf(spec), joinTypes: types.join(', '), ...rules };
  },
  partOf(draft, streams, errors) {
    const { timeoutMs, onTimeout, rememberMs } = draft;
    const keys = keysPartOf(draft, streams, errors);
    const types = words(draft.joinTypes);
    if (types.length < 2) errors.push({ path: 'join.types', message: 'name two types or more' });
    const join = { types, timeoutMs, onTimeout, rememberMs };
    return { ...keys, ...latePartOf(draft), join };
  },
  filtersTypes: false,
  types: (spec) => spec.join.types,
  holds: HOLDS,
  counters: ({ fired = 0, timedOut = 0, repeated = 0, late }) => [
    ['Fired', 'joins that were complete', fired],
    ['Timed out', 'joins that were not', timedOut],
    ['Repeated', 'events whose id was there already', repeated],
    tooLate(late),
  ],
  late: {
    none: 'None. What comes for a key after its join fired or timed out lands here, and so does a type that is there already.',
    stream: (spec) => spec.late,
  },
  drain: {
    does: 'Every key that waits times out now',
    nothing: 'Nothing waits',
    isEmpty: ({ keyed }) => keyed?.keys === 0,
    warning: {
      title: 'Let every key time out now?',
      keep: 'Let them wait',
      text({ join }, keys) {
        const who = `${plural(keys, HOLDS.one, HOLDS.many)} ${keys === 1 ? 'is' : 'are'} not complete.`;
        const dropped = join.onTimeout === 'drop' ? ': its events are dropped' : '';
        return `${who} Each ends as if its time were over${dropped}; what still comes for it is late.`;
      },
    },
  },
};
