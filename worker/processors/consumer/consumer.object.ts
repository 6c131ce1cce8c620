// The place of one processor in one partition: a thin shell around consumer.ts, which decides; this stores,
// wakes, and keeps the dead letters' claims from being collected.
import { DurableObject } from 'cloudflare:workers';
import { isoTime } from '../../../shared/iso-time.ts';
import type { List } from '../../../shared/schemas/common.ts';
import type { DeadLetter, RedriveBody } from '../../../shared/schemas/processor.ts';
import { page } from '../../platform/page.ts';
import { guardBindings } from '../../platform/bindings.edge.ts';
import type { Env } from '../../platform/env.ts';
import { logObject, processorObject } from '../../stubs.ts';
import { Timers } from '../../platform/timers.store.ts';
import type {
  Letter,
  ConsumerConfig,
  ConsumerRpc,
  ConsumerStatus,
  ConsumerWork,
  Effects,
  Report,
} from '../../contracts/consumer.rpc.ts';
import { Consumer, readerName } from './consumer.ts';
import { ConsumerStore, eventOf, type StoredLetter } from './consumer.store.ts';
import { releaseAllClaims, settleClaims } from './letter-claims.edge.ts';
import type { Point } from '../../contracts/log.rpc.ts';

const LETTERS_AT_ONCE = 500;

