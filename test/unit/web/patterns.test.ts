// The patterns' pages: their examples are what the contract takes, and the pictures and books add up.
import { describe, expect, test } from 'vitest';
import { compileProgram } from '../../../shared/mapreduce/program.ts';
import { compileProcessor } from '../../../shared/streaming/program.ts';
import { MapReduceSpec } from '../../../shared/schemas/job.ts';
import { ProcessorSpec } from '../../../shared/schemas/processor.ts';
import type { PartitionLag, Processor } from '../../../shared/schemas/processor.ts';
import { ScheduleSpec } from '../../../shared/schemas/schedule.ts';
import { Faults, UserBody } from '../../../shared/schemas/service.ts';
import { EventInput, StreamSpec } from '../../../shared/schemas/stream.ts';
import {
  changeGrace,
  clickAt,
  CLICKS,
  clicks,
  VISITORS,
  visitorsAt,
} from '../../../web/features/patterns/examples/clicks.ts';
import { LETTERS, mailTo } from '../../../web/features/patterns/examples/letters.ts';
import {
  asAnother,
  changeRules,
  imageEncoded,
  productIdea,
  productIdOf,
  PRODUCTS,
  productUploaded,
  videoEncoded,
} from '../../../web/features/patterns/examples/products.ts';
import { balanceOf, whyWaiting } from '../../../web/features/patterns/model/balance.ts';
import { BATCHING, readings } from '../../../web/features/patterns/examples/batching.ts';
import {
  BREAK_AGAIN,
  BUFFERING,
  MEND,
  photos,
  poisonPhoto,
} from '../../../web/features/patterns/examples/buffering.ts';
import { documentEvent, DOCUMENTS } from '../../../web/features/patterns/examples/documents.ts';
import {
  type Example,
  pick,
  type RestCall,
  takeDownOf,
} from '../../../web/features/patterns/examples/example.ts';
import { MAIL, mailEvents } from '../../../web/features/patterns/examples/mail.ts';
import { IMPROVE, orders, SHOP } from '../../../web/features/patterns/examples/shop.ts';
import { lagLine, LAG_SAMPLES_MAX } from '../../../web/features/patterns/model/lag-line.ts';
import { movedBetween } from '../../../web/features/patterns/model/moved.ts';
import { PATTERN_IDS, patternOf, PATTERNS } from '../../../web/features/patterns/model/patterns.ts';
import { recommendationText } from '../../../web/features/patterns/model/recommendation-text.ts';
import { revenueBars } from '../../../web/features/patterns/model/revenue.ts';
import { eventText, sha256Hex } from '../../../web/features/patterns/model/ticket.ts';
import { shareOfWait } from '../../../web/features/patterns/model/timer.ts';
import { lanesOf, SLOTS, travellers } from '../../../web/features/patterns/model/tube-layout.ts';
import { versionsOf } from '../../../web/features/patterns/model/versions.ts';
import { metersOf } from '../../../web/lib/processors/window-meters.ts';

const EXAMPLES: [string, Example][] = [
  ['mail', MAIL],
  ['batching', BATCHING],
  ['shop', SHOP],
  ['documents', DOCUMENTS],
  ['buffering', BUFFERING],
  ['letters', LETTERS],
  ['products', PRODUCTS],
  ['clicks', CLICKS],
];

const TOKEN = {
  token: 'claim-1',
  bytes: 10,
  sha256: '0'.repeat(64),
  contentType: 'image/webp',
};
const PICTURE = { ...TOKEN, width: 4, height: 3 };

/** What the edge would check of a call's body, by its address. */
function schemaOf({ path }: RestCall) {
  if (path.startsWith('/api/streams/')) return StreamSpec;
  if (path.startsWith('/api/processors/')) return ProcessorSpec;
  if (path.startsWith('/api/schedules/')) return ScheduleSpec;
  return path.endsWith('/_faults') ? Faults : UserBody;
}
const nameOf = ({ path }: RestCall) => path.split('/').at(-1) ?? '';

