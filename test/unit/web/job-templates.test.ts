// Every template is a job that really runs: compiled and run by the shared runtime, then compared with a
// count made another way.
import { describe, expect, test } from 'vitest';
import { CODE_MAX_BYTES } from '../../../shared/limits.ts';
import { runDryRun } from '../../../shared/mapreduce/dry-run.ts';
import type { ProgramFactory } from '../../../shared/mapreduce/map-run.ts';
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import type { Json } from '../../../shared/schemas/common.ts';
import { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { recordFormat } from '../../../worker/jobs/mapreduce/plan.ts';
import { HITS_PER_PAGE } from '../../../worker/local/hits-per-page.ts';
import {
  NASTY_LOG,
  NASTY_NOT_LOG_LINES,
  NASTY_PAGES,
  NASTY_STATUSES,
  NASTY_WITHOUT_REQUEST,
} from '../../support/nasty-log.ts';
import {
  TEMPLATE_IDS,
  TEMPLATES,
  templateById,
  type TemplateId,
} from '../../../web/lib/jobs/templates.ts';

/** Runs a template over its own input, unless another is given; a range may be shortened. */
async function run(
  id: TemplateId,
  { range, inline }: { range?: { from: number; to: number }; inline?: string } = {},
) {
  const template = templateById(id);
  if (!template) throw new Error(`no template ${id}`);
  const input = inline === undefined ? {} : { input: { ...template.spec.input, inline } };
  return runSpec(MapReduceSpec.parse({ ...template.spec, ...input }), range);
}

async function runSpec(spec: MapReduceSpec, range?: { from: number; to: number }) {
  const compiled = compileProgram(spec.code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  const factory = new Function(
    `return ${compiled.program.text}\n//# sourceURL=program.js`,
  )() as ProgramFactory;
  const { input } = spec;
  const text = 'inline' in input ? input.inline : null;
  const bytes = text === null ? null : new TextEncoder().encode(text);
  const split = bytes
    ? { kind: 'bytes' as const, start: 0, end: bytes.length }
    : {
        kind: 'integers' as const,
        ...(range ?? ('range' in input ? input.range : { from: 0, to: 0 })),
      };
  const result = await runDryRun({
    factory,
    plan: {
      job: 'job',
      name: spec.name,
      programHash: '',
      format: recordFormat(input),
      gzip: false,
      partitions: spec.partitions,
      params: spec.params,
      skipBadRecords: 0,
      csvHeader: null,
      nowMs: 0,
    },
    task: { task: 0, split },
    input: bytes,
    origin: NEW_FUNCTION_ORIGIN,
    realm: { Math: Object.create(Math), Date },
    recordsMax: 10_000_000,
  });
  expect(result.error).toBeNull();
  return { result, text: text ?? '', params: spec.params as Record<string, Json> };
}

const asObject = (records: { key: string; value: Json }[]): Record<string, Json> =>
  Object.fromEntries(records.map(({ key, value }) => [key, value]));

function countBy(keys: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}

const words = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(Boolean);
const lines = (text: string): string[] => text.split('\n').slice(0, -1);

describe('templates', () => {
  test('there is one for each id, with a specification that the API accepts', () => {
    expect(TEMPLATES.map((template) => template.id)).toEqual([...TEMPLATE_IDS]);
    for (const { spec } of TEMPLATES) {
      expect(MapReduceSpec.parse(spec).code.length).toBeLessThan(CODE_MAX_BYTES);
    }
  });

  test('page hits counts the pages of the log', async () => {
    const { result, text } = await run('page-hits');
    const pages = lines(text).map(
      (line) => line.slice(line.indexOf('GET ') + 4).split(/[ ?]/)[0] ?? '',
    );
    expect(asObject(result.result)).toEqual(countBy(pages));
    expect(Object.keys(countBy(pages)).length).toBeGreaterThan(3);
    expect(result.counters).toEqual({});
  });

  test('status codes by hour has every hour and every answer', async () => {
    const { result, text } = await run('status-by-hour');
    const expected = countBy(
      lines(text).map((line) => {
        const columns = line.split(' ');
        return `${columns[3]?.slice(13, 15)}h ${columns[8]}`;
      }),
    );
    // The dry run shows the first hundred keys.
    expect(asObject(result.result)).toEqual(
      Object.fromEntries(
        Object.entries(expected)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, 100),
      ),
    );
    expect(new Set(Object.keys(expected).map((key) => key.slice(0, 2))).size).toBe(24);
  });

  test('log programs read what clients made nasty', async () => {
    const pages = (await run('page-hits', { inline: NASTY_LOG })).result;
    expect(asObject(pages.result)).toEqual(NASTY_PAGES);
    expect(pages.counters).toEqual({ 'lines without a request': NASTY_WITHOUT_REQUEST });
    const statuses = (await run('status-by-hour', { inline: NASTY_LOG })).result;
    expect(asObject(statuses.result)).toEqual(NASTY_STATUSES);
    expect(statuses.counters).toEqual({ 'lines that do not fit': NASTY_NOT_LOG_LINES });
    const demo = MapReduceSpec.parse({
      kind: 'mapreduce',
      input: { inline: NASTY_LOG, format: 'lines' },
      code: HITS_PER_PAGE,
    });
    expect(asObject((await runSpec(demo)).result.result)).toEqual(NASTY_PAGES);
  });

  test('words of any script stay whole', async () => {
    // Hindi and Tamil write vowels as marks; the é of café is two characters here, and so is Turkish i̇; Persian joins
    // parts of a word by U+200C.
    const words = [
      'हिन्दी',
      'தமிழ்',
      'cafe\u0301',
      'i\u0307stanbul',
      'می\u200cخواهم',
      "don't",
      '日本',
      'b2b',
    ];
    const inline = `${words.join(' ')}, 'quoted' — «हिन्दी»\n`;
    const expected = { ...Object.fromEntries(words.map((word) => [word, 1])), हिन्दी: 2, quoted: 1 };
    expect(asObject((await run('word-count', { inline })).result.result)).toEqual(expected);
    const documents = { inline: `${JSON.stringify({ id: 'd', text: inline })}\n` };
    const index = asObject((await run('inverted-index', documents)).result.result);
    expect(Object.keys(index).sort()).toEqual(Object.keys(expected).sort());
    const grams = asObject((await run('n-grams', { inline })).result.result);
    expect(grams[words.slice(0, 3).join(' ')]).toBe(1);
    expect(Object.values(grams)).toHaveLength(words.length);
  });

  test('word count counts words', async () => {
    const { result, text } = await run('word-count');
    const expected = Object.entries(countBy(words(text))).sort(([a], [b]) => (a < b ? -1 : 1));
    expect(asObject(result.result)).toEqual(Object.fromEntries(expected.slice(0, 100)));
    expect(asObject(result.result)['hands']).toBeGreaterThan(2);
  });

  test('inverted index names the documents of a word, in order', async () => {
    const { result, text } = await run('inverted-index');
    const documents = lines(text).map((line) => JSON.parse(line) as { id: string; text: string });
    const found = asObject(result.result);
    expect(Object.keys(found).length).toBeGreaterThan(20);
    for (const [word, ids] of Object.entries(found)) {
      const holding = documents.filter((document) => words(document.text).includes(word));
      expect(ids).toEqual(holding.map(({ id }) => id).sort());
    }
  });

  test('n-grams counts runs of n words within a line', async () => {
    const { result, text, params } = await run('n-grams');
    expect(params['n']).toBe(3);
    const grams = lines(text).flatMap((line) => {
      const own = words(line);
      return own.slice(2).map((_, i) => own.slice(i, i + 3).join(' '));
    });
    const expected = Object.entries(countBy(grams)).sort(([a], [b]) => (a < b ? -1 : 1));
    expect(asObject(result.result)).toEqual(Object.fromEntries(expected.slice(0, 100)));
  });

  test('Monte Carlo comes near π, and the same way each time', async () => {
    const range = { from: 0, to: 50 };
    const first = asObject((await run('pi', { range })).result.result);
    const again = asObject((await run('pi', { range })).result.result);
    expect(again).toEqual(first);
    const total = Number(first['total']);
    expect(total).toBe(50 * 20_000);
    // Six standard deviations of a million points.
    expect(Math.abs((4 * Number(first['inside'])) / total - Math.PI)).toBeLessThan(0.01);
  });

  test('Mandelbrot rows hold the set on the real axis and leave it far away', async () => {
    const { result, params } = await run('mandelbrot', { range: { from: 298, to: 302 } });
    expect(result.result.map(({ key }) => key)).toEqual(['00298', '00299', '00300', '00301']);
    const width = Number(params['width']);
    const middle = result.result[2]?.value as number[];
    expect(middle).toHaveLength(width);
    // On the real axis the set is exactly [−2, 1/4].
    const step = Number(params['span']) / width;
    for (const real of [-1.99, -1.5, -1, -0.5, 0, 0.2, 0.3, 0.5, 0.9]) {
      const count = middle[Math.round((real + 0.65) / step + width / 2)];
      if (real <= 0.25) expect(count).toBe(params['iterations']);
      else expect(count).toBeLessThan(100);
    }
  });

  test('prime counting agrees with the sieve of Eratosthenes', async () => {
    const to = 400_000;
    const { result, params } = await run('primes', { range: { from: 0, to } });
    const composite = new Uint8Array(to);
    const expected: Record<string, number> = {};
    for (let n = 2; n < to; n++) {
      if (composite[n]) continue;
      for (let multiple = 2 * n; multiple < to; multiple += n) composite[multiple] = 1;
      const block = Number(params['block']);
      const key = String(n - (n % block)).padStart(9, '0');
      expected[key] = (expected[key] ?? 0) + 1;
    }
    expect(asObject(result.result)).toEqual(expected);
    expect(Object.values(expected).reduce((sum, count) => sum + count)).toBe(33_860);
  });
});
