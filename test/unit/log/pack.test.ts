// Packing: every event travels once, to its partition, in order, in pieces that a call carries.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { APPEND_CALL_MAX_BYTES } from '../../../shared/limits.ts';
import { partitionOf } from '../../../shared/mapreduce/hash.ts';
import type { Claim } from '../../../shared/schemas/claim.ts';
import type { NewEvent } from '../../../worker/log/events.ts';
import { byPartition, type Packing, type Piece, piecesOf } from '../../../worker/log/pack.ts';

const event = (changes: Partial<NewEvent> = {}): NewEvent => ({
  id: null,
  type: 'A',
  key: null,
  time: null,
  payload: null,
  claim: null,
  source: null,
  ...changes,
});

const claim = (token: string): Claim => ({
  token,
  bytes: 5,
  sha256: 'a'.repeat(64),
  contentType: 'application/json',
});

const packing = (changes: Partial<Packing> = {}): Packing => ({
  partitions: 1,
  idBase: 'event_x',
  time: '2026-11-25T00:00:00.000Z',
  claims: new Map(),
  sequences: null,
  repeatable: false,
  ...changes,
});

const pieces = (events: NewEvent[], how: Packing): Piece[] => [
  ...piecesOf(events, byPartition(events, how).get(0) ?? [], how),
];

const parsed = ({ text }: Piece) => text.split('\n').map((line) => JSON.parse(line) as unknown);

describe('a line', () => {
  it('has the fields in the log’s order, and what the event did not say', () => {
    const source = { processor: 'p', version: 1, stream: 's', partition: 0, offset: 3 };
    const [piece] = pieces(
      [
        event({ payload: '{"a":"\\n"}' }),
        event({ id: 'i"', key: 'k', time: '2026-01-01T00:00:00Z', source }),
      ],
      packing(),
    );
    expect(piece?.text.split('\n')).toEqual([
      '{"id":"event_x-0","type":"A","key":null,"time":"2026-11-25T00:00:00.000Z","payload":{"a":"\\n"}}',
      `{"id":"i\\"","type":"A","key":"k","time":"2026-01-01T00:00:00Z","source":${JSON.stringify(source)}}`,
    ]);
    expect(piece).toMatchObject({ count: 2, ids: [null, 'i"'], claims: [], sequences: null });
  });

  it('has the stored claim in the place of its payload, or of the claim it came with', () => {
    const events = [event({ payload: '"large"' }), event(), event({ claim: claim('given') })];
    const claims = new Map([
      [0, claim('made')],
      [2, claim('stored')],
    ]);
    const [piece] = pieces(events, packing({ claims }));
    expect(piece && parsed(piece)).toMatchObject([
      { claim: claim('made') },
      {},
      { claim: claim('stored') },
    ]);
    expect(piece?.text).not.toContain('payload');
    expect(piece?.claims).toEqual([
      { index: 0, token: 'made', bytes: 5 },
      { index: 2, token: 'stored', bytes: 5 },
    ]);
    expect(piece?.ids).toBeNull();
  });
});

describe('pieces', () => {
  const arbitraryEvent = fc.record({
    id: fc.option(fc.string({ minLength: 1, maxLength: 5 })),
    key: fc.option(fc.string({ maxLength: 3 })),
    payload: fc.option(
      fc.oneof(
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.integer({ min: 1, max: 400_000 }).map((n) => JSON.stringify('好'.repeat(n))),
      ),
    ),
  });

  it('hold every event once, where its key or id belongs, in order, within a call’s size', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryEvent, { maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        (given, partitions) => {
          const events = given.map((fields) => event(fields));
          const how = packing({ partitions });
          const seen: { place: number; partition: number }[] = [];
          for (const [partition, places] of byPartition(events, how)) {
            const all = [...piecesOf(events, places, how)];
            const records = all.flatMap((piece) => {
              expect(piece.count).toBe(parsed(piece).length);
              if (piece.count > 1) {
                expect(new TextEncoder().encode(piece.text).length).toBeLessThanOrEqual(
                  APPEND_CALL_MAX_BYTES,
                );
              }
              return parsed(piece) as { id: string; key: string | null }[];
            });
            expect(records).toHaveLength(places.length);
            places.forEach((place, i) => {
              const { id, key } = records[i] ?? { id: '', key: '' };
              expect(id).toBe(events[place]?.id ?? `event_x-${place.toString(36)}`);
              expect(partitionOf(key ?? id, partitions)).toBe(partition);
              seen.push({ place, partition });
            });
            expect(places).toEqual(places.toSorted((a, b) => a - b));
          }
          expect(seen.map(({ place }) => place).sort((a, b) => a - b)).toEqual(
            events.map((_, i) => i),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are the same for a repeated request, whichever payloads go to R2 that time', () => {
    const sizes = fc.array(fc.integer({ min: 1_100, max: 900_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1_000, max: 1_000_000 }), (given, bound) => {
        const events = given.map((n) => event({ payload: JSON.stringify('x'.repeat(n)) }));
        const large = [...events.entries()].filter(([, e]) => (e.payload?.length ?? 0) > bound);
        const claims = new Map(large.map(([place]) => [place, claim(`claim_${place}`)]));
        const counts = (how: Partial<Packing>) =>
          pieces(events, packing({ repeatable: true, ...how })).map(({ count }) => count);
        expect(counts({ claims })).toEqual(counts({}));
      }),
      { numRuns: 60 },
    );
  });

  it('keep what came of one source event together', () => {
    const events = Array.from({ length: 12 }, () =>
      event({ payload: JSON.stringify('x'.repeat(300_000)) }),
    );
    const sequences = [0, 1, 2, 2, 2, 2, 2, 2, 3, 4, 4, 5];
    const all = pieces(events, packing({ sequences }));
    expect(all.length).toBeGreaterThan(1);
    expect(all.flatMap((piece) => piece.sequences ?? [])).toEqual(sequences);
    all.slice(1).forEach((piece, i) => {
      expect(piece.sequences?.[0]).toBeGreaterThan(all[i]?.sequences?.at(-1) ?? Infinity);
    });
  });
});
