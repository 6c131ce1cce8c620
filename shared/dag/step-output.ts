// What a step's function returned, read: JSON data, or bytes. Anything else is refused.
import {
  CONTENT_TYPE_MAX_CHARS,
  STEP_OUTPUT_BINARY_MAX_BYTES,
  STEP_OUTPUT_MAX_BYTES,
} from '../limits.ts';
import { valueText } from '../sandbox/strict-json.ts';
import { BadValueError, TaskFailure, ValueTooLargeError } from '../sandbox/task-error.ts';
import { apply } from '../sandbox/intrinsics.ts';

export type StepReturn =
  | { kind: 'json'; json: string }
  /** Not a copy. */
  | { kind: 'bytes'; bytes: Uint8Array; contentType: string };

const RealUint8Array = Uint8Array;
const { isView } = ArrayBuffer;
const bufferLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')
  ?.get as () => number;
const { charCodeAt } = String.prototype;

const OCTETS = 'application/octet-stream';

/** Throws BadValueError, and TaskFailure `memory` past the bound. `undefined` is null. */
export function readReturn(returned: unknown, step: string): StepReturn {
  if (typeof returned === 'object' && returned !== null) {
    const bytes = bytesOf(returned);
    if (bytes) return bytesReturn(bytes, OCTETS);
    // Asked for first: `steps` itself may be returned, and refuses names that it does not have.
    const fields = returned as { bytes?: unknown; contentType?: unknown };
    const named = 'bytes' in fields ? bytesOf(fields.bytes) : null;
    if (named) return bytesReturn(named, contentTypeOf(fields.contentType));
  }
  return { kind: 'json', json: jsonOf(returned, step) };
}

function bytesReturn(bytes: Uint8Array, contentType: string): StepReturn {
  if (bytes.byteLength <= STEP_OUTPUT_BINARY_MAX_BYTES)
    return { kind: 'bytes', bytes, contentType };
  const message = `an output of bytes has at most ${STEP_OUTPUT_BINARY_MAX_BYTES}, not ${bytes.byteLength}`;
  throw new TaskFailure('memory', message);
}

function jsonOf(returned: unknown, step: string): string {
  try {
    return valueText(returned === undefined ? null : returned, step, STEP_OUTPUT_MAX_BYTES);
  } catch (error) {
    if (!(error instanceof ValueTooLargeError)) throw error;
    const message = `an output has at most ${STEP_OUTPUT_MAX_BYTES} bytes as JSON; what is larger has to be returned as bytes`;
    throw new TaskFailure('memory', message);
  }
}

function bytesOf(value: unknown): Uint8Array | null {
  if (isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return new RealUint8Array(buffer, byteOffset, byteLength);
  }
  if (typeof value !== 'object' || value === null) return null;
  try {
    apply(bufferLength, value, []);
  } catch {
    return null;
  }
  return new RealUint8Array(value as ArrayBuffer);
}

/** It becomes a header. */
function contentTypeOf(given: unknown): string {
  if (given === undefined) return OCTETS;
  let isPlain = typeof given === 'string' && given !== '' && given.length <= CONTENT_TYPE_MAX_CHARS;
  for (let i = 0; isPlain && i < (given as string).length; i++) {
    const unit = apply(charCodeAt, given, [i]) as number;
    isPlain = unit >= 0x20 && unit < 0x7f;
  }
  if (isPlain) return given as string;
  throw new BadValueError('contentType has to be a media type, such as "image/webp"');
}
