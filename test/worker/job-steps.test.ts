// Steps whose work is a job, inside workerd: real queues, R2 and isolates. The edge stands in for volunteers.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  COLLECT_OUTPUTS_MAX,
  KIB,
  MIB,
  RECORD_MAX_BYTES,
  VOLUNTEER_GIVEN_MAX_BYTES,
} from '../../shared/limits.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import { MapReduceStep, VolunteerStep } from '../../shared/schemas/dag.ts';
import { openClaim, storeClaim } from '../../worker/claim-check/claims.edge.ts';
import {
  cancelStepJob,
  collectMapReduceStep,
  collectVolunteerStep,
  deleteStepJob,
  submitMapReduceStep,
  submitVolunteerStep,
} from '../../worker/jobs/dag/steps/job-steps.edge.ts';
import type {
  StepJobState,
  StepJobSubmitted,
  VolunteerStepCall,
} from '../../worker/contracts/job-steps.rpc.ts';
import type { Output } from '../../worker/contracts/run.rpc.ts';
import { newId } from '../../worker/platform/new-id.edge.ts';
import { jobPrefix } from '../../worker/platform/keys.ts';
import { jobObject } from '../../worker/stubs.ts';
import { sha256Hex } from '../../worker/platform/sha256.ts';
import { call as rest, ended, result } from './rest.ts';

const newRun = () => newId('run', Date.now());
const specOf = (code: string, more: object = {}): z.infer<typeof VolunteerStep> =>
  VolunteerStep.parse({ run: 'volunteer', code, ...more });
const callOf = (code: string, more: Partial<VolunteerStepCall> = {}): VolunteerStepCall => ({
  run: newRun(),
  runName: 'product upload',
  step: 'image',
  attempt: 1,
  spec: specOf(code),
  input: '{"n":1}',
  needs: [],
  items: null,
  ...more,
});
const jsonOf = (value: unknown): Output => ({ kind: 'json', json: JSON.stringify(value) });

function jobOf(submitted: StepJobSubmitted): string {
  if (submitted.kind !== 'submitted') throw new Error(submitted.error.message);
  return submitted.job;
}

type Done = Extract<StepJobState, { kind: 'done' }>;

/** All of its answers together. */
async function collectAll(job: string): Promise<Done> {
  await ended(job);
  const all: Done = { kind: 'done', outputs: [], next: null, log: [], operations: {} };
  for (let place: number | null = 0; place !== null;) {
    const state: StepJobState = await collectVolunteerStep(env, job, place, Date.now);
    if (state.kind !== 'done') throw new Error(JSON.stringify(state));
    all.outputs.push(...state.outputs);
    all.log.push(...state.log);
    place = state.next;
  }
  return all;
}

const run = async (code: string, more?: Partial<VolunteerStepCall>): Promise<Done> =>
  collectAll(jobOf(await submitVolunteerStep(env, callOf(code, more))));

const valuesOf = ({ outputs }: Done): unknown[] =>
  outputs.map((output) => (output.kind === 'json' ? (JSON.parse(output.json) as unknown) : output));

const stored = (bytes: Uint8Array, contentType = 'image/png'): Promise<Claim> => {
  const body = new Response(bytes).body as ReadableStream<Uint8Array>;
  return storeClaim(env, { body, contentType, contentLength: bytes.length }, Date.now());
};
const bytesOf = async ({ token }: Claim) =>
  new Uint8Array(await new Response((await openClaim(env, token)).body).arrayBuffer());
const pattern = (length: number, seed = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 9) + seed) & 255);

