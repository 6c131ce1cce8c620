// What a run came to, a page at a time: all outputs together would be more than one message carries. Pure.
import type { RunRecord } from './run-record.ts';
import type { OutputsPage, OutputsPiece, OutputsPlace } from '../../../contracts/run.rpc.ts';

export const FIRST_OUTPUT: OutputsPlace = { step: 0, item: 0 };

/** `maxChars`: of inline JSON; one output more may be in it. */
export function outputsPage(
  levels: readonly (readonly string[])[],
  { steps }: Pick<RunRecord, 'steps'>,
  { step: first, item: firstItem }: OutputsPlace,
  maxChars: number,
): OutputsPage {
  const order = levels.flat();
  const page: OutputsPage = { pieces: [], next: null, claims: 0 };
  let chars = 0;
  for (const [at, step] of order.entries()) {
    const record = steps[step];
    const all = record?.items?.map(({ unit }) => unit.output) ?? [record?.output ?? null];
    for (const output of all) if (output?.kind === 'claim' && output.json) page.claims++;
    if (at < first || page.next !== null) continue;
    const from = at === first ? firstItem : 0;
    if (chars >= maxChars) {
      page.next = { step: at, item: from };
      continue;
    }
    const piece: OutputsPiece = { step, from: record?.items ? from : null, outputs: [] };
    page.pieces.push(piece);
    let item = from;
    for (; item < all.length && chars < maxChars; item++) {
      const output = all[item];
      if (output) piece.outputs.push(output);
      chars += CHARS_BESIDE + (output?.kind === 'json' ? output.json.length : 0);
    }
    if (item < all.length) page.next = { step: at, item };
  }
  return page;
}

/** What an output takes in a message besides its JSON: about a claim's length. */
const CHARS_BESIDE = 300;