export class ConsumerObject extends DurableObject<Env> implements ConsumerRpc {
  readonly #store: ConsumerStore;
  readonly #timers: Timers<'wake' | 'claims'>;
  readonly #consumer: Consumer;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, guardBindings(env));
    this.#store = new ConsumerStore(ctx.storage);
    this.#timers = new Timers(ctx.storage, {
      wake: () => this.#consumer.woken(),
      claims: () => this.#settleClaims(),
    });
    this.#consumer = this.#open();
  }

  #open(): Consumer {
    return new Consumer(this.#store, {
      nowMs: () => Date.now(),
      random: () => Math.random(),
      caughtUp: (config, at) =>
        logObject(this.env, config.ref.source).caughtUp(readerName(config), at),
      announce: ({ ref }) => {
        const told = processorObject(this.env, ref.processorUid).caughtUp(ref.generation);
        // The processor looks by itself as well.
        this.ctx.waitUntil(told.catch((error: unknown) => console.error('not announced', error)));
      },
      sendWakeUp: async (config) => {
        await this.env.STREAM_QUEUE.send({ kind: 'consume', consumer: config.ref });
      },
      wake: (atMs) => this.#timers.setEarlier('wake', atMs),
    });
  }

  // --- Its processor -------------------------------------------------------------------------------

  async configure(config: ConsumerConfig, startFrom: Point): Promise<void> {
    const wakeUp = { kind: 'consume' as const, consumer: config.ref };
    await this.#consumer.configure(config, () =>
      logObject(this.env, config.ref.source).subscribe(readerName(config), wakeUp, startFrom),
    );
  }

  async pause(): Promise<void> {
    await this.#consumer.pause(true);
  }

  async resume(): Promise<void> {
    await this.#consumer.pause(false);
  }

  async stop(): Promise<number> {
    return this.#consumer.stop();
  }

  async committed(): Promise<number> {
    return this.#consumer.record?.place.committed ?? 0;
  }

  async status(): Promise<ConsumerStatus | null> {
    return this.#consumer.status();
  }

  /** Idempotent: a crash half-way is finished by asking again. */
  async delete(): Promise<void> {
    const { config } = this.#consumer;
    if (!config) return;
    this.#consumer.stop();
    await logObject(this.env, config.ref.source).unsubscribe(readerName(config));
    await releaseAllClaims(this.env, this.#store, readerName(config));
    this.#consumer.delete();
    await this.#timers.deleteAll();
  }

  // --- Asked by the dispatcher that a wake-up started -------------------------------------------------

  async begin(): Promise<ConsumerWork | null> {
    return this.#consumer.begin();
  }

  async prepare(lease: number, effects: Effects): Promise<boolean> {
    return this.#consumer.prepare(lease, effects);
  }

  async renew(lease: number): Promise<boolean> {
    return this.#consumer.renew(lease);
  }

  async report(lease: number, report: Report): Promise<ConsumerWork | null> {
    const work = this.#consumer.report(lease, report);
    const letters = report.kind === 'ran' ? report.failures.length + report.refused.length : 1;
    if (letters > 0) this.#settleClaimsSoon();
    return work;
  }

  async rest(lease: number, at: number): Promise<ConsumerWork | null> {
    return this.#consumer.rest(lease, at);
  }

  async leave(lease: number): Promise<void> {
    await this.#consumer.leave(lease);
  }

  // --- Dead letters ------------------------------------------------------------------------------------

  async deadLetters(cursor: string | undefined, limit: number): Promise<List<DeadLetter>> {
    const { config } = this.#consumer;
    if (!config) return { items: [], next: null };
    const after = cursor === undefined ? -1 : Number(cursor);
    const { stream, partition } = config.ref.source;
    const asked = limit + 1;
    const letters = this.#store.lettersAfter(after, asked);
    const shown = letters.map((letter) => shownLetter(letter, stream, partition));
    // Fewer than were asked for may also mean that they were large.
    const last = shown.at(-1);
    const list = page(shown, limit, ({ offset }) => String(offset));
    if (list.next !== null || !last || shown.length === asked) return list;
    const more = this.#store.lettersAfter(last.offset, 1).length > 0;
    return { items: list.items, next: more ? String(last.offset) : null };
  }

  async redrive({ ids, ratePerSecond }: RedriveBody, fromMs: number): Promise<number> {
    if (!this.#consumer.config) return 0;
    const spacingMs = ratePerSecond === undefined ? 0 : 1000 / ratePerSecond;
    const redriven = this.#store.transaction(() => {
      if (!ids) return this.#store.redriveAll(fromMs, spacingMs);
      let found = 0;
      for (const id of ids) {
        if (this.#store.redriveOne(id, Math.floor(fromMs + found * spacingMs))) found++;
      }
      return found;
    });
    this.#consumer.lettersChanged();
    return redriven;
  }

  async receiveDeadLetters(letters: Letter[]): Promise<void> {
    const start = this.#consumer.record?.start;
    if (start === undefined) return;
    this.#store.transaction(() => {
      for (const letter of letters) if (letter.offset < start) this.#store.addLetter(letter);
    });
    this.#consumer.lettersChanged();
    this.#settleClaimsSoon();
  }

  async addDeadLetters(letters: Letter[]): Promise<string | null> {
    const refusal = this.#consumer.addDeadLetters(letters);
    this.#settleClaimsSoon();
    return refusal;
  }

  async deadLettersToTransfer(after: number): Promise<Letter[]> {
    if (!this.#consumer.config) return [];
    return this.#store
      .lettersAfter(after, LETTERS_AT_ONCE)
      .map(({ id, offset, line, error, attempts, atMs }) => ({
        id,
        offset,
        line,
        error,
        attempts,
        atMs,
      }));
  }

  #settleClaimsSoon(): void {
    if (!this.#consumer.config) return;
    const { hold, release } = this.#store.unsettledTokens(1);
    if (hold.length + release.length > 0) this.#timers.setEarlier('claims', Date.now());
  }

  override async alarm(): Promise<void> {
    await this.#timers.run();
  }

  async #settleClaims(): Promise<void> {
    const { config } = this.#consumer;
    if (!config) return;
    const more = await settleClaims(this.env, this.#store, readerName(config));
    if (more) this.#timers.setEarlier('claims', Date.now());
  }
}

function shownLetter(letter: StoredLetter, stream: string, partition: number): DeadLetter {
  const { id, line, offset, error, attempts, atMs, redriveAtMs } = letter;
  return {
    id,
    event: eventOf(line),
    stream,
    partition,
    offset,
    error,
    attempts,
    at: isoTime(atMs),
    state: redriveAtMs === null ? 'dead' : 'redriving',
  };
}
