// The law of the whole: map, combine, spill, merge and reduce give what a plain loop over the records gives,
// for every split size, number of partitions, memory and order of commits.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockReader } from '../../shared/mapreduce/blocks.ts';
import { reductionOf } from '../../shared/mapreduce/dry-run.ts';
import { GroupReducer } from '../../shared/mapreduce/group-reduce.ts';
import {
  type ProgramExports,
  type ProgramFactory,
  runMap,
} from '../../shared/mapreduce/map-run.ts';
import { merge } from '../../shared/mapreduce/merge.ts';
import { SpillVerifier } from '../../shared/mapreduce/spill.ts';
import type { MapPlan, Split } from '../../shared/mapreduce/task.ts';
import { alignRange } from '../../worker/jobs/mapreduce/align.ts';
import { planSplits, splitCount, splitOf } from '../../worker/jobs/mapreduce/plan.ts';

const mapPlan = (partitions: number): MapPlan => ({
  job: 'job',
  name: 'words',
  programHash: 'hash',
  format: 'lines',
  gzip: false,
  partitions,
  params: {},
  skipBadRecords: 0,
  csvHeader: null,
  nowMs: 0,
});

/** A stand-in for the global object, so that this process keeps its clock. */
const realm = () => ({ Math: { random: () => 0 }, Date });

async function attempt(
  factory: ProgramFactory,
  plan: MapPlan,
  task: number,
  split: Split,
  input: Uint8Array,
) {
  const origin = { lines: 0, firstLineColumns: 0 };
  const outcome = await runMap({
    factory,
    plan,
    task: { task, split },
    input,
    origin,
    realm: realm(),
  });
  if (!outcome.ok) throw new Error(outcome.error.message);
  return outcome;
}

async function* sectionOf(
  spill: Uint8Array,
  { offset, storedBytes }: { offset: number; storedBytes: number },
) {
  const reader = new BlockReader();
  yield* reader.push(spill.subarray(offset, offset + storedBytes));
  reader.end();
}

/** Runs a job in memory. */
async function runJob(
  factory: ProgramFactory,
  text: string,
  splitBytes: number,
  partitions: number,
) {
  const bytes = new Uint8Array(Buffer.from(text));
  const planned = planSplits(
    { inline: text, format: 'lines' },
    { bytes: bytes.length, gzip: false },
    splitBytes,
  );
  if (!planned.ok) throw new Error(planned.reason);
  const plan = mapPlan(partitions);
  const spills: { spill: Uint8Array; sections: { offset: number; storedBytes: number }[] }[] = [];
  let recordsIn = 0;
  for (let task = 0; task < splitCount(planned.plan); task++) {
    const split = splitOf(planned.plan, task);
    if (split.kind !== 'bytes') throw new Error('not a split of bytes');
    const range = await alignRange(split.start, split.end, bytes.length, async (start, end) =>
      bytes.subarray(start, end),
    );
    const input = bytes.slice(range.start, range.end);
    const { spill, digest, trailer } = await attempt(
      factory,
      plan,
      task,
      { kind: 'bytes', ...range },
      input,
    );
    const again = await attempt(factory, plan, task, { kind: 'bytes', ...range }, input);
    expect(again.digest, 'an honest attempt is repeatable').toBe(digest);
    const verifier = new SpillVerifier(partitions);
    verifier.push(spill);
    const verified = verifier.finish();
    expect(verified.digest).toBe(digest);
    recordsIn += trailer.recordsIn;
    spills.push({ spill, sections: verified.sections });
  }
  const result = new Map<string, unknown>();
  const keysOf: string[][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const keys: string[] = [];
    const reducer = new GroupReducer(reductionOf(factory(), {}), (line) => {
      const { key, value } = JSON.parse(line) as { key: string; value: unknown };
      expect(result.has(key), 'a key is in one partition').toBe(false);
      result.set(key, value);
      keys.push(key);
    });
    const sources = spills.map(({ spill, sections }) =>
      sectionOf(spill, sections[partition] ?? { offset: 0, storedBytes: 0 }),
    );
    for await (const block of merge(sources)) await reducer.push(block);
    await reducer.finish();
    keysOf.push(keys);
  }
  for (const keys of keysOf) {
    expect(keys).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  }
  return { result, recordsIn };
}

const map: ProgramExports['map'] = (line, emit) => {
  for (const word of String(line).split(' ')) emit(word, 1);
};
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const programs: Record<string, ProgramExports> = {
  'built-in sum, combined': { map, combine: 'sum', reduce: 'sum' },
  'built-in sum, not combined': { map, reduce: 'sum' },
  'built-in count, combined': { map, combine: 'count', reduce: 'count' },
  'built-in count, not combined': { map, reduce: 'count' },
  'combine sums, code reduces': {
    map,
    combine: 'sum',
    reduce: (_: string, values: number[]) => sum(values),
  },
  'code throughout': {
    map,
    combine: (_: string, values: number[]) => sum(values),
    reduce: (_: string, values: number[]) => sum(values),
  },
  'code that waits': {
    map: async (line, emit, ctx) => {
      await null;
      map(line, emit, ctx);
    },
    reduce: async (_: string, values: number[]) => {
      await null;
      return sum(values);
    },
  },
};

const word = fc.constantFrom('a', 'b', 'the', 'é', '😀', '\ue000', '', 'longer-word');
const text = fc
  .array(
    fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
    { maxLength: 30 },
  )
  .chain((lines) => fc.constantFrom('\n', '\r\n').map((newline) => lines.join(newline)));

test.each(Object.keys(programs))('counting words is the same for any split: %s', async (name) => {
  const factory = () => programs[name] ?? { map };
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 5 }),
      async (input, splitBytes, partitions) => {
        const expected = new Map<string, number>();
        const lines = input === '' ? [] : input.replace(/\r?\n$/, '').split(/\r?\n/);
        for (const w of lines.flatMap((line) => line.split(' ')))
          expected.set(w, (expected.get(w) ?? 0) + 1);
        const { result, recordsIn } = await runJob(factory, input, splitBytes, partitions);
        expect(result).toEqual(expected);
        expect(recordsIn).toBe(lines.length);
      },
    ),
    { numRuns: 40 },
  );
});

test('grouping keeps every value, in the order of the input, for any split', async () => {
  const factory = (): ProgramExports => ({
    map: (line, emit, ctx) => {
      for (const w of String(line).split(' ')) emit(w, { line, from: typeof ctx.split.start });
    },
  });
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 5 }),
      async (input, splitBytes, partitions) => {
        const whole = await runJob(factory, input, 1_000_000, 1);
        const { result } = await runJob(factory, input, splitBytes, partitions);
        expect(result).toEqual(whole.result);
      },
    ),
    { numRuns: 40 },
  );
});
