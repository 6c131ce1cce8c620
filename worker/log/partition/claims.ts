// What a partition tells the claims: which its events refer to, and which no longer. Read from the tables each
// time, so that a crash forgets nothing; said in bulk, one call per shard. One at a time: a hold that overtook a
// release of the same claim would be undone by it.
import type { LogStore } from './log.store.ts';

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

  /** Some events' claims are not held yet, or not released, as far as this knows. */
  get pending(): boolean {
    const { state, extent, attachments } = this.#store;
    return state.heldTo < extent.next || attachments.tokensBefore(state.first) !== null;
  }

  /** Events without claims were appended: what was held up to there is held up to here. */
  nothingToHold(from: number, to: number): void {
    if (this.#store.state.heldTo === from) this.#store.state.heldTo = to;
  }

  /** Holds the claims of all events up to now. Repeating it changes nothing. */
  async holdAll(holder: string): Promise<void> {
    const store = this.#store;
    while (store.state.heldTo < store.extent.next) {
      const { next, claimEvents } = store.extent;
      const { tokens, to } =
        claimEvents === 0
          ? { tokens: [], to: null }
          : store.attachments.tokensOfRows(store.state.heldTo, ROWS_AT_ONCE);
      for (const [shard, own] of this.#byShard(tokens)) await this.#shards.hold(shard, holder, own);
      store.state.heldTo = Math.max(store.state.heldTo, to ?? next);
    }
  }

  /** Releases the claims of events that are gone, but for those that a later event refers to as well. */
  async releaseAll(holder: string): Promise<void> {
    const { attachments } = this.#store;
    for (;;) {
      const { first } = this.#store.state;
      const chunk = attachments.tokensBefore(first);
      if (!chunk) return;
      const unused = new Set(chunk.tokens);
      for (const tokens of attachments.tokensFrom(first)) {
        for (const token of tokens) unused.delete(token);
      }
      for (const [shard, own] of this.#byShard(unused)) {
        await this.#shards.release(shard, holder, own);
      }
      attachments.deleteTokens(chunk.place);
    }
  }

  #byShard(tokens: Iterable<string>): Map<number, string[]> {
    return Map.groupBy(new Set(tokens), (token) => this.#shards.shardOf(token));
  }
}
