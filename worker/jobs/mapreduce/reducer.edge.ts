// The reducer: woken by a wake-up on the `reduce` queue, merges section r of every committed spill, reduces and
// writes one object. Memory is bounded whatever the partition's size: more sources than the fan-in go through
// intermediate runs. A repeated wake-up writes the same object under the same key.
import { MERGE_FAN_IN } from '../../../shared/limits.ts';
import { BlockWriter, type RecordBlock } from '../../../shared/mapreduce/blocks.ts';
import { GroupReducer, type Reduction } from '../../../shared/mapreduce/group-reduce.ts';
import { merge } from '../../../shared/mapreduce/merge.ts';
import { TaskFailure } from '../../../shared/sandbox/task-error.ts';
import { SpillFormatError } from '../../../shared/mapreduce/varint.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import { meterBucket, type R2Counts } from '../../platform/bindings.edge.ts';
import type { ReduceWakeUp } from '../../contracts/wake-ups.ts';
import type { Env } from '../../platform/env.ts';
import { mergeRunKey, partKey } from '../../platform/keys.ts';
import { ObjectWriter } from '../../platform/object-writer.edge.ts';
import { jobObject } from '../../stubs.ts';
import { isolateError } from '../../isolates/deadline.ts';
import { programIsolate } from '../../isolates/map-isolate.edge.ts';
import type { JobRpc, PartCommit, ReduceWork } from '../../contracts/job.rpc.ts';
import { type Section, SectionReader } from './section-reader.edge.ts';

const BEAT_MS = 10_000;
/** Sources asked for at once. */
const SOURCES_PAGE = 1_000;
/** Characters of result gathered before they are encoded. */
const PIECE_CHARS = 256 * 1024;
const encoder = new TextEncoder();

/** Thrown when the job ended while its reducer worked: nothing to report. */
class EndedError extends Error {}

/** "retry": the queue is to bring the wake-up again. */
export async function answerReduceWakeUp(
  env: Env,
  { job, partition }: ReduceWakeUp,
): Promise<'ack' | 'retry'> {
  const stub = jobObject(env, job);
  const work = await stub.beginReduce(partition);
  if (!work) return 'ack';
  try {
    const commit = await new PartReducer(env, stub, work).run();
    await stub.commitPart(commit);
    return 'ack';
  } catch (error) {
    if (error instanceof EndedError) return 'ack';
    const again = await stub.failPart(partition, work.attempt, reduceErrorOf(error));
    return again ? 'retry' : 'ack';
  }
}

/** Carries a failure that an isolate gave as a value. */
class ProgramError extends Error {
  readonly error: TaskError;
  constructor(error: TaskError) {
    super(error.message);
    this.error = error;
  }
}

function reduceErrorOf(error: unknown): TaskError {
  if (error instanceof ProgramError) return error.error;
  if (error instanceof TaskFailure) return { code: error.code, message: error.message };
  if (error instanceof SpillFormatError) return { code: 'bad_spill', message: error.message };
  return isolateError(error);
}

class PartReducer {
  readonly #env: Env;
  readonly #job: JobRpc;
  readonly #work: ReduceWork;
  readonly #counts: R2Counts = { r2Read: 0, r2Write: 0 };
  readonly #bucket: R2Bucket;
  readonly #reader: SectionReader;
  readonly #beganMs = Date.now();
  #beatMs = this.#beganMs;

  constructor(env: Env, job: JobRpc, work: ReduceWork) {
    this.#env = env;
    this.#job = job;
    this.#work = work;
    this.#bucket = meterBucket(env.BUCKET, this.#counts);
    this.#reader = new SectionReader(this.#bucket);
  }

