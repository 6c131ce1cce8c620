// The events of some keys of a join that wait for the others. A thin shell: the shard's host takes what is routed
// here and wakes up in time, buffer-operator.ts knows joins.
import { DurableObject } from 'cloudflare:workers';
import type { LateEvent, WaitingKey } from '../../../shared/schemas/processor.ts';
import type { KeyedCode } from '../keyed/operator.ts';
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
import type { Sql } from '../../platform/sql.ts';
import { IsolateCrashError } from '../../isolates/stateless.edge.ts';
import { JoinOperator } from './join-operator.ts';
import type { JoinRpc } from '../../contracts/join.rpc.ts';
import { JOIN_MIGRATIONS } from './join.store.ts';

export class JoinObject extends DurableObject<Env> implements JoinRpc {
  readonly #host: ShardHost<JoinOperator>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#host = new ShardHost(ctx, this.env, makeOperator);
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
    const status = await this.#host.status();
    return status && { ...status, missing: this.#host.operator?.missing() ?? [] };
  }

  async late(limit: number): Promise<LateEvent[]> {
    return this.#host.late(limit);
  }

  async waitingKey(key: string): Promise<WaitingKey | null> {
    return this.#host.operator?.waiting.key(key) ?? null;
  }

  async waiting(
    after: string | null,
    missing: string | null,
    limit: number,
  ): Promise<ShardPage<WaitingKey>> {
    const waiting = this.#host.operator?.waiting;
    return waiting?.page(after, missing, limit) ?? { items: [], more: false };
  }

  async forget(): Promise<void> {
    await this.#host.forget();
  }

  override async alarm(): Promise<void> {
    await this.#host.alarm();
  }
}

function makeOperator(config: ShardConfig, code: KeyedCode, sql: Sql): JoinOperator {
  const { work, retry, sources } = config;
  if (work.kind !== 'join') throw new Error(`a JoinObject joins: it was given ${work.kind}`);
  sql.migrate(JOIN_MIGRATIONS);
  return new JoinOperator({
    sql,
    rules: work.rules,
    retry,
    code,
    sources,
    random: () => Math.random(),
    crashOf: (error) => (error instanceof IsolateCrashError ? error.error : null),
  });
}
