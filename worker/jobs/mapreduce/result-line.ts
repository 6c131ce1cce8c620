// A line of a result part, `{"key":…,"value":…}`, taken apart without parsing all of it. The reducer writes
// these lines with nothing between their tokens (group-reduce.ts), so that positions follow from the key's end.

/** `{"key":"` */
const KEY_AT = 8;
/** From the key's closing quote to the value: `","value":` */
const VALUE_AFTER = 10;
const QUOTE = '"';
const BACKSLASH = 0x5c;

/** Where the key of the line that begins at `lineAt` ends: its closing quote. -1 when that is not in `text`. */
export function keyEnd(text: string, lineAt = 0): number {
  let end = text.indexOf(QUOTE, lineAt + KEY_AT);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf(QUOTE, end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

/** The key of the line that begins at `lineAt`, given where it ends. */
export function keyOf(text: string, lineAt: number, end: number): string {
  const raw = text.slice(lineAt + KEY_AT, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Where the value's JSON text begins; it ends before the line's closing brace. */
export const valueAt = (end: number): number => end + VALUE_AFTER;
