// The first n records of a result by value or by key, found in one pass over its lines. The order of values is
// total: null < false < true < numbers < strings < lists < objects; numbers by size, strings by their UTF-8 bytes,
// lists and objects by their JSON text. Equal values come in ascending order of their keys, in both directions.
import { TOP_MAX_BYTES } from '../../../shared/limits.ts';
import { compareKeys } from '../../../shared/mapreduce/order.ts';
import type { ResultRecord, TopQuery } from '../../../shared/schemas/job.ts';
import { ProblemError } from '../../platform/problem.ts';
import { keyEnd, keyOf, valueAt } from './result-line.ts';

const NUMBER = 3;
const STRING = 4;
/** By the first character of a value's JSON text. */
const RANKS = new Map(
  Object.entries({ n: 0, f: 1, t: 2, '"': STRING, '[': 5, '{': 6 }).map(([first, rank]) => [
    first.charCodeAt(0),
    rank,
  ]),
);
/** Up to so many digits a number is read digit by digit, exactly. */
const DIGITS_MAX = 15;

/** What a value is ordered by. */
interface Sortable {
  rank: number;
  number: number;
  text: string;
}

interface Entry extends Sortable {
  record: ResultRecord;
  bytes: number;
}

export class TopRecords {
  readonly #query: TopQuery;
  readonly #sign: number;
  /** Best first. At most `n`, so that an insertion moves little. */
  readonly #entries: Entry[] = [];
  #bytes = 0;

  constructor(query: TopQuery) {
    this.#query = query;
    this.#sign = query.direction === 'desc' ? -1 : 1;
  }

  get records(): ResultRecord[] {
    return this.#entries.map(({ record }) => record);
  }

  /** Takes whole lines, each with its newline. Throws `too_large` when the best hold more than TOP_MAX_BYTES. */
  push(text: string): void {
    const offer = this.#query.by === 'key' ? this.#offerByKey : this.#offerByValue;
    for (let at = 0; at < text.length;) {
      const newline = text.indexOf('\n', at);
      offer.call(this, text, at, newline);
      at = newline + 1;
    }
  }

  /** Whether a record of this key could be among the first, when only its key counts. */
  wantsKey(key: string): boolean {
    if (this.#query.by !== 'key') return true;
    const worst = this.#worst();
    return !worst || this.#sign * compareKeys(key, worst.record.key) < 0;
  }

  /** Null while there is room. */
  #worst(): Entry | null {
    const { n } = this.#query;
    return this.#entries.length < n ? null : (this.#entries[n - 1] ?? null);
  }

  #offerByKey(text: string, at: number, newline: number): void {
    if (!this.wantsKey(keyOf(text, at, keyEnd(text, at)))) return;
    this.#insert(text.slice(at, newline), { rank: 0, number: 0, text: '' });
  }

  #offerByValue(text: string, at: number, newline: number): void {
    const end = keyEnd(text, at);
    const valueFrom = valueAt(end);
    const rank = RANKS.get(text.charCodeAt(valueFrom)) ?? NUMBER;
    const number = rank === NUMBER ? numberAt(text, valueFrom, newline - 1) : 0;
    const worst = this.#worst();
    if (worst) {
      const quick = this.#sign * (rank - worst.rank || number - worst.number);
      if (quick > 0) return;
      // Nearly all lines end above. Below, ties and texts.
      if (quick === 0 && rank <= NUMBER && compareKeys(keyOf(text, at, end), worst.record.key) > 0)
        return;
    }
    this.#insert(text.slice(at, newline), { rank, number, text: '' });
  }

  /** Parsing makes fresh strings: slices would keep the whole text alive that they were cut from. */
  #insert(line: string, sortable: Sortable): void {
    const record = JSON.parse(line) as ResultRecord;
    const { value } = record;
    if (sortable.rank >= STRING) {
      sortable.text = typeof value === 'string' ? value : JSON.stringify(value);
    }
    const entry: Entry = { ...sortable, record, bytes: line.length };
    let low = 0;
    for (let high = this.#entries.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#compare(entry, this.#entries[middle] as Entry) < 0) high = middle;
      else low = middle + 1;
    }
    if (low >= this.#query.n) return;
    this.#entries.splice(low, 0, entry);
    this.#bytes += entry.bytes;
    if (this.#entries.length > this.#query.n) this.#bytes -= this.#entries.pop()?.bytes ?? 0;
    if (this.#bytes > TOP_MAX_BYTES && this.#entries.length > 1) {
      throw new ProblemError(
        'too_large',
        `the first ${this.#query.n} records hold more than ${TOP_MAX_BYTES} bytes; ask for fewer`,
      );
    }
  }

  #compare(a: Entry, b: Entry): number {
    const byKey = compareKeys(a.record.key, b.record.key);
    if (this.#query.by === 'key') return this.#sign * byKey;
    const byValue = a.rank - b.rank || a.number - b.number || compareKeys(a.text, b.text);
    return this.#sign * byValue || byKey;
  }
}

/** The number whose JSON text lies in `from`..`end`, without cutting that text out where it is a short integer. */
function numberAt(text: string, from: number, end: number): number {
  if (end - from > DIGITS_MAX) return Number(text.slice(from, end));
  let number = 0;
  for (let at = from; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number(text.slice(from, end));
    number = number * 10 + digit;
  }
  return number;
}
