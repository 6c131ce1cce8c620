// Reads a partition: its LogObject says where events lie; rows come with the answer, sealed ones straight from R2.
// A segment that retention took between the two is looked for once more.
import { READ_MAX_BYTES } from '../../shared/limits.ts';
import { largeChunks } from '../platform/byte-stream.ts';
import type { Env } from '../platform/env.ts';
import { logObject } from '../stubs.ts';
import { notFound, ProblemError } from '../platform/problem.ts';
import type { Located, SegmentRange } from '../contracts/log.rpc.ts';
import { cutLines } from './partition/lines.ts';
import type { PartitionRef } from '../contracts/names.ts';
import type { ReadBounds, ReadEvents } from './read-events.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Events from `from` on. */
export async function readEvents(
  env: Env,
  ref: PartitionRef,
  from: number,
  { maxEvents, maxBytes }: ReadBounds,
): Promise<ReadEvents> {
  for (let tries = 1; ; tries++) {
    const located = await logObject(env, ref).locate(from, maxEvents, maxBytes);
    if (located.kind === 'rows') return ofRows(located);
    if (located.kind !== 'segment') return located;
    const { range, next } = located;
    const bytes = await rangeBytes(env, range);
    if (bytes) {
      const text = withoutLastNewline(decoder.decode(bytes));
      const cut = cutLines(text, from - range.first, maxEvents, maxBytes);
      const appendedAt = timesFrom(range.times, from, from + cut.count);
      return { kind: 'events', first: from, count: cut.count, text: cut.text, appendedAt, next };
    }
    if (tries > 1)
      throw new Error(`the segment ${range.key} is gone, and its log does not know it`);
  }
}

function ofRows({ chunks, next }: Extract<Located, { kind: 'rows' }>): ReadEvents {
  const first = chunks[0]?.first;
  if (first === undefined) return { kind: 'end', next };
  return {
    kind: 'events',
    first,
    count: chunks.reduce((sum, chunk) => sum + chunk.count, 0),
    text: chunks.map(({ text }) => text).join('\n'),
    appendedAt: chunks.map((chunk) => ({ offset: chunk.first, atMs: chunk.appendedAtMs })),
    next,
  };
}

/** The entries that tell the times of [from, to). */
function timesFrom(times: SegmentRange['times'], from: number, to: number): SegmentRange['times'] {
  const later = times.filter(({ offset }) => offset > from && offset < to);
  const at = times.findLast(({ offset }) => offset <= from) ?? times[0];
  return at ? [{ offset: from, atMs: at.atMs }, ...later] : later;
}

async function rangeBytes(
  env: Env,
  { key, start, end }: SegmentRange,
): Promise<ArrayBuffer | null> {
  const object = await env.BUCKET.get(key, { range: { offset: start, length: end - start } });
  return object && object.arrayBuffer();
}

const withoutLastNewline = (text: string) => (text.endsWith('\n') ? text.slice(0, -1) : text);

/**
 * Events [from, to) as NDJSON, each line with its newline, in bounded memory. Throws `gone` when retention took
 * some of them, `not_found` when the stream is no longer there, and when the log ends before `to`.
 */
export async function* streamRange(
  env: Env,
  ref: PartitionRef,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const log = logObject(env, ref);
  let lost = 0;
  for (let at = from; at < to;) {
    const located = await log.locate(at, to - at, READ_MAX_BYTES);
    if (located.kind === 'rows') {
      for (const { text, count } of located.chunks) {
        yield encoder.encode(`${text}\n`);
        at += count;
      }
    } else if (located.kind === 'segment') {
      const { range } = located;
      const object = await env.BUCKET.get(range.key, {
        range: { offset: range.start, length: range.end - range.start },
      });
      if (!object) {
        if (++lost > 1) throw new Error(`the segment ${range.key} is gone`);
        continue;
      }
      lost = 0;
      const lines = new LineRange(at - range.first, Math.min(to, range.first + range.count) - at);
      for await (const chunk of largeChunks(object.body)) {
        const piece = lines.take(chunk);
        if (piece.length > 0) yield piece;
        if (lines.left === 0) break;
      }
      if (lines.taken === 0) throw new Error(`the segment ${range.key} does not hold ${at}`);
      at += lines.taken;
    } else {
      throw lostRange(ref, at, located);
    }
  }
}

function lostRange(
  { stream, partition }: PartitionRef,
  at: number,
  located: Exclude<Located, { kind: 'rows' | 'segment' }>,
): Error {
  if (located.kind === 'unknown') return notFound(`stream ${stream}`);
  if (located.kind === 'expired') return expired(partition, at, located.first);
  return new Error(`partition ${partition} of ${stream} ends at ${located.next}, before ${at}`);
}

/** What is said when events were asked for that retention took. */
export const expired = (partition: number, from: number, first: number): ProblemError => {
  const message = `offset ${from} of partition ${partition} is out of retention; the first that is there is ${first}`;
  return new ProblemError('gone', message, [{ path: 'from', message }], {
    'first-offset': String(first),
  });
};

const NEWLINE = 0x0a;

/** Passes over `skip` lines of bytes that stream by and takes the `left` ones after them, newlines included. */
class LineRange {
  #skip: number;
  #left: number;
  #taken = 0;

  constructor(skip: number, left: number) {
    this.#skip = skip;
    this.#left = left;
  }

  get left(): number {
    return this.#left;
  }

  /** Whole lines. */
  get taken(): number {
    return this.#taken;
  }

  take(chunk: Uint8Array): Uint8Array {
    let start = 0;
    while (this.#skip > 0) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) return chunk.subarray(chunk.length);
      start = newline + 1;
      this.#skip--;
    }
    let end = start;
    while (this.#left > 0) {
      const newline = chunk.indexOf(NEWLINE, end);
      if (newline === -1) return chunk.subarray(start);
      end = newline + 1;
      this.#left--;
      this.#taken++;
    }
    return chunk.subarray(start, end);
  }
}
