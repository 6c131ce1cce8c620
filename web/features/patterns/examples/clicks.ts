// Windows: clicks are put into boxes by when they happened, not by when they came. How long a box waits for stragglers
// is the grace; what comes later still is late, and is kept aside with the reason.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example, RestCall } from './example.ts';
import { many, pick, putProcessor, putStream } from './example.ts';

export const PAGES = ['/', '/shop', '/about'] as const;
export const VISITORS = ['ada', 'grace', 'radia'] as const;

export const WINDOW_MS = 10_000;
export const GAP_MS = 4_000;
export const GRACE_DEFAULT_MS = 3_000;
/** Events further ahead of their arrival are late, and do not move the clock. */
export const SKEW_MS = 60_000;

export const VIEWS_CODE = `// A number for each page and ten seconds: kept small by adding each event when it comes.
export const add = (views, event) => (views ?? 0) + 1;

// Called once a window, when it closes.
export function process({ key, start, end, state }) {
  return { type: 'PageViews', key, payload: { page: key, start, end, views: state } };
}
`;

export const VISITS_CODE = `// A visit lasts until nothing came for a while. Without \`add\` a window keeps its events, in the order of their times.
export function process({ key, start, end, events }) {
  const pages = events.map((event) => event.payload.page);
  return { type: 'Visit', key, payload: { visitor: key, start, end, pages } };
}
`;

const common = (graceMs: number) => ({ graceMs, skewMs: SKEW_MS });

export const viewsSpec = (graceMs: number) => ({
  stream: 'clicks',
  kind: 'window',
  types: ['Click'],
  keyBy: 'payload.page',
  shards: 2,
  window: { type: 'tumbling', sizeMs: WINDOW_MS, ...common(graceMs) },
  output: 'page-views',
  late: 'clicks-late',
  code: VIEWS_CODE,
  startFrom: 'earliest',
});

export const visitsSpec = (graceMs: number) => ({
  stream: 'clicks',
  kind: 'window',
  types: ['Click'],
  keyBy: 'payload.visitor',
  shards: 2,
  window: { type: 'session', gapMs: GAP_MS, ...common(graceMs) },
  output: 'visits',
  late: 'clicks-late',
  code: VISITS_CODE,
  startFrom: 'earliest',
});

export const CLICKS: Example = {
  setUp: [
    putStream('clicks', { partitions: 2 }, 'who looked at which page, and when'),
    putStream('page-views', { partitions: 1 }, 'views by page, every ten seconds'),
    putStream('visits', { partitions: 1 }, 'one event per visit'),
    putStream('clicks-late', { partitions: 1 }, 'clicks for which no window was open any more'),
    putProcessor('views-by-page', viewsSpec(GRACE_DEFAULT_MS), 'tumbling windows of ten seconds'),
    putProcessor('visits-by-visitor', visitsSpec(GRACE_DEFAULT_MS), 'sessions, by visitor'),
  ],
  streams: ['clicks', 'page-views', 'visits', 'clicks-late'],
  processors: ['views-by-page', 'visits-by-visitor'],
  schedules: [],
};

export const changeGrace = (graceMs: number): RestCall[] => [
  putProcessor('views-by-page', viewsSpec(graceMs), 'windows wait so long for stragglers'),
  putProcessor('visits-by-visitor', visitsSpec(graceMs), 'and so do visits'),
];

/** Everybody comes and goes: so long here, then away for longer than the gap. */
const VISIT_MS = 6_500;
const EVERY_MS = 12_000;

/** Who is there at a moment: always somebody, never all. */
export function visitorsAt(timeMs: number): readonly string[] {
  return VISITORS.filter(
    (_, i) => (timeMs + (i * EVERY_MS) / VISITORS.length) % EVERY_MS < VISIT_MS,
  );
}

/** Clicks that happened up to `outOfOrderMs` ago. */
export function clicks(
  count: number,
  nowMs: number,
  outOfOrderMs: number,
  random: () => number,
): EventInput[] {
  return many(count, () => clickAt(nowMs - Math.floor(outOfOrderMs * random()), random));
}

export function clickAt(timeMs: number, random: () => number): EventInput {
  const visitor = pick(visitorsAt(timeMs), random());
  return {
    type: 'Click',
    key: visitor,
    time: new Date(timeMs).toISOString(),
    payload: { page: pick(PAGES, random()), visitor },
  };
}
