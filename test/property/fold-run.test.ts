// Folding any events under any keys, however batches end and calls overlap, equals a fold that writes every state
// down after every event.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../shared/schemas/common.ts';
import { fold, type KeyedEvent, type States } from '../unit/streaming/fold-programs.ts';
import { outputsOf } from '../unit/streaming/programs.ts';

const DEEDS = ['keep', 'copy', 'throw', 'nothing', 'forget', 'bad'] as const;
type Deed = (typeof DEEDS)[number];

interface Case {
  events: { keys: number[]; deed: Deed; waits: boolean }[];
  /** Long enough, and texts of states are not made after each event. */
  pad: number;
  outputMaxBytes: number;
  inFlight: number;
  startMs: number;
}

/** Changes the state that it was given, and then does as the event says. */
const BODY = `
  const { payload: { n, deed } } = event;
  state ??= { list: [], pad: 'x'.repeat(ctx.params) };
  state.list.push(n);
  if (deed === 'throw') throw new Error('odd');
  if (deed === 'nothing') return;
  if (deed === 'forget') return null;
  if (deed === 'bad') state.bad = NaN;
  return deed === 'copy' ? { ...state } : state;
`;
const EMIT = `ctx.emit({ type: 'E', payload: [event.payload.n, state?.list ?? null] });`;
const WAIT = `if (event.payload.waits) return ctx.call('s', 'k' + event.payload.n).then(() => go(event, state, ctx));`;
const PROGRAMS = {
  process: `const go = (event, state, ctx) => { ${BODY} };
export function process(event, state, ctx) { ${EMIT} ${WAIT} return go(event, state, ctx); }`,
  add: `const go = (event, state, ctx) => { ${BODY} };
export const process = () => {};
export function add(state, event, ctx) { ${WAIT} return go(event, state, ctx); }`,
};

/** One event of one key: its new text, or null for none; undefined when it is as before. Throws when it fails. */
function referenceStep(n: number, deed: Deed, pad: number, text: string | null) {
  const state = (text === null ? { list: [], pad: 'x'.repeat(pad) } : JSON.parse(text)) as {
    list: number[];
    pad: string;
  };
  if (deed === 'throw' || deed === 'bad') throw new Error('fails');
  if (deed === 'nothing') return undefined;
  if (deed === 'forget') return null;
  state.list.push(n);
  return JSON.stringify(state);
}

function reference({ events, pad }: Case, emits: boolean) {
  const texts = new Map<string, string>();
  const failed: number[] = [];
  const outputs: Json[] = [];
  for (const [n, { keys, deed }] of events.entries()) {
    const before = keys.map((key) => texts.get(`k${key}`) ?? null);
    try {
      const after = before.map((text) => referenceStep(n, deed, pad, text));
      if (emits) outputs.push([n, listIn(before[0] ?? null)]);
      for (const [i, text] of after.entries()) {
        if (text === null) texts.delete(`k${keys[i]}`);
        else if (text !== undefined) texts.set(`k${keys[i]}`, text);
      }
    } catch {
      failed.push(n);
    }
  }
  return { texts: Object.fromEntries(texts), failed, outputs };
}

const listIn = (text: string | null): Json =>
  text === null ? null : (JSON.parse(text) as { list: Json }).list;

/** Batch after batch, each from where the one before it ended. */
async function folded(given: Case, calls: 'process' | 'add') {
  const { events, pad, outputMaxBytes, inFlight, startMs } = given;
  const texts = new Map<string, string>();
  const failed: number[] = [];
  const outputs: Json[] = [];
  const host = {
    call: (_: string, key: string) =>
      new Promise<Json>((resolve) =>
        // In another order than they were asked.
        Number(key.slice(1)) % 2 === 0 ? setTimeout(() => resolve(0), 1) : setImmediate(resolve, 0),
      ),
  };
  let from = 0;
  for (let batches = 0; from < events.length; batches++) {
    expect(batches).toBeLessThanOrEqual(events.length);
    const lines = events.slice(from).flatMap(({ keys, deed, waits }, i): KeyedEvent[] => {
      const n = from + i;
      const event = { offset: n, id: `e${n}`, payload: { n, deed, waits } };
      return keys.map((key) => ({ ...event, key: `k${key}` }));
    });
    const states: States = Object.fromEntries(
      [...texts].map(([key, text]) => [key, JSON.parse(text) as Json]),
    );
    const bounds = { outputMaxBytes, inFlight, startMs };
    const outcome = await fold(PROGRAMS[calls], lines, states, {
      calls,
      host,
      bounds,
      params: pad,
    });
    for (const { key, state } of outcome.changed) {
      if (state === null) texts.delete(key);
      else texts.set(key, state);
    }
    failed.push(...outcome.failures.map(({ offset }) => offset));
    const payloads = outputsOf(outcome).map(({ payload }) => payload as Json);
    expect(payloads.map((payload) => (payload as Json[])[0])).toEqual(outcome.outputOffsets);
    outputs.push(...payloads);
    const { stoppedAt } = outcome;
    if (stoppedAt !== null) expect(stoppedAt).toBeGreaterThan(from);
    from = stoppedAt ?? events.length;
  }
  return { texts: Object.fromEntries(texts), failed, outputs };
}

const caseOf = (keysOfEvent: fc.Arbitrary<number[]>, waits: fc.Arbitrary<boolean>) =>
  fc.record<Case>({
    events: fc.array(
      fc.record({
        keys: keysOfEvent,
        // Mostly such that go well: else nothing would ever be put off.
        deed: fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom<Deed>('keep', 'copy') },
          { weight: 1, arbitrary: fc.constantFrom<Deed>(...DEEDS) },
        ),
        waits,
      }),
      { maxLength: 60 },
    ),
    pad: fc.constantFrom(0, 100, 4_000),
    outputMaxBytes: fc.constantFrom(2_000, 100_000),
    inFlight: fc.integer({ min: 1, max: 8 }),
    startMs: fc.constantFrom(0, 3, 10_000),
  });

const oneKey = fc.integer({ min: 0, max: 4 }).map((key) => [key]);
const someKeys = fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 });

describe('a fold equals one that writes every state down', () => {
  it.each([
    ['plain code', fc.constant(false), 150],
    ['code that waits now and then', fc.integer({ min: 0, max: 9 }).map((n) => n === 0), 100],
    ['code that always waits', fc.constant(true), 60],
  ])('%s', async (_, waits, numRuns) => {
    await fc.assert(
      fc.asyncProperty(caseOf(oneKey, waits), async (given) => {
        expect(await folded(given, 'process')).toEqual(reference(given, true));
      }),
      { numRuns },
    );
    await fc.assert(
      fc.asyncProperty(caseOf(someKeys, waits), async (given) => {
        expect(await folded(given, 'add')).toEqual(reference(given, false));
      }),
      { numRuns },
    );
  });
});
