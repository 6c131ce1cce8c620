// The states of some keys of a stateful processor: a thin shell around its shard and its operator.
import { DurableObject } from 'cloudflare:workers';
import type { LateEvent, StateEntry } from '../../../shared/schemas/processor.ts';
import { ShardHost } from '../keyed/shard-host.ts';
import type {
  Routed,
  RoutedBatch,
  ShardConfig,
  ShardPage,
  ShardStatus,
} from '../../contracts/shard.rpc.ts';
import { guardBindings } from '../../platform/bindings.ts';
import type { Env } from '../../platform/env.ts';
import { StateStore } from './state.store.ts';
import type { StoredState, StateRpc } from '../../contracts/state.rpc.ts';
import { StateOperator } from './state-operator.ts';

export class StateObject extends DurableObject<Env> implements StateRpc {
  readonly #host: ShardHost<StateOperator<StateStore>>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#host = new ShardHost(ctx, this.env, ({ work }, code, sql) => {
      if (work.kind !== 'stateful')
        throw new Error(`a StateObject was configured as a ${work.kind}`);
      return new StateOperator(new StateStore(sql), code, work.ttlMs);
    });
  }

  async configure(config: ShardConfig): Promise<void> {
    await this.#host.configure(config);
  }

  async apply(batch: RoutedBatch): Promise<Routed> {
    return this.#host.apply(batch);
  }

  async rested(source: number, at: number): Promise<void> {
    await this.#host.rested(source, at);
  }

  async drain(): Promise<number> {
    return this.#host.drain();
  }

  async status(): Promise<ShardStatus | null> {
    return this.#host.status();
  }

  async late(limit: number): Promise<LateEvent[]> {
    return this.#host.late(limit);
  }

  async forget(): Promise<void> {
    await this.#host.forget();
  }

  async state(key: string): Promise<StoredState | null> {
    return this.#host.operator?.states.state(key, Date.now()) ?? null;
  }

  async states(
    after: string | null,
    prefix: string,
    limit: number,
    whole: boolean,
  ): Promise<ShardPage<StateEntry>> {
    const states = this.#host.operator?.states;
    return states?.states(after, prefix, limit, whole, Date.now()) ?? { items: [], more: false };
  }

  override async alarm(): Promise<void> {
    await this.#host.alarm();
  }
}
