// What a run of user code comes to: which outputs are appended, who has failed, what is counted.
import { describe, expect, test } from 'vitest';
import type { ProcessOutcome } from '../../../shared/streaming/process.ts';
import type { ConsumerConfig } from '../../../worker/contracts/consumer.rpc.ts';
import { decide, latencyOf, outputEvents } from '../../../worker/outputs/effects.ts';

const config: ConsumerConfig = {
  ref: {
    processor: 'p',
    processorUid: 'processor_0000000000000000abcd',
    generation: 2,
    source: { stream: 'in', uid: 'stream_1', partition: 3 },
  },
  version: 5,
  programKey: 'k',
  programHash: 'h',
  guard: false,
  types: ['A'],
  output: 'out',
  services: {},
  params: {},
  retry: { maxAttempts: 3, baseMs: 1, maxMs: 1 },
  paused: false,
  rebuilding: false,
};
/** Ten events from offset 100 on; every third is of another type. */
const batch = {
  from: 100,
  lines: Array.from({ length: 10 }, (_, i) =>
    JSON.stringify({ partition: 3, offset: 100 + i, type: i % 3 === 2 ? 'B' : 'A' }),
  ),
  appendedAt: [
    { offset: 100, atMs: 1_000 },
    { offset: 104, atMs: 2_000 },
  ],
};
const output = (offset: number, text = `{"type":"O","payload":${offset}}`) => ({ offset, text });
function outcome(
  outputs: { offset: number; text: string }[],
  failed: number[] = [],
  stoppedAt: number | null = null,
): ProcessOutcome {
  return {
    outputs: outputs.map(({ text }) => text).join('\n'),
    outputOffsets: outputs.map(({ offset }) => offset),
    processed: 7 - failed.length,
    passedOver: 3,
    failures: failed.map((offset) => ({
      offset,
      error: { code: 'program_threw', message: `no ${offset}` },
    })),
    stoppedAt,
    log: ['a line'],
  };
}

describe('a run', () => {
  test('that went well has all its outputs, and counts all its events', () => {
    const { report, outputs } = decide(batch, outcome([output(100), output(103)]), config, false);
    expect(report).toMatchObject({ from: 100, to: 110, processed: 7, passedOver: 3, failures: [] });
    expect(outputs).toEqual({
      producer: 'processor_0000000000000000abcd/2/stream_1/3',
      text: '{"type":"O","payload":100}\n{"type":"O","payload":103}',
      offsets: [100, 103],
    });
  });

  test('that will be tried again has the effects before its first failure only', () => {
    const ran = outcome([output(100), output(103), output(107)], [104, 106]);
    const { report, outputs } = decide(batch, ran, config, false);
    expect(outputs?.offsets).toEqual([100, 103]);
    // 100, 101 and 103 were run, 102 was passed over.
    expect(report).toMatchObject({ to: 110, processed: 3, passedOver: 1 });
    expect(report.failures.map(({ offset, line }) => [offset, line])).toEqual([
      [104, ''],
      [106, ''],
    ]);
  });

  test('that was the last one has all effects but those of what failed, whose events it hands over', () => {
    const ran = outcome([output(100), output(103), output(107)], [104]);
    const { report, outputs } = decide(batch, ran, config, true);
    expect(outputs?.offsets).toEqual([100, 103, 107]);
    expect(report).toMatchObject({ processed: 6, passedOver: 3 });
    expect(report.failures).toMatchObject([{ offset: 104, line: batch.lines[4] }]);
  });

  test('that ended early is a shorter batch', () => {
    const { report } = decide(batch, outcome([output(100)], [], 106), config, false);
    expect(report).toMatchObject({ from: 100, to: 106 });
  });

  test('that emitted what no stream takes fails for that event alone, and all its outputs', () => {
    const ran = outcome([output(100), output(103), output(103, '{"type":""}'), output(104)]);
    const { report, outputs } = decide(batch, ran, config, true);
    expect(outputs?.offsets).toEqual([100, 104]);
    expect(report.failures).toMatchObject([{ offset: 103, error: { code: 'bad_value' } }]);
    expect(report.failures[0]?.error.message).toMatch(/an emitted event is not valid: type/);
    expect(report.processed).toBe(6);
  });

  test('that emitted anything fails where there is no output', () => {
    const ran = outcome([output(103)]);
    const { report, outputs } = decide(batch, ran, { ...config, output: null }, true);
    expect(outputs).toBeNull();
    expect(report.failures).toMatchObject([{ offset: 103 }]);
  });

  test('took as long as its settled events have been in the log', () => {
    const all = decide(batch, outcome([]), config, false).report;
    const counted = (buckets: number[]) => buckets.filter((count) => count > 0);
    expect(counted(latencyOf(batch, all, 2_001))).toEqual([6, 4]);
    const some = decide(batch, outcome([], [102]), config, false).report;
    expect(counted(latencyOf(batch, some, 2_001))).toEqual([2]);
  });
});

describe('outputs', () => {
  test('have rising sequences and ids of their own, the same again whenever they are made', () => {
    const outputs = {
      producer: 'p',
      text: '{"type":"O"}\n{"type":"O","id":"mine"}\n{"type":"O"}',
      offsets: [7, 7, 8],
    };
    const made = outputEvents(outputs, config.ref, 5);
    expect(made).toEqual(outputEvents(outputs, config.ref, 5));
    expect(made.events.map(({ id }) => id)).toEqual([null, 'mine', null]);
    expect(new Set(made.ids).size).toBe(3);
    expect(made.sequences.toSorted((a, b) => a - b)).toEqual(made.sequences);
    expect(new Set(made.sequences).size).toBe(3);
    expect(made.events[2]?.source).toEqual({
      processor: 'p',
      version: 5,
      stream: 'in',
      partition: 3,
      offset: 8,
    });
  });

  test('of one offset in different streams have different ids', () => {
    const outputs = { producer: 'p', text: '{"type":"O"}', offsets: [7] };
    const other = { ...config.ref, source: { ...config.ref.source, uid: 'stream_2' } };
    const ids = [config.ref, other].flatMap((ref) => outputEvents(outputs, ref, 1).ids);
    expect(ids[0]).not.toBe(ids[1]);
  });
});
