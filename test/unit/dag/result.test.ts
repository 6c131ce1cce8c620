// The result of a run is one JSON object, whatever pages it comes in, and large outputs stand in their place.
import { describe, expect, it } from 'vitest';
import { RESULT_CLAIMS_MAX } from '../../../shared/limits.ts';
import type { Claim } from '../../../shared/schemas/claim.ts';
import { DagSpec } from '../../../shared/schemas/dag.ts';
import { FIRST_OUTPUT, outputsPage } from '../../../worker/jobs/dag/run/outputs-page.ts';
import { newRun, newUnit, type RunRecord } from '../../../worker/jobs/dag/run/run-record.ts';
import type { Output } from '../../../worker/contracts/run.rpc.ts';
import { resultBytes } from '../../../worker/jobs/dag/result.ts';

const json = (value: unknown): Output => ({ kind: 'json', json: JSON.stringify(value) });
const claim = (token: string): Claim => ({
  token,
  bytes: 1,
  sha256: '0'.repeat(64),
  contentType: 'application/json',
});

const STREAM = { stream: true };

/** A run whose steps came to these; a list is of a `forEach`. */
function runOf(outputs: Record<string, Output | Output[] | null>): RunRecord {
  const steps = Object.fromEntries(
    Object.keys(outputs).map((name) => [name, { run: 'sleep', ms: 0 }]),
  );
  const record = newRun(DagSpec.parse({ kind: 'dag', steps }), 0);
  for (const [name, output] of Object.entries(outputs)) {
    const step = record.steps[name];
    if (!step) throw new Error(name);
    if (Array.isArray(output)) {
      step.items = output.map((one) => ({ json: '0', unit: { ...newUnit(), output: one } }));
    } else step.output = output;
  }
  return record;
}

async function resultOf(
  outputs: Record<string, Output | Output[] | null>,
  maxChars: number,
  stored: Record<string, string> = {},
) {
  const record = runOf(outputs);
  const levels = [Object.keys(outputs)];
  let pages = 1;
  const source = {
    page: (from: { step: number; item: number }) => {
      pages++;
      return Promise.resolve(outputsPage(levels, record, from, maxChars));
    },
    open: ({ token }: Claim) =>
      stored[token] === undefined
        ? Promise.reject(new Error(`${token} is gone`))
        : Promise.resolve(new Blob([stored[token]]).stream()),
  };
  const first = outputsPage(levels, record, FIRST_OUTPUT, maxChars);
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of resultBytes(source, first)) text += decoder.decode(bytes, STREAM);
  return { value: JSON.parse(text) as unknown, pages };
}

describe('the result of a run', () => {
  it('is the same in whatever pages it comes', async () => {
    const outputs = {
      a: json({ deep: [1, 'ü'] }),
      skipped: null,
      empty: [],
      list: Array.from({ length: 20 }, (_, n) => json({ n, text: 'x'.repeat(n * 50) })),
      one: [json(null)],
      'with-dash': json('last'),
    };
    const expected = {
      a: { deep: [1, 'ü'] },
      skipped: null,
      empty: [],
      list: Array.from({ length: 20 }, (_, n) => ({ n, text: 'x'.repeat(n * 50) })),
      one: [null],
      'with-dash': 'last',
    };
    const seen = new Set<number>();
    for (const maxChars of [1, 500, 2_000, 7_000, 1_000_000]) {
      const { value, pages } = await resultOf(outputs, maxChars);
      expect(value).toEqual(expected);
      seen.add(pages);
    }
    // One output a page; then fewer pages; then one.
    expect(Math.max(...seen)).toBeGreaterThan(20);
    expect(Math.min(...seen)).toBe(1);
  });

  it('has JSON from R2 in its place, and bytes as their claim', async () => {
    const outputs = {
      large: { kind: 'claim', claim: claim('j1'), json: true },
      picture: { kind: 'claim', claim: claim('b1'), json: false },
      list: [json(1), { kind: 'claim', claim: claim('j2'), json: true }, json(3)],
    } satisfies Record<string, Output | Output[]>;
    const { value } = await resultOf(outputs, 1, { j1: '{"large":true}', j2: '[2]' });
    expect(value).toEqual({ large: { large: true }, picture: claim('b1'), list: [1, [2], 3] });
  });

  it('breaks off where an output cannot be read, instead of leaving it out', async () => {
    const outputs = { a: json(1), b: { kind: 'claim', claim: claim('gone'), json: true } as const };
    await expect(resultOf(outputs, 1_000)).rejects.toThrow('gone is gone');
  });

  it('is refused when it takes more reads than a request has', () => {
    const list = Array.from({ length: RESULT_CLAIMS_MAX + 1 }, (_, n): Output => {
      return { kind: 'claim', claim: claim(`c${n}`), json: true };
    });
    const first = outputsPage([['list']], runOf({ list }), FIRST_OUTPUT, 1);
    const source = {
      page: () => Promise.reject(new Error()),
      open: () => Promise.reject(new Error()),
    };
    expect(() => resultBytes(source, first)).toThrow(`${RESULT_CLAIMS_MAX + 1} outputs`);
  });
});
