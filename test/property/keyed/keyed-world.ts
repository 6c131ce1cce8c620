// A keyed processor in Node: partitions in memory, the real consumers, routers and shards, the shards' tables on a
// real SQLite. Dispatchers die between any two steps, shards are restarted at any of theirs, streams are full for a
// while, wake-ups are lost and doubled, and everything happens in a random order.
import { DatabaseSync } from 'node:sqlite';
import { WAKE_UP_AGAIN_MS, CONSUME_FOR_MS, CONSUME_LEASE_MS } from '../../../shared/limits.ts';
import { hashKey } from '../../../shared/mapreduce/hash.ts';
import type { RetrySpec } from '../../../shared/schemas/processor.ts';
import { route, RoutedCrashError } from '../../../worker/processors/keyed/route.ts';
import type { ShardConfig, ShardRef } from '../../../worker/contracts/shard.rpc.ts';
import { Shard } from '../../../worker/processors/keyed/shard.ts';
import { ShardStore } from '../../../worker/processors/keyed/shard.store.ts';
import { ProblemError } from '../../../worker/platform/problem.ts';
import { consume } from '../../../worker/processors/consumer/consume.ts';
import type { ConsumePorts } from '../../../worker/processors/consumer/consume-ports.ts';
import type { ConsumerConfig } from '../../../worker/contracts/consumer.rpc.ts';
import { Consumer } from '../../../worker/processors/consumer/consumer.ts';
import type { OutputEvents } from '../../../worker/outputs/effects.ts';
import type { PartitionRef } from '../../../worker/contracts/names.ts';
import { MemoryStorage, randomOf } from '../../support/consumer-world.ts';
import { sqliteStorage } from '../log/sqlite-storage.ts';
import { Crash, type Deed, DeedOperator } from './deed-operator.ts';

export interface Event {
  key: string;
  deed: Deed;
}

export interface Plan {
  seed: number;
  /** By partition. */
  events: Event[][];
  retry: RetrySpec;
  /** Shares of steps, out of 1. */
  deaths: number;
  restarts: number;
  lostWakeUps: number;
  fullShare: number;
  pairWaitsMs: number;
}

export interface Appended {
  type: string;
  key: string | null;
  payload: unknown;
  source: { partition: number; offset: number; late?: string };
}

class Death extends Error {}
const SHARDS = 2;
const PROCESSOR = { processor: 'p', processorUid: 'processor_000000001', generation: 1 };

interface Reader {
  ref: PartitionRef;
  storage: MemoryStorage;
  consumer: Consumer;
  wakeUps: number;
  wakeMs: number | null;
  /** The log's side of the reader. */
  ringAtMs: number | null;
}

interface Home {
  ref: ShardRef;
  db: DatabaseSync;
  life: { alive: boolean };
  shard: Shard<DeedOperator>;
  alarmMs: number | null;
}

export class KeyedWorld {
  readonly streams = new Map<string, Appended[]>();
  readonly readers: Reader[];
  readonly homes: Home[];
  readonly unexpected: unknown[] = [];
  mended = false;
  /** From now on nobody dies and nothing is lost, so that it comes to an end. */
  calm = false;
  nowMs = 1_000_000;
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #producers = new Map<string, number>();
  #runs = 0;
  #waiting: (() => void)[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = randomOf(plan.seed);
    this.readers = plan.events.map((_, partition) => this.#reader(partition));
    this.homes = Array.from({ length: SHARDS }, (_, shard) => this.#home(shard));
  }

  // --- Its parts ------------------------------------------------------------------------------------

  #reader(partition: number): Reader {
    const ref = { stream: 's', uid: 'stream_1', partition };
    const storage = new MemoryStorage();
    const reader = { ref, storage, wakeUps: 0, wakeMs: null, ringAtMs: null } as unknown as Reader;
    reader.consumer = this.#openConsumer(reader);
    return reader;
  }

