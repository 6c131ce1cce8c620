// What only a JoinObject knows: which keys wait for what.
import type { WaitingKey } from '../../shared/schemas/processor.ts';
import type { ShardPage, ShardRpc } from './shard.rpc.ts';

export interface JoinRpc extends ShardRpc {
  /** One key; also one that has fired or timed out and is still remembered. Null: nothing is known. */
  waitingKey(key: string): Promise<WaitingKey | null>;
  /** The longest waiting first; `order` is a text that sorts so, and is `after` of the next page. */
  waiting(
    after: string | null,
    missing: string | null,
    limit: number,
  ): Promise<ShardPage<WaitingKey>>;
}
