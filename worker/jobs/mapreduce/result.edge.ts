// A done job's result as a stream. In the order of the partitions the parts' bodies go to the client as they are,
// through no JavaScript; by key, or as CSV, they are read in chunks.
import type { Part } from '../../contracts/job.rpc.ts';
import { streamOf } from '../../platform/byte-stream.ts';
import { csvBytes } from './result-csv.ts';
import type { LongLine, PartObject } from './result-lines.ts';
import { ResultReader } from './result-reader.edge.ts';

export interface ResultOptions {
  format: 'ndjson' | 'csv';
  order: 'partition' | 'key';
}

/** Bodies opened before it is their turn; with the one being sent, fewer than the connections there are. */
const AHEAD_BODIES = 3;
const encoder = new TextEncoder();
const NEWLINE = encoder.encode('\n');

/** Throws `too_large` when it takes more reads than the platform allows. */
export function resultStream(
  bucket: R2Bucket,
  parts: Part[],
  { format, order }: ResultOptions,
): ReadableStream<Uint8Array> {
  if (format === 'ndjson' && order === 'partition') return concatenated(bucket, parts);
  const reader = new ResultReader(bucket, parts);
  const lines = order === 'key' ? reader.byKey() : reader.inPartitions();
  return streamOf(format === 'csv' ? csvBytes(lines, reader) : lineBytes(lines, reader));
}

async function* lineBytes(
  lines: AsyncIterable<string | LongLine>,
  reader: ResultReader,
): AsyncGenerator<Uint8Array> {
  for await (const text of lines) {
    if (typeof text === 'string') {
      yield encoder.encode(text);
    } else {
      yield* reader.bytesOf(text);
      yield NEWLINE;
    }
  }
}

/** The parts one after the other; the length is known, and what fails breaks the stream off before it. */
function concatenated(bucket: R2Bucket, parts: PartObject[]): ReadableStream<Uint8Array> {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const { readable, writable } = new FixedLengthStream(bytes);
  const pump = async (): Promise<void> => {
    try {
      for await (const body of bodiesOf(bucket, parts)) {
        await body.pipeTo(writable, { preventClose: true });
      }
      await writable.close();
    } catch (error) {
      // Either a part is gone, which the client sees as a broken stream, or the client is.
      await writable.abort(error).catch(() => undefined);
    }
  };
  void pump();
  return readable as ReadableStream<Uint8Array>;
}

async function* bodiesOf(bucket: R2Bucket, parts: PartObject[]): AsyncGenerator<ReadableStream> {
  const opening: Promise<ReadableStream>[] = [];
  const open = async ({ key }: PartObject): Promise<ReadableStream> => {
    const object = await bucket.get(key);
    if (!object) throw new Error(`the part ${key} is gone`);
    return object.body;
  };
  let opened = 0;
  try {
    for (;;) {
      for (; opened < parts.length && opening.length <= AHEAD_BODIES; opened++) {
        const body = open(parts[opened] as PartObject);
        body.catch(() => undefined);
        opening.push(body);
      }
      const body = opening.shift();
      if (!body) return;
      yield await body;
    }
  } finally {
    // The client went away: an unread body would keep its connection.
    for (const body of opening) {
      await body.then((stream) => stream.cancel()).catch(() => undefined);
    }
  }
}
