// What a step's function gets to see, as one JSON text: `{"input": …, "steps": {…}}`. Outputs that lie in R2 and are
// JSON are put in their place while it streams into the isolate, so that it never lies in memory here; bytes stay
// claims, which the function may open.
import {
  KIB,
  STEP_INLINE_TOGETHER_MAX_CHARS,
  STEP_INPUT_MAX_BYTES,
} from '../../../../shared/limits.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import { streamOf } from '../../../platform/byte-stream.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import type { NeededOutput } from '../../../contracts/step-runner.rpc.ts';

/** A text, or a claim whose JSON stands there. */
type Piece = string | Claim;

/** Of the step that is about to run; null: it may. Also asked before a call crosses, which is bounded as well. */
export function inputError(input: string, needs: readonly NeededOutput[]): TaskError | null {
  let chars = input.length;
  let bytes = input.length;
  for (const { output } of needs) {
    for (const one of [output].flat()) {
      if (one === null) continue;
      if (one.kind === 'json') {
        chars += one.json.length;
        bytes += one.json.length;
      } else if (one.json) bytes += one.claim.bytes;
    }
  }
  if (bytes > STEP_INPUT_MAX_BYTES) {
    const message = `the outputs that it needs have ${bytes} bytes together; they may have ${STEP_INPUT_MAX_BYTES}`;
    return { code: 'memory', message };
  }
  if (chars > STEP_INLINE_TOGETHER_MAX_CHARS) {
    const message = `the small outputs that it needs have ${chars} characters together; they may have ${STEP_INLINE_TOGETHER_MAX_CHARS}`;
    return { code: 'memory', message };
  }
  return null;
}

/** The input of a step's calls, to be opened for each of them. */
export class StepInput {
  readonly #pieces: Piece[];
  readonly #open: (claim: Claim) => Promise<ReadableStream<Uint8Array>>;
  /** Why the input of a call could not be read to its end. */
  failure: Error | null = null;

  constructor(
    input: string,
    needs: readonly NeededOutput[],
    open: (claim: Claim) => Promise<ReadableStream<Uint8Array>>,
  ) {
    this.#pieces = piecesOf(input, needs);
    this.#open = open;
  }

  /** At most: a byte of what lies in R2 counts as a character. */
  get chars(): number {
    return this.#pieces.reduce(
      (sum, piece) => sum + (typeof piece === 'string' ? piece.length : piece.bytes),
      0,
    );
  }

  open(): string | ReadableStream<Uint8Array> {
    const [only, ...others] = this.#pieces;
    if (typeof only === 'string' && others.length === 0 && only.length <= STREAMED_MIN_CHARS) {
      return only;
    }
    return streamOf(this.#bytes());
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder();
    const claims = new OpenAhead(
      this.#pieces.filter((piece) => typeof piece !== 'string'),
      this.#open,
    );
    try {
      for (const piece of this.#pieces) {
        if (typeof piece !== 'string') yield* await claims.next();
        else {
          for (let at = 0; at < piece.length;) {
            const end = endOf(piece, at + STREAMED_CHARS);
            yield encoder.encode(piece.slice(at, end));
            at = end;
          }
        }
      }
    } catch (error) {
      // Not thrown on: an exception that crosses is logged as the edge's own. The last newline is missing.
      this.failure = error instanceof Error ? error : new Error(String(error));
    } finally {
      claims.cancel();
    }
  }
}

type Opened = ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>;

/** Claims, opened in order and some ahead: a list of many small ones takes no round trip each. */
class OpenAhead {
  readonly #claims: Claim[];
  readonly #open: (claim: Claim) => Promise<ReadableStream<Uint8Array>>;
  readonly #opened: Promise<ReadableStream<Uint8Array>>[] = [];

  constructor(claims: Claim[], open: (claim: Claim) => Promise<ReadableStream<Uint8Array>>) {
    this.#claims = claims.toReversed();
    this.#open = open;
  }

  async next(): Promise<Opened> {
    while (this.#opened.length < CLAIMS_OPEN) {
      const claim = this.#claims.pop();
      if (!claim) break;
      const opened = this.#open(claim);
      // Told when its turn comes, if it does.
      opened.catch(() => undefined);
      this.#opened.push(opened);
    }
    const next = this.#opened.shift();
    if (!next) throw new Error('there is no claim left');
    return (await next) as Opened;
  }

  cancel(): void {
    this.#claims.length = 0;
    for (const opened of this.#opened) {
      opened.then((stream) => stream.cancel()).catch(() => undefined);
    }
  }
}

/** The call has six connections: one is left for the program, and one for what is stored. */
const CLAIMS_OPEN = 4;
/** Longer texts are streamed too: two bytes a character, they could be too large for one message. */
const STREAMED_MIN_CHARS = 1024 * KIB;
const STREAMED_CHARS = 256 * KIB;

/** A character of two units stays whole. */
function endOf(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const unit = text.charCodeAt(end - 1);
  return unit >= 0xd800 && unit <= 0xdbff ? end - 1 : end;
}

function piecesOf(input: string, needs: readonly NeededOutput[]): Piece[] {
  const pieces: Piece[] = [];
  let text = `{"input":${input},"steps":{`;
  const put = (output: Output) => {
    if (output.kind === 'json') text += output.json;
    else if (!output.json) text += JSON.stringify(output.claim);
    else {
      pieces.push(text, output.claim);
      text = '';
    }
  };
  for (const [i, { step, output }] of needs.entries()) {
    text += `${i > 0 ? ',' : ''}${JSON.stringify(step)}:`;
    if (output === null) text += 'null';
    else if (!Array.isArray(output)) put(output);
    else {
      text += '[';
      for (const [n, item] of output.entries()) {
        if (n > 0) text += ',';
        put(item);
      }
      text += ']';
    }
  }
  pieces.push(`${text}}}\n`);
  return pieces;
}
