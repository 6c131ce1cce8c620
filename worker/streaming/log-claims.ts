// What a partition tells the claims: which its events refer to, and which no longer. Read from the tables each
// time, so that a crash forgets nothing; said in bulk, a call a shard. One at a time: a hold that overtook a
// release of the same claim would be undone by it.
import type { LogStore } from './log-store.ts';

/** How the shards of claims are reached. */
export interface ClaimShards {
  shardOf(token: string): number;
  hold(shard: number, holder: string, tokens: string[]): Promise<void>;
  release(shard: number, holder: string, tokens: string[]): Promise<void>;
}

const ROWS_AT_ONCE = 500;

export class LogClaims {
  readonly #store: LogStore;
  readonly #shards: ClaimShards;

  constructor(store: LogStore, shards: ClaimShards) {
    this.#store = store;
    this.#shards = shards;
  }

  /** Some claims of the log are not held yet, as far as this knows. */
  get pending(): boolean {
    return this.#store.state.heldTo < this.#store.extent.next;
  }

  /** Holds the claims of all events up to now. Repeating it changes nothing. */
  async holdAll(holder: string): Promise<void> {
    const { state, extent } = this.#store;
    if (extent.claimEvents === 0) state.heldTo = extent.next;
    while (this.pending) {
      const { tokens, to } = this.#store.tokensFrom(this.#store.state.heldTo, ROWS_AT_ONCE);
      for (const [shard, own] of this.#byShard(tokens)) await this.#shards.hold(shard, holder, own);
      this.#store.state.heldTo = Math.max(this.#store.state.heldTo, to);
    }
  }

  /** Releases the claims of events that are gone, but for those that a later event refers to as well. */
  async releaseAll(holder: string): Promise<void> {
    for (;;) {
      const chunk = this.#store.releasable();
      if (!chunk) return;
      const unused = new Set(chunk.tokens);
      for (const tokens of this.#store.tokensInUse()) {
        for (const token of tokens) unused.delete(token);
      }
      for (const [shard, own] of this.#byShard([...unused])) {
        await this.#shards.release(shard, holder, own);
      }
      this.#store.deleteTokens(chunk.place);
    }
  }

  #byShard(tokens: readonly string[]): Map<number, string[]> {
    return Map.groupBy(new Set(tokens), (token) => this.#shards.shardOf(token));
  }
}
