// What a keyed processor may be: definitions that are refused, what is fixed for good, and questions that only other
// kinds answer.
import { describe, expect, it } from 'vitest';
import type { List } from '../../shared/schemas/common.ts';
import type { ProcessorSummary } from '../../shared/schemas/processor.ts';
import type { Stream } from '../../shared/schemas/stream.ts';
import { act, get, type KeyedInput, processor, putJson, refusal, streams } from './keyed.ts';
import { call, problemOf } from './rest.ts';

const KEEP = 'export function process(event, state) { return (state ?? 0) + 1 }';
const FIRE =
  'export function process(value) { return { type: "Fired", payload: Object.keys(value) } }';
const ADDS = `export function add(state) { return (state ?? 0) + 1 }
${FIRE}`;

const stateful = (more: object = {}) => ({ kind: 'stateful', stream: 'in', code: KEEP, ...more });
const RULES = { types: ['A', 'B'], timeoutMs: 60_000, onTimeout: 'drop' } as const;
const join = (more: object = {}) => ({
  kind: 'join',
  stream: 'in',
  code: FIRE,
  join: RULES,
  ...more,
});
const TUMBLING = { type: 'tumbling', sizeMs: 1_000 } as const;
const window = (more: object = {}) => ({
  kind: 'window',
  stream: 'in',
  code: ADDS,
  window: TUMBLING,
  ...more,
});

describe('a definition', () => {
  it('names every field that does not fit', async () => {
    const pathsOf = async (spec: object) => {
      const problem = await refusal('bad', spec);
      expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
      return problem.errors.map(({ path }) => path);
    };
    expect(await pathsOf(stateful({ keyBy: 'nowhere.id' }))).toEqual(['keyBy']);
    expect(await pathsOf(stateful({ stream: ['in', 'out'], keyBy: { in: 'key' } }))).toEqual([
      'keyBy',
    ]);
    expect(await pathsOf(stateful({ shards: 65 }))).toEqual(['shards']);
    expect(await pathsOf(stateful({ ttlMs: 1 }))).toEqual(['ttlMs']);
    expect(await pathsOf(join({ join: { types: ['A', 'B'] } }))).toEqual([
      'join.timeoutMs',
      'join.onTimeout',
    ]);
    expect(await pathsOf(join({ join: { ...RULES, types: ['A', 'A'] } }))).toEqual(['join.types']);
    expect(await pathsOf(join({ types: ['A'] }))).toEqual(['types']);
    expect(await pathsOf(window({ window: { ...TUMBLING, slideMs: 2_000 } }))).toEqual([
      'window.slideMs',
    ]);
    expect(await pathsOf(window({ window: { type: 'session' } }))).toEqual(['window.gapMs']);
    expect((await call('/processors/bad')).status).toBe(404);
  });

  it('names streams that are not there, and circles through late events', async () => {
    await streams('in', 'out', 'tooLate');
    for (const field of ['output', 'late'] as const) {
      const problem = await refusal('bad', join({ [field]: 'nowhere' }));
      expect(problem).toMatchObject({ status: 404, errors: [{ path: field }] });
    }
    expect(await refusal('bad', join({ late: 'in' }))).toMatchObject({
      code: 'cycle',
      errors: [{ path: 'late' }],
      detail: expect.stringContaining('in → bad → in') as string,
    });
    await processor('joins', { ...join({ late: 'tooLate', output: 'out' }) } as KeyedInput);
    expect(await refusal('again', stateful({ stream: 'tooLate', output: 'in' }))).toMatchObject({
      code: 'cycle',
      errors: [{ path: 'output' }],
      detail: expect.stringContaining('tooLate → again → in → joins → tooLate') as string,
    });
    // A stream of late events is in use.
    const used = await call('/streams/tooLate', { method: 'DELETE' });
    expect(await problemOf(used)).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('joins') as string,
    });
    const { items } = await get<List<ProcessorSummary>>('/processors');
    expect(items.find(({ name }) => name === 'joins')).toMatchObject({
      kind: 'join',
      output: 'out',
      late: 'tooLate',
      keyed: { shards: 4, keys: 0 },
    });
    const { consumers } = await get<Stream>('/streams/in');
    expect(consumers).toMatchObject([{ processor: 'joins' }, { processor: 'joins' }]);
  });

  it('wants a program that fits the kind', async () => {
    await streams('in');
    const noProcess = { code: 'export const other = 1' };
    for (const spec of [stateful(noProcess), join(noProcess), window(noProcess)]) {
      expect(await refusal('bad', spec)).toMatchObject({
        code: 'bad_program',
        detail: expect.stringContaining('process') as string,
      });
    }
    const session = { type: 'session', gapMs: 1_000 };
    expect(await refusal('bad', window({ window: session }))).toMatchObject({
      code: 'bad_program',
      detail: expect.stringContaining('merge') as string,
    });
  });
});

