// A partition equals a plain array: whatever is appended, sealed, read, pinned and forgotten, with R2 failing and
// the process killed at any of its calls. Nothing that was accepted is lost, nothing is there twice.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Append, Located } from '../../../worker/contracts/log.rpc.ts';
import type { LogSizes } from '../../../worker/log/partition/ports.store.ts';
import { Killed, LogWorld } from './log-world.ts';

const SIZES: LogSizes = {
  segmentBytes: 900,
  segmentRows: 6,
  blockBytes: 150,
  rowBytes: 400,
  dedupIds: 100_000,
};
const RETENTION_MS = 1_000_000;
const CONFIG = {
  stream: 's',
  uid: 'u',
  partition: 2,
  retentionMs: RETENTION_MS,
  maxBytes: 1e9,
};
const HOLDER = 'u/2';
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

interface NewOne {
  id: number | null;
  pad: number;
  claim: number | null;
}

type Step =
  | { kind: 'append'; events: NewOne[]; producer: number | null; request: number | null }
  | { kind: 'pass'; ms: number }
  | { kind: 'read'; at: number; maxEvents: number; maxBytes: number }
  | { kind: 'measure'; at: number; maxEvents: number; maxBytes: number }
  | { kind: 'resolve'; agoMs: number }
  | { kind: 'pin'; holder: number; at: number; events: number; pieceBytes: number }
  | { kind: 'unpin'; holder: number }
  | { kind: 'restart' }
  | { kind: 'down'; down: boolean }
  | { kind: 'kill'; calls: number; after: boolean };

