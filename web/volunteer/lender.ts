// One lending tab at work: a session, a pool and the sandbox's clock, wired together. Knows nothing of what
// the person decided, only how many workers may run and what to tell the lobby about it. Loaded when
// lending starts, so that pages that only show the switch stay small.
import { PROGRESS_MS } from '../../shared/limits.ts';
import { dataRoutes } from './data-routes.ts';
import { Outbox } from './outbox.ts';
import type { WorkerView } from './planning.ts';
import { Pool } from './pool.ts';
import type { SeenProgram } from './program-cache.ts';
import { openSandbox } from './sandbox.ts';
import { type Greeting, Session } from './session.ts';

/** Beside the sandbox's own clock, which stops with it. */
const SLOW_TICK_MS = 1_000;

export interface Capacity {
  slots: number;
  state: 'lending' | 'snoozed' | 'finishing';
}

/** What is added to the volunteer's contribution. */
export interface Gain {
  tasks?: number;
  bytes?: number;
  ms?: number;
  verified?: number;
  rejected?: number;
  failed?: number;
}

export interface LenderEvents {
  /** Something that is shown may have changed: ask again when it suits. */
  changed(): void;
  gained(gain: Gain): void;
  /** Lending ended for good, and why. */
  refused(why: string): void;
  /** Everything is finished and reported, after `finishing`. */
  finished(): void;
}

export interface LenderOptions {
  origin: string;
  greeting: () => Omit<Greeting, 'slots'>;
  capacity: Capacity;
  events: LenderEvents;
}

export class Lender {
  readonly #events: LenderEvents;
  readonly #session: Session;
  readonly #pool: Pool;
  readonly #outbox = new Outbox();
  #capacity: Capacity;
  #idleReason = '';
  #lostReason = '';
  #progressMs = PROGRESS_MS;
  #lastProgressMs = 0;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #slowTimer: ReturnType<typeof setInterval> | undefined;
  readonly #online = () => this.#session.hurry();

  constructor({ origin, greeting, capacity, events }: LenderOptions) {
    this.#events = events;
    this.#capacity = capacity;
    this.#session = new Session(origin, () => ({ ...greeting(), slots: this.#capacity.slots }), {
      welcomed: (progressMs) => {
        this.#progressMs = progressMs;
        this.#lostReason = '';
        // `hello` says how many; only this says why none.
        if (this.#capacity.state !== 'lending') this.#tellCapacity();
        events.changed();
      },
      message: (message) => this.#hear(message),
      lost: (why) => {
        this.#lostReason = why;
        this.#idleReason = '';
        this.#outbox.clear();
        this.#pool.forget();
        if (this.#capacity.state === 'finishing') events.finished();
        events.changed();
      },
      refused: (why) => {
        this.#pool.forget();
        events.refused(why);
      },
    });
    this.#pool = new Pool({
      data: dataRoutes(origin),
      openSandbox: () => openSandbox({ onTick: () => this.#tick() }),
      events: {
        done: (lease, receipt, ms) => {
          this.#outbox.done({ lease, receipt, ms }, performance.now());
          events.gained({ ms });
          this.#reported();
        },
        failed: (lease, error, ms) => {
          this.#outbox.failed({ lease, error, ms }, performance.now());
          events.gained({ ms, failed: 1 });
          this.#reported();
        },
        returned: (lease) => {
          this.#outbox.returned(lease, performance.now());
          this.#reported();
        },
        broken: (message) => events.refused(message),
      },
    });
  }

  /** Rejects with a SandboxError where programs cannot be kept in: then nothing is lent. */
  async start(): Promise<void> {
    await this.#pool.open();
    this.#pool.setSlots(this.#capacity.slots);
    this.#slowTimer = setInterval(() => this.#tick(), SLOW_TICK_MS);
    addEventListener('online', this.#online);
    this.#session.connect();
  }

  /** At once. The lobby frees the leases of a closed socket. */
  stop(): void {
    clearInterval(this.#slowTimer);
    clearTimeout(this.#flushTimer);
    removeEventListener('online', this.#online);
    this.#session.close();
    this.#pool.close();
  }

  get connected(): boolean {
    return this.#session.open;
  }

  /** Why nothing runs, as the lobby or the connection says; '' while something does. */
  get why(): string {
    if (!this.#session.open) return this.#lostReason;
    return this.#pool.empty ? this.#idleReason : '';
  }

  get workers(): WorkerView[] {
    return this.#pool.views();
  }

  get programs(): SeenProgram[] {
    return this.#pool.seen;
  }

  /** No slots: `snoozed` gives everything back at once, `finishing` ends what runs. */
  setCapacity(capacity: Capacity): void {
    const same = capacity.slots === this.#capacity.slots && capacity.state === this.#capacity.state;
    if (same) return;
    this.#capacity = capacity;
    if (capacity.state === 'finishing') this.#pool.giveBackWaiting();
    else this.#pool.setSlots(capacity.slots);
    if (capacity.state === 'snoozed') this.#pool.halt(true);
    this.#tellCapacity();
    this.#finishIfDone();
    this.#events.changed();
  }

  #tellCapacity(): void {
    this.#session.send({ type: 'capacity', ...this.#capacity });
  }

  #hear(message: Parameters<ConstructorParameters<typeof Session>[2]['message']>[0]): void {
    switch (message.type) {
      case 'grant':
        this.#idleReason = '';
        this.#pool.grant(message.plans, message.grants);
        // Granted before the lobby heard of it.
        if (this.#capacity.slots === 0) this.#pool.giveBackWaiting();
        break;
      case 'revoke':
        this.#pool.revoke(message.leases);
        this.#finishIfDone();
        break;
      case 'idle':
        this.#idleReason = message.reason;
        break;
      case 'credit': {
        const { tasks, bytes, verified, rejected } = message;
        this.#events.gained({ tasks, bytes, verified, rejected });
      }
    }
    this.#events.changed();
  }

  #reported(): void {
    this.#flushIfDue();
    this.#events.changed();
  }

  #flushIfDue(): void {
    const dueAtMs = this.#outbox.dueAtMs(this.#pool.wantsWork);
    if (dueAtMs === null) return this.#finishIfDone();
    const nowMs = performance.now();
    clearTimeout(this.#flushTimer);
    if (dueAtMs > nowMs) {
      this.#flushTimer = setTimeout(() => this.#flushIfDue(), dueAtMs - nowMs);
      return;
    }
    for (const message of this.#outbox.take(nowMs)) this.#session.send(message);
    this.#flushIfDue();
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#pool.tick();
    this.#session.tick();
    this.#flushIfDue();
    if (nowMs - this.#lastProgressMs >= this.#progressMs) {
      const leases = this.#pool.alive();
      if (leases.length > 0 && this.#session.send({ type: 'progress', leases })) this.#pool.renew();
      this.#lastProgressMs = nowMs;
    }
    if (!this.#pool.empty) this.#events.changed();
  }

  #finishIfDone(): void {
    if (this.#capacity.state !== 'finishing') return;
    if (this.#pool.empty && this.#outbox.size === 0) this.#events.finished();
  }
}
