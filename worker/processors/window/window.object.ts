// The open windows of some of a processor's keys. window-operator.ts knows windows.
import type { OpenEventWindow } from '../../../shared/schemas/processor.ts';
import { ShardObject, type WorkOf } from '../keyed/shard.object.ts';
import type { KeyedCode } from '../keyed/operator.ts';
import type { ShardConfig, ShardPage, ShardStatus } from '../../contracts/shard.rpc.ts';
import type { Env } from '../../platform/env.ts';
import type { Sql } from '../../platform/sql.store.ts';
import { crashOf } from '../../isolates/isolate-run.ts';
import type { WindowRpc } from '../../contracts/window.rpc.ts';
import { WindowOperator } from './window-operator.ts';
import { WINDOW_MIGRATIONS, WindowStore } from './window.store.ts';

function makeOperator(
  { window, adds }: WorkOf<'window'>,
  { retry, sources, paused }: ShardConfig,
  code: KeyedCode,
  sql: Sql,
): WindowOperator {
  sql.migrate(WINDOW_MIGRATIONS);
  return new WindowOperator(new WindowStore(sql), code, {
    window,
    adds,
    retry,
    sources: sources.length,
    paused,
    nowMs: () => Date.now(),
    random: () => Math.random(),
    crashOf,
  });
}

export class WindowObject extends ShardObject<'window', WindowOperator> implements WindowRpc {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, 'window', makeOperator);
  }

  override async status(): Promise<ShardStatus | null> {
    const status = await super.status();
    const watermarkMs = this.operator?.watermarkMs(Date.now()) ?? null;
    return status && { ...status, watermarkMs };
  }

  async windowsOf(key: string): Promise<OpenEventWindow[]> {
    return this.operator?.windowsOf(key) ?? [];
  }

  async windows(after: string | null, limit: number): Promise<ShardPage<OpenEventWindow>> {
    return this.operator?.windows(after, limit) ?? { items: [], more: false };
  }
}
