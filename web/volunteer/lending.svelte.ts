// The one store of lending: what every page's switch and the volunteer page show and change. Holds the
// person's decisions, remembers them, and keeps a Lender (loaded on demand) in line with them. Updates
// reach the page at most ten times a second, however many tasks run.
import { SLOTS_MAX } from '../../shared/limits.ts';
import { type Conditions, pauseReason, watchConditions } from './conditions.ts';
import { claimIdentity, cleanName, defaultName, tabIdentity } from './identity.ts';
import type { Gain, Lender } from './lender.ts';
import {
  capacityOf,
  type LendingFacts,
  type LendingStatus,
  lendingStatus,
} from './lending-status.ts';
import { recall, remember } from './memory.ts';
import type { WorkerView } from './planning.ts';
import type { SeenProgram } from './program-cache.ts';

export type { LendingStatus, SeenProgram, WorkerView };

export interface Contribution {
  tasks: number;
  bytes: number;
  ms: number;
  verified: number;
  rejected: number;
  failed: number;
}

const SHOW_MS = 100;
const KEY = {
  on: 'manyhands.lending',
  snoozedUntil: 'manyhands.snoozedUntil',
  contribution: 'manyhands.contribution',
  name: 'manyhands.name',
  cores: 'manyhands.cores',
  pauseOnBattery: 'manyhands.pauseOnBattery',
  pauseOnMetered: 'manyhands.pauseOnMetered',
};
const NOTHING: Contribution = { tasks: 0, bytes: 0, ms: 0, verified: 0, rejected: 0, failed: 0 };

