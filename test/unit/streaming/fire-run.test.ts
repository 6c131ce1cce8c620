// What fires, joins and windows, each run alone: what comes out, and what becomes of code that misbehaves.
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../shared/schemas/common.ts';
import { fire, fireResult } from './fold-programs.ts';
import { outputsOf } from './programs.ts';

const units = (...values: Json[]) => values.map((value, i) => ({ key: `k${i}`, value }));

const ECHO = `export function process(value, ctx) {
  if (value === 'throw') throw new Error('odd')
  return [{ type: 'E', payload: [ctx.key, value] }, { type: 'F' }].slice(0, value.length)
}`;

describe('what fires', () => {
  it('gives the events of each unit, in order', async () => {
    const outcome = await fire(ECHO, units('a', '', 'bc', { length: 2 }));
    expect(outcome).toMatchObject({ failures: [], stoppedAt: null, outputUnits: [0, 2, 2, 3, 3] });
    expect(outputsOf(outcome).map(({ type }) => type)).toEqual(['E', 'E', 'F', 'E', 'F']);
    expect(outputsOf(outcome)[0]).toEqual({ type: 'E', payload: ['k0', 'a'] });
  });

  it('keeps that order when services are slow, and asks them side by side', async () => {
    const code = `export async function process(value, ctx) {
  ctx.emit({ type: 'A', payload: value })
  return { type: 'B', payload: [await ctx.call('s', ctx.key), ctx.params, ctx.attempt, ctx.version] }
}`;
    let waiting = 0;
    let most = 0;
    const call = (_: string, key: string) => {
      most = Math.max(most, ++waiting);
      const wait = 20 - 5 * Number(key.slice(1));
      return new Promise<Json>((resolve) =>
        setTimeout(() => {
          waiting--;
          resolve(key);
        }, wait),
      );
    };
    const outcome = await fire(code, units(1, 2, 3), { host: { call }, params: 'p', attempt: 2 });
    expect(outcome.outputUnits).toEqual([0, 0, 1, 1, 2, 2]);
    expect(outputsOf(outcome).map(({ payload }) => payload)).toEqual([
      1,
      ['k0', 'p', 2, 3],
      2,
      ['k1', 'p', 2, 3],
      3,
      ['k2', 'p', 2, 3],
    ]);
    expect(most).toBe(3);
  });

  it('fails alone, with what it had emitted taken back', async () => {
    const code = `export async function process(value, ctx) {
  ctx.emit({ type: 'A', payload: value })
  if (value === 1) { await null; throw new Error('odd') }
  if (value === 2) return 7
  if (value === 3) return new Promise(() => {})
}`;
    const outcome = await fire(code, units(0, 1, 2, 3, 4), { bounds: { quietMs: 30 } });
    expect(outcome.outputUnits).toEqual([0, 4]);
    expect(outcome.failures).toMatchObject([
      { unit: 1, error: { code: 'program_threw', message: 'Error: odd', line: 3 } },
      { unit: 2, error: { code: 'bad_value' } },
      { unit: 3, error: { message: 'returned a promise that nothing will ever settle' } },
    ]);
  });

  it('is stopped when it loops without end: the next ones are run later', async () => {
    const code = `export async function process(value) {
  await null
  for (let i = 0; i < 15000; i++);
  while (value === 2) await null
  return { type: 'E' }
}`;
    const outcome = await fire(code, units(0, 1, 2, 3), { guardSteps: 20_000 });
    expect(outcome).toMatchObject({ outputUnits: [0, 1], stoppedAt: 3 });
    expect(outcome.failures).toMatchObject([{ unit: 2, error: { code: 'loop_guard' } }]);
  });

  it('ends early when its outputs are too many, or its time is over', async () => {
    const big = `export const process = () => ({ type: 'E', payload: 'x'.repeat(400) })`;
    const full = await fire(big, units(0, 1, 2, 3), { bounds: { outputMaxBytes: 1_000 } });
    expect(full).toMatchObject({ outputUnits: [0, 1], stoppedAt: 2, failures: [] });
    const slow = `export const process = async (value, ctx) => { await ctx.call('s', 'k') }`;
    const call = () => new Promise<Json>((resolve) => setTimeout(() => resolve(0), 20));
    const late = await fire(slow, units(0, 1, 2), {
      host: { call },
      bounds: { inFlight: 1, startMs: 5 },
    });
    expect(late).toMatchObject({ stoppedAt: 1, failures: [] });
  });

  it('does not load, or is nothing at all', async () => {
    const result = await fireResult('export const process = null.x', units(1));
    expect(result).toMatchObject({ ok: false, error: { code: 'bad_program' } });
    const none = { outputs: '', outputUnits: [], failures: [], stoppedAt: null, log: [] };
    expect(await fire(ECHO, [])).toEqual(none);
  });
});