  async run(): Promise<PartCommit> {
    const { job, partition, attempt, records } = this.#work;
    const sections = await this.#mergeDown(await this.#sources());
    const out = new ObjectWriter(this.#bucket, partKey(job, partition));
    try {
      const merged = this.#merged(sections);
      const { keys, recordsIn, userCounters } = await (this.#work.reduce === 'code'
        ? this.#reduceInIsolate(merged, out)
        : this.#reduceNatively(merged, out));
      if (recordsIn !== records) {
        throw new TaskFailure(
          'counters',
          `partition ${partition} holds ${recordsIn} records, its index says ${records}`,
        );
      }
      const bytes = await out.finish();
      const operations = { ...this.#counts };
      const ms = Date.now() - this.#beganMs;
      return { partition, attempt, bytes, keys, recordsIn: records, ms, userCounters, operations };
    } catch (error) {
      await out.abort().catch(() => undefined);
      throw error;
    }
  }

  async #sources(): Promise<Section[]> {
    const { partition, sources } = this.#work;
    const sections: Section[] = [];
    for (let fromTask = 0; sections.length < sources;) {
      const page = await this.#job.reduceSources(partition, fromTask, SOURCES_PAGE);
      const last = page.at(-1);
      if (!last)
        throw new TaskFailure(
          'counters',
          `partition ${partition} has ${sections.length} of ${sources} sources`,
        );
      sections.push(...page);
      fromTask = last.task + 1;
    }
    return sections;
  }

  /** Merges neighbours into runs, keeping their order, until one merge can hold them all. */
  async #mergeDown(sections: Section[]): Promise<Section[]> {
    let level = sections;
    for (let pass = 1; level.length > MERGE_FAN_IN; pass++) {
      const runs: Section[] = [];
      for (let at = 0; at < level.length; at += MERGE_FAN_IN) {
        const group = level.slice(at, at + MERGE_FAN_IN);
        runs.push(await this.#writeRun(group, pass, runs.length));
      }
      level = runs;
    }
    return level;
  }

  async #writeRun(group: Section[], pass: number, run: number): Promise<Section> {
    const { job, partition, attempt } = this.#work;
    const key = mergeRunKey(job, partition, attempt, pass, run);
    const out = new ObjectWriter(this.#bucket, key);
    try {
      const blocks = new BlockWriter();
      for await (const { keys, values } of this.#merged(group)) {
        for (let i = 0; i < keys.length; i++) {
          const block = blocks.add(keys[i] as string, values[i] as string);
          if (block) await out.write(block);
        }
      }
      const last = blocks.finish();
      if (last) await out.write(last);
      const bytes = await out.finish();
      return { key, offset: 0, storedBytes: bytes };
    } catch (error) {
      await out.abort().catch(() => undefined);
      throw error;
    }
  }

  async *#merged(sections: Section[]): AsyncGenerator<RecordBlock> {
    const sources = sections.map((section) => this.#reader.blocks(section, sections.length));
    for await (const block of merge(sources)) {
      await this.#beat();
      yield block;
    }
  }

  async #beat(): Promise<void> {
    const nowMs = Date.now();
    if (nowMs - this.#beatMs < BEAT_MS) return;
    this.#beatMs = nowMs;
    if (!(await this.#job.reduceAlive(this.#work.partition))) throw new EndedError('the job ended');
  }

  async #reduceNatively(merged: AsyncIterable<RecordBlock>, out: ObjectWriter) {
    let piece = '';
    const reducer = new GroupReducer(nativeReduction(this.#work), (line) => void (piece += line));
    for await (const block of merged) {
      await reducer.push(block);
      if (piece.length < PIECE_CHARS) continue;
      await out.write(encoder.encode(piece));
      piece = '';
    }
    await reducer.finish();
    await out.write(encoder.encode(piece));
    const { keys, recordsIn } = reducer;
    return { keys, recordsIn, userCounters: {} };
  }

  async #reduceInIsolate(merged: AsyncIterable<RecordBlock>, out: ObjectWriter) {
    const { programHash, partition, params, nowMs } = this.#work;
    const { isolate } = await programIsolate(this.#env, this.#work);
    const input = new IdentityTransformStream();
    const output = new IdentityTransformStream();
    const feed = input.writable.getWriter() as WritableStreamDefaultWriter<Uint8Array>;
    const called = isolate
      .reduce(
        { programHash, partition, params, nowMs },
        input.readable as ReadableStream<Uint8Array>,
        output.writable as WritableStream<Uint8Array>,
      )
      .then((outcome) => {
        if (outcome.ok) return outcome;
        throw new ProgramError(outcome.error);
      });
    // A program that fails stops reading: without this its feeder would wait for ever.
    called.catch((error: unknown) => feed.abort(error).catch(() => undefined));
    const drained = (async () => {
      for await (const chunk of output.readable as ReadableStream<Uint8Array>) {
        await out.write(chunk);
      }
    })();
    const [call, ...streams] = await Promise.allSettled([called, feedAll(merged, feed), drained]);
    // The program's own error says more than those of the streams that it ended.
    if (call.status === 'rejected') throw call.reason;
    for (const stream of streams) if (stream.status === 'rejected') throw stream.reason;
    return call.value;
  }
}

/** Frames merged records for an isolate. */
async function feedAll(
  merged: AsyncIterable<RecordBlock>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  try {
    const blocks = new BlockWriter();
    for await (const { keys, values } of merged) {
      for (let i = 0; i < keys.length; i++) {
        const block = blocks.add(keys[i] as string, values[i] as string);
        if (block) await writer.write(block);
      }
    }
    const last = blocks.finish();
    if (last) await writer.write(last);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
}

function nativeReduction({ reduce, combine }: ReduceWork): Reduction {
  if (reduce === null || reduce === 'collect') return { kind: 'collect' };
  if (reduce === 'code') throw new Error('code is not reduced natively');
  return { kind: 'builtin', name: reduce, combined: combine === reduce };
}
