// A JoinObject with its code in a real isolate, on a real database: what it keeps through evictions, what its alarm
// ends, what it shows, and how many rows that writes.
import { env, evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import { JOIN_MAX_BYTES, STATE_KEY_MAX_BYTES } from '../../shared/limits.ts';
import type { JoinRules, WaitingKey } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import type { JoinRpc } from '../../worker/contracts/join.rpc.ts';
import { type RoutedBatch, type ShardConfig, shardName } from '../../worker/contracts/shard.rpc.ts';
import { joinObject, logObject } from '../../worker/stubs.ts';
import type { StreamDefinition } from '../../worker/contracts/names.ts';
import { storeProgram } from '../../worker/isolates/processor-program.edge.ts';
import { newStream } from './streams.ts';

const CODE = `export function process(joined, ctx) {
  const ids = Object.fromEntries(Object.entries(joined).map(([type, event]) => [type, event && event.id]));
  for (const event of Object.values(joined)) if (event && event.payload === 'bad') throw new Error('no');
  ctx.log('joined ' + ctx.key + ', attempt ' + ctx.attempt);
  return { type: 'Joined', key: ctx.key, payload: ids };
}`;
const RULES: JoinRules = {
  types: ['A', 'B', 'C'],
  timeoutMs: 60_000,
  onTimeout: 'emit-partial',
  rememberMs: 3600_000,
};

let made = 0;

async function newBuffer(rules: Partial<JoinRules> = {}) {
  const n = made++;
  const output = await newStream(`joined-${n}`, 1);
  const { key, hash } = await storeProgram(env, CODE, { kind: 'join' });
  const ref = { processor: 'p', processorUid: `processor_join${n}`, generation: 1, shard: 0 };
  const config: ShardConfig = {
    ref,
    work: { kind: 'join', rules: { ...RULES, ...rules } },
    version: 1,
    programKey: key,
    programHash: hash,
    guard: true,
    output: output.name,
    late: null,
    services: {},
    params: {},
    retry: { maxAttempts: 2, baseMs: 1_000, maxMs: 1_000 },
    paused: false,
    sources: [{ stream: 's', uid: 'stream_1', partition: 0 }],
  };
  const buffer = joinObject(env, ref);
  await buffer.configure(config);
  return {
    buffer,
    config,
    output,
    stub: env.JOINS.get(env.JOINS.idFromName(shardName(ref))),
  };
}

interface Sent {
  key: string;
  type: string;
  id?: string;
  payload?: EventInput['payload'];
}

function batchOf(first: number, events: Sent[], more: Partial<RoutedBatch> = {}): RoutedBatch {
  const lines = events.map(({ key, type, id = `${key}-${type}`, payload }, i) =>
    JSON.stringify({
      partition: 0,
      offset: first + i,
      id,
      type,
      key,
      time: '2026-01-01T00:00:00.000Z',
      payload,
    }),
  );
  return {
    source: 0,
    text: lines.join('\n'),
    keys: events.map(({ key }) => key),
    appendedAt: [],
    attempt: 1,
    final: false,
    redrive: false,
    clock: null,
    settled: 0,
    ...more,
  };
}

const APPLIED = { kind: 'applied', failures: [], stoppedAt: null };

async function outputsOf(output: StreamDefinition): Promise<unknown[]> {
  const found = await logObject(env, { uid: output.uid, partition: 0 }).locate(0, 1_000, 1e6);
  if (found.kind !== 'rows') return [];
  return found.chunks.flatMap(({ text }) =>
    text.split('\n').map((line) => (JSON.parse(line) as { payload: unknown }).payload),
  );
}

async function allWaiting(buffer: JoinRpc, missing: string | null, limit: number) {
  const items: WaitingKey[] = [];
  let after: string | null = null;
  for (;;) {
    const page: Awaited<ReturnType<JoinRpc['waiting']>> = await buffer.waiting(
      after,
      missing,
      limit,
    );
    items.push(...page.items.map(({ item }) => item));
    if (!page.more) return items;
    after = String(page.after ?? page.items.at(-1)?.order);
  }
}

const keysOf = (waiting: readonly WaitingKey[]) => waiting.map(({ key }) => key);

describe('a JoinObject', () => {
  it.each(['ABC', 'ACB', 'BAC', 'BCA', 'CAB', 'CBA'])(
    'joins what comes in the order %s, through evictions, once',
    async (order) => {
      const { buffer, output, stub } = await newBuffer();
      for (const [offset, type] of [...order].entries()) {
        const batch = batchOf(offset, [{ key: 'k', type }]);
        expect(await buffer.apply(batch)).toEqual(APPLIED);
        await evictDurableObject(stub);
        expect(await buffer.apply(batch)).toEqual(APPLIED);
      }
      expect(await outputsOf(output)).toEqual([{ A: 'k-A', B: 'k-B', C: 'k-C' }]);
      expect(await buffer.apply(batchOf(3, [{ key: 'k', type: 'A' }]))).toEqual(APPLIED);
      const more = [{ key: 'k', type: 'A', id: 'other' }];
      expect(await buffer.apply(batchOf(4, more))).toEqual(APPLIED);
      expect(await buffer.status()).toMatchObject({
        keys: 0,
        bytes: 0,
        counters: { fired: 1, repeated: 1, late: 1, emitted: 1 },
      });
      expect(await buffer.late(10)).toMatchObject([
        { reason: 'fired', key: 'k', event: { id: 'other' } },
      ]);
      expect(await outputsOf(output)).toHaveLength(1);
    },
  );

  it('ends by its alarm what has waited too long, and forgets it later', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    try {
      const { buffer, output, stub, config } = await newBuffer();
      await buffer.apply(batchOf(0, [{ key: 'k', type: 'B' }]));
      await buffer.apply(batchOf(1, [{ key: 'bad', type: 'B', payload: 'bad' }]));
      await buffer.configure({
        ...config,
        work: { kind: 'join', rules: { ...RULES, onTimeout: 'drop', timeoutMs: 30_000 } },
      });
      await buffer.apply(batchOf(2, [{ key: 'dropped', type: 'A' }]));
      expect(keysOf(await allWaiting(buffer, null, 1))).toEqual(['k', 'bad', 'dropped']);
      expect(keysOf(await allWaiting(buffer, 'B', 1))).toEqual(['dropped']);
      await evictDurableObject(stub);
      vi.setSystemTime(Date.now() + 30_010);
      await runDurableObjectAlarm(stub);
      expect(keysOf(await allWaiting(buffer, null, 10))).toEqual(['k', 'bad']);
      expect(await buffer.waitingKey('dropped')).toMatchObject({
        state: 'timedOut',
        missing: ['B', 'C'],
      });
      vi.setSystemTime(Date.now() + 30_010);
      await runDurableObjectAlarm(stub);
      expect(await outputsOf(output)).toEqual([{ A: null, B: 'k-B', C: null }]);
      expect(await buffer.status()).toMatchObject({ keys: 1, counters: { timedOut: 3 } });
      // Its code failed: once more, and then it is for the dead letters of a consumer.
      expect((await buffer.status())?.log.join()).toContain('the join of "bad" timed out');
      await buffer.apply(batchOf(3, [{ key: 'k', type: 'A' }]));
      expect(await buffer.late(10)).toMatchObject([{ reason: 'timed-out', key: 'k' }]);
      await evictDurableObject(stub);
      vi.setSystemTime(Date.now() + 3700_000);
      await runDurableObjectAlarm(stub);
      expect(await buffer.waitingKey('k')).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });

  it('takes keys of any text, and as many bytes as it may', async () => {
    const { buffer, output } = await newBuffer();
    const keys = ['', 'a\u0000b', '"\\', '\u{1F600}\uffff', 'ü'.repeat(STATE_KEY_MAX_BYTES / 2)];
    const filling = '"'.repeat(JOIN_MAX_BYTES / 2 - 5_000);
    let offset = 0;
    for (const key of keys) {
      const large = { key, type: 'A', id: 'a', payload: filling };
      expect(await buffer.apply(batchOf(offset, [large]))).toEqual(APPLIED);
      const tooMuch = { key, type: 'B', id: 'b', payload: filling };
      expect(await buffer.apply(batchOf(offset + 1, [tooMuch], { final: true }))).toMatchObject({
        failures: [{ offset: offset + 1, error: { code: 'memory' } }],
      });
      const small = ['B', 'C'].map((type) => ({ key, type, id: type }));
      expect(await buffer.apply(batchOf(offset + 2, small.slice(0, 1)))).toEqual(APPLIED);
      expect(await buffer.waitingKey(key)).toMatchObject({ key, missing: ['C'] });
      expect(await buffer.apply(batchOf(offset + 3, small.slice(1)))).toEqual(APPLIED);
      offset += 4;
    }
    expect(await outputsOf(output)).toHaveLength(keys.length);
  });

  it('fails the event that completes what the code does not take', async () => {
    const { buffer, output } = await newBuffer();
    const events = [
      { key: 'k', type: 'A' },
      { key: 'k', type: 'B' },
      { key: 'k', type: 'C', payload: 'bad' },
      { key: 'l', type: 'A' },
      { key: 'k', type: 'C', id: 'good' },
    ];
    const failure = { offset: 2, error: { code: 'program_threw', message: 'Error: no' } };
    expect(await buffer.apply(batchOf(0, events))).toMatchObject({ failures: [failure] });
    expect(await buffer.status()).toMatchObject({ applied: [2], keys: 1 });
    const rest = batchOf(2, events.slice(2), { final: true });
    expect(await buffer.apply(rest)).toMatchObject({ failures: [failure], stoppedAt: null });
    expect(await outputsOf(output)).toEqual([{ A: 'k-A', B: 'k-B', C: 'good' }]);
    expect(await buffer.status()).toMatchObject({ keys: 1 });
  });

  it('writes a row a key, and few beside', async () => {
    const { buffer, output } = await newBuffer();
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const written = async () => (await buffer.status())?.operations.rowWritten ?? 0;
    const costs: number[] = [];
    for (const [i, type] of RULES.types.entries()) {
      const before = await written();
      await buffer.apply(
        batchOf(
          i * keys.length,
          keys.map((key) => ({ key, type })),
        ),
      );
      costs.push((await written()) - before - keys.length);
    }
    expect(await outputsOf(output)).toHaveLength(keys.length);
    expect(Math.max(...costs)).toBeLessThanOrEqual(12);
  });
});
