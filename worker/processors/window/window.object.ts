// The open windows of some of a processor's keys. A thin shell: the host is the shard, window-operator.ts the windows.
import { DurableObject } from 'cloudflare:workers';
import type { LateEvent, OpenEventWindow } from '../../../shared/schemas/processor.ts';
import { ShardHost } from '../keyed/shard-host.ts';
import type { KeyedCode } from '../keyed/operator.ts';
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
import type { WindowRpc } from '../../contracts/window.rpc.ts';
import { WindowOperator } from './window-operator.ts';
import { PANE_MIGRATIONS, WindowStore } from './window.store.ts';

function makeOperator(config: ShardConfig, code: KeyedCode, sql: Sql): WindowOperator {
  const { work, retry, sources, paused, ref } = config;
  if (work.kind !== 'window') throw new Error(`${ref.processor} is no processor of windows`);
  sql.migrate(PANE_MIGRATIONS);
  return new WindowOperator(new WindowStore(sql), code, {
    window: work.window,
    adds: work.adds,
    retry,
    sources: sources.length,
    paused,
    nowMs: () => Date.now(),
    random: () => Math.random(),
    crashOf: (error) => (error instanceof IsolateCrashError ? error.error : null),
  });
}

export class WindowObject extends DurableObject<Env> implements WindowRpc {
  readonly #host: ShardHost<WindowOperator>;

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
    const watermarkMs = this.#host.operator?.watermarkMs(Date.now()) ?? null;
    return status && { ...status, watermarkMs };
  }

  async late(limit: number): Promise<LateEvent[]> {
    return this.#host.late(limit);
  }

  async windowsOf(key: string): Promise<OpenEventWindow[]> {
    return this.#host.operator?.windowsOf(key) ?? [];
  }

  async windows(after: string | null, limit: number): Promise<ShardPage<OpenEventWindow>> {
    return this.#host.operator?.windows(after, limit) ?? { items: [], more: false };
  }

  async forget(): Promise<void> {
    await this.#host.forget();
  }

  override async alarm(): Promise<void> {
    await this.#host.alarm();
  }
}
