// A volunteer step as a job: which lines its input has, and which payloads travel in them. Pure.
//
// A line is a unit and a split of its own. Claims in an item bring their payload along, in its line; claims in `input`
// and `steps` that are in no item travel with every item. Small ones go first: what does not fit stays behind, and
// `ctx.payload` refuses it with that reason.
import { base64Length } from '../../../../shared/base64.ts';
import { RECORD_MAX_BYTES, VOLUNTEER_INPUT_MAX_BYTES } from '../../../../shared/limits.ts';
import { utf8Length } from '../../../../shared/sandbox/strict-json.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';

/** A text, or a claim whose payload stands there as base64. */
export type LinePiece = string | Claim;

export interface VolunteerLines {
  lines: LinePiece[][];
  /** Where each begins, and the end of the last. */
  boundaries: number[];
}

/** Tokens of what looks like a claim, anywhere in these JSON texts. */
export function tokensIn(texts: readonly string[]): Set<string> {
  const tokens = new Set<string>();
  for (const text of texts) {
    if (text.includes('"token"')) collect(JSON.parse(text), tokens);
  }
  return tokens;
}

/** JSON nests as deeply as it likes: no recursion. */
function collect(json: unknown, tokens: Set<string>): void {
  const open: unknown[] = [json];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    const { token, sha256 } = value as { token?: unknown; sha256?: unknown };
    if (typeof token === 'string' && typeof sha256 === 'string') tokens.add(token);
    for (const inner of Object.values(value)) if (inner !== null) open.push(inner);
  }
}

/**
 * `items`: their JSON; null is one unit without an item. `claims`: those that are there, by token. An error, when it is
 * too much whatever stays behind.
 */
export function volunteerLines(
  given: string,
  items: readonly string[] | null,
  claims: ReadonlyMap<string, Claim>,
): VolunteerLines | TaskError {
  const bySize = (tokens: Iterable<string>): Claim[] =>
    [...tokens].flatMap((token) => claims.get(token) ?? []).sort((a, b) => a.bytes - b.bytes);
  const inItems = new Set<string>();
  const units = (items ?? [null]).map((json, i): Unit => {
    const own = json === null ? new Set<string>() : tokensIn([json]);
    for (const token of own) inItems.add(token);
    const value = json === null ? '' : `"value":${json},`;
    const head = `{"item":${json === null ? 'null' : i},${value}"payloads":{`;
    const unit = { head, payloads: [], bytes: utf8Length(head) + TAIL.length };
    addFitting([unit], bySize(own), RECORD_MAX_BYTES);
    return unit;
  });
  for (const [i, { bytes }] of units.entries()) {
    if (bytes <= RECORD_MAX_BYTES) continue;
    const message = `item ${i} has ${bytes} bytes; a volunteer gets ${RECORD_MAX_BYTES} at most`;
    return { code: 'memory', message };
  }
  const total = units.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > VOLUNTEER_INPUT_MAX_BYTES) {
    const message = `the items have ${total} bytes together, with the payloads of claims in them; they may have ${VOLUNTEER_INPUT_MAX_BYTES}`;
    return { code: 'memory', message };
  }
  const left = Math.floor((VOLUNTEER_INPUT_MAX_BYTES - total) / units.length);
  const largest = units.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const shared = bySize([...tokensIn([given])].filter((token) => !inItems.has(token)));
  addFitting(units, shared, Math.min(RECORD_MAX_BYTES, largest + left));
  const boundaries = [0];
  for (const { bytes } of units) boundaries.push((boundaries.at(-1) ?? 0) + bytes);
  return { lines: units.map(piecesOf), boundaries };
}

interface Unit {
  head: string;
  payloads: Claim[];
  bytes: number;
}

const TAIL = '}}\n';

/** To all of them, or to none: as long as none gets larger than `maxBytes`. */
function addFitting(units: Unit[], claims: readonly Claim[], maxBytes: number): void {
  for (const claim of claims) {
    // Comma, quotes and colon.
    const bytes = base64Length(claim.bytes) + utf8Length(JSON.stringify(claim.token)) + 4;
    if (units.some((unit) => unit.bytes + bytes > maxBytes)) return;
    for (const unit of units) {
      unit.bytes += unit.payloads.length === 0 ? bytes - 1 : bytes;
      unit.payloads.push(claim);
    }
  }
}

function piecesOf({ head, payloads }: Unit): LinePiece[] {
  const pieces: LinePiece[] = [head];
  for (const [i, claim] of payloads.entries()) {
    pieces.push(`${i > 0 ? ',' : ''}${JSON.stringify(claim.token)}:"`, claim, '"');
  }
  return [...pieces, TAIL];
}
