// Payloads that a run refers to: it holds them, so that they stay while it may need them.
import { Claim } from '../../../../shared/schemas/claim.ts';
import type { Output } from '../../../contracts/run.rpc.ts';

/** Of one text: an honest input has fewer. */
const TOKENS_MAX = 1_000;

/** Tokens of the claims that lie anywhere in a JSON text. */
export function tokensWithin(json: string): string[] {
  // What every claim has: so texts without one are not read.
  if (!json.includes('"sha256"')) return [];
  const tokens = new Set<string>();
  const waiting: unknown[] = [JSON.parse(json)];
  while (waiting.length > 0 && tokens.size < TOKENS_MAX) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null) continue;
    const claim = Claim.safeParse(value);
    if (claim.success) tokens.add(claim.data.token);
    else for (const inside of Object.values(value)) waiting.push(inside);
  }
  return [...tokens];
}

export const tokensOf = (outputs: readonly Output[]): string[] =>
  outputs.flatMap((output) => (output.kind === 'claim' ? [output.claim.token] : []));
