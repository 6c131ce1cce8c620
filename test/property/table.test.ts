// The law of the mapper's table: how much memory it has does not show in what it writes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockReader } from '../../shared/mapreduce/blocks.ts';
import { partitionOf } from '../../shared/mapreduce/hash.ts';
import { SpillVerifier, SpillWriter } from '../../shared/mapreduce/spill.ts';
import { type Combine, Table } from '../../shared/mapreduce/table.ts';
import type { Json } from '../../shared/schemas/common.ts';
import { wellFormed } from './texts.ts';

type Emit = [key: string, value: Json];
type Grouped = Map<string, Json[]>;

/** Everything the table wrote, by key, and its digest; the spill is verified on the way. */
function run(combine: Combine, emits: Emit[], partitions: number, bufferBytes: number) {
  const table = new Table(combine, partitions, { bufferBytes });
  for (const [key, value] of emits) table.emit(key, value);
  const writer = new SpillWriter(partitions);
  const recordsOut = table.writeTo(writer);
  const { spill, sections, digest } = writer.finish({
    recordsIn: 0,
    bytesIn: 0,
    emitted: table.emitted,
    recordsOut,
    badRecords: 0,
    badRecordsListed: [],
    userCounters: {},
  });
  const verifier = new SpillVerifier(partitions);
  verifier.push(spill);
  expect(verifier.finish().digest).toBe(digest);
  const grouped: Grouped = new Map();
  sections.forEach(({ offset, storedBytes }, partition) => {
    const reader = new BlockReader();
    for (const { keys, values } of reader.push(spill.subarray(offset, offset + storedBytes))) {
      keys.forEach((key, i) => {
        expect(partitionOf(key, partitions)).toBe(partition);
        grouped.set(key, [...(grouped.get(key) ?? []), JSON.parse(values[i] ?? '') as Json]);
      });
    }
  });
  expect(table.emitted).toBe(emits.length);
  return { grouped, digest, recordsOut };
}

function groupOf(emits: Emit[]): Grouped {
  const grouped: Grouped = new Map();
  for (const [key, value] of emits) {
    const plain = value === 0 ? 0 : (JSON.parse(JSON.stringify(value)) as Json);
    grouped.set(key, [...(grouped.get(key) ?? []), plain]);
  }
  return grouped;
}

const key = fc.oneof(wellFormed(3), fc.constantFrom('a', 'b', 'c', 'd'));
const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
const integerEmits = fc.array(fc.tuple(key, fc.integer({ min: -1e6, max: 1e6 })), {
  maxLength: 120,
});
const jsonEmits = fc.array(fc.tuple(key, json), { maxLength: 80 });
const partitions = fc.integer({ min: 1, max: 5 });
/** From a run for every record to no run at all. */
const bufferBytes = fc.constantFrom(1, 200, 1000, 5000, 1e9);

