// What a stateful shard hands to its code, and how it walks over keys to forget them.
import { describe, expect, test } from 'vitest';
import { STATE_SWEEP_KEYS } from '../../../shared/limits.ts';
import type { FoldCall, FoldOutcome } from '../../../shared/streaming/process.ts';
import type { KeyedCode } from '../../../worker/processors/keyed/operator.ts';
import { sweepSlackMs } from '../../../worker/processors/state/state-change.ts';
import { StateOperator } from '../../../worker/processors/state/state-operator.ts';
import { MapStates } from '../../property/state/map-states.ts';

const NOW = 1_000_000;

type Call = Omit<FoldCall, 'params' | 'version'>;

/** Code that answers what it is told to, and keeps what it was asked. */
function scripted(...answers: Partial<FoldOutcome>[]) {
  const calls: Call[] = [];
  const code: KeyedCode = {
    fold: async (call) => {
      calls.push(call);
      return {
        changed: [],
        outputs: '',
        outputOffsets: [],
        failures: [],
        stoppedAt: null,
        log: [],
        ...answers[calls.length - 1],
      };
    },
    fire: () => Promise.reject(new Error('states fire nothing')),
  };
  return { code, calls };
}

const arrivals = (keys: string[], more: { final?: boolean; nowMs?: number } = {}) => ({
  source: 3,
  events: keys.map((key, i) => ({
    offset: 10 + i,
    key,
    line: `{"offset":${10 + i}}`,
    appendedMs: null,
  })),
  attempt: 1,
  final: false,
  redrive: false,
  clock: null,
  nowMs: NOW,
  ...more,
});

function put(states: MapStates, key: string, state: string, expiresMs: number | null = null): void {
  const totals = states.totals();
  const bytes = state.length;
  const sweepAtMs =
    expiresMs === null ? totals.sweepAtMs : Math.min(totals.sweepAtMs ?? Infinity, expiresMs);
  states.write(
    [{ key, state, bytes, expiresMs, ttlMs: null }],
    [],
    {
      keys: totals.keys + 1,
      bytes: totals.bytes + bytes,
      expiring: totals.expiring + (expiresMs === null ? 0 : 1),
      sweepAtMs,
    },
    NOW - 500,
  );
}

const threw = (offset: number) => ({
  offset,
  error: { code: 'program_threw' as const, message: 'no' },
});

describe('a call of the code', () => {
  test('has each key’s state once, and none that is over or not there', async () => {
    const states = new MapStates();
    put(states, 'a', '1');
    put(states, 'over', '2', NOW);
    put(states, 'still', '3', NOW + 1);
    const { code, calls } = scripted();
    await new StateOperator(states, code, null).apply(arrivals(['a', 'over', 'a', 'new', 'still']));
    expect(calls).toEqual([
      {
        calls: 'process',
        text: '{"offset":10}\n{"offset":11}\n{"offset":12}\n{"offset":13}\n{"offset":14}',
        keys: ['a', 'over', 'a', 'new', 'still'],
        shownKeys: null,
        states: [
          ['a', ['1']],
          ['still', ['3']],
        ],
        keepGoing: false,
        attempt: 1,
      },
    ]);
  });

  test('ends before the first key whose state does not fit; the first key’s always does', async () => {
    const states = new MapStates();
    for (const key of ['a', 'b', 'c']) put(states, key, key.repeat(100));
    const { code, calls } = scripted();
    const operator = new StateOperator(states, code, null, 200);
    expect(await operator.apply(arrivals(['a', 'new', 'b', 'a', 'c', 'a']))).toMatchObject({
      stoppedAt: 14,
      failures: [],
    });
    expect(calls[0]?.keys).toEqual(['a', 'new', 'b', 'a']);
    const narrow = new StateOperator(states, code, null, 10);
    expect(await narrow.apply(arrivals(['a', 'a', 'b']))).toMatchObject({ stoppedAt: 12 });
    expect(calls[1]?.states).toEqual([['a', ['a'.repeat(100)]]]);
  });

  test('is not made for no events', async () => {
    const { code, calls } = scripted();
    const change = await new StateOperator(new MapStates(), code, null).apply(arrivals([]));
    expect(change).toMatchObject({ outputs: [], failures: [], stoppedAt: null });
    expect(calls).toEqual([]);
  });
});

