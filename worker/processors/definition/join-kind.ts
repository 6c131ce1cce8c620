// Join: shards keep the events of a key until one of each type is there.
import type { JoinSpec } from '../../../shared/schemas/processor.ts';
import type { ShardStatus } from '../../contracts/shard.rpc.ts';
import { NOTHING_KEPT } from './kind-entry.ts';
import { keyedKind } from './keyed-kind.ts';

export const JOIN = keyedKind<JoinSpec>({
  work: ({ join }) => ({ kind: 'join', rules: join }),
  routing: ({ join }) => ({ types: join.types, time: null }),
  counters: { late: 0, fired: 0, timedOut: 0, repeated: 0 },
  holdings: ({ join }, shards) => ({ missing: missingOf(join.types, shards) }),
  drains: true,
  fixedField({ spec: before }, { spec: after }) {
    const same = before.join.types.join('\n') === after.join.types.join('\n');
    return same ? null : { path: 'join.types', what: 'list of joined types' };
  },
  kept: 'what waits is under /waiting',
  reads: ['state', 'waiting', 'late'],
  read: async (shard, key) => ({ ...NOTHING_KEPT, waiting: await shard.waitingKey(key) }),
});

/** By the processor's types, zeros too. */
function missingOf(types: readonly string[], shards: readonly ShardStatus[]) {
  const counts = new Map(types.map((type) => [type, 0]));
  for (const { type, count } of shards.flatMap(({ missing }) => missing)) {
    counts.set(type, (counts.get(type) ?? 0) + count);
  }
  return [...counts].map(([type, count]) => ({ type, count }));
}
