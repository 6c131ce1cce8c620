// A world in memory around the real consumer logic: a log, an output stream of two partitions, an isolate whose
// answers change from run to run, a queue that loses, repeats and reorders wake-ups, and deaths between any two steps.
import {
  BATCH_MAX_EVENTS,
  WAKE_UP_AGAIN_MS,
  CONSUME_FOR_MS,
  CONSUME_LEASE_MS,
} from '../../shared/limits.ts';
import { hashKey } from '../../shared/mapreduce/hash.ts';
import type { TaskError } from '../../shared/schemas/job.ts';
import type { RetrySpec } from '../../shared/schemas/processor.ts';
import type { ProcessOutcome } from '../../shared/streaming/process.ts';
import { ProblemError } from '../../worker/platform/problem.ts';
import { consume } from '../../worker/processors/consumer/consume.ts';
import type { ConsumePorts } from '../../worker/processors/consumer/consume-ports.ts';
import type { ConsumerConfig, Effects } from '../../worker/contracts/consumer.rpc.ts';
import { Consumer } from '../../worker/processors/consumer/consumer.ts';
import type { Letter } from '../../worker/contracts/consumer.rpc.ts';
import type { ConsumerStorage } from '../../worker/processors/consumer/consumer-storage.ts';
import type { OutputEvents } from '../../worker/outputs/effects.ts';

/** What an event does to the code that runs it. */
export type Behaviour =
  /** Emits so many outputs, under a key of its own or under none. */
  | { kind: 'fine'; outputs: number; keyed: boolean }
  /** Fails now and then. */
  | { kind: 'flaky'; share: number }
  /** Always fails, until it is mended. */
  | { kind: 'poison' }
  /** Kills the isolate and whatever runs beside it, until it is mended. */
  | { kind: 'killer' }
  /** Emits something that no stream takes. */
  | { kind: 'refused' };

export interface Plan {
  seed: number;
  events: Behaviour[];
  retry: RetrySpec;
  /** Shares of steps, out of 1. */
  deaths: number;
  restarts: number;
  lostWakeUps: number;
  doubledWakeUps: number;
  /** The output takes nothing for a while. */
  fullShare: number;
}

export interface Output {
  offset: number;
  nth: number;
  of: number;
  /** Which run of the event made it. */
  run: number;
  redriven: boolean;
}

class Death extends Error {}
class Crash extends Error {}

const ref = {
  processor: 'p',
  processorUid: 'processor_000000001',
  generation: 1,
  source: { stream: 's', uid: 'stream_1', partition: 0 },
};
const OUT = 'out';

/** Mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class MemoryStorage implements ConsumerStorage {
  #rows = new Map<string, string>();
  #letters = new Map<number, Letter & { redriveAtMs: number | null }>();

  transaction<Result>(work: () => Result): Result {
    const rows = new Map(this.#rows);
    const letters = structuredClone(this.#letters);
    try {
      return work();
    } catch (error) {
      this.#rows = rows;
      this.#letters = letters;
      throw error;
    }
  }
  #load<Value>(name: string): Value | null {
    const text = this.#rows.get(name);
    return text === undefined ? null : (JSON.parse(text) as Value);
  }
  load() {
    const config = this.#load<ConsumerConfig>('config');
    const record = this.#load<NonNullable<ReturnType<ConsumerStorage['load']>>['record']>('record');
    return config && record ? { config, record, log: [] } : null;
  }
  saveConfig(config: ConsumerConfig): void {
    this.#rows.set('config', JSON.stringify(config));
  }
  saveRecord(record: unknown): void {
    this.#rows.set('record', JSON.stringify(record));
  }
  saveLog(): void {}
  savePrepared(serial: number, effects: Effects): void {
    this.#rows.set('prepared', JSON.stringify({ serial, effects }));
  }
  loadPrepared(serial: number): Effects | null {
    const prepared = this.#load<{ serial: number; effects: Effects }>('prepared');
    return prepared?.serial === serial ? prepared.effects : null;
  }
  addLetter(letter: Letter): void {
    if (this.#letters.has(letter.offset)) return;
    this.#letters.set(letter.offset, { ...letter, redriveAtMs: null });
  }
  putLetter(letter: Letter): boolean {
    const known = this.#letters.get(letter.offset);
    if (known && known.redriveAtMs === null) return false;
    const attempts = (known?.attempts ?? 0) + letter.attempts;
    this.#letters.set(letter.offset, {
      ...letter,
      ...known,
      error: letter.error,
      attempts,
      redriveAtMs: null,
    });
    return true;
  }
  removeLetter(id: string, attempts: number | null): void {
    const offset = Number(id.split(':').at(-1));
    if (attempts === null || this.#letters.get(offset)?.attempts === attempts) {
      this.#letters.delete(offset);
    }
  }
  letterFailedAgain(id: string, error: TaskError): void {
    const letter = this.#letters.get(Number(id.split(':').at(-1)));
    if (letter) Object.assign(letter, { error, redriveAtMs: null, attempts: letter.attempts + 1 });
  }
  letterCount(): number {
    return this.#letters.size;
  }
  lettersDue(nowMs: number, limit: number): Letter[] {
    return this.letters()
      .filter(({ redriveAtMs }) => redriveAtMs !== null && redriveAtMs <= nowMs)
      .slice(0, limit);
  }
  nextRedriveMs(): number | null {
    const times = this.letters().flatMap(({ redriveAtMs }) => redriveAtMs ?? []);
    return times.length > 0 ? Math.min(...times) : null;
  }
  letters() {
    return [...this.#letters.values()].sort((a, b) => a.offset - b.offset);
  }
  redriveAll(atMs: number): void {
    for (const letter of this.#letters.values()) letter.redriveAtMs = atMs;
  }
}

export class ConsumerWorldInMemory {
  readonly storage = new MemoryStorage();
  readonly outputs: Output[][] = [[], []];
  /** By offset: how often user code saw it. */
  readonly runs = new Map<number, number>();
  mended = false;
  /** From now on nobody dies and nothing is lost, so that it comes to an end. */
  calm = false;
  nowMs = 1_000_000;
  readonly #plan: Plan;
  readonly #random: () => number;
  readonly #producers = new Map<string, number>();
  #consumer: Consumer;
  #wakeMs: number | null = null;
  #wakeUps = 0;
  /** The log's side of the reader. */
  #ringAtMs: number | null = null;
  #waiting: (() => void)[] = [];
  readonly unexpected: unknown[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = randomOf(plan.seed);
    this.#consumer = this.#open();
  }

  #open(): Consumer {
    return new Consumer(this.storage, {
      nowMs: () => this.nowMs,
      random: () => this.#random(),
      caughtUp: async (_, at) => {
        const asked = this.#consumer;
        await this.#gate();
        if (asked !== this.#consumer) throw new Error('restarted meanwhile');
        const caughtUp = at >= this.#plan.events.length;
        this.#ringAtMs = caughtUp ? null : this.nowMs + WAKE_UP_AGAIN_MS;
        return caughtUp;
      },
      announce: () => undefined,
      sendWakeUp: async () => this.#ring(),
      wake: (atMs) => {
        this.#wakeMs = this.#wakeMs === null ? atMs : Math.min(this.#wakeMs, atMs);
      },
    });
  }

  async begin(): Promise<void> {
    const config: ConsumerConfig = {
      ref,
      version: 1,
      programKey: 'k',
      programHash: 'h',
      guard: false,
      types: null,
      output: OUT,
      services: {},
      params: {},
      retry: this.#plan.retry,
      paused: false,
      rebuilding: false,
    };
    this.#ringAtMs = this.nowMs;
    await this.#consumer.configure(config, async () => 0);
  }

  redriveAll(): void {
    this.storage.redriveAll(this.nowMs);
    this.#consumer.lettersChanged();
  }

  get settled(): boolean {
    const { record } = this.#consumer;
    const redriving = this.storage.nextRedriveMs() !== null;
    return record?.place.committed === this.#plan.events.length && !redriving;
  }

  /** Lets everything happen, in a random order, until nothing more does; time passes when nothing else can. */
  async run(): Promise<void> {
    for (let step = 0; step < 20_000; step++) {
      await new Promise(setImmediate);
      if (this.#restarts()) {
        // Memory is gone, with the calls that were going on; timers and storage stay.
        this.#consumer = this.#open();
      }
      if (this.#wakeUps > 0 && (this.#waiting.length === 0 || this.#random() < 0.2)) {
        this.#wakeUps--;
        this.#answer();
      } else if (this.#waiting.length > 0) {
        const pick = Math.floor(this.#random() * this.#waiting.length);
        this.#waiting.splice(pick, 1)[0]?.();
      } else if (!(await this.#passTime())) {
        return;
      }
    }
    throw new Error('it never came to rest');
  }

  #restarts(): boolean {
    return !this.calm && this.#random() < this.#plan.restarts;
  }

  #ring(): void {
    if (!this.calm && this.#random() < this.#plan.lostWakeUps) return;
    this.#wakeUps += !this.calm && this.#random() < this.#plan.doubledWakeUps ? 2 : 1;
  }

  async #passTime(): Promise<boolean> {
    const times = [this.#wakeMs, this.#ringAtMs].filter((atMs) => atMs !== null);
    if (times.length === 0) return false;
    this.nowMs = Math.max(this.nowMs + 1, Math.min(...times));
    if (this.#wakeMs !== null && this.#wakeMs <= this.nowMs) {
      this.#wakeMs = null;
      await this.#consumer.woken();
    }
    if (this.#ringAtMs !== null && this.#ringAtMs <= this.nowMs) {
      this.#ringAtMs = this.nowMs + WAKE_UP_AGAIN_MS;
      this.#ring();
    }
    return true;
  }

  /** Steps take time: now and then so much that a wake-up's time is over, or a lease runs out meanwhile. */
  #dawdle(): void {
    const chance = this.#random();
    const slowly = chance < 0.02 ? CONSUME_FOR_MS : 1;
    this.nowMs += chance < 0.01 ? CONSUME_LEASE_MS + 1 : slowly;
  }

  /** A step that may be overtaken by others. */
  #gate(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #answer(): void {
    void consume(this.#world()).catch((error: unknown) => {
      if (!(error instanceof Death)) this.unexpected.push(error);
    });
  }

  /** What one who was woken sees: he may die before a step, or after it. */
  #world(): ConsumePorts {
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
    return {
      consumer: {
        begin: () => step(() => copied(this.#consumer.begin())),
        prepare: (lease, effects) => step(() => this.#consumer.prepare(lease, copied(effects))),
        renew: async () => true,
        report: (lease, report) => step(() => copied(this.#consumer.report(lease, copied(report)))),
        rest: (lease, at) => step(async () => copied(await this.#consumer.rest(lease, at))),
        leave: (lease) => step(() => this.#consumer.leave(lease)),
      },
      read: (_, from, { maxEvents }) => step(() => this.#read(from, maxEvents)),
      run: (_, batch) => step(() => this.#run(batch.text)),
      rested: async () => undefined,
      append: (_, outputs, producer) => this.#append(step, outputs, producer),
      crashOf: (error) =>
        error instanceof Crash ? { code: 'internal', message: error.message } : null,
      nowMs: () => this.nowMs,
      every: () => () => undefined,
    };
  }

  #read(from: number, maxEvents: number) {
    const next = this.#plan.events.length;
    // Reads may end early, as they do where a segment ends.
    const most = Math.min(maxEvents, BATCH_MAX_EVENTS, 1 + Math.floor(this.#random() * 12));
    const count = Math.min(next - from, most);
    if (count <= 0) return { kind: 'end' as const, next };
    const line = (offset: number) => JSON.stringify({ partition: 0, offset, type: 'E' });
    const text = Array.from({ length: count }, (_, i) => line(from + i)).join('\n');
    const appendedAt = [{ offset: from, atMs: 1_000_000 }];
    return { kind: 'events' as const, first: from, count, text, appendedAt, next };
  }

  #run(text: string): ProcessOutcome {
    const offsets = text.split('\n').map((line) => (JSON.parse(line) as { offset: number }).offset);
    const behaviours = offsets.map((offset) => this.#plan.events[offset] as Behaviour);
    if (!this.mended && behaviours.some(({ kind }) => kind === 'killer')) {
      throw new Crash('out of memory');
    }
    const outcome: ProcessOutcome = {
      outputs: '',
      outputOffsets: [],
      processed: 0,
      passedOver: 0,
      failures: [],
      stoppedAt: null,
      log: [],
    };
    const lines: string[] = [];
    offsets.forEach((offset, i) => {
      const behaviour = behaviours[i] as Behaviour;
      const run = (this.runs.get(offset) ?? 0) + 1;
      this.runs.set(offset, run);
      const failing =
        !this.mended &&
        (behaviour.kind === 'poison' ||
          (behaviour.kind === 'flaky' && this.#random() < behaviour.share));
      if (failing) {
        outcome.failures.push({
          offset,
          error: { code: 'program_threw', message: `no ${offset}` },
        });
        return;
      }
      outcome.processed++;
      const { outputs, keyed } =
        behaviour.kind === 'fine' ? behaviour : { outputs: 1, keyed: behaviour.kind === 'flaky' };
      const refused = behaviour.kind === 'refused' && !this.mended;
      for (let nth = 0; nth < outputs; nth++) {
        // Other keys in every run: so other partitions.
        const key = keyed ? `key-${Math.floor(this.#random() * 1000)}` : null;
        const type = refused ? 'Refused' : 'O';
        lines.push(JSON.stringify({ type, key, payload: { offset, nth, of: outputs, run } }));
        outcome.outputOffsets.push(offset);
      }
    });
    // Runs may end early, as they do when their outputs fill the room there is.
    const stopped = offsets.findIndex((_, i) => i > 0 && this.#random() < 0.03);
    if (stopped > 0) return cutOff(outcome, lines, offsets, stopped);
    outcome.outputs = lines.join('\n');
    return outcome;
  }

  async #append(
    step: <Result>(work: () => Result) => Promise<Result>,
    { events, sequences, ids }: OutputEvents,
    producer: string,
  ): Promise<{ accepted: number; duplicates: number }> {
    if (!this.calm && this.#random() < this.#plan.fullShare) {
      throw new ProblemError('stream_full', 'the output is full');
    }
    if (events.some(({ type }) => type === 'Refused')) {
      throw new ProblemError('gone', 'the claim was collected');
    }
    let accepted = 0;
    let duplicates = 0;
    for (const partition of [0, 1]) {
      const places = events.flatMap((event, i) =>
        hashKey(event.key ?? (ids[i] as string)) % 2 === partition ? [i] : [],
      );
      while (places.length > 0) {
        // In pieces, as large appends are: somebody may die between two of them.
        const piece = places.splice(0, 1 + Math.floor(this.#random() * 4));
        await step(() => {
          const name = `${partition}/${producer}`;
          const last = this.#producers.get(name) ?? -1;
          for (const i of piece) {
            const sequence = sequences[i] as number;
            if (sequence <= last) {
              duplicates++;
              continue;
            }
            accepted++;
            const payload = JSON.parse(events[i]?.payload ?? '') as Omit<Output, 'redriven'>;
            this.outputs[partition]?.push({ ...payload, redriven: producer.includes('/dead/') });
            this.#producers.set(name, sequence);
          }
        });
      }
    }
    return { accepted, duplicates };
  }
}

function cutOff(
  outcome: ProcessOutcome,
  lines: string[],
  offsets: number[],
  stopped: number,
): ProcessOutcome {
  const stoppedAt = offsets[stopped] as number;
  const kept = outcome.outputOffsets.filter((offset) => offset < stoppedAt).length;
  const failures = outcome.failures.filter(({ offset }) => offset < stoppedAt);
  return {
    ...outcome,
    outputs: lines.slice(0, kept).join('\n'),
    outputOffsets: outcome.outputOffsets.slice(0, kept),
    failures,
    processed: stopped - failures.length,
    stoppedAt,
  };
}
