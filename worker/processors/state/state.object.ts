// The states of some keys of a stateful processor: state-operator.ts knows them.
import type { StateEntry } from '../../../shared/schemas/processor.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import { ShardObject, type WorkOf } from '../keyed/shard.object.ts';
import type { ShardConfig, ShardPage } from '../../contracts/shard.rpc.ts';
import type { Env } from '../../platform/env.ts';
import type { Sql } from '../../platform/sql.store.ts';
import { StateStore } from './state.store.ts';
import type { StoredState, StateRpc } from '../../contracts/state.rpc.ts';
import { StateOperator } from './state-operator.ts';

export class StateObject
  extends ShardObject<'stateful', StateOperator<StateStore>>
  implements StateRpc
{
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, 'stateful', makeOperator);
  }

  async state(key: string): Promise<StoredState | null> {
    return this.operator?.states.state(key, Date.now()) ?? null;
  }

  async states(
    after: string | null,
    prefix: string,
    limit: number,
    whole: boolean,
  ): Promise<ShardPage<StateEntry>> {
    const states = this.operator?.states;
    return states?.states(after, prefix, limit, whole, Date.now()) ?? { items: [], more: false };
  }
}

function makeOperator(
  { ttlMs }: WorkOf<'stateful'>,
  _config: ShardConfig,
  code: KeyedCode,
  sql: Sql,
) {
  return new StateOperator(new StateStore(sql), code, ttlMs);
}
