// Numbers that JSON.parse changes without a word: integers beyond 2^53 that no double holds, of which two may become
// one, and numbers that overflow to Infinity. Fractions are rounded everywhere; nothing is said of them.
import { Next } from './next.ts';

/** A number of this many digits may be changed; looking at every 16th character finds them all. */
const DIGITS = 16;
/** What overflows without so many digits has such an exponent. */
const EXPONENT = /[eE]\+?(?:29\d|[3-9]\d\d|\d{4})/g;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39;
const isOfNumber = (unit: number): boolean =>
  isDigit(unit) || unit === MINUS || unit === 0x2b || unit === 0x2e || (unit | 0x20) === 0x65;

/** Where numbers may lie that JSON.parse changes, in a text of many records: found many times faster than parsed. */
export class NumberCandidates {
  readonly #digits: Next;
  readonly #exponents: Next;

  constructor(text: string) {
    this.#digits = new Next(text, digitsFrom);
    this.#exponents = new Next(text, (within, from) => {
      EXPONENT.lastIndex = from;
      return EXPONENT.exec(within)?.index ?? -1;
    });
  }

  after(at: number): number {
    return Math.min(this.#digits.after(at), this.#exponents.after(at));
  }
}

function digitsFrom(text: string, from: number): number {
  for (let at = from + DIGITS - 1; at < text.length; at += DIGITS) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let start = at;
    while (start > from && isDigit(text.charCodeAt(start - 1))) start--;
    let end = at + 1;
    while (end - start < DIGITS && isDigit(text.charCodeAt(end))) end++;
    if (end - start >= DIGITS) return start;
  }
  return -1;
}

/** What JSON.parse changes in a valid JSON text; null when all numbers are read as they are. */
export function changeOfNumber(json: string): string | null {
  for (let at = 0; at < json.length;) {
    const unit = json.charCodeAt(at);
    const start = at++;
    if (unit === QUOTE) {
      while (json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
      at++;
    } else if (unit === MINUS || isDigit(unit)) {
      while (isOfNumber(json.charCodeAt(at))) at++;
      const number = json.slice(start, at);
      if (!isChanged(number)) continue;
      const shown = number.length > 40 ? `${number.slice(0, 40)}…` : number;
      return `the number ${shown} would be read as ${Number(number)}: send it as a text`;
    }
  }
  return null;
}

function isChanged(text: string): boolean {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return false;
  if (!Number.isFinite(value)) return true;
  return !/[.eE]/.test(text) && BigInt(text) !== BigInt(value);
}
