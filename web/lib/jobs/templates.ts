// The jobs to begin with: each is a whole specification with an input of its own that really runs. The
// programs are what people copy, so they say what they do and handle the record that does not fit.
import type { MapReduceSpecInput } from '../../../shared/schemas/job.ts';
import { WORD_CODE } from '../word-code.ts';
import { SAMPLE_DOCUMENTS, SAMPLE_TEXT, sampleLog } from './sample-data.ts';

export const TEMPLATE_IDS = [
  'page-hits',
  'status-by-hour',
  'word-count',
  'inverted-index',
  'n-grams',
  'pi',
  'mandelbrot',
  'primes',
] as const;
export type TemplateId = (typeof TEMPLATE_IDS)[number];

export interface Template {
  id: TemplateId;
  title: string;
  /** One line: what comes out. */
  about: string;
  spec: MapReduceSpecInput;
}

const SAMPLE_LOG_LINES = 480;

const PAGE_HITS = `// How often was each page asked for? Reads an access log, one line at a time.
//   198.51.100.7 - - [24/Nov/2026:10:05:03 +0000] "GET /blog/?p=1 HTTP/1.1" 200 5120 "-" "…"
export function map(line, emit, ctx) {
  // {host, user, time, request: {method, path, query, protocol}, status, bytes, referer, userAgent, …}
  const request = ctx.accessLog(line)?.request;
  if (request) emit(request.path, 1);
  else ctx.counter('lines without a request');
}

// Sums up on the mapper first, so that little has to travel, and then for good.
export const combine = 'sum';
export const reduce = 'sum';
`;

