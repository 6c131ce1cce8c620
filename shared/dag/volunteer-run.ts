// Runs a volunteer step's function as the `map` of a job: a record is a unit, what it returns is emitted in values that
// the edge puts together again (volunteer-record.ts). In browsers such code may wait for the browser itself (it decodes
// pictures, encodes video), so what it returned is waited for by the clock; elsewhere a promise that nothing moves is lost.
import { base64Of, bytesOfBase64 } from '../base64.ts';
import {
  PROGRESS_MS,
  RECORD_MAX_BYTES,
  STEP_INLINE_MAX_BYTES,
  STEP_LOG_LINES_MAX,
  VOLUNTEER_CHUNK_BYTES,
  VOLUNTEER_OUTPUT_MAX_BYTES,
} from '../limits.ts';
import type { ProgramExports } from '../mapreduce/map-run.ts';
import { settle } from '../sandbox/settle.ts';
import { SideOutput } from '../sandbox/side-output.ts';
import { utf8Length } from '../sandbox/strict-json.ts';
import type { StepPlan } from '../mapreduce/task.ts';
import { TaskFailure } from '../sandbox/task-error.ts';
import {
  apply,
  hasOwn,
  isThenable,
  parse,
  realClearTimeout,
  RealError,
  RealPromise,
  realSetTimeout,
  RealTextEncoder,
  whenSettled,
} from '../sandbox/intrinsics.ts';
import { guardStepsOf } from './steps-seen.ts';
import { readReturn, type StepReturn } from './step-output.ts';
import {
  chunkCount,
  type VolunteerHead,
  volunteerKey,
  type VolunteerRecord,
} from './volunteer-record.ts';

type Emit = (key: string, value: unknown) => void;

/** Where the runtime knows it; kept before user code runs. */
const RealBlob = (globalThis as { Blob?: BlobClass }).Blob;
const blobBytes = RealBlob?.prototype.arrayBuffer;
type BlobClass = new () => { type: string; arrayBuffer(): Promise<ArrayBuffer> };

/** `alive` is called while something is waited for. */
export function stepMap(
  program: ProgramExports,
  step: StepPlan,
  alive: () => void,
): ProgramExports['map'] {
  const { default: main, given } = program;
  if (typeof main !== 'function' || typeof given !== 'string') {
    throw new TaskFailure('bad_program', 'the default export is not a function');
  }
  return (value, emit, { log: logHere }) => {
    const record = value as VolunteerRecord;
    const side = new SideOutput(STEP_LOG_LINES_MAX);
    // To the person who submitted the run, and to the person who lends the machine.
    const log = (...values: unknown[]) => {
      side.log(...values);
      logHere(...values);
    };
    const input = parse(given) as Record<string, unknown>;
    guardStepsOf(input, step.step);
    if (record.item !== null) input['item'] = record.value;
    const context = contextFor(step, record, log);
    const returned = apply(main as (...given: unknown[]) => unknown, undefined, [input, context]);
    const finish = (result: unknown) =>
      emitReturn(readReturn(result, step.step), record.item ?? 0, side.lines, emit);
    if (!isThenable(returned) && !isBlob(returned)) return finish(returned);
    return whenDone(returned, finish, step, alive);
  };
}

async function whenDone(
  returned: unknown,
  finish: (result: unknown) => void,
  step: StepPlan,
  alive: () => void,
): Promise<void> {
  const result = step.browser
    ? await byTheClock(withBlobRead(returned), step.timeoutMs, alive)
    : await settle(withBlobRead(returned));
  finish(result);
}

function contextFor(
  step: StepPlan,
  { item, payloads }: VolunteerRecord,
  log: (...values: unknown[]) => void,
) {
  return {
    run: step.run,
    step: step.step,
    attempt: step.attempt,
    item,
    log,
    payload: async (claim: unknown) => {
      const token = tokenOf(claim);
      if (token === null) throw new RealError('ctx.payload takes a claim: {token, …}');
      if (hasOwn(payloads, token)) return bytesOfBase64(payloads[token] as string);
      throw new RealError(
        `the payload of ${token} did not come along: an item brings the claims in it, and those of \`input\` and \`steps\` that are in no item, as far as they fit in ${RECORD_MAX_BYTES} bytes as base64`,
      );
    },
    call: async () => {
      throw new RealError('a volunteer has no network: services are asked by edge steps');
    },
  };
}

