// A result's value as a line of text: numbers with their digits grouped, all else as JSON, cut where it
// would flood a table.
import type { Json } from '../../../shared/schemas/common.ts';

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 12 });

export function valueText(value: Json, charsMax = 160): string {
  if (typeof value === 'number') return GROUPED.format(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}

/** Keys may be empty or hold what one cannot see. */
export const keyText = (key: string): string =>
  key === '' ? '(empty)' : key.replace(/[\n\r\t]/g, ' ').slice(0, 200);
