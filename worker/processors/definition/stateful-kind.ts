// Stateful: shards keep a state under each key. Nothing is open, so there is nothing to drain.
import { isoTime } from '../../../shared/iso-time.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import type { StatefulSpec } from '../../../shared/schemas/processor.ts';
import { NOTHING_KEPT } from './kind-entry.ts';
import { keyedKind } from './keyed-kind.ts';

export const STATEFUL = keyedKind<StatefulSpec>({
  work: ({ ttlMs = null }) => ({ kind: 'stateful', ttlMs }),
  routing: ({ types = null }) => ({ types, time: null }),
  counters: { forgotten: 0 },
  holdings: () => ({}),
  drains: false,
  fixedField: () => null,
  kept: 'what it keeps is under /state',
  reads: ['state', 'states'],
  async read(shard, key) {
    const stored = await shard.state(key);
    if (!stored) return NOTHING_KEPT;
    const { state, bytes, changedAtMs, expiresAtMs } = stored;
    return {
      state: JSON.parse(state) as Json,
      changedAt: isoTime(changedAtMs),
      expiresAt: expiresAtMs === null ? null : isoTime(expiresAtMs),
      bytes,
    };
  },
});