describe('the table', () => {
  test('without a combine keeps every value, in the order of emitting', () => {
    fc.assert(
      fc.property(jsonEmits, partitions, bufferBytes, (emits, count, bytes) => {
        const { grouped, digest, recordsOut } = run({ kind: 'none' }, emits, count, bytes);
        expect(grouped).toEqual(groupOf(emits));
        expect(recordsOut).toBe(emits.length);
        expect(digest).toBe(run({ kind: 'none' }, emits, count, 1e9).digest);
      }),
      { numRuns: 200 },
    );
  });

  const folds: Record<string, (values: number[]) => number> = {
    sum: (values) => values.reduce((a, b) => a + b, 0),
    count: (values) => values.length,
    min: (values) => Math.min(...values),
    max: (values) => Math.max(...values),
    first: (values) => values[0] ?? NaN,
  };
  test.each(['sum', 'count', 'min', 'max', 'first'] as const)(
    'with "%s" writes one record a key, the same for any buffer',
    (name) => {
      fc.assert(
        fc.property(integerEmits, partitions, bufferBytes, (emits, count, bytes) => {
          const combine = { kind: 'builtin', name } as const;
          const { grouped, digest } = run(combine, emits, count, bytes);
          const expected = [...groupOf(emits)].map(([k, values]) => [
            k,
            [(folds[name]?.(values as number[]) ?? NaN) + 0],
          ]);
          expect(Object.fromEntries(grouped)).toEqual(Object.fromEntries(expected));
          expect(digest).toBe(run(combine, emits, count, 1e9).digest);
        }),
        { numRuns: 100 },
      );
    },
  );

  test('with "first" keeps any value, and with "count" counts any', () => {
    fc.assert(
      fc.property(jsonEmits, partitions, bufferBytes, (emits, count, bytes) => {
        const expected = groupOf(emits);
        const first = run({ kind: 'builtin', name: 'first' }, emits, count, bytes).grouped;
        expect(first).toEqual(
          new Map([...expected].map(([k, values]) => [k, [values[0] as Json]])),
        );
        const counted = run({ kind: 'builtin', name: 'count' }, emits, count, bytes).grouped;
        expect(counted).toEqual(new Map([...expected].map(([k, values]) => [k, [values.length]])));
      }),
      { numRuns: 100 },
    );
  });

  test('with sums of fractions writes the same bytes whenever the buffer is the same', () => {
    const fractions = fc.array(fc.tuple(key, fc.double({ min: -1e9, max: 1e9, noNaN: true })), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(fractions, partitions, bufferBytes, (emits, count, bytes) => {
        const combine = { kind: 'builtin', name: 'sum' } as const;
        const once = run(combine, emits, count, bytes);
        expect(run(combine, emits, count, bytes).digest).toBe(once.digest);
        for (const [k, values] of groupOf(emits)) {
          const exact = (values as number[]).reduce((a, b) => a + b, 0);
          const scale = (values as number[]).reduce((a, b) => a + Math.abs(b), 1e-300);
          const [sum] = once.grouped.get(k) ?? [];
          expect(Math.abs((sum as number) - exact) / scale).toBeLessThan(1e-12);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("with the program's own combine is the same for any buffer, where the combine is associative", () => {
    const combine: Combine = {
      kind: 'code',
      combine: (_, values) =>
        values
          .flat()
          .slice()
          .sort((a, b) => Number(a) - Number(b)),
    };
    const emitted = integerEmits.map((emits) => emits.map(([k, value]): Emit => [k, [value]]));
    fc.assert(
      fc.property(emitted, partitions, bufferBytes, (emits, count, bytes) => {
        const { grouped, digest } = run(combine, emits, count, bytes);
        for (const [k, values] of groupOf(emits)) {
          const expected = values.flat().sort((a, b) => Number(a) - Number(b));
          expect(grouped.get(k)).toEqual([expected]);
        }
        expect(digest).toBe(run(combine, emits, count, 1e9).digest);
      }),
      { numRuns: 100 },
    );
  });

  test("combines a key's values on the way, so that one hot key takes little room", () => {
    let most = 0;
    const combine: Combine = {
      kind: 'code',
      combine: (_, values) => {
        most = Math.max(most, values.length);
        return (values as number[]).reduce((a, b) => a + b, 0);
      },
    };
    const emits = Array.from({ length: 10_000 }, (): Emit => ['hot', 1]);
    expect(run(combine, emits, 1, 1e9).grouped).toEqual(new Map([['hot', [10_000]]]));
    expect(most).toBeLessThan(100);
  });

  test.each([
    { name: 'none', combine: { kind: 'none' } },
    { name: 'first', combine: { kind: 'builtin', name: 'first' } },
    { name: 'code', combine: { kind: 'code', combine: (_: string, values: Json[]) => values } },
  ] satisfies { name: string; combine: Combine }[])(
    'takes a snapshot of what is emitted: $name',
    ({ combine }) => {
      const table = new Table(combine, 1);
      const reused = { n: 1 };
      table.emit('k', reused);
      reused.n = 2;
      const texts: string[] = [];
      const writer = new SpillWriter(1);
      writer.add = (_, __, text) => void texts.push(text);
      table.writeTo(writer);
      expect(texts.join()).toContain('{"n":1}');
    },
  );

  test('refuses output that would not fit in memory while it is sorted', () => {
    const table = new Table({ kind: 'none' }, 1, { bufferBytes: 20_000, runsMaxBytes: 100_000 });
    let state = 1;
    const noise = () => String((state = (state * 48271) % 2147483647));
    const value = () => Array.from({ length: 50 }, noise).join('');
    expect(() => {
      for (let i = 0; i < 1_000; i++) table.emit(`k${i}`, value());
    }).toThrow(/over 100000 bytes while it is sorted; use smaller splits or a combine/);
  });
});