const STATUS_BY_HOUR = `// How many answers of each status did each hour see? Reads an access log.
export function map(line, emit, ctx) {
  const entry = ctx.accessLog(line);
  if (!entry) return ctx.counter('lines that do not fit');
  const hour = entry.time.slice(12, 14); // 24/Nov/2026:10:05:03 +0000
  emit(hour + 'h ' + entry.status, 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

const WORD_COUNT = `// How often does each word occur? Letters of any script with their marks; case ignored.
${WORD_CODE}
export function map(line, emit) {
  for (const [word] of line.toLowerCase().matchAll(WORD)) emit(word, 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

const INVERTED_INDEX = `// In which documents does each word occur? Records are JSON: {"id", "text"}.
${WORD_CODE}
export function map(document, emit) {
  const words = new Set(document.text.toLowerCase().match(WORD));
  for (const word of words) emit(word, document.id);
}

// \`ids\` comes one by one, however many there are.
export function reduce(word, ids) {
  return [...new Set(ids)].sort();
}
`;

const N_GRAMS = `// Which runs of n words occur how often? n is a parameter of the job.
${WORD_CODE}
export function map(line, emit, ctx) {
  const { n } = ctx.params;
  const words = line.toLowerCase().match(WORD) ?? [];
  for (let i = 0; i + n <= words.length; i++) emit(words.slice(i, i + n).join(' '), 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

const PI = `// Throws points at a square and counts those inside the circle: π ≈ 4 × inside / total.
// A record is a number; each stands for a handful of points. No input is read at all.
export function map(n, emit, ctx) {
  let inside = 0;
  for (let i = 0; i < ctx.params.points; i++) {
    const x = ctx.random();
    const y = ctx.random();
    if (x * x + y * y < 1) inside++;
  }
  emit('inside', inside);
  emit('total', ctx.params.points);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

const MANDELBROT = `// One row of the Mandelbrot set a record: how long does each point take to escape?
export function map(row, emit, ctx) {
  const { width, height, centre, span, iterations } = ctx.params;
  const step = span / width;
  const ci = centre[1] + (row - height / 2) * step;
  const counts = new Array(width);
  for (let column = 0; column < width; column++) {
    const cr = centre[0] + (column - width / 2) * step;
    let zr = 0;
    let zi = 0;
    let n = 0;
    while (n < iterations && zr * zr + zi * zi <= 4) {
      const next = zr * zr - zi * zi + cr;
      zi = 2 * zr * zi + ci;
      zr = next;
      n++;
    }
    counts[column] = n;
  }
  // Zero-padded, so that the order of the keys is the order of the rows.
  emit(String(row).padStart(5, '0'), counts);
}

// Every row has one value, which is the result as it is.
export const reduce = 'first';
`;

const PRIMES = `// How many primes are there in each block of numbers? A record is a number.
export function map(n, emit, ctx) {
  if (!isPrime(n)) return;
  const { block } = ctx.params;
  emit(String(Math.floor(n / block) * block).padStart(9, '0'), 1);
}

function isPrime(n) {
  if (n < 4) return n > 1;
  if (n % 2 === 0 || n % 3 === 0) return false;
  for (let d = 5; d * d <= n; d += 6) {
    if (n % d === 0 || n % (d + 2) === 0) return false;
  }
  return true;
}

export const combine = 'sum';
export const reduce = 'sum';
`;

export const TEMPLATES: readonly Template[] = [
  {
    id: 'page-hits',
    title: 'Page hits',
    about: 'An access log becomes a ranking of pages.',
    spec: {
      kind: 'mapreduce',
      name: 'page hits',
      input: { inline: sampleLog(SAMPLE_LOG_LINES), format: 'lines' },
      code: PAGE_HITS,
      splitBytes: 8_192,
    },
  },
  {
    id: 'status-by-hour',
    title: 'Status codes by hour',
    about: 'When did the server answer what?',
    spec: {
      kind: 'mapreduce',
      name: 'status codes by hour',
      input: { inline: sampleLog(SAMPLE_LOG_LINES), format: 'lines' },
      code: STATUS_BY_HOUR,
      splitBytes: 8_192,
    },
  },
  {
    id: 'word-count',
    title: 'Word count',
    about: 'The classic: each word and how often it occurs.',
    spec: {
      kind: 'mapreduce',
      name: 'word count',
      input: { inline: SAMPLE_TEXT, format: 'lines' },
      code: WORD_COUNT,
      splitBytes: 256,
    },
  },
  {
    id: 'inverted-index',
    title: 'Inverted index',
    about: 'Each word with the documents it occurs in.',
    spec: {
      kind: 'mapreduce',
      name: 'inverted index',
      input: { inline: SAMPLE_DOCUMENTS, format: 'ndjson' },
      code: INVERTED_INDEX,
      splitBytes: 256,
    },
  },
  {
    id: 'n-grams',
    title: 'N-grams',
    about: 'Runs of n words, counted.',
    spec: {
      kind: 'mapreduce',
      name: 'n-grams',
      input: { inline: SAMPLE_TEXT, format: 'lines' },
      code: N_GRAMS,
      params: { n: 3 },
      splitBytes: 256,
    },
  },
  {
    id: 'pi',
    title: 'Monte Carlo π',
    about: 'Random points, counted inside a circle.',
    spec: {
      kind: 'mapreduce',
      name: 'Monte Carlo π',
      input: { range: { from: 0, to: 4_000 }, splitItems: 50 },
      code: PI,
      params: { points: 20_000 },
      partitions: 1,
    },
  },
  {
    id: 'mandelbrot',
    title: 'Mandelbrot rows',
    about: 'A picture, computed row by row.',
    spec: {
      kind: 'mapreduce',
      name: 'Mandelbrot rows',
      input: { range: { from: 0, to: 600 }, splitItems: 6 },
      code: MANDELBROT,
      params: { width: 900, height: 600, centre: [-0.65, 0], span: 3.3, iterations: 400 },
      partitions: 2,
    },
  },
  {
    id: 'primes',
    title: 'Prime counting',
    about: 'Primes thin out: how many in each block?',
    spec: {
      kind: 'mapreduce',
      name: 'prime counting',
      input: { range: { from: 0, to: 4_000_000 }, splitItems: 40_000 },
      code: PRIMES,
      params: { block: 200_000 },
      partitions: 1,
    },
  },
];

export const isTemplateId = (text: string): text is TemplateId =>
  (TEMPLATE_IDS as readonly string[]).includes(text);

export function templateById(id: string): Template | null {
  return TEMPLATES.find((template) => template.id === id) ?? null;
}
