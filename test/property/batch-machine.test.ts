// Windows over partitions that grow, looked at in any order, with stale answers and restarts, while bounds change:
// they cut the log exactly. Each event is in one window, windows are in order, and none is larger than it may be.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WindowLimits } from '../../shared/schemas/processor.ts';
import type { Measured } from '../../worker/contracts/log.rpc.ts';
import {
  commit,
  count,
  fire,
  type FiredWindow,
  fireIfDue,
  firesAtMs,
  newWindows,
  type Question,
  questionOf,
  type Windows,
} from '../../worker/processors/batch/batch-machine.ts';

interface LoggedEvent {
  bytes: number;
  atMs: number;
}

type Step =
  | { kind: 'append'; partition: number; sizes: number[] }
  | { kind: 'look'; partition: number }
  | { kind: 'ask'; partition: number }
  | { kind: 'answer'; pick: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'expire'; partition: number; share: number }
  | { kind: 'drain' }
  | { kind: 'restart' };

class Bench {
  readonly partitions: LoggedEvent[][];
  /** What retention took, by partition. */
  readonly first: number[];
  readonly limits: WindowLimits;
  windows: Windows = newWindows();
  nowMs = 1_000;
  expired = 0;
  readonly fired: (FiredWindow & { limits: WindowLimits })[] = [];
  readonly questions: { question: Question; measured: Measured }[] = [];

  constructor(partitions: number, limits: WindowLimits) {
    this.partitions = Array.from({ length: partitions }, () => []);
    this.first = this.partitions.map(() => 0);
    this.limits = limits;
    this.windows.cursors = this.partitions.map((_, partition) => ({
      stream: 's',
      streamUid: 'uid',
      partition,
      next: 0,
      committed: 0,
    }));
  }

  /** As LogObject.measure does. */
  #measure({ cursor, from, maxEvents, maxBytes }: Question): Measured {
    const log = this.partitions[cursor] ?? [];
    const start = Math.max(from, this.first[cursor] ?? 0);
    let to = start;
    let bytes = 0;
    let full: Measured['full'] = null;
    while (to < log.length) {
      const size = log[to]?.bytes ?? 0;
      if (to > start && bytes + size > maxBytes) {
        full = 'bytes';
        break;
      }
      bytes += size;
      to++;
      if (to - start >= maxEvents) full = 'events';
      else if (bytes >= maxBytes) full = 'bytes';
      if (full !== null) break;
    }
    return { to, events: to - start, bytes, full, firstAtMs: log[start]?.atMs ?? null };
  }

  #keep(window: FiredWindow | null): void {
    if (!window) return;
    this.fired.push({ ...structuredClone(window), limits: this.limits });
    commit(this.windows, window.ranges);
  }

  due(): void {
    this.#keep(fireIfDue(this.windows, this.limits, this.nowMs));
  }

  ask(partition: number): void {
    this.due();
    const question = questionOf(this.windows, partition, this.limits);
    this.questions.push({ question, measured: this.#measure(question) });
  }

  answer(pick: number): 'again' | 'more' | 'end' | null {
    if (this.questions.length === 0) return null;
    const [asked] = this.questions.splice(pick % this.questions.length, 1);
    if (!asked) return null;
    this.due();
    const counted = count(this.windows, asked.question, asked.measured, this.limits, this.nowMs);
    this.expired += counted.expired;
    this.#keep(counted.fired);
    return counted.then;
  }

  look(partition: number): void {
    for (let looks = 0; looks < 10_000; looks++) {
      this.questions.splice(0);
      this.ask(partition);
      if (this.answer(0) === 'end') return;
    }
    throw new Error('a look that never ends');
  }

  take(step: Step): void {
    const partition = 'partition' in step ? step.partition % this.partitions.length : 0;
    switch (step.kind) {
      case 'append':
        for (const bytes of step.sizes)
          this.partitions[partition]?.push({ bytes, atMs: this.nowMs });
        break;
      case 'look':
        this.look(partition);
        break;
      case 'ask':
        this.ask(partition);
        break;
      case 'answer':
        this.answer(step.pick);
        break;
      case 'pass':
        this.nowMs += step.ms;
        this.due();
        break;
      case 'expire': {
        const length = this.partitions[partition]?.length ?? 0;
        const first = Math.floor(length * step.share);
        this.first[partition] = Math.max(this.first[partition] ?? 0, first);
        break;
      }
      case 'drain':
        this.#keep(fire(this.windows, 'drain', this.nowMs));
        break;
      case 'restart':
        this.windows = JSON.parse(JSON.stringify(this.windows)) as Windows;
        break;
    }
  }

  end(): void {
    for (const partition of this.partitions.keys()) this.look(partition);
    this.take({ kind: 'drain' });
  }
}

const partition = fc.nat(2);
const steps = (expire: boolean) =>
  fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('append' as const),
        partition,
        sizes: fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 12 }),
      }),
      fc.record({ kind: fc.constant('look' as const), partition }),
      fc.record({ kind: fc.constant('ask' as const), partition }),
      fc.record({ kind: fc.constant('answer' as const), pick: fc.nat(5) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 80 }) }),
      fc.constant({ kind: 'drain' as const }),
      fc.constant({ kind: 'restart' as const }),
      ...(expire
        ? [
            fc.record({
              kind: fc.constant('expire' as const),
              partition,
              share: fc.double({ min: 0, max: 1, noNaN: true }),
            }),
          ]
        : []),
    ),
    { minLength: 20, maxLength: 80 },
  );
