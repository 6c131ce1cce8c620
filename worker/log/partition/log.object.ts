// One partition of a stream. A thin shell: log-partition.ts does it, this gives it storage, R2, the queue, the
// claims, and one alarm.
import { DurableObject } from 'cloudflare:workers';
import { Alarm } from '../../platform/alarm.store.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { StreamWakeUp } from '../../contracts/wake-ups.ts';
import type { Env } from '../../platform/env.ts';
import { claimShard, claimShardOf } from '../../stubs.ts';
import { PartitionLog } from './partition.store.ts';
import type {
  Append,
  AppendOutcome,
  InputPiece,
  Located,
  LogConfig,
  LogRpc,
  LogStatus,
  Measured,
  Point,
} from '../../contracts/log.rpc.ts';

export class LogObject extends DurableObject<Env> implements LogRpc {
  #log: PartitionLog;
  /** What a partition has to do follows from its tables: a row for each timer would cost more than an append. */
  #alarm: Alarm;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#log = this.#open();
    this.#alarm = this.#newAlarm();
    this.#alarm.arm();
  }

  #open(): PartitionLog {
    return new PartitionLog({
      storage: this.ctx.storage,
      bucket: this.env.BUCKET,
      claims: {
        shardOf: claimShardOf,
        hold: (shard, holder, tokens) => claimShard(this.env, shard).hold(holder, tokens),
        release: (shard, holder, tokens) => claimShard(this.env, shard).release(holder, tokens),
      },
      ring: async (wakeUps) => {
        await this.env.STREAM_QUEUE.sendBatch(wakeUps.map((body) => ({ body })));
      },
      later: (work) => this.ctx.waitUntil(work.finally(() => this.#alarm.arm())),
      randomKey: () => {
        const [a = 0, b = 0] = crypto.getRandomValues(new Int32Array(2));
        return [a, b];
      },
      now: Date.now,
    });
  }

  /** Counts the call, and sets the alarm to what follows from it. */
  #do<Result>(call: (log: PartitionLog) => Result): Result {
    this.#log.called();
    const result = call(this.#log);
    this.#alarm.arm();
    return result;
  }

  #newAlarm(): Alarm {
    const { storage } = this.ctx;
    return new Alarm(
      {
        setAlarm: (atMs) => {
          this.#log.alarmSet();
          return storage.setAlarm(atMs);
        },
        deleteAlarm: () => storage.deleteAlarm(),
      },
      () => this.#log.nextMs(),
    );
  }

  override async alarm(): Promise<void> {
    await this.#alarm.run(async () => {
      this.#log.called();
      await this.#log.work();
      if (this.#log.swept) await this.#close();
    });
  }

  async #close(): Promise<void> {
    this.#log.close();
    this.#alarm.close();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#log = this.#open();
    this.#alarm = this.#newAlarm();
  }

  async configure(config: LogConfig): Promise<void> {
    this.#do((log) => log.configure(config));
  }
  async append(batch: Append): Promise<AppendOutcome> {
    return this.#do((log) => log.append(batch));
  }
  async claimRequest(key: string, bodyDigest: string) {
    return this.#do((log) => log.claimRequest(key, bodyDigest));
  }
  async locate(from: number, maxEvents: number, maxBytes: number): Promise<Located> {
    return this.#do((log) => log.locate(from, maxEvents, maxBytes));
  }
  async waitPast(after: number, waitMs: number): Promise<number | 'full'> {
    return this.#do((log) => log.waitPast(after, waitMs));
  }
  async resolve(point: Point): Promise<number> {
    return this.#do((log) => log.resolve(point));
  }
  async status(): Promise<LogStatus | null> {
    return this.#do((log) => log.status());
  }
  async measure(from: number, maxEvents: number, maxBytes: number): Promise<Measured> {
    return this.#do((log) => log.measure(from, maxEvents, maxBytes));
  }
  async pin(holder: string, from: number, to: number, pieceBytes: number): Promise<InputPiece[]> {
    return this.#do((log) => log.pin(holder, from, to, pieceBytes));
  }
  async unpin(holder: string): Promise<void> {
    this.#do((log) => log.unpin(holder));
  }
  async subscribe(reader: string, wakeUp: StreamWakeUp, from: Point): Promise<number> {
    return this.#do((log) => log.subscribe(reader, wakeUp, from));
  }
  async unsubscribe(reader: string): Promise<void> {
    this.#do((log) => log.unsubscribe(reader));
  }
  async caughtUp(reader: string, at: number): Promise<boolean> {
    return this.#do((log) => log.caughtUp(reader, at));
  }
  async delete(): Promise<void> {
    this.#log.called();
    if (await this.#log.delete()) await this.#close();
    else this.#alarm.arm();
  }
}
