// The events of some keys of a join that wait for the others. The shard takes what is routed here and wakes
// up in time, join-operator.ts knows joins.
import type { WaitingKey } from '../../../shared/schemas/processor.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import { ShardObject, type WorkOf } from '../keyed/shard.object.ts';
import type { ShardConfig, ShardPage, ShardStatus } from '../../contracts/shard.rpc.ts';
import type { Env } from '../../platform/env.ts';
import type { Sql } from '../../platform/sql.store.ts';
import { crashOf } from '../../isolates/isolate-run.ts';
import { JoinOperator } from './join-operator.ts';
import type { JoinRpc } from '../../contracts/join.rpc.ts';
import { DueRows } from './due-rows.store.ts';
import { JOIN_MIGRATIONS, JoinStore } from './join.store.ts';
import { JOIN_SIZES } from './parts.ts';

export class JoinObject extends ShardObject<'join', JoinOperator> implements JoinRpc {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, 'join', makeOperator);
  }

  override async status(): Promise<ShardStatus | null> {
    const status = await super.status();
    return status && { ...status, missing: this.operator?.missing() ?? [] };
  }

  async waitingKey(key: string): Promise<WaitingKey | null> {
    return this.operator?.waiting.key(key) ?? null;
  }

  async waiting(
    after: string | null,
    missing: string | null,
    limit: number,
  ): Promise<ShardPage<WaitingKey>> {
    const waiting = this.operator?.waiting;
    return waiting?.page(after, missing, limit) ?? { items: [], more: false };
  }
}

function makeOperator(
  { rules }: WorkOf<'join'>,
  { retry, sources }: ShardConfig,
  code: KeyedCode,
  sql: Sql,
): JoinOperator {
  sql.migrate(JOIN_MIGRATIONS);
  return new JoinOperator({
    store: new JoinStore(sql, rules.types),
    rows: new DueRows(sql, JOIN_SIZES),
    rules,
    retry,
    code,
    sources,
    random: () => Math.random(),
    crashOf,
  });
}
