import { describe, expect, test } from 'vitest';
import { deliver } from '../../../worker/processors/keyed/deliver.ts';
import {
  lateToAppend,
  type Outbox,
  outboxOf,
  outboxText,
  outputsToAppend,
  readOutbox,
} from '../../../worker/processors/keyed/outbox.ts';
import type { ShardConfig } from '../../../worker/contracts/shard.rpc.ts';
import { ProblemError } from '../../../worker/platform/problem.ts';
import { OutputMissingError } from '../../../worker/outputs/refusal.ts';
import type { OutputEvents } from '../../../worker/outputs/effects.ts';

const config = {
  ref: { processor: 'p', processorUid: 'processor_12345678', generation: 2, shard: 5 },
  version: 4,
  output: 'out',
  late: 'late',
  sources: ['s', 't'].map((stream) => ({ stream, uid: `${stream}_1`, partition: 1 })),
} as unknown as ShardConfig;

const line =
  '{"partition":1,"offset":8,"id":"i","type":"T","key":"k","time":"2026-01-01T00:00:00Z","payload":{"a":"😀"},"source":{"processor":"before"}}';
const outbox: Outbox = {
  version: 4,
  atMs: 99,
  outputs: {
    stream: 'out',
    first: 70,
    items: [
      { source: 0, offset: 3, text: '{"type":"O","payload":1}' },
      { source: 1, offset: 4, text: '{"type":"O","key":"x","id":"own"}' },
    ],
  },
  late: {
    stream: 'late',
    first: 2,
    items: [{ source: 1, offset: 8, key: 'k', line, reason: 'closed' }],
  },
  lost: [{ source: 0, offset: 1, line, error: { code: 'deadline', message: 'm' }, attempts: 1 }],
};

describe('an outbox', () => {
  test('is the same after it was written and read', () => {
    expect(readOutbox(outboxText(outbox))).toEqual(outbox);
    const nothing: Outbox = { version: 1, atMs: 1, outputs: null, late: null, lost: [] };
    expect(readOutbox(outboxText(nothing))).toEqual(nothing);
  });

  test('is there only when something is owed', () => {
    const change = {
      outputs: outbox.outputs?.items ?? [],
      late: outbox.late?.items ?? [],
      lost: [],
    };
    const next = { output: 70, late: 2 };
    expect(outboxOf(config, change, next, 99)).toEqual({ ...outbox, lost: [] });
    const silent = { version: 4, output: null, late: null };
    expect(outboxOf(silent, change, next, 99)).toBeNull();
    expect(outboxOf(silent, { ...change, lost: outbox.lost }, next, 99)).not.toBeNull();
  });

  test('makes the same ids and sequences each time, and says where events come from', () => {
    const outputs = outputsToAppend(config, outbox);
    expect(outputs).toEqual(outputsToAppend(config, readOutbox(outboxText(outbox))));
    expect(outputs.sequences).toEqual([70, 71]);
    expect(new Set(outputs.ids).size).toBe(2);
    const from = { processor: 'p', version: 4, partition: 1 };
    expect(outputs.events.map(({ source }) => source)).toEqual([
      { ...from, stream: 's', offset: 3 },
      { ...from, stream: 't', offset: 4 },
    ]);
  });

  test('gives late events on as they were, under another id', () => {
    const { events, ids, sequences } = lateToAppend(config, outbox);
    expect(sequences).toEqual([2]);
    expect(ids[0]).not.toBe('i');
    expect(events).toEqual([
      {
        id: null,
        type: 'T',
        key: 'k',
        time: '2026-01-01T00:00:00Z',
        payload: '{"a":"😀"}',
        claim: null,
        source: {
          processor: 'p',
          version: 4,
          stream: 't',
          partition: 1,
          offset: 8,
          late: 'closed',
        },
      },
    ]);
  });
});

describe('delivering', () => {
  const appends: [stream: string, types: string[], producer: string][] = [];
  const ports = (refuses: (stream: string, events: OutputEvents) => Error | null) => {
    appends.length = 0;
    return {
      append: async (stream: string, events: OutputEvents, producer: string) => {
        const error = refuses(stream, events);
        if (error) throw error;
        appends.push([stream, events.ids, producer]);
        return { accepted: events.events.length, duplicates: 0 };
      },
      addDeadLetters: async () => null,
    };
  };

  test('leaves out only what a stream will never take', async () => {
    const gone = new ProblemError('gone', 'the claim was collected');
    const delivered = await deliver(
      config,
      outbox,
      undefined,
      ports((_, { events }) => (events.some(({ id }) => id === 'own') ? gone : null)),
    );
    expect(delivered).toMatchObject({ refused: 1, log: [expect.stringContaining('collected')] });
    expect(appends.map(([stream, ids]) => [stream, ids.length])).toEqual([
      ['out', 1],
      ['late', 1],
    ]);
    expect(new Set(appends.map(([, , producer]) => producer)).size).toBe(2);
  });

  test('waits for a stream that is full or gone, unless it is no longer the one', async () => {
    const full = new ProblemError('stream_full', 'full');
    await expect(
      deliver(
        config,
        outbox,
        undefined,
        ports(() => full),
      ),
    ).rejects.toThrow('full');
    const missing = ports((stream) => (stream === 'out' ? new OutputMissingError('gone') : null));
    await expect(deliver(config, outbox, undefined, missing)).rejects.toThrow('gone');
    const changed = { ...config, output: 'other' };
    await expect(deliver(changed, outbox, undefined, missing)).resolves.toMatchObject({
      refused: 0,
    });
  });
});
