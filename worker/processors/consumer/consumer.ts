// One processor's reading of one partition: who holds the lease, what is to be done next, and what a report
// changes. The ConsumerObject is a thin shell around this; so are the tests.
//
// The lease lives in memory only, since it protects no result: a restart forgets it, its holder finds its
// reports refused, and two who run the same batch decide it once (`prepare`) and append it once (producer ids).
import {
  BATCH_MAX_EVENTS,
  WAKE_UP_AGAIN_MS,
  CONSUME_LEASE_MS,
  DEAD_LETTERS_MAX,
  REDRIVE_TOGETHER,
} from '../../../shared/limits.ts';
import type {
  Letter,
  ConsumerConfig,
  ConsumerStatus,
  ConsumerWork,
  Effects,
  Report,
} from '../../contracts/consumer.rpc.ts';
import { type ConsumerRecord, newRecord, placeShown } from './consumer-record.ts';
import { shownLatency } from '../../platform/latency.ts';
import { applyReport, checkPlace } from './consumer-reports.ts';
import type { ConsumerStorage, Loaded } from './consumer-storage.ts';
import { consumerName } from '../../contracts/names.ts';
import { afterBlock, isFinal, unblocked } from './retry.ts';
import { addCounts } from '../definition/counters.ts';
import { change } from '../../platform/change.ts';

export interface ConsumerPorts {
  nowMs(): number;
  /** In [0, 1). */
  random(): number;
  /** Tells the log; see LogRpc.caughtUp. */
  caughtUp(config: ConsumerConfig, at: number): Promise<boolean>;
  /** A rebuilt generation has caught up. May be lost. */
  announce(config: ConsumerConfig): void;
  sendWakeUp(config: ConsumerConfig): Promise<void>;
  /** Calls `woken` then, unless an earlier time is set already. */
  wake(atMs: number): void;
}

export class Consumer {
  readonly #storage: ConsumerStorage;
  readonly #ports: ConsumerPorts;
  #loaded: Loaded | null = null;
  #prepared: Effects | null = null;
  #letters = 0;
  #redriveMs: number | null = null;
  #lease: { number: number; untilMs: number } | null = null;
  /** A wake-up came while a dispatcher worked. */
  #woken = false;
  /** Redriving and new events take turns. */
  #redroveLast = false;

  constructor(storage: ConsumerStorage, ports: ConsumerPorts) {
    this.#storage = storage;
    this.#ports = ports;
    this.#load();
    this.#sleep();
  }

