// A realistic access log (Apache's combined format) of any size, the same for the same seed: pages by
// Zipf's law, more traffic by day than by night, times ascending. It is streamed: a chunk is a slice of
// whole lines, so that memory does not grow with the log.
import { KIB } from '../../shared/limits.ts';
import { seededRandom } from '../../shared/sandbox/determinism.ts';
import { AGENTS, ASSET_REFERRERS, inventAddresses, inventPages, REFERRERS } from './log-pages.ts';
import type { Page } from './log-pages.ts';

export interface LogOptions {
  /** Exactly: the last line is padded, so that the size can be announced before the upload. */
  bytes: number;
  seed?: string;
  pages?: number;
  /** Zipf: the page of rank k is asked for in proportion to 1 / k^exponent. */
  exponent?: number;
}

const CHUNK_BYTES = 256 * KIB;
const ADDRESSES = 5_000;
const FIRST_MS = Date.UTC(2026, 0, 5);
const MEAN_GAP_MS = 300;
const DAY_MS = 24 * 3600_000;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Chunks of whole lines, together `bytes`; none when not even one line fits. */
export function* generateLog(options: LogOptions): Generator<Buffer> {
  const { bytes, seed = 'manyhands', pages: pageCount = 2_000, exponent = 1 } = options;
  const random = seededRandom(seed);
  const pages = inventPages(pageCount, random);
  const addresses = inventAddresses(ADDRESSES, random);
  const pickPage = zipfPicker(pageCount, exponent, random);
  const clock = logClock();
  const pick = <Item>(list: Item[]) => list[(random() * list.length) | 0] as Item;

  let left = bytes;
  let chunk = '';
  for (;;) {
    const page = pages[pickPage()] as Page;
    const line =
      `${pick(addresses)} - - [${clock(random())}] "GET ${page.path} HTTP/1.1" ` +
      `${answerOf(page, random())} "${pick(page.isAsset ? ASSET_REFERRERS : REFERRERS)}" ` +
      `"${pick(AGENTS)}"\n`;
    if (line.length > left) break;
    if (chunk.length >= CHUNK_BYTES) {
      yield Buffer.from(chunk, 'latin1');
      chunk = '';
    }
    left -= line.length; // ASCII: a character is a byte.
    chunk += line;
  }
  if (chunk !== '') yield Buffer.from(`${chunk.slice(0, -2)}${' '.repeat(left)}"\n`, 'latin1');
}

/** Status and size, as a browser with a cache and a site with a few broken links would see them. */
function answerOf(page: Page, chance: number): string {
  if (chance < 0.87) return `200 ${page.bytes}`;
  if (chance < 0.94) return '304 -';
  if (chance < 0.965) return '404 1245';
  if (chance < 0.985) return '301 178';
  if (chance < 0.995) return '206 65536';
  return chance < 0.998 ? '500 612' : '503 298';
}

/** Ranks from 0, each in constant time: A. J. Walker's alias method (M. D. Vose's set-up). */
export function zipfPicker(count: number, exponent: number, random: () => number): () => number {
  const weights = Float64Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const share = weights.map((weight) => (weight * count) / total);
  const alias = new Uint32Array(count);
  const below: number[] = [];
  const above: number[] = [];
  share.forEach((value, rank) => (value < 1 ? below : above).push(rank));
  while (below.length > 0 && above.length > 0) {
    const small = below.pop() as number;
    const large = above.at(-1) as number;
    alias[small] = large;
    share[large] = (share[large] as number) + (share[small] as number) - 1;
    if ((share[large] as number) < 1) below.push(above.pop() as number);
  }
  // What rounding left over fills its own column.
  for (const rank of [...below, ...above]) share[rank] = 1;
  return () => {
    const column = random() * count;
    const rank = column | 0;
    return column - rank < (share[rank] as number) ? rank : (alias[rank] as number);
  };
}

/** The time of the next line, in the log's notation. */
function logClock(): (chance: number) => string {
  let nowMs = FIRST_MS;
  let minute = -1;
  let prefix = '';
  return (chance) => {
    // Three times as busy in the afternoon as in the small hours.
    const busy = 1 - 0.5 * Math.cos((2 * Math.PI * ((nowMs - 3 * 3600_000) % DAY_MS)) / DAY_MS);
    nowMs += (-Math.log(1 - chance) * MEAN_GAP_MS) / busy;
    const second = Math.floor(nowMs / 1000);
    if (Math.floor(second / 60) !== minute) {
      minute = Math.floor(second / 60);
      const date = new Date(minute * 60_000);
      const two = (value: number) => String(value).padStart(2, '0');
      prefix =
        `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:` +
        `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:`;
    }
    const seconds = second % 60;
    return `${prefix}${seconds < 10 ? '0' : ''}${seconds} +0000`;
  };
}