describe('a volunteer step', () => {
  it('becomes a job of its own name, and gives its items in order', async () => {
    const code = `export default async ({ input, steps, item }, ctx) => {
  ctx.log('at', ctx.item);
  return [input.n, steps.before, item, ctx.run.slice(0, 4), ctx.step, ctx.attempt, ctx.item];
}`;
    const items = Array.from({ length: 30 }, (_, i) => JSON.stringify({ i, text: 'ß'.repeat(i) }));
    const needs = [{ step: 'before', output: jsonOf('done') }];
    const submitted = await submitVolunteerStep(env, callOf(code, { items, needs, attempt: 3 }));
    const job = jobOf(submitted);
    const done = await collectAll(job);
    expect(valuesOf(done)).toEqual(
      items.map((item, i) => [1, 'done', JSON.parse(item), 'run_', 'image', 3, i]),
    );
    expect(done.log).toEqual(items.map((_, i) => `at ${i}`));
    expect(await (await rest(`/jobs/${job}`)).json()).toMatchObject({
      kind: 'mapreduce',
      name: 'product upload / image',
      state: 'done',
      progress: { splits: 30, mapped: 30 },
      counters: { recordsIn: 30 },
    });
  });

  it('carries bytes in and out, past the size of a value', async () => {
    const picture = pattern(3 * MIB);
    const [one, other] = [await stored(picture), await stored(pattern(100, 7))];
    const third = await stored(picture);
    const code = `export default async ({ input, item }, ctx) => {
  const [common, own] = [await ctx.payload(input.picture), await ctx.payload(item)];
  const bytes = new Uint8Array(common.length + own.length);
  bytes.set(common);
  bytes.set(own, common.length);
  return { bytes, contentType: 'image/webp' };
}`;
    const input = JSON.stringify({ picture: one });
    const done = await run(code, { input, items: [JSON.stringify(other), JSON.stringify(third)] });
    const [first, second] = done.outputs.map((output) => {
      if (output.kind !== 'claim') throw new Error('no claim');
      return output;
    });
    expect(first).toMatchObject({
      json: false,
      claim: { bytes: 3 * MIB + 100, contentType: 'image/webp' },
    });
    const got = await bytesOf(first?.claim as Claim);
    expect(await sha256Hex(got.subarray(0, picture.length))).toBe(one.sha256);
    expect(got.subarray(picture.length)).toEqual(pattern(100, 7));
    expect(await bytesOf(second?.claim as Claim)).toHaveLength(6 * MIB);
    expect(done.outputs).toHaveLength(2);
  });

  it('sees JSON of R2 in its place, and gives large JSON back as such', async () => {
    const text = JSON.stringify(Array.from({ length: 20_000 }, (_, i) => `ü${i}`));
    const claim = await stored(new TextEncoder().encode(text), 'application/json');
    const needs = [
      { step: 'list', output: [{ kind: 'claim' as const, claim, json: true }, jsonOf(2)] },
    ];
    const [output] = (await run('export default ({ steps }) => steps.list', { needs })).outputs;
    if (output?.kind !== 'claim') throw new Error('no claim');
    expect(output).toMatchObject({ json: true, claim: { contentType: 'application/json' } });
    expect(new TextDecoder().decode(await bytesOf(output.claim))).toBe(`[${text},2]`);
  });

  it('gives many outputs in several answers', async () => {
    const items = Array.from({ length: COLLECT_OUTPUTS_MAX + 20 }, (_, i) => String(i));
    const done = await run('export default ({ item }) => item * 2', { items });
    expect(valuesOf(done)).toEqual(items.map((item) => Number(item) * 2));
  });

  it('is the same job for the same attempt, and another for the next', async () => {
    const call = callOf('export default () => 1');
    const both = await Promise.all([
      submitVolunteerStep(env, call),
      submitVolunteerStep(env, call),
    ]);
    expect(jobOf(both[0])).toBe(jobOf(both[1]));
    expect(jobOf(await submitVolunteerStep(env, { ...call, attempt: 2 }))).not.toBe(jobOf(both[0]));
    expect(jobOf(both[0])).toMatch(new RegExp(`^job_${call.run.slice(4, 13)}[0-9a-z]{11}$`));
  });

  it('says what it waits for, how far it is, and that it was cancelled', async () => {
    const code = 'export default () => new OffscreenCanvas(1, 1).width';
    const job = jobOf(await submitVolunteerStep(env, callOf(code, { items: ['1', '2'] })));
    expect(await collectVolunteerStep(env, job, 0, Date.now)).toEqual({
      kind: 'running',
      reason: 'waiting for a volunteer: none has a task of this job',
      done: 0,
      count: 2,
    });
    await cancelStepJob(env, job);
    await cancelStepJob(env, job);
    expect(await collectVolunteerStep(env, job, 0, Date.now)).toMatchObject({
      kind: 'failed',
      error: { code: 'returned', message: expect.stringContaining('was cancelled') as string },
    });
  });

  it('fails with the place in its code, and the item', async () => {
    const code = `export default ({ item }) => {
  if (item === 2) throw new Error('not this one');
}`;
    const job = jobOf(await submitVolunteerStep(env, callOf(code, { items: ['1', '2'] })));
    await ended(job);
    expect(await collectVolunteerStep(env, job, 0, Date.now)).toMatchObject({
      kind: 'failed',
      error: {
        code: 'program_threw',
        message: 'task 1: Error: not this one',
        line: 2,
        stack: expect.stringContaining('program.js:2:') as string,
      },
    });
  });

  it('is refused with the reason', async () => {
    const refusal = async (code: string, more: Partial<VolunteerStepCall> = {}) => {
      const answer = await submitVolunteerStep(env, callOf(code, more));
      return answer.kind === 'failed' ? answer.error : answer;
    };
    expect(await refusal('export default 1')).toMatchObject({ code: 'bad_program', line: 1 });
    const adaptive = specOf('export default () => new ImageData(1, 1)', {
      verify: { mode: 'adaptive' },
    });
    expect(await refusal(adaptive.code, { spec: adaptive })).toMatchObject({
      code: 'bad_program',
      message: expect.stringContaining('needs a browser') as string,
    });
    const code = 'export default () => 1';
    const input = JSON.stringify('x'.repeat(VOLUNTEER_GIVEN_MAX_BYTES));
    expect(await refusal(code, { input })).toMatchObject({ code: 'memory' });
    const items = [JSON.stringify('x'.repeat(RECORD_MAX_BYTES))];
    expect(await refusal(code, { items })).toMatchObject({ code: 'memory' });
    const claim = await stored(new TextEncoder().encode('{}'), 'application/json');
    await env.BUCKET.delete(`claims/${claim.token}`);
    const needs = [{ step: 'a', output: { kind: 'claim' as const, claim, json: true } }];
    expect(await refusal(code, { needs })).toMatchObject({ code: 'input_missing' });
  });

  it('goes with all that it stored', async () => {
    const job = jobOf(await submitVolunteerStep(env, callOf('export default () => 1')));
    await collectAll(job);
    await deleteStepJob(env, job);
    await deleteStepJob(env, job);
    expect((await env.BUCKET.list({ prefix: jobPrefix(job) })).objects).toEqual([]);
    expect(await jobObject(env, job).get()).toBe(null);
    expect(await collectVolunteerStep(env, job, 0, Date.now)).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringContaining('was deleted') as string },
    });
  });
});

