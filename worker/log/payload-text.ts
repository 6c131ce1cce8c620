// The payload's own text within an event's JSON: what the sender wrote stays, digit by digit, but for blanks between its
// parts. The text has been read as JSON already: here it is only walked along, once.

/** Blanks, which are dropped, keep a value in one line of the log; deeper values could not be written again. */
const DEPTH_MAX = 4_096;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;

const isBlank = (unit: number) => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
const isDigit = (unit: number) => unit >= 0x30 && unit <= 0x39;

/** The place of the first unit from `at` on that is no blank. */
export function skipBlanks(text: string, at: number): number {
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** `at`: its first quote. */
function endOfString(text: string, at: number): number {
  for (let from = at + 1; ;) {
    const quote = text.indexOf('"', from);
    let first = quote;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    from = quote + 1;
    if ((quote - first) % 2 === 0) return from;
  }
}

/** Of a number, or of true, false and null. */
function endOfWord(text: string, at: number): number {
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === COMMA || unit === CLOSE_BRACE || unit === CLOSE_BRACKET || isBlank(unit)) break;
  }
  return at;
}

export class PayloadRefused extends Error {}

/** The value that begins at `at`, without blanks, and where it ends. Throws PayloadRefused. */
function valueAt(text: string, at: number): { json: string; end: number } {
  let json = '';
  let from = at;
  let depth = 0;
  do {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(text, at);
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      at++;
      if (++depth > DEPTH_MAX) throw new PayloadRefused('the payload is nested too deeply');
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      at++;
      depth--;
    } else if (unit === COMMA || unit === COLON) {
      at++;
    } else if (isBlank(unit)) {
      json += text.slice(from, at);
      from = at = skipBlanks(text, at);
    } else {
      const end = endOfWord(text, at);
      if (unit === MINUS || isDigit(unit)) checkNumber(text.slice(at, end));
      at = end;
    }
  } while (depth > 0);
  return { json: json + text.slice(from, at), end: at };
}

const SHOWN_CHARS = 40;

function checkNumber(digits: string): void {
  if (Number.isFinite(Number(digits))) return;
  const shown = digits.length > SHOWN_CHARS ? `${digits.slice(0, SHOWN_CHARS)}…` : digits;
  throw new PayloadRefused(`the number ${shown} of the payload is too large for any reader`);
}

/**
 * The payload of the event that begins at `at`, an object: null without one, the last of several. And where the event
 * ends. Throws PayloadRefused.
 */
export function payloadAt(text: string, at: number): { payload: string | null; end: number } {
  let payload: string | null = null;
  at = skipBlanks(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const colon = skipBlanks(text, nameEnd);
    const { json, end } = valueAt(text, skipBlanks(text, colon + 1));
    if (name === 'payload') payload = json;
    at = skipBlanks(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipBlanks(text, at + 1);
  }
  return { payload, end: at + 1 };
}
