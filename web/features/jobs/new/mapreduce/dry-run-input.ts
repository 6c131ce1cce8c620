// What the dry run reads: the first bytes of the job's input, cut where a record ends, unpacked if need be.
import { DRY_RUN_BYTES, DRY_RUN_RECORDS } from '../../../../../shared/limits.ts';
import type { MapReduceSpecInput } from '../../../../../shared/schemas/job.ts';
import type { EventsPage, Stream } from '../../../../../shared/schemas/stream.ts';
import type { DryRunInput } from '../../../../volunteer/dry-run.ts';

export interface Sources {
  /** The first bytes of a dataset. */
  dataset(name: string, bytes: number): Promise<Uint8Array<ArrayBuffer>>;
  stream(name: string): Promise<Pick<Stream, 'partitions'>>;
  events(
    name: string,
    query: { partition: number; from: number | 'earliest'; limit: number },
  ): Promise<EventsPage>;
}

export async function dryRunInput(
  input: MapReduceSpecInput['input'],
  sources: Sources,
): Promise<DryRunInput> {
  if ('range' in input) {
    const { from, to } = input.range;
    // One more than is run, so that the dry run can say that there are more.
    return { kind: 'integers', from, to: Math.min(to, from + DRY_RUN_RECORDS + 1) };
  }
  if ('stream' in input) {
    const { partitions } = await sources.stream(input.stream);
    const { partition } = partitions.find(({ first, next }) => next > first) ?? { partition: 0 };
    // Times are for the log to look up: a sample need not begin where the job will.
    const from = typeof input.from === 'number' ? input.from : ('earliest' as const);
    const query = { partition, from, limit: DRY_RUN_RECORDS + 1 };
    const { events } = await sources.events(input.stream, query);
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    return { kind: 'text', format: 'ndjson', text };
  }
  const format = input.format ?? 'lines';
  if ('inline' in input) return { kind: 'text', format, text: input.inline };
  const first = await sources.dataset(input.dataset, DRY_RUN_BYTES);
  const gzip = isGzip(first) && format !== 'bytes';
  const bytes = gzip ? await unpackStart(first, DRY_RUN_BYTES) : first;
  const cut = first.length >= DRY_RUN_BYTES || bytes.length >= DRY_RUN_BYTES;
  return { kind: 'text', format, text: cut && format !== 'bytes' ? wholeLines(bytes) : bytes };
}

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Without the line that the cut went through; a single longer line stays as it is. */
export function wholeLines(bytes: Uint8Array): Uint8Array {
  const end = bytes.lastIndexOf(0x0a) + 1;
  return end > 0 ? bytes.subarray(0, end) : bytes;
}

/** The beginning of a gzip stream whose end may be missing. */
async function unpackStart(
  packed: Uint8Array<ArrayBuffer>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(bytesMax);
  let length = 0;
  const reader = new Blob([packed])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
    .getReader();
  try {
    while (length < bytesMax) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, bytesMax - length);
      out.set(part, length);
      length += part.length;
    }
  } catch {
    // The sample ends in the middle of the stream: what was unpacked so far is what there is.
  }
  await reader.cancel().catch(() => {});
  return out.slice(0, length);
}

/** A dataset's name from a file's: what the API allows. */
export function datasetNameOf(fileName: string): string {
  const name = fileName.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return name.slice(0, 128) || 'data';
}
