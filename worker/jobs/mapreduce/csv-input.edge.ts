// Finds the record boundaries of a CSV input by streaming it once, in as many messages as it takes.
import { EDGE_BATCH_MS, MIB } from '../../../shared/limits.ts';
import { readHeader, unclosedQuote } from '../../../shared/mapreduce/csv.ts';
import { TaskFailure } from '../../../shared/sandbox/task-error.ts';
import type { Env } from '../../platform/env.ts';
import { jobObject } from '../../stubs.ts';
import { csvScanChunk, csvScanEnd, csvScanStart, type CsvScanState } from './csv-scan.ts';
import type { EdgeWork } from '../../contracts/job.rpc.ts';

/** The header line has to lie within this. */
const HEADER_MAX_BYTES = MIB;

export async function scanInput(
  env: Env,
  job: string,
  ring: number,
  work: EdgeWork & { kind: 'scan' },
): Promise<void> {
  const { key, bytes, splitBytes } = work;
  const stub = jobObject(env, job);
  const state = work.state ? (JSON.parse(work.state) as CsvScanState) : csvScanStart();
  const object = await env.BUCKET.get(key, {
    range: { offset: state.offset, length: bytes - state.offset },
  });
  if (!object)
    return stub.planFailed({ code: 'input_missing', message: `the input ${key} is gone` });
  const untilMs = Date.now() + EDGE_BATCH_MS;
  for await (const chunk of object.body as ReadableStream<Uint8Array>) {
    csvScanChunk(state, chunk, splitBytes);
    // Leaving the loop cancels the stream; the next message goes on at state.offset.
    if (Date.now() > untilMs && state.offset < bytes)
      return stub.scanned(ring, JSON.stringify(state));
  }
  if (state.inQuotes) {
    const record = state.quoteAt ?? 0;
    return stub.planFailed({ code: 'bad_record', message: unclosedQuote(record), record });
  }
  const head = await env.BUCKET.get(key, {
    range: { offset: 0, length: Math.min(bytes, HEADER_MAX_BYTES) },
  });
  const text = (await head?.text()) ?? '';
  let header: string[];
  try {
    header = headerOf(text, bytes <= HEADER_MAX_BYTES);
  } catch (error) {
    if (!(error instanceof TaskFailure)) throw error;
    return stub.planFailed({ code: error.code, message: error.message });
  }
  await stub.planned(csvScanEnd(state), header);
}

/** The names of the header. Throws TaskFailure. */
function headerOf(text: string, ended: boolean): string[] {
  const header = readHeader(text, ended);
  if (header) return header;
  const message = `the CSV header is longer than ${HEADER_MAX_BYTES} bytes`;
  throw new TaskFailure('bad_record', message);
}