  #openConsumer(reader: Reader): Consumer {
    return new Consumer(reader.storage, {
      nowMs: () => this.nowMs,
      random: () => this.#random(),
      caughtUp: async (_, at) => {
        const asked = reader.consumer;
        await this.#gate();
        if (asked !== reader.consumer) throw new Error('restarted meanwhile');
        const caughtUp = at >= this.#eventsOf(reader).length;
        reader.ringAtMs = caughtUp ? null : this.nowMs + WAKE_UP_AGAIN_MS;
        return caughtUp;
      },
      announce: () => undefined,
      sendWakeUp: async () => this.#ring(reader),
      wake: (atMs) => (reader.wakeMs = Math.min(reader.wakeMs ?? Infinity, atMs)),
    });
  }

  #eventsOf({ ref }: Reader): Event[] {
    return this.#plan.events[ref.partition] as Event[];
  }

  #home(shard: number): Home {
    const ref = { ...PROCESSOR, shard };
    const home = { ref, db: new DatabaseSync(':memory:'), alarmMs: null } as unknown as Home;
    this.#openShard(home);
    return home;
  }

  #openShard(home: Home): void {
    const life = (home.life = { alive: true });
    const check = () => {
      if (!life.alive) throw new Death('the shard was restarted');
    };
    const step = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
      await this.#gate();
      check();
      const result = await work();
      await this.#gate();
      check();
      return result;
    };
    const store = new ShardStore(sqliteStorage(home.db, check));
    const deeds = {
      random: this.#random,
      mended: () => this.mended,
      running: () => step(() => undefined),
      pairWaitsMs: this.#plan.pairWaitsMs,
      nextRun: () => this.#runs++,
    };
    home.shard = new Shard(store, () => new DeedOperator(store.sql, deeds), {
      nowMs: () => this.nowMs,
      random: this.#random,
      append: (stream, events, producer) => this.#append(step, stream, events, producer),
      addDeadLetters: ({ source }, letters) =>
        step(
          () =>
            this.readers[source.partition]?.consumer.addDeadLetters(structuredClone(letters)) ??
            null,
        ),
      wake: (atMs) => {
        check();
        home.alarmMs = Math.min(home.alarmMs ?? Infinity, atMs);
      },
      crashOf: (error) =>
        error instanceof Crash ? { code: 'internal', message: 'out of memory' } : null,
    });
  }

  async begin(): Promise<void> {
    for (const { shard, ref } of this.homes) await shard.configure(this.#shardConfig(ref));
    for (const reader of this.readers) {
      reader.ringAtMs = this.nowMs;
      await reader.consumer.configure(this.#consumerConfig(reader), async () => 0);
    }
  }

  #shardConfig(ref: ShardRef): ShardConfig {
    return {
      ref,
      work: { kind: 'stateful', ttlMs: null },
      ...this.#code(),
      late: 'late',
      paused: false,
      sources: this.readers.map(({ ref }) => ref),
    };
  }

  #consumerConfig({ ref }: Reader): ConsumerConfig {
    const routing = {
      kind: 'stateful' as const,
      shards: SHARDS,
      keyBy: 'payload.key',
      source: ref.partition,
      time: null,
    };
    const reader = { ...PROCESSOR, source: ref };
    return { ref: reader, ...this.#code(), types: null, paused: false, rebuilding: false, routing };
  }

  #code() {
    const { retry } = this.#plan;
    const program = { version: 1, programKey: 'k', programHash: 'h', guard: false };
    return { ...program, output: 'out', services: {}, params: {}, retry };
  }

  redriveAll(): void {
    for (const { storage, consumer } of this.readers) {
      storage.redriveAll(this.nowMs);
      consumer.lettersChanged();
    }
  }

  get settled(): boolean {
    return this.readers.every(
      (reader) =>
        reader.consumer.record?.place.committed === this.#eventsOf(reader).length &&
        reader.storage.nextRedriveMs() === null,
    );
  }

  // --- What happens -----------------------------------------------------------------------------------

  /** Lets everything happen, in a random order, until nothing more does; time passes when nothing else can. */
  async run(): Promise<void> {
    for (let step = 0; step < 30_000; step++) {
      await new Promise(setImmediate);
      this.#restartSome();
      if (this.#random() < 0.1) this.#alarm();
      const rung = this.readers.filter(({ wakeUps }) => wakeUps > 0);
      if (rung.length > 0 && (this.#waiting.length === 0 || this.#random() < 0.2)) {
        const reader = rung[Math.floor(this.#random() * rung.length)] as Reader;
        reader.wakeUps--;
        this.#background(consume(this.#consumeWorld(reader)));
      } else if (this.#waiting.length > 0) {
        const pick = Math.floor(this.#random() * this.#waiting.length);
        this.#waiting.splice(pick, 1)[0]?.();
      } else if (!(await this.#passTime())) {
        return;
      }
    }
    throw new Error('it never came to rest');
  }

  #background(work: Promise<unknown>): void {
    void work.catch((error: unknown) => {
      if (!(error instanceof Death)) this.unexpected.push(error);
    });
  }

  /** Memory is gone, with the calls that were going on; timers and storage stay. */
  #restartSome(): void {
    if (this.calm) return;
    for (const reader of this.readers) {
      if (this.#random() < this.#plan.restarts / 4) reader.consumer = this.#openConsumer(reader);
    }
    for (const home of this.homes) {
      if (this.#random() > this.#plan.restarts) continue;
      home.life.alive = false;
      this.#openShard(home);
    }
  }

  #ring(reader: Reader): void {
    if (!this.calm && this.#random() < this.#plan.lostWakeUps) return;
    reader.wakeUps += !this.calm && this.#random() < this.#plan.lostWakeUps ? 2 : 1;
  }

  async #passTime(): Promise<boolean> {
    const times = [
      ...this.readers.flatMap(({ wakeMs, ringAtMs }) => [wakeMs, ringAtMs]),
      ...this.homes.map(({ alarmMs }) => alarmMs),
    ].filter((atMs) => atMs !== null);
    if (times.length === 0) return false;
    this.nowMs = Math.max(this.nowMs + 1, Math.min(...times));
    const isDue = (atMs: number | null) => atMs !== null && atMs <= this.nowMs;
    for (const reader of this.readers) {
      if (isDue(reader.wakeMs)) {
        reader.wakeMs = null;
        await reader.consumer.woken();
      }
      if (isDue(reader.ringAtMs)) {
        reader.ringAtMs = this.nowMs + WAKE_UP_AGAIN_MS;
        this.#ring(reader);
      }
    }
    this.#alarm();
    return true;
  }

  #alarm(): void {
    for (const home of this.homes) {
      if (home.alarmMs === null || home.alarmMs > this.nowMs) continue;
      home.alarmMs = null;
      this.#background(home.shard.woken());
    }
  }

  /** A step that may be overtaken by others. */
  #gate(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What one who was woken sees: he may die before a step, or after it. */
  #consumeWorld(reader: Reader): ConsumePorts {
    let dead = false;
    const mayDie = () => {
      if (!this.calm && this.#random() < this.#plan.deaths) dead = true;
      if (dead) throw new Death('died');
    };
    const step = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
      await this.#gate();
      this.#dawdle();
      mayDie();
      const result = await work();
      mayDie();
      return result;
    };
    // As if sent: what is on the way does not change with who sent it.
    const copied = <Value>(value: Value): Value => structuredClone(value);
    const asked = () => reader.consumer;
    return {
      consumer: {
        begin: () => step(() => copied(asked().begin())),
        prepare: (lease, effects) => step(() => asked().prepare(lease, copied(effects))),
        renew: async () => true,
        report: (lease, report) => step(() => copied(asked().report(lease, copied(report)))),
        rest: (lease, at) => step(async () => copied(await asked().rest(lease, at))),
        leave: (lease) => step(() => asked().leave(lease)),
      },
      read: (_, from, { maxEvents }) => step(() => this.#read(reader, from, maxEvents)),
      run: ({ routing, types }, call) => {
        if (!routing) throw new Error('not routed');
        return route(routing, types, call, (shard, batch) =>
          step(async () => copied(await this.homes[shard]?.shard.apply(copied(batch)))).then(
            (answer) => answer ?? { kind: 'blocked', reason: 'no shard' },
          ),
        );
      },
      rested: async () => undefined,
      append: () => Promise.reject(new Error('consumers of shards append nothing')),
      crashOf: (error) => (error instanceof RoutedCrashError ? error.error : null),
      nowMs: () => this.nowMs,
      every: () => () => undefined,
    };
  }

  /** Steps take time: now and then so much that a wake-up's time is over, or a lease runs out meanwhile. */
  #dawdle(): void {
    const chance = this.#random();
    const slowly = chance < 0.02 ? CONSUME_FOR_MS : 1;
    this.nowMs += chance < 0.01 ? CONSUME_LEASE_MS + 1 : slowly;
  }

  #read(reader: Reader, from: number, maxEvents: number) {
    const events = this.#eventsOf(reader);
    const next = events.length;
    // Reads may end early, as they do where a segment ends.
    const most = Math.min(maxEvents, 1 + Math.floor(this.#random() * 12));
    const count = Math.min(next - from, most);
    if (count <= 0) return { kind: 'end' as const, next };
    const { partition } = reader.ref;
    const lines = events.slice(from, from + count).map(({ key, deed }, i) => {
      const payload = deed.kind === 'keyless' ? { deed } : { key, deed };
      const [offset, id, time] = [from + i, `${partition}-${from + i}`, '2026-01-01T00:00:00Z'];
      return JSON.stringify({ partition, offset, id, type: 'E', key: null, time, payload });
    });
    const appendedAt = [{ offset: from, atMs: 1_000_000 }];
    return {
      kind: 'events' as const,
      first: from,
      count,
      text: lines.join('\n'),
      appendedAt,
      next,
    };
  }

  async #append(
    step: <Result>(work: () => Result) => Promise<Result>,
    stream: string,
    { events, sequences, ids }: OutputEvents,
    producer: string,
  ): Promise<{ accepted: number; duplicates: number }> {
    if (!this.calm && this.#random() < this.#plan.fullShare) {
      throw new ProblemError('stream_full', 'the output is full');
    }
    if (events.some(({ type }) => type === 'Refused')) {
      throw new ProblemError('gone', 'the claim was collected');
    }
    let [accepted, duplicates] = [0, 0];
    for (const partition of [0, 1]) {
      const places = events.flatMap((event, i) =>
        hashKey(event.key ?? (ids[i] as string)) % 2 === partition ? [i] : [],
      );
      while (places.length > 0) {
        // In pieces, as large appends are: somebody may die between two of them.
        const piece = places.splice(0, 1 + Math.floor(this.#random() * 4));
        await step(() => {
          const name = `${stream}/${partition}/${producer}`;
          for (const i of piece) {
            const sequence = sequences[i] as number;
            if (sequence <= (this.#producers.get(name) ?? -1)) {
              duplicates++;
              continue;
            }
            accepted++;
            this.#producers.set(name, sequence);
            const { type, key, payload, source } = events[i] as OutputEvents['events'][number];
            const taken = { type, key, source, payload: JSON.parse(payload ?? 'null') as unknown };
            const list = this.streams.get(stream) ?? [];
            this.streams.set(stream, [...list, taken as Appended]);
          }
        });
      }
    }
    return { accepted, duplicates };
  }
}