/** Windows that stay open for long. */
const roomy = fc.record({
  maxEvents: fc.integer({ min: 1, max: 200 }),
  maxBytes: fc.integer({ min: 1, max: 20_000 }),
  maxWaitMs: fc.integer({ min: 1, max: 2_000 }),
});
const limits = fc.record({
  maxEvents: fc.integer({ min: 1, max: 9 }),
  maxBytes: fc.integer({ min: 1, max: 300 }),
  maxWaitMs: fc.integer({ min: 1, max: 100 }),
});

function play(partitions: number, bounds: WindowLimits, taken: Step[]): Bench {
  const bench = new Bench(partitions, bounds);
  for (const step of taken) bench.take(step);
  bench.end();
  return bench;
}

describe('windows', () => {
  test('cut the log exactly, in order, within every bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), limits, steps(false), (n, bounds, taken) => {
        const { fired, partitions, windows, expired } = play(n, bounds, taken);
        expect(expired).toBe(0);
        expect(fired.map(({ number }) => number)).toEqual(fired.map((_, i) => i + 1));
        const next = partitions.map(() => 0);
        for (const window of fired) {
          const events = window.ranges.flatMap(({ partition, from, to }) => {
            expect(from).toBe(next[partition]);
            next[partition] = to;
            return partitions[partition]?.slice(from, to) ?? [];
          });
          const bytes = events.reduce((sum, event) => sum + event.bytes, 0);
          expect(window.events).toBe(events.length);
          expect(window.bytes).toBe(bytes);
          expect(events.length).toBeGreaterThan(0);
          expect(events.length).toBeLessThanOrEqual(bounds.maxEvents);
          if (events.length > 1) expect(bytes).toBeLessThanOrEqual(bounds.maxBytes);
          expect(window.openedAtMs).toBe(Math.min(...events.map(({ atMs }) => atMs)));
          if (window.reason === 'events') expect(events.length).toBe(bounds.maxEvents);
          if (window.reason === 'time') {
            expect(window.firedAtMs).toBeGreaterThanOrEqual(window.openedAtMs + bounds.maxWaitMs);
          }
        }
        expect(next).toEqual(partitions.map((log) => log.length));
        expect(windows.cursors.map(({ committed }) => committed)).toEqual(next);
      }),
    );
  });

  test('fire by time no later than a look after it, and by bytes only when nothing more fits', () => {
    fc.assert(
      fc.property(limits, steps(false), (bounds, taken) => {
        const bench = new Bench(1, bounds);
        for (const step of taken) {
          bench.take(step);
          if (step.kind === 'pass' || step.kind === 'look') {
            bench.due();
            const atMs = firesAtMs(bench.windows, bounds);
            expect(atMs === null || atMs > bench.nowMs).toBe(true);
          }
        }
        bench.end();
        for (const { reason, bytes, ranges } of bench.fired) {
          if (reason !== 'bytes') continue;
          const following = bench.partitions[0]?.[ranges[0]?.to ?? 0]?.bytes ?? 0;
          expect(bytes + following).toBeGreaterThanOrEqual(bounds.maxBytes);
        }
      }),
    );
  });

  test('count every event once, in a window or as expired, while retention takes some', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), roomy, steps(true), (n, bounds, taken) => {
        const { fired, partitions, expired } = play(n, bounds, taken);
        const seen = partitions.map(() => 0);
        let counted = 0;
        for (const { ranges, events } of fired) {
          const inRanges = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
          expect(events).toBe(inRanges);
          counted += events;
          for (const { partition, from, to } of ranges) {
            expect(from).toBeGreaterThanOrEqual(seen[partition] ?? 0);
            seen[partition] = to;
          }
        }
        expect(counted + expired).toBe(partitions.reduce((sum, log) => sum + log.length, 0));
      }),
    );
  });
});