  #load(): void {
    this.#loaded = this.#storage.load();
    this.#prepared = this.#loaded ? this.#storage.loadPrepared(this.#loaded.record.serial) : null;
    this.#countLetters();
  }

  #countLetters(): void {
    this.#letters = this.#loaded ? this.#storage.letterCount() : 0;
    this.#redriveMs = this.#loaded ? this.#storage.nextRedriveMs() : null;
  }

  #change<Result>(work: () => Result): Result {
    return change(this.#storage, work, () => {
      this.#lease = null;
      this.#load();
    });
  }

  get config(): ConsumerConfig | null {
    return this.#loaded?.config ?? null;
  }

  get record(): Readonly<ConsumerRecord> | null {
    return this.#loaded?.record ?? null;
  }

  // --- What its processor says ---------------------------------------------------------------------

  /** `subscribe` answers where reading begins; asked the first time only. */
  async configure(config: ConsumerConfig, subscribe: () => Promise<number>): Promise<void> {
    const loaded = this.#loaded ?? (await this.#first(config, subscribe));
    const { config: before, record } = loaded;
    if (record.stopped) return;
    if (JSON.stringify(before) !== JSON.stringify(config)) {
      this.#change(() => {
        this.#saveConfig(config);
        if (before.version === config.version && before.output === config.output) return;
        // Other code has all its attempts before it. What the old code decided is finished first.
        this.#lease = null;
        record.place = { ...record.place, attempts: 0, notBeforeMs: 0, waits: null };
        this.#storage.saveRecord(record);
      });
    }
    await this.#ports.sendWakeUp(config);
  }

  async #first(config: ConsumerConfig, subscribe: () => Promise<number>): Promise<Loaded> {
    const record = newRecord(await subscribe(), this.#ports.nowMs());
    // Another call may have come first while the log was asked.
    this.#loaded ??= this.#change(() => {
      this.#storage.saveConfig(config);
      this.#storage.saveRecord(record);
      return { config, record, log: [] };
    });
    return this.#loaded;
  }

  #saveConfig(config: ConsumerConfig): void {
    if (!this.#loaded) return;
    this.#storage.saveConfig(config);
    this.#loaded.config = config;
  }

  /** A batch that runs may still be reported. */
  async pause(paused: boolean): Promise<void> {
    if (!this.#loaded || this.#loaded.config.paused === paused) return;
    const config = { ...this.#loaded.config, paused };
    this.#change(() => this.#saveConfig(config));
    if (!paused) await this.#ports.sendWakeUp(config);
  }

  stop(): number {
    const loaded = this.#loaded;
    if (!loaded) return 0;
    if (!loaded.record.stopped) {
      this.#change(() => {
        loaded.record.stopped = true;
        this.#storage.saveRecord(loaded.record);
      });
      this.#lease = null;
    }
    return loaded.record.place.committed;
  }

  /** Storage is wiped by who calls this: nothing is answered from here any more. */
  delete(): void {
    this.#loaded = null;
    this.#prepared = null;
    this.#lease = null;
    this.#redriveMs = null;
    this.#letters = 0;
  }

  // --- Asked by the dispatcher that a wake-up started ---------------------------------------------------

  begin(): ConsumerWork | null {
    const nowMs = this.#ports.nowMs();
    if (this.#lease && this.#lease.untilMs > nowMs) {
      this.#woken = true;
      return null;
    }
    // By chance: never a number twice, also after a restart, which remembers none.
    this.#lease = { number: Math.floor(this.#ports.random() * 2 ** 52), untilMs: 0 };
    return this.#next();
  }

  prepare(lease: number, effects: Effects): boolean {
    const loaded = this.#held(lease);
    if (!loaded) return false;
    checkPlace(loaded.record, effects.report);
    this.#change(() => this.#storage.savePrepared(loaded.record.serial, effects));
    this.#prepared = effects;
    return true;
  }

  renew(lease: number): boolean {
    if (!this.#held(lease) || !this.#lease) return false;
    this.#lease.untilMs = this.#ports.nowMs() + CONSUME_LEASE_MS;
    return true;
  }

  report(lease: number, report: Report): ConsumerWork | null {
    const loaded = this.#held(lease);
    if (!loaded) return null;
    const { nowMs, random } = this.#ports;
    const added = this.#change(() => applyReport(this.#storage, loaded, report, nowMs(), random()));
    this.#letters += added;
    if (report.kind === 'redriven') this.#countLetters();
    if (report.kind === 'ran' || report.kind === 'redriven') this.#prepared = null;
    return this.#next();
  }

  async rest(lease: number, at: number): Promise<ConsumerWork | null> {
    const loaded = this.#held(lease);
    if (!loaded) return null;
    const { config } = loaded;
    const caughtUp = await this.#ports.caughtUp(config, at);
    if (!this.#held(lease)) return null;
    if (caughtUp && config.rebuilding) this.#ports.announce(config);
    const nowMs = this.#ports.nowMs();
    const more = !caughtUp || this.#woken || (this.#redriveMs !== null && this.#redriveMs <= nowMs);
    if (more) return this.#next();
    if (loaded.record.place.waits) this.#unblock(loaded);
    this.#lease = null;
    this.#sleep();
    return null;
  }

  async leave(lease: number): Promise<void> {
    const loaded = this.#held(lease);
    if (!loaded) return;
    this.#lease = null;
    this.#sleep();
    await this.#ports.sendWakeUp(loaded.config);
  }

  #held(lease: number): Loaded | null {
    return this.#lease?.number === lease ? this.#loaded : null;
  }

  /** The next work of the lease; without any the lease is over. */
  #next(): ConsumerWork | null {
    const nowMs = this.#ports.nowMs();
    const work = this.#due(nowMs);
    if (work && this.#lease) {
      this.#woken = false;
      this.#lease.untilMs = nowMs + CONSUME_LEASE_MS;
      // For unfinished events the log sends another wake-up; for this work only the alarm does.
      if (work.kind !== 'events') this.#ports.wake(this.#lease.untilMs);
      return work;
    }
    this.#lease = null;
    this.#sleep();
    return null;
  }

  #due(nowMs: number): ConsumerWork | null {
    if (!this.#loaded || !this.#lease) return null;
    const { config, record } = this.#loaded;
    const lease = this.#lease.number;
    if (config.paused || record.stopped) return null;
    const { place } = record;
    const due = nowMs >= place.notBeforeMs;
    if (this.#prepared) {
      return due ? { kind: 'effects', lease, config, effects: this.#prepared } : null;
    }
    const mayRedrive = due || place.waits?.kind !== 'blocked';
    if (mayRedrive && !(this.#redroveLast && due)) {
      const letters = this.#lettersDue(nowMs);
      if (letters.length > 0) {
        this.#redroveLast = true;
        return { kind: 'redrive', lease, config, letters };
      }
    }
    this.#redroveLast = false;
    if (!due) return null;
    const { committed: from, to, attempts } = place;
    const final = isFinal(place, config.retry);
    const room = DEAD_LETTERS_MAX - this.#letters;
    if (final && (to ?? from + BATCH_MAX_EVENTS) - from > room) {
      this.#block(this.#full());
      return null;
    }
    return { kind: 'events', lease, config, from, to, attempt: attempts + 1, final };
  }

  #lettersDue(nowMs: number) {
    if (this.#redriveMs === null || this.#redriveMs > nowMs) return [];
    return this.#storage
      .lettersDue(nowMs, REDRIVE_TOGETHER)
      .map(({ id, offset, line, attempts }) => ({ id, offset, line, attempt: attempts + 1 }));
  }

  #block(reason: string): void {
    const loaded = this.#loaded;
    if (!loaded) return;
    const { config, record } = loaded;
    this.#change(() => {
      const { nowMs, random } = this.#ports;
      record.place = afterBlock(record.place, reason, config.retry, nowMs(), random());
      this.#storage.saveRecord(record);
    });
  }

  /** Nothing is there to wait for. */
  #unblock({ record }: Loaded): void {
    this.#change(() => {
      record.place = unblocked(record.place);
      this.#storage.saveRecord(record);
    });
  }

  // --- Waking up -----------------------------------------------------------------------------------------

  /** When there is something to do that no wake-up of the log tells of. */
  #pendingMs(): number | null {
    if (!this.#loaded) return null;
    const { config, record } = this.#loaded;
    if (config.paused || record.stopped) return null;
    const { place } = record;
    const waits = this.#prepared !== null || place.to !== null || place.waits !== null;
    const atMs = Math.min(waits ? place.notBeforeMs : Infinity, this.#redriveMs ?? Infinity);
    return Number.isFinite(atMs) ? atMs : null;
  }

  #sleep(): void {
    const atMs = this.#pendingMs();
    if (atMs !== null) this.#ports.wake(Math.max(atMs, this.#ports.nowMs()));
  }

  /** The time that `wake` asked for has come. */
  async woken(): Promise<void> {
    const nowMs = this.#ports.nowMs();
    const atMs = this.#pendingMs();
    if (!this.#loaded || atMs === null) return;
    if (this.#lease && this.#lease.untilMs > nowMs) return this.#ports.wake(this.#lease.untilMs);
    if (atMs > nowMs) return this.#ports.wake(atMs);
    this.#ports.wake(nowMs + WAKE_UP_AGAIN_MS);
    await this.#ports.sendWakeUp(this.#loaded.config);
  }

  /** Letters came, or got times to be run again, by other ways than a report. */
  lettersChanged(): void {
    this.#countLetters();
    this.#sleep();
  }

  /** Letters of events that were lost after their effect. Answers why it takes none, or null. */
  addDeadLetters(letters: readonly Letter[]): string | null {
    const loaded = this.#loaded;
    if (!loaded) return null;
    if (this.#letters + letters.length > DEAD_LETTERS_MAX) return this.#full();
    this.#change(() => {
      const added = letters.filter((letter) => this.#storage.putLetter(letter)).length;
      if (added === 0) return;
      addCounts(loaded.record.counters, { deadLettered: added });
      addCounts(loaded.record.operations, { rowWritten: added + 1 });
      this.#storage.saveRecord(loaded.record);
    });
    this.lettersChanged();
    return null;
  }

  #full(): string {
    return `${this.#letters} dead letters: no more are kept; redrive them, or delete the processor`;
  }

  status(): ConsumerStatus | null {
    if (!this.#loaded) return null;
    const { config, record, log } = this.#loaded;
    const nowMs = this.#ports.nowMs();
    const leased = this.#lease !== null && this.#lease.untilMs > nowMs;
    return {
      lag: placeShown(record, config, leased, nowMs),
      counters: { ...record.counters },
      latency: shownLatency(record.latency, nowMs),
      deadLetters: this.#letters,
      log,
      operations: { ...record.operations },
    };
  }
}

/** How the log knows a consumer. */
export const readerName = (config: ConsumerConfig): string => consumerName(config.ref);