describe('a MapReduce step', () => {
  const WORDS = `export function map(line, emit) { for (const word of line.split(' ')) emit(word, 1) }
export const combine = 'sum'
export const reduce = 'sum'`;
  const callFor = (job: object) => ({
    run: newRun(),
    runName: 'nightly',
    step: 'count',
    attempt: 1,
    spec: MapReduceStep.parse({ run: 'mapreduce', job: { mappers: 'edge', code: WORDS, ...job } }),
  });

  it('gives few records in its output', async () => {
    const call = callFor({ input: { inline: 'b a b\nc' } });
    const job = jobOf(await submitMapReduceStep(env, call));
    expect(jobOf(await submitMapReduceStep(env, call))).toBe(job);
    expect((await ended(job)).name).toBe('nightly / count');
    const state = await collectMapReduceStep(env, job, Date.now);
    if (state.kind !== 'done') throw new Error(JSON.stringify(state));
    const [value] = valuesOf(state);
    expect(value).toMatchObject({ job, keys: 3, counters: { recordsIn: 2 } });
    expect((value as { records: unknown }).records).toEqual([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
      { key: 'c', value: 1 },
    ]);
  });

  it('gives none for no records, and many as a claim', async () => {
    const empty = jobOf(await submitMapReduceStep(env, callFor({ input: { inline: '' } })));
    await ended(empty);
    const none = await collectMapReduceStep(env, empty, Date.now);
    expect(none.kind === 'done' && valuesOf(none)).toMatchObject([{ keys: 0, records: [] }]);
    const words = Array.from({ length: 4_000 }, (_, i) => `word-${i}`).join('\n');
    const job = jobOf(await submitMapReduceStep(env, callFor({ input: { inline: words } })));
    await ended(job);
    const state = await collectMapReduceStep(env, job, Date.now);
    const [output] = state.kind === 'done' ? state.outputs : [];
    if (output?.kind !== 'claim') throw new Error(JSON.stringify(state));
    expect(output).toMatchObject({ json: false, claim: { contentType: 'application/x-ndjson' } });
    expect(output.claim.bytes).toBeGreaterThan(64 * KIB);
    const lines = new TextDecoder()
      .decode(await bytesOf(output.claim))
      .trim()
      .split('\n');
    const byKey = lines
      .map((line) => JSON.parse(line) as { key: string })
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    expect(byKey).toEqual(await result(job));
  });

  it('is refused with the reason', async () => {
    const missing = await submitMapReduceStep(env, callFor({ input: { dataset: 'not-there' } }));
    expect(missing).toMatchObject({ kind: 'failed', error: { code: 'input_missing' } });
    const bad = await submitMapReduceStep(env, callFor({ input: { inline: '' }, code: 'map(' }));
    expect(bad).toMatchObject({ kind: 'failed', error: { code: 'bad_program' } });
  });
});
