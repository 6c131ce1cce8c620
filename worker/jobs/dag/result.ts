// The result of a run as one JSON object, step by step: small outputs come from the run a page at a time, large ones that
// are JSON stream out of R2 into their place, bytes stay claims. What is in memory is one page.
import { RESULT_CLAIMS_MAX } from '../../../shared/limits.ts';
import type { Claim } from '../../../shared/schemas/claim.ts';
import { ProblemError } from '../../platform/problem.ts';
import type { Output, OutputsPage, OutputsPlace } from '../../contracts/run.rpc.ts';

export interface ResultSource {
  /** Rejects when the run is gone. */
  page(from: OutputsPlace): Promise<OutputsPage>;
  /** The bytes of a claim, checked. */
  open(claim: Claim): Promise<ReadableStream<Uint8Array>>;
}

/** `first`: the page of FIRST_OUTPUT. Throws `too_large` when it takes more reads than the platform allows. */
export function resultBytes(source: ResultSource, first: OutputsPage): AsyncGenerator<Uint8Array> {
  if (first.claims > RESULT_CLAIMS_MAX) {
    const detail = `this result has ${first.claims} outputs that lie in R2, at most ${RESULT_CLAIMS_MAX} can be put together; a step that needs them can read them, and so can GET /api/claims/:token, one by one`;
    throw new ProblemError('too_large', detail);
  }
  return encoded(resultPieces(source, first));
}

async function* resultPieces(
  source: ResultSource,
  first: OutputsPage,
): AsyncGenerator<string | Uint8Array> {
  let page = first;
  let lead = '{';
  let list: string | null = null;
  for (;;) {
    for (const { step, from, outputs } of page.pieces) {
      if (list !== null && list !== step) {
        yield ']';
        list = null;
      }
      if (from === null || from === 0) {
        yield `${lead}${JSON.stringify(step)}:`;
        lead = ',';
      }
      if (from === null) {
        yield* outputPieces(source, outputs[0] ?? null);
        continue;
      }
      if (from === 0) yield '[';
      list = step;
      for (const [n, output] of outputs.entries()) {
        if (from + n > 0) yield ',';
        yield* outputPieces(source, output);
      }
    }
    if (page.next === null) break;
    page = await source.page(page.next);
  }
  if (list !== null) yield ']';
  yield lead === '{' ? '{}' : '}';
}

async function* outputPieces(
  source: ResultSource,
  output: Output | null,
): AsyncGenerator<string | Uint8Array> {
  if (output === null) yield 'null';
  else if (output.kind === 'json') yield output.json;
  else if (!output.json) yield JSON.stringify(output.claim);
  else
    yield* (await source.open(output.claim)) as AsyncIterable<Uint8Array> &
      ReadableStream<Uint8Array>;
}

const ENOUGH_CHARS = 64 * 1024;

/** Short texts go together: a result of many small outputs is not sent comma by comma. */
async function* encoded(pieces: AsyncGenerator<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '';
  for await (const piece of pieces) {
    if (typeof piece === 'string') {
      text += piece;
      if (text.length < ENOUGH_CHARS) continue;
    }
    if (text !== '') yield encoder.encode(text);
    text = '';
    if (typeof piece !== 'string') yield piece;
  }
  if (text !== '') yield encoder.encode(text);
}