/** Of a claim, or of an event with one. */
function tokenOf(given: unknown): string | null {
  if (typeof given !== 'object' || given === null) return null;
  const { token, claim } = given as { token?: unknown; claim?: { token?: unknown } | null };
  const found = token ?? claim?.token;
  return typeof found === 'string' ? found : null;
}

const isBlob = (value: unknown): boolean =>
  RealBlob !== undefined && typeof value === 'object' && value instanceof RealBlob;

/** A canvas gives Blobs, alone or as the `bytes` of what is returned. */
function withBlobRead(returned: unknown): Promise<unknown> {
  return new RealPromise((resolve, reject) => {
    const read = (blob: unknown, contentType: unknown) => {
      const done = (bytes: unknown) => resolve({ bytes, contentType });
      whenSettled(apply(blobBytes as () => unknown, blob, []), done, reject);
    };
    const take = (result: unknown) => {
      try {
        if (isBlob(result)) {
          const { type } = result as { type: string };
          return read(result, type === '' ? undefined : type);
        }
        if (typeof result !== 'object' || result === null) return resolve(result);
        const fields = result as { bytes?: unknown; contentType?: unknown };
        const bytes = 'bytes' in fields ? fields.bytes : null;
        if (!isBlob(bytes)) return resolve(result);
        read(bytes, fields.contentType ?? ((bytes as { type: string }).type || undefined));
      } catch (error) {
        reject(error as Error);
      }
    };
    whenSettled(returned, take, reject);
  });
}

/** Says that it is alive as long as the realm's own events go on: a loop without end says nothing. */
function byTheClock(
  promise: Promise<unknown>,
  timeoutMs: number,
  alive: () => void,
): Promise<unknown> {
  return new RealPromise((resolve, reject) => {
    let leftMs = timeoutMs;
    let timer: unknown;
    const wait = () => {
      const nextMs = leftMs < PROGRESS_MS ? leftMs : PROGRESS_MS;
      timer = realSetTimeout(() => {
        leftMs -= nextMs;
        if (leftMs <= 0) {
          return reject(new TaskFailure('deadline', `took longer than ${timeoutMs} ms`));
        }
        alive();
        wait();
      }, nextMs);
    };
    wait();
    const ended = (settleWith: (value: never) => void) => (value: unknown) => {
      realClearTimeout(timer);
      settleWith(value as never);
    };
    whenSettled(promise, ended(resolve), ended(reject));
  });
}

function emitReturn(returned: StepReturn, unit: number, log: string[], emit: Emit): void {
  const say = (head: VolunteerHead) => emit(volunteerKey(unit, 0), head);
  if (returned.kind === 'json' && utf8Length(returned.json) <= STEP_INLINE_MAX_BYTES) {
    return say({ kind: 'json', json: returned.json, log });
  }
  const json = returned.kind === 'json';
  const bytes = json ? new RealTextEncoder().encode(returned.json) : returned.bytes;
  const contentType = json ? 'application/json' : returned.contentType;
  if (bytes.length > VOLUNTEER_OUTPUT_MAX_BYTES) {
    const message = `returned ${bytes.length} bytes; a volunteer returns ${VOLUNTEER_OUTPUT_MAX_BYTES} at most`;
    throw new TaskFailure('memory', message);
  }
  say({ kind: 'bytes', bytes: bytes.length, json, contentType, log });
  for (let chunk = 0; chunk < chunkCount(bytes.length); chunk++) {
    const at = chunk * VOLUNTEER_CHUNK_BYTES;
    emit(volunteerKey(unit, chunk + 1), base64Of(bytes.subarray(at, at + VOLUNTEER_CHUNK_BYTES)));
  }
}