describe('a change', () => {
  test('says where each output came from', async () => {
    const { code } = scripted({
      outputs: '{"a":1}\n{"b":2}\n{"c":3}\n',
      outputOffsets: [10, 10, 12],
    });
    const change = await new StateOperator(new MapStates(), code, null).apply(
      arrivals(['a', 'b', 'c']),
    );
    expect(change.outputs).toEqual([
      { source: 3, offset: 10, text: '{"a":1}' },
      { source: 3, offset: 10, text: '{"b":2}' },
      { source: 3, offset: 12, text: '{"c":3}' },
    ]);
  });

  test('with a failure that is not final is only the failure', async () => {
    const changed = [{ key: 'a', state: '1', ttlMs: null }];
    const { code } = scripted(
      { changed, failures: [threw(11)] },
      { changed, failures: [threw(11)] },
    );
    const states = new MapStates();
    const operator = new StateOperator(states, code, null);
    const tried = await operator.apply(arrivals(['a', 'b']));
    tried.write();
    expect(tried).toMatchObject({ failures: [threw(11)], outputs: [], stoppedAt: null });
    expect(states.rows.size).toBe(0);
    const final = await operator.apply(arrivals(['a', 'b'], { final: true }));
    final.write();
    expect(final.failures).toEqual([threw(11)]);
    expect(states.rows.size).toBe(1);
  });

  test('costs no row when nothing changed, and one a key and one more when something did', async () => {
    const states = new MapStates();
    put(states, 'a', '1');
    const before = states.written;
    const same = [
      { key: 'a', state: '1', ttlMs: null },
      { key: 'gone', state: null, ttlMs: 0 },
    ];
    const both = [
      { key: 'a', state: '2', ttlMs: null },
      { key: 'b', state: '3', ttlMs: null },
    ];
    const { code } = scripted({ changed: same }, { changed: both });
    const operator = new StateOperator(states, code, null);
    (await operator.apply(arrivals(['a', 'gone']))).write();
    expect(states.written).toBe(before);
    (await operator.apply(arrivals(['a', 'b']))).write();
    expect(states.written).toBe(before + 3);
    expect([operator.keys(), operator.bytes()]).toEqual([2, 2]);
  });

  test('winds the clock of a key that has one, also when its state is the same', async () => {
    const states = new MapStates();
    const changed = [{ key: 'a', state: '1', ttlMs: null }];
    const { code } = scripted({ changed }, { changed });
    const operator = new StateOperator(states, code, 8_000);
    (await operator.apply(arrivals(['a']))).write();
    expect(states.rows.get('a')?.expiresMs).toBe(NOW + 8_000);
    (await operator.apply(arrivals(['a'], { nowMs: NOW + 5_000 }))).write();
    expect(states.rows.get('a')?.expiresMs).toBe(NOW + 13_000);
    expect(operator.dueAtMs()).toBe(NOW + 8_000 + sweepSlackMs(8_000));
  });
});

describe('a sweep', () => {
  const swept = async (operator: StateOperator, nowMs: number): Promise<number[]> => {
    const ended: number[] = [];
    for (
      let dueMs = operator.dueAtMs();
      dueMs !== null && dueMs <= nowMs;
      dueMs = operator.dueAtMs()
    ) {
      const change = await operator.due(nowMs, false);
      change?.write();
      ended.push(change?.ended ?? 0);
      if (ended.length > 100) throw new Error('it never ends');
    }
    return ended;
  };

  test('walks over all keys in steps, and comes again for those that live on', async () => {
    const states = new MapStates();
    const keys = STATE_SWEEP_KEYS * 12;
    for (let i = 0; i < keys; i++) {
      // Only those at the very end are over.
      put(states, String(i).padStart(8, '0'), '1', i < keys - 5 ? NOW + 60_000 : NOW);
    }
    const operator = new StateOperator(states, scripted().code, 60_000);
    expect(await swept(operator, NOW)).toEqual([0, 5]);
    expect(states.totals()).toMatchObject(states.counted());
    expect(operator.keys()).toBe(keys - 5);
    const again = operator.dueAtMs() ?? 0;
    expect(again).toBe(NOW + 60_000 + sweepSlackMs(60_500));
    const [first = 0] = await swept(operator, again);
    expect(first).toBeGreaterThan(0);
    expect([operator.keys(), operator.bytes(), operator.dueAtMs()]).toEqual([0, 0, null]);
  });

  test('does not lose sight of what is written behind it', async () => {
    const states = new MapStates();
    const keys = STATE_SWEEP_KEYS * 11;
    for (let i = 0; i < keys; i++) put(states, String(i).padStart(8, '0'), '1');
    put(states, '99999999', '1', NOW);
    const { code } = scripted({ changed: [{ key: '!', state: '1', ttlMs: 2_000 }] });
    const operator = new StateOperator(states, code, null);
    expect(await operator.due(NOW, false)).toBeNull();
    (await operator.apply(arrivals(['!']))).write();
    expect(await swept(operator, NOW)).toEqual([1]);
    const again = operator.dueAtMs() ?? 0;
    expect(again).toBeLessThan(NOW + 60_000);
    expect(await swept(operator, again)).toEqual([1]);
    expect(states.rows.has('!')).toBe(false);
    expect(operator.dueAtMs()).toBeNull();
  });

  test('is no more than a slice of keys a second, and begins for no key that stays', async () => {
    const states = new MapStates();
    for (let i = 0; i < STATE_SWEEP_KEYS * 5; i++) put(states, `k${i}`, '1');
    const operator = new StateOperator(states, scripted().code, null);
    expect(operator.dueAtMs()).toBeNull();
    put(states, 'a', '1', NOW);
    put(states, 'b', '1', NOW + 1);
    await swept(operator, NOW);
    expect(operator.dueAtMs()).toBeGreaterThanOrEqual(NOW + 5_000);
    expect(await operator.due(NOW, true)).toBeNull();
  });
});