describe.each(EXAMPLES)('the %s example', (_name, example) => {
  test('is set up by calls that the contract takes', () => {
    for (const call of example.setUp) {
      expect(call.method).toBe('PUT');
      expect(schemaOf(call).safeParse(call.body)).toMatchObject({ success: true });
    }
  });

  test('names what it makes, and nothing else', () => {
    const made = (kind: string) =>
      example.setUp.filter(({ path }) => path.startsWith(`/api/${kind}/`)).map(nameOf);
    expect(made('streams')).toEqual(example.streams);
    expect(made('processors')).toEqual(example.processors);
    expect(made('schedules')).toEqual(example.schedules);
  });

  test('is taken down readers first', () => {
    const kinds = takeDownOf(example).map(({ path }) => path.split('/')[2]);
    expect(kinds).toEqual(kinds.toSorted().toSorted((a, b) => rank(a) - rank(b)));
    expect(takeDownOf(example)).toHaveLength(
      example.streams.length +
        example.processors.length +
        example.schedules.length -
        (example.borrowed?.length ?? 0),
    );
  });

  test('leaves standing what is there for others too', () => {
    const taken = takeDownOf(example).map(nameOf);
    for (const name of example.borrowed ?? []) {
      expect(example.streams).toContain(name);
      expect(taken).not.toContain(name);
    }
  });
});
const rank = (kind: string | undefined) =>
  ['schedules', 'processors', 'streams'].indexOf(kind ?? '');

test('what changes an example is a call that the contract takes', () => {
  const changes = [
    IMPROVE,
    MEND,
    BREAK_AGAIN,
    changeRules(5_000, 'dead-letter'),
    ...changeGrace(0),
    ...changeGrace(20_000),
  ];
  for (const call of changes) expect(ProcessorSpec.safeParse(call.body).success).toBe(true);
});

test('programs of examples compile for their kind', () => {
  const specs = EXAMPLES.flatMap(([, { setUp }]) => setUp)
    .filter(({ path }) => path.startsWith('/api/processors/'))
    .map(({ body }) => ProcessorSpec.parse(body));
  expect(new Set(specs.map(({ kind }) => kind)).size).toBe(5);
  for (const spec of specs) {
    if (spec.code === undefined) continue;
    expect(compileProcessor(spec.code, spec)).toMatchObject({ ok: true });
  }
});

test('jobs of examples compile', () => {
  const jobs = [...BATCHING.setUp, ...SHOP.setUp].flatMap(({ body }) => {
    const job = (body as { job?: { code: string } }).job;
    return job ? [job] : [];
  });
  expect(jobs).toHaveLength(2);
  for (const job of jobs) {
    expect(compileProgram(job.code)).toMatchObject({ ok: true });
    expect(MapReduceSpec.partial({ input: true, kind: true }).safeParse(job).success).toBe(true);
  }
});

test.each([
  ['mail', mailEvents(3, Math.random)],
  ['readings', readings(3, Math.random, true)],
  ['orders', orders(3, Math.random)],
  ['photos', [...photos(2, Math.random), poisonPhoto(Math.random)]],
  ['letters', [mailTo('u1', 'mail-1')]],
  ['clicks', [...clicks(20, Date.now(), 20_000, Math.random), clickAt(0, Math.random)]],
  [
    'products',
    [
      productUploaded('p', TOKEN),
      ...imageEncoded('p', [PICTURE]),
      ...videoEncoded('p', PICTURE).map(asAnother),
    ],
  ],
  ['documents', [documentEvent(200_000, Math.random), documentEvent(10, Math.random)]],
])('%s are events that a stream takes', (_name, events) => {
  for (const event of events) expect(EventInput.safeParse(event).success).toBe(true);
});

test('a document has about the bytes that were asked for', () => {
  const size = JSON.stringify(documentEvent(200_000, Math.random).payload).length;
  expect(size).toBeGreaterThan(199_000);
  expect(size).toBeLessThan(201_000);
});

test('of visitors somebody is always there, and each is away for longer than a session’s gap', () => {
  const seen = Array.from({ length: 240 }, (_, i) => visitorsAt(i * 100));
  for (const there of seen) expect(there.length).toBeGreaterThan(0);
  for (const visitor of VISITORS) {
    const moments = seen.flatMap((there, i) => (there.includes(visitor) ? [i * 100] : []));
    const gaps = moments.slice(1).map((moment, i) => moment - (moments[i] ?? 0));
    expect(Math.max(...gaps)).toBeGreaterThan(5_000);
  }
});

test('a product’s id is its name', () => {
  expect(productIdea(() => 0)).toEqual({ id: 'amber-kite-0000', thing: 'kite', hue: 70 });
  expect(productIdea(() => 0.999_999).id).toMatch(/^teal-pot-[a-z0-9]{4}$/);
  expect(productIdOf('Meine Tasse (2).JPEG', 0)).toBe('meine-tasse-2-0000');
  expect(productIdOf('.png', 0)).toBe('product-0000');
});

