// What only a StateObject knows: the states of its keys.
import type { StateEntry } from '../../shared/schemas/processor.ts';
import type { ShardPage, ShardRpc } from './shard.rpc.ts';

export interface StoredState {
  /** JSON. */
  state: string;
  bytes: number;
  changedAtMs: number;
  expiresAtMs: number | null;
}

export interface StateRpc extends ShardRpc {
  /** Null: none, or its time is over. */
  state(key: string): Promise<StoredState | null>;
  /** In order of the keys' UTF-8 bytes; `order` is the key. `whole`: also states too large for a list. */
  states(
    after: string | null,
    prefix: string,
    limit: number,
    whole: boolean,
  ): Promise<ShardPage<StateEntry>>;
}
