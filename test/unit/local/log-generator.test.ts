// The generated log is what the demo counts and the benchmark measures: it must be repeatable, and be
// what it says it is.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../shared/sandbox/determinism.ts';
import { generateLog, zipfPicker } from '../../../worker/local/log-generator.ts';

const MIB = 1024 * 1024;
const COMBINED =
  /^10(\.\d{1,3}){3} - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/\S* HTTP\/1\.1" (200|206|301|304|404|500|503) (\d+|-) "(-|https:\/\/[^" ]+)" "[^"]+"$/;

const logOf = (bytes: number, seed?: string) =>
  Buffer.concat([...generateLog({ bytes, ...(seed === undefined ? {} : { seed }) })]);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const linesOf = (log: Buffer) => log.toString('latin1').trimEnd().split('\n');

test('the same seed gives the same bytes, another seed gives others', () => {
  expect(sha256(logOf(MIB))).toBe(sha256(logOf(MIB)));
  expect(sha256(logOf(MIB))).not.toBe(sha256(logOf(MIB, 'another')));
});

test('a shorter log is the beginning of a longer one, but for its padded last line', () => {
  const short = logOf(100_000);
  const whole = short.lastIndexOf('\n', short.length - 2) + 1;
  expect(whole).toBeGreaterThan(99_000);
  expect(logOf(MIB).subarray(0, whole).equals(short.subarray(0, whole))).toBe(true);
});

test('the size is exactly the asked one', () => {
  for (const bytes of [1_000, 10_000, 300_000, 524_288, 524_289, MIB]) {
    const log = logOf(bytes);
    expect(log.length).toBe(bytes);
    expect(log.at(-1)).toBe('\n'.charCodeAt(0));
  }
  expect(logOf(0).length).toBe(0);
});

test('every chunk is made of whole lines', () => {
  for (const chunk of generateLog({ bytes: MIB })) {
    expect(chunk.at(-1)).toBe('\n'.charCodeAt(0));
  }
});

test('every line is in the combined format', () => {
  expect(linesOf(logOf(2 * MIB)).filter((line) => !COMBINED.test(line))).toEqual([]);
});

test('times never go back, and a long log passes midnight', () => {
  const times = linesOf(logOf(64 * MIB)).map((line) => {
    const [, day, month, year, time] = /\[(\d+)\/(\w+)\/(\d+):([\d:]+) /.exec(line) ?? [];
    return Date.parse(`${day} ${month} ${year} ${time} UTC`);
  });
  expect(times.every((time, i) => i === 0 || time >= (times[i - 1] as number))).toBe(true);
  expect((times.at(-1) as number) - (times[0] as number)).toBeGreaterThan(24 * 3600_000);
});

test('page popularity follows the law of Zipf', () => {
  const hits = new Map<string, number>();
  for (const line of linesOf(logOf(16 * MIB))) {
    const path = line.split(' ')[6] as string;
    hits.set(path, (hits.get(path) ?? 0) + 1);
  }
  const counts = [...hits.values()].sort((a, b) => b - a).slice(0, 100);
  expect(slopeOfLogs(counts)).toBeGreaterThan(-1.05);
  expect(slopeOfLogs(counts)).toBeLessThan(-0.95);
  expect([...hits.entries()].sort((a, b) => b[1] - a[1])[0]?.[0]).toBe('/');
});

test('the picker gives each rank its share, for any exponent', () => {
  for (const exponent of [0, 0.8, 1.3]) {
    const count = 20;
    const draws = 400_000;
    const pick = zipfPicker(count, exponent, seededRandom('shares'));
    const seen = new Array<number>(count).fill(0);
    for (let i = 0; i < draws; i += 1) {
      const rank = pick();
      seen[rank] = (seen[rank] as number) + 1;
    }
    const weights = seen.map((_, rank) => (rank + 1) ** -exponent);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [rank, times] of seen.entries()) {
      const share = (weights[rank] as number) / total;
      const deviation = Math.sqrt(draws * share * (1 - share));
      expect(Math.abs(times - draws * share)).toBeLessThan(5 * deviation);
    }
  }
});

/** Least squares over (log rank, log count). */
function slopeOfLogs(counts: number[]): number {
  const points = counts.map((count, i) => [Math.log(i + 1), Math.log(count)] as const);
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