class Lending {
  readonly coresMax = Math.min(SLOTS_MAX, Math.max(1, navigator.hardwareConcurrency || 1));
  #id = $state(tabIdentity().id);
  #name = $state(recall('browser', KEY.name) ?? defaultName(navigator.userAgent));
  #cores = $state(recallCores(this.coresMax));
  #pauseOnBattery = $state(recall('browser', KEY.pauseOnBattery) !== 'no');
  #pauseOnMetered = $state(recall('browser', KEY.pauseOnMetered) !== 'no');
  #wanted = $state(false);
  #refusal = $state('');
  #finishing = $state(false);
  #snoozedUntilMs = $state<number | null>(null);
  #conditions = $state.raw<Conditions>({ onBattery: false, metered: false });
  #connected = $state(false);
  #lobbyReason = $state('');
  #workers = $state.raw<WorkerView[]>([]);
  #programs = $state.raw<SeenProgram[]>([]);
  #contribution = $state.raw<Contribution>(recallContribution());
  readonly #facts = $derived.by((): LendingFacts => ({
    wanted: this.#wanted,
    refusal: this.#refusal,
    finishing: this.#finishing,
    snoozedUntilMs: this.#snoozedUntilMs,
    pauseReason: pauseReason(this.#conditions, {
      pauseOnBattery: this.#pauseOnBattery,
      pauseOnMetered: this.#pauseOnMetered,
    }),
    connected: this.#connected,
    lobbyReason: this.#lobbyReason,
  }));
  readonly #shown = $derived(lendingStatus(this.#facts));

  #lender: Lender | null = null;
  /** Counts starts and stops, so that a start that was overtaken gives up. */
  #turn = 0;
  /** Gathered between two updates of the page. */
  #gained: Contribution = { ...this.#contribution };
  #showTimer: ReturnType<typeof setTimeout> | undefined;
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    watchConditions((conditions) => {
      this.#conditions = conditions;
      this.#applyCapacity();
    });
    const snoozedUntilMs = Number(recall('tab', KEY.snoozedUntil));
    if (recall('tab', KEY.on) === 'on') {
      if (snoozedUntilMs > Date.now()) this.#snoozeUntil(snoozedUntilMs);
      this.start();
    }
  }

  get status(): LendingStatus {
    return this.#shown.status;
  }

  /** Why nothing runs; '' while something does. */
  get why(): string {
    return this.#shown.why;
  }

  get id(): string {
    return this.#id;
  }

  get name(): string {
    return this.#name;
  }

  /** Told to the lobby with the next connection. */
  set name(name: string) {
    const clean = cleanName(name) ?? defaultName(navigator.userAgent);
    this.#name = clean;
    remember('browser', KEY.name, clean);
  }

  get cores(): number {
    return this.#cores;
  }

  set cores(cores: number) {
    if (!Number.isFinite(cores)) return;
    this.#cores = Math.min(this.coresMax, Math.max(1, Math.round(cores)));
    remember('browser', KEY.cores, String(this.#cores));
    this.#applyCapacity();
  }

  get pauseOnBattery(): boolean {
    return this.#pauseOnBattery;
  }

  set pauseOnBattery(pause: boolean) {
    this.#pauseOnBattery = pause;
    remember('browser', KEY.pauseOnBattery, pause ? 'yes' : 'no');
    this.#applyCapacity();
  }

  get pauseOnMetered(): boolean {
    return this.#pauseOnMetered;
  }

  set pauseOnMetered(pause: boolean) {
    this.#pauseOnMetered = pause;
    remember('browser', KEY.pauseOnMetered, pause ? 'yes' : 'no');
    this.#applyCapacity();
  }

  get snoozedUntilMs(): number | null {
    return this.#snoozedUntilMs;
  }

  get workers(): WorkerView[] {
    return this.#workers;
  }

  /** What runs or ran here, newest first. */
  get programs(): SeenProgram[] {
    return this.#programs;
  }

  /** By this tab, over its reloads. */
  get contribution(): Contribution {
    return this.#contribution;
  }

  start(): void {
    this.#finishing = false;
    this.#refusal = '';
    remember('tab', KEY.on, 'on');
    if (this.#wanted) return this.#applyCapacity();
    this.#wanted = true;
    void this.#open(++this.#turn);
  }

  /** At once: what runs is given back unfinished. */
  stop(): void {
    this.#end('');
  }

  /** What runs is finished and reported first; nothing new is begun. */
  finishAndStop(): void {
    if (!this.#wanted) return;
    if (!this.#lender || !this.#connected) return this.stop();
    this.#finishing = true;
    this.#applyCapacity();
  }

  snooze(minutes: number): void {
    if (!this.#wanted || !(minutes > 0)) return;
    this.#snoozeUntil(Date.now() + minutes * 60_000);
    this.#applyCapacity();
  }

  wake(): void {
    clearTimeout(this.#wakeTimer);
    this.#snoozedUntilMs = null;
    remember('tab', KEY.snoozedUntil, null);
    this.#applyCapacity();
  }

  #snoozeUntil(untilMs: number): void {
    this.#snoozedUntilMs = untilMs;
    remember('tab', KEY.snoozedUntil, String(untilMs));
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = setTimeout(() => this.wake(), untilMs - Date.now());
  }

  async #open(turn: number): Promise<void> {
    try {
      const [identity, { Lender }] = await Promise.all([claimIdentity(), import('./lender.ts')]);
      if (turn !== this.#turn) return;
      this.#id = identity.id;
      const lender = new Lender({
        origin: location.origin,
        greeting: () => ({
          volunteer: identity.id,
          secret: identity.secret,
          name: this.#name,
          cores: this.coresMax,
        }),
        capacity: capacityOf(this.#facts, this.#cores),
        events: {
          changed: () => this.#showSoon(),
          gained: (gain) => this.#gain(gain),
          refused: (why) => this.#end(why),
          finished: () => this.stop(),
        },
      });
      this.#lender = lender;
      await lender.start();
    } catch (error) {
      if (turn === this.#turn) this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  /** `refusal`: why it ended against the person's will. A reload then tries again. */
  #end(refusal: string): void {
    this.#turn++;
    this.#wanted = false;
    this.#finishing = false;
    this.#refusal = refusal;
    if (refusal === '') remember('tab', KEY.on, null);
    if (this.#snoozedUntilMs !== null) this.wake();
    this.#lender?.stop();
    this.#lender = null;
    this.#show();
  }

  #applyCapacity(): void {
    this.#lender?.setCapacity(capacityOf(this.#facts, this.#cores));
  }

  #gain(gain: Gain): void {
    const sum = this.#gained;
    sum.tasks += gain.tasks ?? 0;
    sum.bytes += gain.bytes ?? 0;
    sum.ms += gain.ms ?? 0;
    sum.verified += gain.verified ?? 0;
    sum.rejected += gain.rejected ?? 0;
    sum.failed += gain.failed ?? 0;
  }

  #showSoon(): void {
    this.#showTimer ??= setTimeout(() => this.#show(), SHOW_MS);
  }

  #show(): void {
    clearTimeout(this.#showTimer);
    this.#showTimer = undefined;
    this.#connected = this.#lender?.connected ?? false;
    this.#lobbyReason = this.#lender?.why ?? '';
    this.#workers = this.#lender?.workers ?? [];
    if (this.#lender) this.#programs = this.#lender.programs;
    this.#contribution = { ...this.#gained };
    remember('tab', KEY.contribution, JSON.stringify(this.#gained));
  }
}

function recallCores(coresMax: number): number {
  const cores = Number(recall('browser', KEY.cores));
  return Number.isInteger(cores) && cores >= 1
    ? Math.min(cores, coresMax)
    : Math.max(1, coresMax - 1);
}

function recallContribution(): Contribution {
  try {
    const kept: unknown = JSON.parse(recall('tab', KEY.contribution) ?? '{}');
    const known = { ...NOTHING };
    for (const name of Object.keys(known) as (keyof Contribution)[]) {
      const value: unknown = (kept as Record<string, unknown>)[name];
      if (typeof value === 'number' && value >= 0) known[name] = value;
    }
    return known;
  } catch {
    return { ...NOTHING };
  }
}

export const lending = new Lending();
