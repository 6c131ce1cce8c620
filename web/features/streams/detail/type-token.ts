// A colour for a type of event: the same type has the same colour everywhere. Only ever beside the type's
// name, since there are more types than colours. Pure.
import type { Token } from '../../../lib/theme/kinds.ts';

const TOKENS: readonly Token[] = ['accent', 'map', 'reduce', 'transfer', 'done', 'retry', 'edge'];

export function typeToken(type: string): Token {
  let hash = 2_166_136_261;
  for (let at = 0; at < type.length; at++) {
    hash = Math.imul(hash ^ type.charCodeAt(at), 16_777_619);
  }
  return TOKENS[(hash >>> 0) % TOKENS.length] ?? 'edge';
}
