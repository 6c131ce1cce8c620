// Memory: what the edge's process holds at most while one reducer merges a big shuffle into one
// partition. Browsers map, so nothing of the mapping counts; the local R2 lives in the same process.
import type { Rest } from '../../worker/local/rest.ts';
import type { Row } from './measure.ts';
import { resetPeak, residentMiB, runtimePid } from './runtime-memory.ts';

const VALUE_CHARS = 1_000;
const RECORDS_PER_SPLIT = 8_000;
const JOB_MAX_MS = 300_000;

/** Random values of one key each: nothing to combine, and the result is as large as the shuffle. */
const SHUFFLE = `
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
export function map(n, emit, ctx) {
  let value = '';
  while (value.length < ctx.params.chars) value += LETTERS[(ctx.random() * 64) | 0];
  emit('key ' + ((n * 2654435761) % 4294967296), value);
}
export const reduce = 'first';`;

export async function reduceMemory(
  rest: Rest,
  shuffleMiB: number,
  say: (text: string) => void,
): Promise<Row | undefined> {
  const pid = await runtimePid();
  if (pid === undefined) {
    say('memory: not measured, this system has no /proc');
    return undefined;
  }
  const records = Math.ceil((shuffleMiB * 1024 * 1024) / VALUE_CHARS);
  say(`memory: ${shuffleMiB} MiB of shuffle into one partition`);
  const { id } = await rest.submit({
    name: 'benchmark: memory of a reduce',
    input: { range: { from: 0, to: records }, splitItems: RECORDS_PER_SPLIT },
    code: SHUFFLE,
    params: { chars: VALUE_CHARS },
    mappers: 'volunteers',
    verify: { mode: 'none' },
    partitions: 1,
  });
  await rest.waitUntil(
    id,
    'the reduce',
    ({ state }) => state === 'reducing' || state === 'done',
    JOB_MAX_MS,
  );
  await resetPeak(pid);
  const before = (await residentMiB(pid)).now;
  const job = await rest.waitFor(id, 'done', JOB_MAX_MS);
  const { peak } = await residentMiB(pid);
  if (job.counters.keysOut !== records) throw new Error(`${job.counters.keysOut} keys came out`);
  const shuffled = (job.counters.bytesShuffled / 1024 / 1024).toFixed(0);
  return {
    what: `reducing ${shuffleMiB} MiB of values (${shuffled} MiB stored) into one partition`,
    result: `peak ${peak.toFixed(0)} MiB`,
    beside: 'the same process when the reduce began',
    peer: `${before.toFixed(0)} MiB`,
    ratio: '',
    aim: `+ ${(peak - before).toFixed(0)} MiB; bounded`,
  };
}
