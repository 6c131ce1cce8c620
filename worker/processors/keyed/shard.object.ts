// What StateObject, JoinObject and WindowObject share: storage, one alarm and the world around a shard. A kind of object
// says how its operator is made, and adds what only it can be asked.
//
// An operator makes its own tables when it is made (`sql.migrate(…)`: a list of its own, beside the shard's). It is
// made anew whenever the shard is configured anew, over the same tables. Statements through `sql` are counted.
import { DurableObject } from 'cloudflare:workers';
import type { LateEvent } from '../../../shared/schemas/processor.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { consumerObject } from '../../stubs.ts';
import { Timers } from '../../platform/timers.store.ts';
import { appendOutputs } from '../../outputs/append-outputs.edge.ts';
import type { Sql } from '../../platform/sql.store.ts';
import { crashOf } from '../../isolates/isolate-run.ts';
import { keyedCode } from './code.edge.ts';
import type { KeyedCode, Operator } from './operator.ts';
import type { ShardPorts } from './shard-ports.ts';
import type {
  KeyedKind,
  Routed,
  RoutedBatch,
  ShardConfig,
  ShardRpc,
  ShardStatus,
  ShardWork,
} from '../../contracts/shard.rpc.ts';
import { ShardStore } from './shard.store.ts';
import { Shard } from './shard.ts';

export type WorkOf<Kind extends KeyedKind> = Extract<ShardWork, { kind: Kind }>;

export type MakeOperator<Kind extends KeyedKind, Of extends Operator> = (
  work: WorkOf<Kind>,
  config: ShardConfig,
  code: KeyedCode,
  sql: Sql,
) => Of;

interface Opened<Of extends Operator> {
  shard: Shard<Of>;
  store: ShardStore;
  timers: Timers<'due'>;
}

export abstract class ShardObject<Kind extends KeyedKind, Of extends Operator>
  extends DurableObject<Env>
  implements ShardRpc
{
  readonly #kind: Kind;
  readonly #make: MakeOperator<Kind, Of>;
  #opened: Opened<Of> | null;

  constructor(ctx: DurableObjectState, env: Env, kind: Kind, make: MakeOperator<Kind, Of>) {
    super(ctx, guardBindings(env));
    this.#kind = kind;
    this.#make = make;
    // Asking a shard that was never configured must not make a database of it.
    const known = "SELECT name FROM sqlite_master WHERE name = 'shard_migrations'";
    this.#opened = [...ctx.storage.sql.exec(known)].length > 0 ? this.#open() : null;
  }

  #open(): Opened<Of> {
    const { env } = this;
    const timers = new Timers(this.ctx.storage, { due: () => this.#opened?.shard.woken() });
    const store = new ShardStore(this.ctx.storage);
    const ports: ShardPorts = {
      nowMs: () => Date.now(),
      random: () => Math.random(),
      append: (stream, events, producer) => appendOutputs(env, stream, events, producer),
      addDeadLetters: (ref, letters) => consumerObject(env, ref).addDeadLetters(letters),
      wake: (atMs) => timers.setEarlier('due', atMs),
      crashOf,
    };
    const make = (config: ShardConfig) => {
      const { work, ref } = config;
      if (!isOf(work, this.#kind)) {
        throw new Error(`a ${this.#kind} shard of ${ref.processor} was configured as ${work.kind}`);
      }
      return this.#make(work, config, keyedCode(env, config), store.sql);
    };
    return { shard: new Shard(store, make, ports), store, timers };
  }

  /** Null before it is configured. A reader must not await in between: it may be made anew. */
  protected get operator(): Of | null {
    return this.#opened?.shard.operator ?? null;
  }

  /** The shard, a call of it counted. */
  #asked(): Shard<Of> | null {
    if (!this.#opened) return null;
    this.#opened.store.operations.durableObjectRequest++;
    return this.#opened.shard;
  }

  async configure(config: ShardConfig): Promise<void> {
    this.#opened ??= this.#open();
    await this.#opened.shard.configure(config);
  }

  async apply(batch: RoutedBatch): Promise<Routed> {
    return (
      (await this.#asked()?.apply(batch)) ?? {
        kind: 'blocked',
        reason: 'the shard is not configured',
      }
    );
  }

  async rested(source: number, at: number): Promise<void> {
    await this.#asked()?.rested(source, at);
  }

  async drain(): Promise<number> {
    return (await this.#asked()?.drain()) ?? 0;
  }

  /** `missing` and `watermarkMs` are for the object to add. */
  async status(): Promise<ShardStatus | null> {
    return this.#asked()?.status() ?? null;
  }

  async late(limit: number): Promise<LateEvent[]> {
    return this.#asked()?.late(limit) ?? [];
  }

  async delete(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    opened?.shard.delete();
    await opened?.timers.deleteAll();
  }

  override async alarm(): Promise<void> {
    const opened = this.#opened;
    if (!opened) return;
    opened.store.operations.durableObjectRequest++;
    await opened.timers.run();
  }
}

const isOf = <Kind extends KeyedKind>(work: ShardWork, kind: Kind): work is WorkOf<Kind> =>
  work.kind === kind;
