// The world of one partition in Node: storage on a real SQLite, R2, queue and claims in memory, a clock that is
// moved by hand, and a process that can be killed at any of its calls. What was committed survives.
import { DatabaseSync } from 'node:sqlite';
import type { StreamWakeUp } from '../../../worker/contracts/wake-ups.ts';
import type { LogPorts } from '../../../worker/log/partition/ports.store.ts';
import { PartitionLog } from '../../../worker/log/partition/partition.store.ts';
import type { LogSizes } from '../../../worker/log/partition/ports.store.ts';
import type { SqlSource } from '../../../worker/platform/sql.store.ts';
import { sqliteStorage } from './sqlite-storage.ts';

export class Killed extends Error {
  override name = 'Killed';
}

interface StoredObject {
  bytes: Uint8Array<ArrayBuffer>;
  metadata: Record<string, string>;
}

export class LogWorld {
  nowMs = 1_000_000;
  readonly objects = new Map<string, StoredObject>();
  readonly holders = new Map<string, Set<string>>();
  readonly wakeUps: StreamWakeUp[] = [];
  /** Calls of the outside world fail while this is set. */
  down = false;
  /** The process dies at the call that brings this to 0: before or after the call had its effect. */
  killIn: { calls: number; after: boolean } | null = null;
  overwrites = 0;
  readonly #db = new DatabaseSync(':memory:');
  readonly #sizes: LogSizes;
  #life = { alive: true };
  log: PartitionLog;

  constructor(sizes: LogSizes) {
    this.#sizes = sizes;
    this.log = this.#open();
  }

  /** The process dies, if it lives, and another one takes over. */
  restart(): void {
    this.#life.alive = false;
    this.killIn = null;
    this.#life = { alive: true };
    this.log = this.#open();
  }

  get alive(): boolean {
    return this.#life.alive;
  }

  /** Moves the clock, and gives the partition its alarms on the way. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (let alarms = 0; alarms < 1_000; alarms++) {
      await this.settle();
      const nextMs = this.alive ? this.log.nextMs() : null;
      if (nextMs === null || nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      await this.log.work().catch(ignoreKilled);
      if (alarms === 999) throw new Error('a thousand alarms, and no end');
    }
    this.nowMs = untilMs;
  }

  async settle(): Promise<void> {
    await this.log.settled();
    // What was left for later may have left more.
    for (let i = 0; i < 20; i++) await Promise.resolve();
    await this.log.settled();
  }

  rowCount(table: string): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  }
  get tables(): number {
    return Number(this.#db.prepare('SELECT count(*) AS n FROM sqlite_master').get()?.n);
  }

  #open(): PartitionLog {
    return new PartitionLog(this.#ports(this.#life), this.#sizes);
  }

  #ports(life: { alive: boolean }): LogPorts {
    const outside = async <Result>(effect: () => Result): Promise<Result> => {
      this.#step(life, false);
      await Promise.resolve();
      if (!life.alive) throw new Killed();
      if (this.down) throw new Error('the world is down');
      const result = effect();
      this.#step(life, true);
      await Promise.resolve();
      if (!life.alive) throw new Killed();
      return result;
    };
    return {
      storage: this.#storage(life),
      bucket: this.#bucket(outside),
      claims: {
        shardOf: (token) => token.length % 3,
        hold: (_, holder, tokens) =>
          outside(() => {
            for (const token of tokens) {
              this.holders.set(token, (this.holders.get(token) ?? new Set()).add(holder));
            }
          }),
        release: (_, holder, tokens) =>
          outside(() => {
            for (const token of tokens) this.holders.get(token)?.delete(holder);
          }),
      },
      ring: (wakeUps) => outside(() => void this.wakeUps.push(...wakeUps)),
      later: (work) => void work.catch(ignoreKilled),
      randomKey: () => [1, 2],
      now: () => this.nowMs,
    };
  }

  #step(life: { alive: boolean }, after: boolean): void {
    const kill = this.killIn;
    if (!kill || !life.alive || kill.after !== after) return;
    if (--kill.calls > 0) return;
    life.alive = false;
    throw new Killed();
  }

  #storage(life: { alive: boolean }): SqlSource {
    return sqliteStorage(this.#db, () => {
      if (!life.alive) throw new Killed();
    });
  }

  #bucket(outside: <Result>(effect: () => Result) => Promise<Result>): R2Bucket {
    const { objects } = this;
    const bucket: Pick<R2Bucket, 'delete'> & Record<string, unknown> = {
      put: (key: string, bytes: Uint8Array<ArrayBuffer>, options?: R2PutOptions) =>
        outside(() => {
          if (options?.onlyIf && objects.has(key)) return null;
          if (objects.has(key)) this.overwrites++;
          objects.set(key, { bytes: bytes.slice(), metadata: { ...options?.customMetadata } });
          return {};
        }),
      head: (key: string) =>
        outside(() => {
          const object = objects.get(key);
          return object ? { size: object.bytes.length, customMetadata: object.metadata } : null;
        }),
      get: (key: string, { range }: { range: { offset: number; length: number } }) =>
        outside(() => {
          const object = objects.get(key);
          if (!object) return null;
          const bytes = object.bytes.slice(range.offset, range.offset + range.length);
          return { arrayBuffer: async () => bytes.buffer };
        }),
      delete: (keys: string | string[]) =>
        outside(() => {
          for (const key of [keys].flat()) objects.delete(key);
        }),
      list: async () => ({ objects: [] }),
      createMultipartUpload: async () => null,
    };
    return bucket as unknown as R2Bucket;
  }
}

function ignoreKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error;
}