describe('a keyed processor that there is', () => {
  it('keeps its kind, its streams, its shards and its keys', async () => {
    await streams('in', 'more');
    await processor('counts', stateful({ shards: 2 }) as KeyedInput);
    const fixed = async (path: string, spec: object) => {
      const problem = await refusal('counts', spec);
      expect(problem).toMatchObject({ status: 409, code: 'conflict', errors: [{ path }] });
      expect(problem.detail).toMatch(
        /cannot change: .*; put a new processor beside it, or delete it/,
      );
    };
    await fixed('kind', join());
    await fixed('stream', stateful({ shards: 2, stream: ['in', 'more'] }));
    await fixed('shards', stateful({ shards: 3 }));
    await fixed('keyBy', stateful({ shards: 2, keyBy: 'payload.id' }));
    // What was refused has changed nothing: not its output either.
    await fixed('shards', stateful({ shards: 3, output: 'more' }));
    expect((await call('/streams/more', { method: 'DELETE' })).status).toBe(204);
    const changed = await processor('counts', stateful({ shards: 2, ttlMs: 60_000 }) as KeyedInput);
    expect(changed.version).toBe(2);
    const same = await processor('counts', stateful({ shards: 2, ttlMs: 60_000 }) as KeyedInput);
    expect(same.version).toBe(2);
  });

  it('keeps what it joins, and what its windows are', async () => {
    await streams('in');
    await processor('joined', join() as KeyedInput);
    const types = { ...RULES, types: ['A', 'C'] };
    expect(await refusal('joined', join({ join: types }))).toMatchObject({
      status: 409,
      errors: [{ path: 'join.types' }],
    });
    const patient = { ...RULES, timeoutMs: 5 };
    expect((await putJson('/processors/joined', join({ join: patient }))).status).toBe(200);
    await processor('windowed', window() as KeyedInput);
    expect(
      await refusal('windowed', window({ window: { ...TUMBLING, sizeMs: 2_000 } })),
    ).toMatchObject({ status: 409, errors: [{ path: 'window.sizeMs' }] });
    expect(await refusal('windowed', window({ code: FIRE }))).toMatchObject({
      status: 409,
      errors: [{ path: 'code' }],
    });
    const patientWindow = { ...TUMBLING, graceMs: 5_000 };
    expect((await putJson('/processors/windowed', window({ window: patientWindow }))).status).toBe(
      200,
    );
  });

  it('says of questions that another kind answers where to look instead', async () => {
    await streams('in');
    await processor('store', stateful() as KeyedInput);
    await processor('buffer', join() as KeyedInput);
    await processor('panes', window() as KeyedInput);
    const plain = { kind: 'stateless', stream: 'in', code: 'export function process() {}' };
    await putJson('/processors/plain', plain);
    const answer = async (name: string, question: string) => {
      const response = await call(`/processors/${name}/${question}`);
      if (response.ok) return 200;
      const { status, detail } = await problemOf(response);
      return `${status} ${detail}`;
    };
    expect(await answer('store', 'state')).toBe(200);
    expect(await answer('buffer', 'waiting')).toBe(200);
    expect(await answer('panes', 'windows')).toBe(200);
    for (const name of ['store', 'buffer', 'panes'])
      expect(await answer(name, 'state/k')).toBe(200);
    for (const name of ['buffer', 'panes']) expect(await answer(name, 'late')).toBe(200);
    expect(await answer('plain', 'state')).toMatch(/^409 plain is of the kind stateless/);
    expect(await answer('plain', 'state/k')).toMatch(/^409 .*it keeps nothing/);
    expect(await answer('buffer', 'state')).toMatch(/^409 .*what waits is under \/waiting/);
    expect(await answer('panes', 'waiting')).toMatch(/^409 .*its open windows are under \/windows/);
    expect(await answer('store', 'late')).toMatch(/^409 .*what it keeps is under \/state/);
    expect(await answer('store', 'batches')).toMatch(/^409/);
    expect(await answer('nobody', 'state')).toMatch(/^404/);
    const drained = await problemOf(await call('/processors/store/drain', { method: 'POST' }));
    expect(drained).toMatchObject({ status: 409 });
    await act('buffer', 'pause');
    const paused = await problemOf(await call('/processors/buffer/drain', { method: 'POST' }));
    expect(paused).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/resume/) as string,
    });
  });
});