test('one is picked for every random number', () => {
  expect([0, 0.34, 0.99, 1].map((random) => pick(['a', 'b', 'c'], random))).toEqual([
    'a',
    'b',
    'c',
    'c',
  ]);
});

test('every pattern has a place, and nothing else has', () => {
  expect(PATTERNS.map(({ id }) => id)).toEqual(PATTERN_IDS);
  expect(patternOf('kappa')?.title).toBe('Kappa');
  expect(patternOf('no-such-pattern')).toBeNull();
});

const place = (partition: number, committed: number, lag: number, more = {}): PartitionLag => ({
  stream: 's',
  partition,
  committed,
  lag,
  state: 'idle',
  reason: '',
  ...more,
});
const counters: Processor['counters'] = {
  processed: 0,
  passedOver: 0,
  emitted: 0,
  retried: 0,
  deadLettered: 0,
  redriven: 0,
  duplicates: 0,
  expired: 0,
};

describe('the books', () => {
  const lag = [place(0, 70, 10), place(1, 30, 5)];

  test('balance: what came in is done, dead, or waits', () => {
    const balance = balanceOf({ lag, counters: { ...counters, processed: 96 }, deadLetters: 4 });
    expect(balance.in).toBe(115);
    expect(balance.difference).toBe(0);
    expect(balance.entries.map(({ label, value }) => [label, value])).toEqual([
      ['done', 96],
      ['dead letters', 4],
      ['waiting', 15],
    ]);
  });

  test('count what was passed over and what retention took', () => {
    const some = { ...counters, processed: 50, passedOver: 40, expired: 10 };
    const balance = balanceOf({ lag, counters: some, deadLetters: 0 });
    expect(balance.difference).toBe(0);
    expect(balance.entries.map(({ label }) => label)).toEqual([
      'done',
      'taken by retention',
      'passed over',
      'dead letters',
      'waiting',
    ]);
  });

  test('say when they do not balance', () => {
    const balance = balanceOf({ lag, counters: { ...counters, processed: 90 }, deadLetters: 4 });
    expect(balance.difference).toBe(6);
  });

  test('say why: what is blocked before what waits', () => {
    const waits = place(0, 0, 1, { state: 'waiting', reason: 'tried again in 3 s' });
    const blocked = place(1, 0, 1, { state: 'blocked', reason: 'emails is full' });
    expect(whyWaiting([waits, blocked])).toBe('emails is full');
    expect(whyWaiting([waits])).toBe('tried again in 3 s');
    expect(whyWaiting(lag)).toBe('');
  });
});

const partition = (index: number, first: number, next: number) => ({
  partition: index,
  first,
  next,
  bytes: 0,
  segments: 0,
  sealed: 0,
});

describe('a tube', () => {
  const stream = { partitions: [partition(0, 0, 3), partition(1, 5, 105), partition(2, 0, 0)] };

  test('shows the newest at its head; those that wait are full', () => {
    const [few, many, none] = lanesOf(stream, (index) => (index === 0 ? 2 : 0));
    expect(few?.dots).toEqual([
      { offset: 2, slot: 0, waiting: true, inWindow: false },
      { offset: 1, slot: 1, waiting: true, inWindow: false },
      { offset: 0, slot: 2, waiting: false, inWindow: false },
    ]);
    expect(many?.dots).toHaveLength(SLOTS);
    expect(many?.hidden).toBe(0);
    expect(none?.dots).toEqual([]);
  });

  test('counts those for which there is no room', () => {
    const lane = lanesOf(stream, () => 90)[1];
    expect((lane?.dots.length ?? 0) + (lane?.hidden ?? 0)).toBe(90);
    expect(lane?.dots.every(({ waiting }) => waiting)).toBe(true);
  });

  test('marks what an open window holds', () => {
    const lane = lanesOf(stream, () => 2, 2)[0];
    expect(lane?.dots.map(({ inWindow }) => inWindow)).toEqual([true, true, false]);
  });

  test('draws few lanes of many', () => {
    const wide = { partitions: Array.from({ length: 64 }, (_, i) => partition(i, 0, 0)) };
    expect(lanesOf(wide, () => 0)).toHaveLength(4);
  });

  test('lets some dots travel for many events, and none for none', () => {
    expect([0, 1, 2, 10, 1_000_000].map(travellers)).toEqual([0, 1, 2, 4, 5]);
  });
});

