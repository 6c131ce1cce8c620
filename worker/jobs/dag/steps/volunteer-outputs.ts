// Reads what volunteers returned: a unit's head, then its chunks, out of the job's one part. Volunteers are strangers, so
// it is checked like a request. Bytes go to claims as they are read; JSON that will stand within other JSON is parsed
// once, to know that it is.
import * as z from 'zod';
import { bytesOfBase64 } from '../../../../shared/base64.ts';
import {
  chunkCount,
  type VolunteerHead,
  volunteerKey,
} from '../../../../shared/dag/volunteer-record.ts';
import {
  COLLECT_INLINE_MAX_BYTES,
  COLLECT_OUTPUTS_MAX,
  COLLECT_READ_MAX_BYTES,
  CONTENT_TYPE_MAX_CHARS,
  LOG_LINE_MAX_CHARS,
  MIB,
  STEP_INLINE_MAX_BYTES,
  STEP_LOG_LINES_MAX,
  STEP_OUTPUT_MAX_BYTES,
  VALUE_MAX_BYTES,
  VOLUNTEER_OUTPUT_MAX_BYTES,
} from '../../../../shared/limits.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { Output } from '../../../contracts/run.rpc.ts';

/** A line of the part, and where the next one begins. */
export interface Line {
  key: string;
  /** All that were emitted for the key: more than one when somebody spoke for another's unit. */
  value: unknown;
  end: number;
}
type Lines = AsyncIterator<Line>;

export type StoreBytes = (
  chunks: AsyncIterable<Uint8Array>,
  bytes: number,
  contentType: string,
) => Promise<Claim>;

export interface Collected {
  outputs: Output[];
  log: string[];
  /** Where the next unit's head begins; null at the end. */
  end: number | null;
}

/** What a volunteer sent is not what a step returns. */
export class BadOutputError extends Error {}

const Log = z.array(z.string().max(LOG_LINE_MAX_CHARS)).max(STEP_LOG_LINES_MAX);
const Head = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('json'), json: z.string().max(STEP_INLINE_MAX_BYTES), log: Log }),
  z.object({
    kind: z.literal('bytes'),
    bytes: z.number().int().min(0).max(VOLUNTEER_OUTPUT_MAX_BYTES),
    json: z.boolean(),
    contentType: z
      .string()
      .min(1)
      .max(CONTENT_TYPE_MAX_CHARS)
      .regex(/^[\x20-\x7e]*$/),
    log: Log,
  }),
]) satisfies z.ZodType<VolunteerHead>;

/** From unit `first` on, up to `units`, or until it is enough for one answer. Throws BadOutputError. */
export async function collectOutputs(
  lines: Lines,
  { first, units }: { first: number; units: number },
  store: StoreBytes,
): Promise<Collected> {
  const outputs: Output[] = [];
  const log: string[] = [];
  let inlineBytes = 0;
  let readBytes = 0;
  for (let unit = first; unit < units; unit++) {
    const { value, end } = await lineOf(lines, unit, 0);
    const parsed = Head.safeParse(value);
    if (!parsed.success) throw new BadOutputError(`unit ${unit} did not say what it returned`);
    const head = parsed.data;
    for (const line of head.log) if (log.length < STEP_LOG_LINES_MAX) log.push(line);
    let last = end;
    if (head.kind === 'json') {
      checkJson(head.json, unit);
      outputs.push({ kind: 'json', json: head.json });
      inlineBytes += head.json.length;
    } else {
      const chunks = chunksOf(lines, unit, head.bytes, (chunkEnd) => (last = chunkEnd));
      outputs.push(await stored(chunks, head, unit, store));
    }
    readBytes += last - end + MIB / 64;
    const enough =
      outputs.length >= COLLECT_OUTPUTS_MAX ||
      inlineBytes >= COLLECT_INLINE_MAX_BYTES ||
      readBytes >= COLLECT_READ_MAX_BYTES;
    if (enough && unit + 1 < units) return { outputs, log, end: last };
  }
  return { outputs, log, end: null };
}

async function stored(
  chunks: AsyncGenerator<Uint8Array>,
  { bytes, json, contentType }: VolunteerHead & { kind: 'bytes' },
  unit: number,
  store: StoreBytes,
): Promise<Output> {
  if (!json) return { kind: 'claim', claim: await store(chunks, bytes, contentType), json: false };
  if (bytes > STEP_OUTPUT_MAX_BYTES) {
    throw new BadOutputError(`unit ${unit} returned JSON of ${bytes} bytes`);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  checkJson(new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(whole), unit);
  const claim = await store(once(whole), bytes, 'application/json');
  return { kind: 'claim', claim, json: true };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Exactly so many bytes, or it throws. */
async function* chunksOf(
  lines: Lines,
  unit: number,
  bytes: number,
  ended: (end: number) => void,
): AsyncGenerator<Uint8Array> {
  const chunks = chunkCount(bytes);
  let left = bytes;
  for (let number = 1; number <= chunks; number++) {
    const { value, end } = await lineOf(lines, unit, number);
    if (typeof value !== 'string' || value.length > VALUE_MAX_BYTES) {
      throw new BadOutputError(`chunk ${number} of unit ${unit} is none`);
    }
    const chunk = decoded(value, unit);
    left -= chunk.length;
    if (left < 0) break;
    ended(end);
    yield chunk;
  }
  if (left !== 0) throw new BadOutputError(`unit ${unit} returned not the bytes that it announced`);
}

async function lineOf(lines: Lines, unit: number, number: number) {
  const next = await lines.next();
  const key = volunteerKey(unit, number);
  if (next.done || next.value.key !== key) {
    const found = next.done ? 'nothing' : next.value.key.slice(0, 20);
    throw new BadOutputError(`${key} is missing; ${found} came in its place`);
  }
  const { value, end } = next.value;
  if (!Array.isArray(value) || value.length !== 1) {
    throw new BadOutputError(`${key} came more than once`);
  }
  return { value: value[0] as unknown, end };
}

function decoded(text: string, unit: number): Uint8Array {
  try {
    return bytesOfBase64(text);
  } catch {
    throw new BadOutputError(`unit ${unit} returned bytes that are no base64`);
  }
}

function checkJson(text: string, unit: number): void {
  try {
    JSON.parse(text);
  } catch {
    throw new BadOutputError(`unit ${unit} returned what is no JSON`);
  }
}