const size = fc.integer({ min: 1, max: 700 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      events: fc.array(
        fc.record({
          id: fc.option(fc.nat({ max: 25 })),
          pad: fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 500 })),
          claim: fc.option(fc.nat({ max: 8 }), { freq: 3 }),
        }),
        { maxLength: 5 },
      ),
      producer: fc.option(fc.nat({ max: 20 }), { freq: 2 }),
      request: fc.option(fc.nat({ max: 5 }), { freq: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.oneof(fc.nat({ max: 20_000 }), fc.nat({ max: RETENTION_MS / 2 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      at: fc.nat({ max: 120 }),
      maxEvents: fc.integer({ min: 1, max: 12 }),
      maxBytes: size,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('measure' as const),
      at: fc.nat({ max: 120 }),
      maxEvents: fc.integer({ min: 1, max: 20 }),
      maxBytes: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
  fc.record({ kind: fc.constant('resolve' as const), agoMs: fc.nat({ max: RETENTION_MS }) }),
  fc.record({
    kind: fc.constant('pin' as const),
    holder: fc.nat({ max: 2 }),
    at: fc.nat({ max: 60 }),
    events: fc.integer({ min: 1, max: 30 }),
    pieceBytes: size,
  }),
  fc.record({ kind: fc.constant('unpin' as const), holder: fc.nat({ max: 2 }) }),
  fc.constant({ kind: 'restart' as const }),
  fc.record({ kind: fc.constant('down' as const), down: fc.boolean() }),
  fc.record({
    kind: fc.constant('kill' as const),
    calls: fc.integer({ min: 1, max: 3 }),
    after: fc.boolean(),
  }),
);

interface Known {
  line: string;
  id: number | null;
  token: string | null;
  claimBytes: number;
  atMs: number;
}

/** The plain array, and everything that has to hold between it and the partition. */
class Model {
  readonly world = new LogWorld(SIZES);
  readonly events: Known[] = [];
  first = 0;
  duplicates = 0;
  #made = 0;
  #sequence: number | null = null;
  readonly #requests = new Map<number, { outcome: unknown; atMs: number }>();
  readonly #pins = new Map<number, { first: number; next: number; untilMs: number }>();

  constructor() {
    this.world.log.configure(CONFIG);
  }

  get next(): number {
    return this.events.length;
  }

  async run(one: Step): Promise<void> {
    if (!this.world.alive) this.world.restart();
    const { world } = this;
    switch (one.kind) {
      case 'append':
        this.#append(one);
        break;
      case 'pass':
        await world.pass(one.ms);
        break;
      case 'read':
        await this.#read(one.at, one.maxEvents, one.maxBytes);
        break;
      case 'measure':
        await this.#measure(one.at, one.maxEvents, one.maxBytes);
        break;
      case 'resolve': {
        const timeMs = world.nowMs - one.agoMs;
        const found = this.events.findIndex(({ atMs }, i) => i >= this.first && atMs >= timeMs);
        expect(world.log.resolve({ timeMs })).toBe(found === -1 ? this.next : found);
        break;
      }
      case 'pin':
        await this.#pin(one);
        break;
      case 'unpin':
        world.log.unpin(String(one.holder));
        this.#pins.delete(one.holder);
        break;
      case 'restart':
        world.restart();
        break;
      case 'down':
        world.down = one.down;
        break;
      case 'kill':
        world.killIn = { calls: one.calls, after: one.after };
    }
    await world.settle();
    if (!world.alive) world.restart();
    this.#look();
  }

  #append({ events, producer, request }: Step & { kind: 'append' }): void {
    const { world } = this;
    const lines = events.map(({ id, pad, claim }) => {
      const made = id === null ? `made-${this.#made++}` : `id-${id}`;
      const token = claim === null ? null : `token-${'x'.repeat(claim % 3)}${claim}`;
      const payload = 'é'.repeat(pad);
      return { id, token, line: JSON.stringify({ id: made, type: 'T', payload }) };
    });
    const sequences = lines.map((_, i) => (producer ?? 0) + i);
    const batch: Append = {
      text: lines.map(({ line }) => line).join('\n'),
      count: lines.length,
      ids: lines.map(({ id }) => (id === null ? null : `id-${id}`)),
      claims: lines.flatMap(({ token }, index) => (token ? [{ index, token, bytes: 7 }] : [])),
      producer: producer === null ? null : { id: 'p', sequences },
      request: request === null ? null : { key: 'k', piece: request },
    };
    const outcome = world.log.append(batch);
    const before = request === null ? undefined : this.#requests.get(request);
    if (before && world.nowMs - before.atMs < 24 * 3600_000) {
      expect(outcome).toEqual(before.outcome);
      return;
    }
    const first = this.next;
    const present = new Set(this.events.slice(this.first).map(({ id }) => id));
    let [accepted, duplicates] = [0, 0];
    const last = this.#sequence;
    lines.forEach(({ id, token, line }, i) => {
      const old = producer !== null && last !== null && (sequences[i] ?? 0) <= last;
      if (old || (id !== null && present.has(id))) {
        duplicates++;
        return;
      }
      present.add(id);
      accepted++;
      const placed = `{"partition":2,"offset":${this.next},${line.slice(1)}`;
      this.events.push({ line: placed, id, token, claimBytes: 7, atMs: world.nowMs });
    });
    if (producer !== null && lines.length > 0) {
      this.#sequence = Math.max(last ?? 0, sequences.at(-1) ?? 0);
    }
    this.duplicates += duplicates;
    expect(outcome).toEqual({
      kind: 'appended',
      accepted,
      duplicates,
      first: accepted > 0 ? first : null,
    });
    if (request !== null) this.#requests.set(request, { outcome, atMs: world.nowMs });
  }

  /** What can be seen from outside at any time: the beginning only moves as retention and pins allow. */
  #look(): void {
    const status = this.world.log.status();
    if (!status) throw new Error('the partition is gone');
    const { first, next, bytes, claimEvents, claimBytes } = status;
    expect(next).toBe(this.next);
    expect(first).toBeGreaterThanOrEqual(this.first);
    for (let offset = this.first; offset < first; offset++) {
      expect(this.events[offset]?.atMs).toBeLessThanOrEqual(this.world.nowMs - RETENTION_MS);
      for (const pin of this.#pins.values()) {
        if (pin.untilMs > this.world.nowMs) {
          expect(offset < pin.first || offset >= pin.next).toBe(true);
        }
      }
    }
    this.first = first;
    const kept = this.events.slice(first);
    expect(bytes).toBe(kept.reduce((sum, { line }) => sum + bytesOf(line) + 1, 0));
    expect(claimEvents).toBe(kept.filter(({ token }) => token !== null).length);
    expect(claimBytes).toBe(claimEvents * 7);
  }

  /** One answer of `locate`, as the lines that a reader makes of it. */
  #linesOf(located: Located, from: number): { lines: string[]; at: number[] } {
    if (located.kind === 'rows') {
      const lines: string[] = [];
      const at: number[] = [];
      for (const chunk of located.chunks) {
        expect(chunk.first).toBe(from + lines.length);
        const own = chunk.text.split('\n');
        expect(own).toHaveLength(chunk.count);
        lines.push(...own);
        at.push(...own.map(() => chunk.appendedAtMs));
      }
      return { lines, at };
    }
    if (located.kind !== 'segment') throw new Error(located.kind);
    const { key, start, end, first, count, times } = located.range;
    const object = this.world.objects.get(key);
    if (!object) throw new Error(`${key} is missing`);
    const text = new TextDecoder().decode(object.bytes.slice(start, end));
    expect(text.endsWith('\n')).toBe(true);
    const lines = text.slice(0, -1).split('\n');
    expect(lines).toHaveLength(count);
    expect(first).toBeLessThanOrEqual(from);
    const at = lines.map(
      (_, i) => times.findLast(({ offset }) => offset <= first + i)?.atMs ?? Number.NaN,
    );
    return { lines: lines.slice(from - first), at: at.slice(from - first) };
  }

  async #read(at: number, maxEvents: number, maxBytes: number): Promise<void> {
    const { log } = this.world;
    const located = log.locate(at, maxEvents, maxBytes);
    expect(located).toMatchObject({ next: this.next });
    if (at < this.first) {
      expect(located).toEqual({ kind: 'expired', first: this.first, next: this.next });
      return;
    }
    if (at >= this.next) {
      expect(located.kind).toBe('end');
      return;
    }
    const { lines, at: times } = this.#linesOf(located, at);
    const expected = this.events.slice(at, at + lines.length);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines).toEqual(expected.map(({ line }) => line));
    expect(times).toEqual(expected.map(({ atMs }) => atMs));
    if (located.kind === 'rows') {
      expect(lines.length).toBeLessThanOrEqual(maxEvents);
      const bytes = lines.reduce((sum, line) => sum + bytesOf(line) + 1, 0);
      expect(lines.length === 1 || bytes <= maxBytes).toBe(true);
    } else if (located.kind === 'segment') {
      const { start, end, first, count } = located.range;
      // Past the bounds by at most the block at either end.
      const block = SIZES.blockBytes + SIZES.rowBytes + 1_200;
      expect(end - start).toBeLessThanOrEqual(Math.max(maxBytes, block));
      expect(first + count).toBeLessThanOrEqual(at + maxEvents + block / 50);
    }
  }

  async #measure(at: number, maxEvents: number, maxBytes: number): Promise<void> {
    const { world } = this;
    const wasKilled = world.killIn !== null || world.down;
    let measured;
    try {
      measured = await world.log.measure(at, maxEvents, maxBytes);
    } catch (error) {
      // Only because R2 did not answer.
      if (!wasKilled) throw error;
      return;
    }
    const from = Math.max(at, this.first);
    let [to, bytes] = [from, 0];
    while (to < this.next && to - from < maxEvents) {
      const own = bytesOf(this.events[to]?.line ?? '') + 1;
      if (to > from && bytes + own > maxBytes) break;
      bytes += own;
      to++;
    }
    const events = to - from;
    const over =
      events > 0 &&
      (bytes >= maxBytes ||
        (to < this.next && bytes + bytesOf(this.events[to]?.line ?? '') + 1 > maxBytes));
    expect(measured).toEqual({
      to,
      events,
      bytes,
      full: events > 0 && events >= maxEvents ? 'events' : over ? 'bytes' : null,
      firstAtMs: this.events[from]?.atMs ?? null,
    });
  }

  async #pin(one: Step & { kind: 'pin' }): Promise<void> {
    const { world } = this;
    const wasKilled = world.killIn !== null || world.down;
    const [from, to] = [one.at, one.at + one.events];
    const first = Math.max(from, this.first);
    const next = Math.min(to, this.next);
    if (first < next) this.#pins.delete(one.holder);
    try {
      const pieces = await world.log.pin(String(one.holder), from, to, one.pieceBytes);
      const text = pieces.map(({ key, start, end, events }) => {
        const bytes = world.objects.get(key)?.bytes.slice(start, end);
        const lines = new TextDecoder().decode(bytes);
        expect(lines.split('\n')).toHaveLength(events + 1);
        return lines;
      });
      const expected = this.events
        .slice(first, Math.max(first, next))
        .map(({ line }) => `${line}\n`);
      expect(text.join('')).toBe(expected.join(''));
      if (first < next) {
        const untilMs = world.nowMs + 7 * 24 * 3600_000;
        this.#pins.set(one.holder, { first, next, untilMs });
      }
    } catch (error) {
      if (!wasKilled) throw error;
    }
  }

  /** The world is well again, and time has passed: everything is in order, and nothing is left over. */
  async end(): Promise<void> {
    const { world } = this;
    world.down = false;
    world.killIn = null;
    world.restart();
    for (const holder of [0, 1, 2]) world.log.unpin(String(holder));
    this.#pins.clear();
    await world.pass(60_000);
    this.#look();
    const lines: string[] = [];
    for (let at = this.first; at < this.next;) {
      const read = this.#linesOf(world.log.locate(at, 7, 500), at).lines;
      lines.push(...read);
      at += read.length;
    }
    expect(lines).toEqual(this.events.slice(this.first).map(({ line }) => line));
    const used = new Set(this.events.slice(this.first).flatMap(({ token }) => token ?? []));
    const held = [...world.holders].filter(([, holders]) => holders.has(HOLDER));
    expect(new Set(held.map(([token]) => token))).toEqual(used);
    // A crash may have left the object of what is not sealed yet: it is adopted, or goes with the tail.
    const sealed = [...world.objects.keys()].filter(
      (key) => key !== `streams/u/2/${world.log.status()?.sealed}`,
    );
    expect(sealed).toHaveLength(world.log.status()?.segments ?? 0);
    // What was written once stays as it was: somebody may read it.
    expect(world.overwrites).toBe(0);
    // In the end all ages out.
    await world.pass(RETENTION_MS * 1.2);
    expect(world.log.status()).toMatchObject({ first: this.next, bytes: 0, segments: 0 });
    expect(world.objects.size).toBe(0);
    expect([...world.holders.values()].every((holders) => !holders.has(HOLDER))).toBe(true);
    for (const table of ['rows', 'segments', 'segment_ids', 'segment_claims']) {
      expect(world.rowCount(table)).toBe(0);
    }
    // And an id is new again.
    expect(world.log.append(oneEvent('id-1'))).toMatchObject({ accepted: 1, first: this.next });
  }
}

const oneEvent = (id: string): Append => ({
  text: JSON.stringify({ id, type: 'T' }),
  count: 1,
  ids: [id],
  claims: [],
  producer: null,
  request: null,
});

describe('a partition', () => {
  test('equals a plain array', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 70, size: 'max' }),
        async (steps) => {
          const model = new Model();
          for (const one of steps) {
            try {
              await model.run(one);
            } catch (error) {
              if (!(error instanceof Killed)) throw error;
            }
          }
          await model.end();
        },
      ),
      { numRuns: 200 },
    );
  });
});