describe('what moved between two looks', () => {
  const look = (next: number, processed: number, version = 1, runs: string[] = []) => ({
    streams: { s: { partitions: [partition(0, 0, next)] } },
    processors: { p: { version, counters: { ...counters, processed } } },
    schedules: { d: { runs: runs.map((at) => ({ at, job: at })) } },
  });

  test('is the difference', () => {
    const moved = movedBetween(look(3, 1), look(10, 4, 1, ['a']), 7);
    expect(moved).toMatchObject({ at: 7, streams: { s: 7 }, runs: { d: 1 } });
    expect(moved.processors['p']?.processed).toBe(3);
  });

  test('is nothing when counters begin anew, or another version took over', () => {
    expect(movedBetween(look(10, 4), look(2, 1), 1).streams['s']).toBe(0);
    expect(movedBetween(look(10, 4, 1), look(10, 9, 2), 1).processors['p']?.processed).toBe(0);
  });

  test('is nothing of what was not there before', () => {
    const before = { streams: {}, processors: {}, schedules: {} };
    const moved = movedBetween(before, look(10, 4, 1, ['a']), 1);
    expect(moved).toMatchObject({ streams: { s: 0 }, runs: { d: 0 } });
  });
});

test('the lag as a line ends at the right, and touches the ground when it is nothing', () => {
  expect(lagLine([], 480, 72).path).toBe('');
  expect(lagLine([0, 0], 480, 72).path).toBe('M476 71L480 71');
  const full = lagLine(
    Array.from({ length: LAG_SAMPLES_MAX }, (_, i) => i),
    480,
    72,
  );
  expect(full.path.startsWith('M0 71L')).toBe(true);
  expect(full.path.endsWith('L480 5')).toBe(true);
  expect(full.most).toBe(LAG_SAMPLES_MAX - 1);
});

test('the meters of a window say how near each bound is', () => {
  const limits = { maxEvents: 50, maxBytes: 1_000, maxWaitMs: 10_000 };
  const open = {
    window: 3,
    events: 25,
    bytes: 1_500,
    openedAt: '2026-11-25T10:00:00.000Z',
    firesAt: null,
  };
  const nowMs = Date.parse('2026-11-25T10:00:04.000Z');
  expect(metersOf(open, limits, nowMs).map(({ bound, share }) => [bound, share])).toEqual([
    ['events', 0.5],
    ['bytes', 1],
    ['time', 0.4],
  ]);
  expect(metersOf(null, limits, nowMs).map(({ share }) => share)).toEqual([0, 0, 0]);
});

test('the version that serves and the one that is rebuilt are shown with how far they are', () => {
  const replay = { version: 3, startedAt: '', lag: [place(0, 25, 75)] };
  expect(versionsOf({ version: 2, lag: [place(0, 100, 0)], replay })).toEqual([
    { version: 2, role: 'serves', read: 100, of: 100, share: 1 },
    { version: 3, role: 'is rebuilt', read: 25, of: 100, share: 0.25 },
  ]);
  expect(versionsOf({ version: 1, lag: [], replay: null })).toMatchObject([{ share: 1 }]);
});

test('revenue is told in euros, beside the largest', () => {
  expect(revenueBars([{ key: 'paper', value: 12_345 }])).toEqual([
    { key: 'paper', amount: '€123.45', share: 1 },
  ]);
  expect(revenueBars([])).toEqual([]);
});

test('a timer closes as its time comes', () => {
  const runs = ['2026-11-25T10:00:00Z', '2026-11-25T11:00:00Z'];
  expect(shareOfWait(runs, Date.parse('2026-11-25T09:15:00Z'))).toBe(0.25);
  expect(shareOfWait(runs, Date.parse('2026-11-25T10:00:01Z'))).toBe(1);
  expect(shareOfWait([], 0)).toBe(0);
});

test('a recommendation is a sentence', () => {
  const payload = { customer: 'ada', product: 'tent', because: ['sleeping bag', 'radio'] };
  expect(recommendationText({ payload })).toBe('ada: tent, because of sleeping bag and radio');
});

describe('a ticket', () => {
  test('is checked by the SHA-256 of what it stands for', async () => {
    const content = new TextEncoder().encode('abc').buffer;
    expect(await sha256Hex(content)).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  test('an event is shown with a long payload cut', () => {
    const event = {
      partition: 0,
      offset: 1,
      id: 'e',
      type: 'T',
      key: null,
      time: '2026-11-25T10:00:00Z',
      payload: { text: 'x'.repeat(1_000) },
    };
    expect(eventText(event)).toContain('(1000 characters)');
    expect(eventText(event).length).toBeLessThan(600);
  });
});
