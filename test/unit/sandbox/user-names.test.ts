// Names that users choose and JavaScript knows already: each is counted, read, stored and sent like any other.
import { describe, expect, test } from 'vitest';
import { readGraph, needsOf } from '../../../shared/dag/graph.ts';
import { openRecords } from '../../../shared/mapreduce/records.ts';
import { SpillTrailer, SpillVerifier, SpillWriter } from '../../../shared/mapreduce/spill.ts';
import type { MapPlan } from '../../../shared/mapreduce/task.ts';
import { addTo, getOwn, isCounts, setOwn } from '../../../shared/own.ts';
import { SideOutput } from '../../../shared/sandbox/side-output.ts';
import { JsonValue } from '../../../shared/schemas/common.ts';
import { DagSpec } from '../../../shared/schemas/dag.ts';
import { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { ProcessorSpec } from '../../../shared/schemas/processor.ts';
import { readFromWorker } from '../../../web/volunteer/sandbox-messages.ts';
import { keysPartOf } from '../../../web/features/processors/kinds/keyed.ts';
import { newDraft, specOf } from '../../../web/features/processors/form/form-draft.ts';
import { Machine } from '../../../worker/jobs/dag/run/machine.ts';
import { newRun } from '../../../worker/jobs/dag/run/run-record.ts';
import { addInto } from '../../../worker/jobs/mapreduce/job-record.ts';

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'plain'];
const TEXT = `{${NAMES.map((name, i) => `${JSON.stringify(name)}:${i + 1}`).join(',')}}`;
/** JSON.parse makes members of all of them; an object literal in code would not. */
const members = () => JSON.parse(TEXT) as Record<string, number>;
const fields = (object: object) => Object.entries(object);

describe('members of an object', () => {
  test('are there only when somebody put them there', () => {
    for (const name of NAMES) expect(getOwn({}, name)).toBeUndefined();
    const made: Record<string, number> = {};
    for (const [i, name] of NAMES.entries()) setOwn(made, name, i + 1);
    expect(JSON.stringify(made)).toBe(TEXT);
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
    for (const name of NAMES) addTo(made, name, 1);
    expect(fields(made).map(([, count]) => count)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  test('are counts when all of them are numbers', () => {
    expect(isCounts(members())).toBe(true);
    expect(isCounts(JSON.parse('{"__proto__":"1"}'))).toBe(false);
    for (const other of [null, [1], 1, { a: NaN }]) expect(isCounts(other)).toBe(false);
  });
});

describe('counters of a program', () => {
  const counted = () => {
    const side = new SideOutput();
    for (const name of [...NAMES, ...NAMES]) side.counter(name);
    side.counter('__proto__', 5);
    return side.counters;
  };

  test('count', () => {
    expect(fields(counted())).toEqual(NAMES.map((name, i) => [name, i === 0 ? 7 : 2]));
    // A volunteer's sandbox and an isolate hand them on by a structured clone.
    expect(fields(structuredClone(counted()))).toEqual(fields(counted()));
  });

  test('fail the program, not who runs it, when they outgrow numbers', () => {
    const side = new SideOutput();
    side.counter('n', Number.MAX_VALUE);
    expect(() => side.counter('n', Number.MAX_VALUE)).toThrow(/counter n has grown/);
    expect(side.counters).toEqual({ n: Number.MAX_VALUE });
  });

  test('come through a spill, with one digest on both sides', () => {
    const trailer = { ...EMPTY, userCounters: counted() };
    const written = new SpillWriter(1).finish(trailer);
    const verifier = new SpillVerifier(1);
    verifier.push(written.spill);
    const read = verifier.finish();
    expect(read.digest).toBe(written.digest);
    expect(fields(read.trailer.userCounters)).toEqual(fields(counted()));
  });

  test('are bounded in the trailer', () => {
    const read = (userCounters: unknown) => SpillTrailer.safeParse({ ...EMPTY, userCounters });
    expect(read(members()).success).toBe(true);
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`c${i}`, 1]));
    for (const bad of [many, { ['x'.repeat(101)]: 1 }, { a: '1' }, [], null]) {
      expect(read(bad).success).toBe(false);
    }
  });

  test('of a spoilt realm fail where the program runs', () => {
    const userCounters = { a: 1, toJSON: () => ({ a: 2 }) } as unknown as Record<string, number>;
    expect(() => new SpillWriter(1).finish({ ...EMPTY, userCounters })).toThrow(
      'the trailer is not what was counted',
    );
  });

  test('are added up over tasks', () => {
    const into: Record<string, number> = {};
    addInto(into, members());
    addInto(into, members());
    expect(fields(into)).toEqual(NAMES.map((name, i) => [name, 2 * (i + 1)]));
  });

  test('come out of the page’s sandbox', () => {
    const result = {
      ...{ recordsIn: 1, emitted: 1, truncated: false, mapped: [], badRecords: [], log: [] },
      ...{ result: [{ key: 'k', value: members() }], counters: members(), error: null },
    };
    const read = readFromWorker({ type: 'dry-ran', run: 1, result });
    if (read?.type !== 'dry-ran') throw new Error('not read');
    expect(fields(read.result.counters)).toEqual(fields(members()));
    expect(JSON.stringify(read.result.result)).toBe(`[{"key":"k","value":${TEXT}}]`);
    const text = { ...result, counters: { a: '1' } };
    expect(readFromWorker({ type: 'dry-ran', run: 1, result: text })).toBeNull();
  });
});

