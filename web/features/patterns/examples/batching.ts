// Batching: readings of sensors, taken together until there are enough of them, or enough bytes, or it took long
// enough. One processor runs a function over each window, the other a MapReduce job.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example } from './example.ts';
import { many, putProcessor, putStream } from './example.ts';

export const SUMMARY_CODE = `// The mean of each sensor over one window. The batch is read as it comes: it is never in memory as a whole.
export async function process(batch, ctx) {
  const sensors = new Map();
  for await (const { payload } of batch) {
    const seen = sensors.get(payload.sensor) ?? { count: 0, sum: 0 };
    sensors.set(payload.sensor, { count: seen.count + 1, sum: seen.sum + payload.celsius });
  }
  ctx.log('a window of ' + batch.events + ' events, fired by ' + batch.reason);
  return [...sensors].map(([sensor, { count, sum }]) => ({
    type: 'Summary',
    key: sensor,
    payload: { sensor, count, mean: Math.round((10 * sum) / count) / 10, firedBy: batch.reason },
  }));
}
`;

export const HISTOGRAM_CODE = `// How often was each whole degree read? Runs as a MapReduce job over the window's events.
export function map(event, emit) {
  emit(Math.floor(event.payload.celsius) + ' °C', 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

export const SUMMARY_LIMITS = { maxEvents: 50, maxBytes: 12_000, maxWaitMs: 15_000 };
export const HISTOGRAM_LIMITS = { maxEvents: 200, maxBytes: 1_000_000, maxWaitMs: 30_000 };

export const BATCHING: Example = {
  setUp: [
    putStream('readings', { partitions: 2 }, 'what the sensors measure'),
    putStream('summaries', { partitions: 1 }, 'one summary for each sensor and window'),
    putProcessor(
      'summary',
      {
        stream: 'readings',
        kind: 'batch',
        output: 'summaries',
        batch: SUMMARY_LIMITS,
        code: SUMMARY_CODE,
        startFrom: 'earliest',
      },
      'a function over each window',
    ),
    putProcessor(
      'histogram',
      {
        stream: 'readings',
        kind: 'batch',
        batch: HISTOGRAM_LIMITS,
        job: { name: 'degrees of a window', code: HISTOGRAM_CODE, partitions: 1 },
        startFrom: 'earliest',
      },
      'a MapReduce job over each window',
    ),
  ],
  streams: ['readings', 'summaries'],
  processors: ['summary', 'histogram'],
  schedules: [],
};

const SENSORS = 6;
/** Fills the bytes of a window before its number of events. */
const NOTE = 'calibrated by hand, see the log book; '.repeat(40);

export function readings(count: number, random: () => number, large = false): EventInput[] {
  return many(count, () => {
    const sensor = `s${Math.floor(random() * SENSORS) + 1}`;
    const celsius = Math.round(10 * (17 + 6 * random() + 4 * random())) / 10;
    return {
      type: 'Reading',
      key: sensor,
      payload: { sensor, celsius, ...(large ? { note: NOTE } : {}) },
    };
  });
}
