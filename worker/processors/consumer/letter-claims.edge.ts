// Payloads of dead letters must not be collected with the segments that their events came in: the consumer holds
// the claims itself, and lets go when the letter is gone. Owed in the store, settled by a timer.
import { CONNECTIONS_MAX } from '../../../shared/limits.ts';
import type { Env } from '../../platform/env.ts';
import { claimShard, claimShardOf } from '../../stubs.ts';
import type { ConsumerStore } from './consumer.store.ts';

const TOKENS_AT_ONCE = 500;

const holderOf = (consumer: string) => `${consumer}/dead`;

/** True: there was more than fits at once. */
export async function settleClaims(
  env: Env,
  store: ConsumerStore,
  consumer: string,
): Promise<boolean> {
  const { hold, release } = store.unsettledTokens(TOKENS_AT_ONCE);
  await byShard(hold, async (shard, tokens) => {
    await claimShard(env, shard).hold(holderOf(consumer), tokens);
    store.transaction(() => tokens.forEach((token) => store.tokenHeld(token)));
  });
  await byShard(release, async (shard, tokens) => {
    await claimShard(env, shard).release(holderOf(consumer), tokens);
    store.transaction(() => tokens.forEach((token) => store.tokenReleased(token)));
  });
  return hold.length === TOKENS_AT_ONCE || release.length === TOKENS_AT_ONCE;
}

/** Of a consumer that is about to be forgotten. */
export async function releaseAllClaims(
  env: Env,
  store: ConsumerStore,
  consumer: string,
): Promise<void> {
  let tokens = store.tokens('', TOKENS_AT_ONCE);
  while (tokens.length > 0) {
    await byShard(tokens, (shard, some) =>
      claimShard(env, shard).release(holderOf(consumer), some),
    );
    tokens = store.tokens(tokens.at(-1) ?? '', TOKENS_AT_ONCE);
  }
}

async function byShard(
  tokens: string[],
  work: (shard: number, tokens: string[]) => Promise<void>,
): Promise<void> {
  const shards = Map.groupBy(tokens, claimShardOf);
  const waiting = shards.entries();
  const lane = async () => {
    for (const [shard, some] of waiting) await work(shard, some);
  };
  await Promise.all(Array.from({ length: CONNECTIONS_MAX }, lane));
}