const EMPTY = {
  recordsIn: 0,
  bytesIn: 0,
  emitted: 0,
  recordsOut: 0,
  badRecords: 0,
  badRecordsListed: [],
  userCounters: {},
};

test('columns of a CSV file', () => {
  const csv = new TextEncoder().encode(`${NAMES.join(',')}\n1,2,3,4,5,6\n`);
  const plan = { format: 'csv', csvHeader: null } as MapPlan;
  const rows = openRecords(plan, { kind: 'bytes', start: 0, end: csv.length }, csv);
  expect(rows.next()).toBe(true);
  const row = rows.value as Record<string, string>;
  expect(fields(row)).toEqual(NAMES.map((name, i) => [name, String(i + 1)]));
  row['__proto__'] = 'programs may write to their records';
  expect(Object.keys(row)).toEqual(NAMES);
});

describe('JSON in requests', () => {
  const job = { kind: 'mapreduce', input: { inline: '' }, code: 'x' };
  const sleep = { run: 'sleep', ms: 1 };

  test('keeps all members, at any depth', () => {
    for (const text of [TEXT, `[${TEXT}]`, `{"a":{"b":${TEXT}}}`]) {
      expect(JSON.stringify(JsonValue.parse(JSON.parse(text)))).toBe(text);
    }
    expect(JSON.stringify(MapReduceSpec.parse({ ...job, params: members() }).params)).toBe(TEXT);
    const dag = DagSpec.parse({ kind: 'dag', input: members(), steps: { a: sleep } });
    expect(JSON.stringify(dag.input)).toBe(TEXT);
  });

  test('is JSON, and not nested without end', () => {
    for (const bad of [Infinity, [NaN], undefined, { a: () => 1 }, 1n, Symbol('s')]) {
      expect(JsonValue.safeParse(bad).success).toBe(false);
    }
    const deep = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
    expect(JsonValue.safeParse(deep(1_000)).success).toBe(true);
    expect(() => JsonValue.safeParse(deep(1_002))).toThrow(RangeError);
  });

  test('names steps and services as users like; what no code could reach is refused', () => {
    const known = NAMES.filter((name) => name !== '__proto__');
    const steps = Object.fromEntries(known.map((name) => [name, sleep]));
    expect(Object.keys(DagSpec.parse({ kind: 'dag', steps }).steps)).toEqual(known);
    const refusals = [
      DagSpec.safeParse({ kind: 'dag', steps: JSON.parse('{"a":{},"__proto__":{}}') }),
      ProcessorSpec.safeParse({
        ...{ kind: 'stateless', stream: 's', code: 'x' },
        services: JSON.parse('{"__proto__":{"url":"https://example.org"}}') as object,
      }),
    ];
    for (const refusal of refusals) {
      expect(refusal.error?.issues).toMatchObject([
        { path: [expect.any(String), '__proto__'], message: expect.stringContaining('JavaScript') },
      ]);
    }
  });
});

describe('a DAG run', () => {
  const known = NAMES.filter((name) => name !== '__proto__');
  const machineOf = (steps: object) => {
    const spec = DagSpec.parse({ kind: 'dag', steps });
    const graph = readGraph(needsOf(spec.steps));
    if (!graph.ok) throw new Error('no graph');
    return new Machine(spec, graph.dependents, newRun(spec, 0), () => 0);
  };

  test('waits for signals of any name, and takes them in order', () => {
    const steps = Object.fromEntries(
      known.map((name) => [`wait-${name}`, { run: 'wait', signal: name }]),
    );
    const machine = machineOf(steps);
    machine.next(0, 10);
    expect(machine.record.state).toBe('running');
    for (const name of known) {
      expect(machine.signal(name, `"${name}"`)).toBe('taken');
      machine.next(1, 10);
      expect(machine.record.steps[`wait-${name}`]?.output).toEqual({
        kind: 'json',
        json: `"${name}"`,
      });
    }
    expect(machine.signal('__proto__', '1')).toBe('over');
    expect(machine.record.state).toBe('done');
  });

  test('joins events of any type', () => {
    const wait = { run: 'wait', stream: 's', types: NAMES, key: 'input.k' };
    const machine = machineOf({ constructor: wait });
    machine.next(0, 10);
    machine.evaluated('constructor', { when: null, items: null, key: 'k' }, 0);
    machine.next(0, 10);
    const events = NAMES.map((type, i) => ({ type, json: String(i + 1) }));
    machine.arrived('constructor', [...events, ...events]);
    // As it is stored, and read again.
    const stored = JSON.stringify(machine.record.steps['constructor']?.events);
    expect(fields(JSON.parse(stored) as object)).toEqual(
      events.map(({ type, json }) => [type, json]),
    );
    machine.next(1, 10);
    expect(machine.record.steps['constructor']?.output).toEqual({ kind: 'json', json: TEXT });
  });
});

describe('the processor form', () => {
  test('finds a key path only where somebody wrote one', () => {
    const draft = { ...newDraft('constructor toString'), keyPerStream: true, keyByStream: {} };
    const errors: { path: string; message: string }[] = [];
    keysPartOf(draft, ['constructor', 'toString'], errors);
    expect(errors.map(({ path }) => path)).toEqual(['keyBy.constructor', 'keyBy.toString']);
  });

  test('says that a service cannot be called __proto__', () => {
    const url = 'https://example.org';
    const draft = { ...newDraft('s'), name: 'p', services: [{ name: '__proto__', url }] };
    const read = specOf(draft);
    expect(JSON.stringify(read)).toContain('JavaScript');
  });
});
