// One shard of the claims: which logs and runs hold a payload that lies in R2, and the end of those without a holder.
// It carries tokens; the bytes go between R2 and the reader, past it.
import { DurableObject } from 'cloudflare:workers';
import type { Claim } from '../../shared/schemas/claim.ts';
import { guardBindings, R2_DELETE_MAX_KEYS } from '../platform/bindings.edge.ts';
import type { Env } from '../platform/env.ts';
import { claimKey } from '../platform/keys.ts';
import { Timers } from '../platform/timers.store.ts';
import { ClaimStore } from './claim.store.ts';
import type { ClaimRpc, FoundClaim } from '../contracts/claim.rpc.ts';

export class ClaimObject extends DurableObject<Env> implements ClaimRpc {
  readonly #store: ClaimStore;
  readonly #timers: Timers<'collect'>;
  /** What the timer is set to, as far as this instance knows: it is only ever moved forward. */
  #collectAtMs: number;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new ClaimStore(ctx.storage);
    this.#timers = new Timers(ctx.storage, { collect: (nowMs) => this.#collect(nowMs) });
    this.#collectAtMs = Infinity;
    this.#rearm();
  }

  async register(claims: Claim[]): Promise<void> {
    this.#store.register(claims, Date.now());
    this.#rearm();
  }

  async find(token: string): Promise<FoundClaim> {
    return this.#store.find(token);
  }

  async touch(tokens: string[]): Promise<FoundClaim[]> {
    return this.#store.touch(tokens, Date.now());
  }

  async hold(holder: string, tokens: string[]): Promise<void> {
    this.#store.hold(holder, tokens);
  }

  async release(holder: string, tokens: string[]): Promise<void> {
    this.#store.release(holder, tokens, Date.now());
    this.#rearm();
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  /** One batch an alarm; when more is due the next alarm comes at once. */
  async #collect(nowMs: number): Promise<void> {
    const tokens = this.#store.takeDue(nowMs, R2_DELETE_MAX_KEYS);
    if (tokens.length > 0) {
      // When this fails they stay `collecting`, answered with 410, and the timer deletes them later.
      await this.env.BUCKET.delete(tokens.map(claimKey));
      this.#store.collected(tokens, nowMs);
    }
    this.#collectAtMs = Infinity;
    this.#rearm();
  }

  /** A timer that comes too early finds nothing due: cheaper than a write for every claim that is held. */
  #rearm(): void {
    const dueMs = this.#store.nextDueMs();
    if (dueMs !== null && dueMs < this.#collectAtMs) this.#setTimer(dueMs);
  }

  #setTimer(atMs: number): void {
    this.#collectAtMs = atMs;
    this.#timers.set('collect', atMs);
  }
}
