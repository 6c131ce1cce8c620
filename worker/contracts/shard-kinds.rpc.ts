// What the shards of each keyed kind answer.
import type { JoinRpc } from './join.rpc.ts';
import type { KeyedKind, ShardRpc } from './shard.rpc.ts';
import type { StateRpc } from './state.rpc.ts';
import type { WindowRpc } from './window.rpc.ts';

export interface ShardRpcs extends Record<KeyedKind, ShardRpc> {
  stateful: StateRpc;
  join: JoinRpc;
  window: WindowRpc;
}
