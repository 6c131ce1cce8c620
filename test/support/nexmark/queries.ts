// Nexmark's queries, each twice: as processors, and as a plain function over all events in memory, which says what
// has to come out. Windows are those of the benchmark: 10 seconds, sliding by 2.
import type { ProcessorSpecInput } from '../../../shared/schemas/processor.ts';
import type { EventInput } from '../../../shared/schemas/stream.ts';
import type { Auction, Bid, Person } from './generator.ts';

/** A stream of its own for each type. */
export const STREAM_OF: Record<string, string> = {
  Person: 'persons',
  Auction: 'auctions',
  Bid: 'bids',
};

type SpecOf<Kind> = Omit<Extract<ProcessorSpecInput, { kind: Kind }>, 'output' | 'startFrom'>;

/** Reads `stream`, which is one of the above or the output of an earlier stage (its name). */
export type Stage = { name: string } & (
  SpecOf<'stateless'> | SpecOf<'stateful'> | SpecOf<'join'> | SpecOf<'window'>
);

export interface Query {
  name: string;
  /** In order; each has an output stream of its name. */
  stages: Stage[];
  /** The query's result: what the last stage put out, or the state that it keeps. */
  result: 'outputs' | 'state';
  reference(events: AllEvents): object[];
}

export interface AllEvents {
  persons: Person[];
  auctions: Auction[];
  bids: Bid[];
}

export function allEvents(events: readonly EventInput[]): AllEvents {
  const of = <Payload>(type: string) =>
    events.filter((event) => event.type === type).map(({ payload }) => payload as Payload);
  return { persons: of<Person>('Person'), auctions: of<Auction>('Auction'), bids: of<Bid>('Bid') };
}

/** The side input of query 13: the generator's default of 500 rows. */
const SIDE_ROWS = 500;
const SIDE_INPUT = Array.from({ length: SIDE_ROWS }, (_, key) => `side ${key}`);

const overBids = (name: string, code: string, params = {}): Stage[] => [
  { name, kind: 'stateless', stream: 'bids', types: ['Bid'], code, params },
];

/** Queries without state. */
export const STATELESS_QUERIES: Query[] = [
  {
    // Pass-through: what the machinery itself costs.
    name: 'q0',
    stages: overBids(
      'q0',
      `export function process({ payload: { auction, bidder, price, dateTime, extra } }) {
  return { type: 'q0', key: String(auction), payload: { auction, bidder, price, dateTime, extra } };
}`,
    ),
    result: 'outputs',
    reference: ({ bids }) =>
      bids.map(({ auction, bidder, price, dateTime, extra }) => ({
        ...{ auction, bidder, price, dateTime, extra },
      })),
  },
  {
    // Currency conversion: dollars to euros.
    name: 'q1',
    stages: overBids(
      'q1',
      `export function process({ payload: { auction, bidder, price, dateTime, extra } }) {
  return { type: 'q1', key: String(auction), payload: { auction, bidder, price: 0.908 * price, dateTime, extra } };
}`,
    ),
    result: 'outputs',
    reference: ({ bids }) =>
      bids.map(({ auction, bidder, price, dateTime, extra }) => ({
        ...{ auction, bidder, price: 0.908 * price, dateTime, extra },
      })),
  },
  {
    // Selection: bids on certain auctions.
    name: 'q2',
    stages: overBids(
      'q2',
      `export function process({ payload: { auction, price } }) {
  if (auction % 123 === 0) return { type: 'q2', key: String(auction), payload: { auction, price } };
}`,
    ),
    result: 'outputs',
    reference: ({ bids }) =>
      bids
        .filter(({ auction }) => auction % 123 === 0)
        .map(({ auction, price }) => ({ auction, price })),
  },
  {
    // Bounded side input: each bid is joined with a row of a small fixed table.
    name: 'q13',
    stages: overBids(
      'q13',
      `export function process({ payload: { auction, bidder, price, dateTime } }, ctx) {
  const { sideInput } = ctx.params;
  const value = sideInput[auction % sideInput.length];
  return { type: 'q13', key: String(auction), payload: { auction, bidder, price, dateTime, value } };
}`,
      { sideInput: SIDE_INPUT },
    ),
    result: 'outputs',
    reference: ({ bids }) =>
      bids.map(({ auction, bidder, price, dateTime }) => ({
        ...{ auction, bidder, price, dateTime, value: SIDE_INPUT[auction % SIDE_ROWS] },
      })),
  },
];

const SIZE_MS = 10_000;
const SLIDE_MS = 2_000;
/** Publishers run ahead of each other by less than this, in event time; crashes included. */
const GRACE_MS = 5_000;
/** Longer than any run: event time is what closes windows here, and drain the last ones. */
const IDLE_MS = 3600_000;
const TIMES = { graceMs: GRACE_MS, idleMs: IDLE_MS } as const;
/** Results of windows leave several shards side by side: the stage after them waits until all are there. */
const GATHERING = { graceMs: 600_000, idleMs: IDLE_MS } as const;

const bySeller = { persons: 'payload.id', auctions: 'payload.seller' };

/** The starts of the windows that a time lies in. */
function windowsOf(dateTime: string, sizeMs: number, slideMs: number): number[] {
  const ms = Date.parse(dateTime);
  const starts: number[] = [];
  for (let start = Math.floor(ms / slideMs) * slideMs; start > ms - sizeMs; start -= slideMs) {
    starts.push(start);
  }
  return starts;
}

function grouped<Value>(values: Value[], keyOf: (value: Value) => string): Map<string, Value[]> {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

/** Queries with state: joins, windows, sessions. */
export const KEYED_QUERIES: Query[] = [
  {
    // Local item suggestion: who sells in Oregon, Idaho or California, in category 10? A join that never ends.
    name: 'q3',
    stages: [
      {
        name: 'q3',
        kind: 'stateful',
        stream: ['persons', 'auctions'],
        keyBy: bySeller,
        code: `export function process(event, state, ctx) {
  const { person, auctions } = state ?? { person: null, auctions: [] };
  const sells = (who, id) => ctx.emit({ type: 'q3', key: String(id), payload: { ...who, id } });
  if (event.type === 'Person') {
    const { name, city, state: home } = event.payload;
    const local = ['OR', 'ID', 'CA'].includes(home);
    const who = local ? { name, city, state: home } : false;
    if (local) for (const id of auctions) sells(who, id);
    return { person: who, auctions: [] };
  }
  const { id, category } = event.payload;
  if (category !== 10 || person === false) return undefined;
  if (person === null) return { person, auctions: [...auctions, id] };
  sells(person, id);
}`,
      },
    ],
    result: 'outputs',
    reference({ persons, auctions }) {
      const people = new Map(persons.map((person) => [person.id, person]));
      return auctions.flatMap(({ id, seller, category }) => {
        const person = people.get(seller);
        if (!person || category !== 10 || !['OR', 'ID', 'CA'].includes(person.state)) return [];
        const { name, city, state } = person;
        return [{ name, city, state, id }];
      });
    },
  },
  {
    // Hot items: which auctions had the most bids in the last ten seconds, every two seconds?
    name: 'q5',
    stages: [
      {
        name: 'q5-counts',
        kind: 'window',
        stream: 'bids',
        keyBy: 'payload.auction',
        window: { type: 'tumbling', sizeMs: SIZE_MS, slideMs: SLIDE_MS, ...TIMES },
        code: `export const add = (count) => (count ?? 0) + 1;
export function process({ key, startMs, endMs, state }) {
  const time = new Date(endMs - 1).toISOString();
  return { type: 'Count', key: String(startMs), time, payload: { window: startMs, auction: Number(key), bids: state } };
}`,
      },
      {
        name: 'q5',
        kind: 'window',
        stream: 'q5-counts',
        window: { type: 'tumbling', sizeMs: SLIDE_MS, ...GATHERING },
        code: `export function add(best, { payload }) {
  if (!best || payload.bids > best[0].bids) return [payload];
  return payload.bids === best[0].bids ? [...best, payload] : undefined;
}
export const process = ({ state }) => state.map((payload) => ({ type: 'q5', key: String(payload.auction), payload }));`,
      },
    ],
    result: 'outputs',
    reference({ bids }) {
      const counts = new Map<number, Map<number, number>>();
      for (const { auction, dateTime } of bids) {
        for (const start of windowsOf(dateTime, SIZE_MS, SLIDE_MS)) {
          const window = counts.get(start) ?? new Map<number, number>();
          counts.set(start, window);
          window.set(auction, (window.get(auction) ?? 0) + 1);
        }
      }
      return [...counts].flatMap(([window, byAuction]) => {
        const most = Math.max(...byAuction.values());
        return [...byAuction]
          .filter(([, count]) => count === most)
          .map(([auction, count]) => ({ window, auction, bids: count }));
      });
    },
  },
  {
    // Highest bid of each ten seconds: found for each auction first, so that no shard sees all bids.
    name: 'q7',
    stages: [
      {
        name: 'q7-highest',
        kind: 'window',
        stream: 'bids',
        keyBy: 'payload.auction',
        window: { type: 'tumbling', sizeMs: SIZE_MS, ...TIMES },
        code: `export function add(best, { payload: { auction, price, bidder, dateTime } }) {
  if (best && price < best[0].price) return undefined;
  const bid = { auction, price, bidder, dateTime };
  return best && price === best[0].price ? [...best, bid] : [bid];
}
export function process({ startMs, endMs, state }) {
  const time = new Date(endMs - 1).toISOString();
  return { type: 'Highest', key: String(startMs), time, payload: state };
}`,
      },
      {
        name: 'q7',
        kind: 'window',
        stream: 'q7-highest',
        window: { type: 'tumbling', sizeMs: SIZE_MS, ...GATHERING },
        code: `export function add(best, { payload }) {
  if (!best || payload[0].price > best[0].price) return payload;
  return payload[0].price === best[0].price ? [...best, ...payload] : undefined;
}
export const process = ({ state }) => state.map((payload) => ({ type: 'q7', key: String(payload.auction), payload }));`,
      },
    ],
    result: 'outputs',
    reference: ({ bids }) =>
      [
        ...grouped(bids, ({ dateTime }) =>
          String(windowsOf(dateTime, SIZE_MS, SIZE_MS)[0]),
        ).values(),
      ].flatMap((inWindow) => {
        const highest = inWindow.reduce((most, { price }) => Math.max(most, price), 0);
        return inWindow
          .filter(({ price }) => price === highest)
          .map(({ auction, price, bidder, dateTime }) => ({ auction, price, bidder, dateTime }));
      }),
  },
  {
    // New users: who came and opened an auction within the same ten seconds?
    name: 'q8',
    stages: [
      {
        name: 'q8',
        kind: 'window',
        stream: ['persons', 'auctions'],
        keyBy: bySeller,
        window: { type: 'tumbling', sizeMs: SIZE_MS, ...TIMES },
        code: `export function process({ startMs, events }) {
  const person = events.find(({ type }) => type === 'Person');
  if (!person || !events.some(({ type }) => type === 'Auction')) return;
  const { id, name } = person.payload;
  return { type: 'q8', key: String(id), payload: { id, name, window: startMs } };
}`,
      },
    ],
    result: 'outputs',
    reference({ persons, auctions }) {
      const windowOf = (dateTime: string) => windowsOf(dateTime, SIZE_MS, SIZE_MS)[0];
      const sold = new Set(
        auctions.map(({ seller, dateTime }) => `${seller} ${windowOf(dateTime)}`),
      );
      return persons
        .map(({ id, name, dateTime }) => ({ id, name, window: windowOf(dateTime) }))
        .filter(({ id, window }) => sold.has(`${id} ${window}`));
    },
  },
  {
    // User sessions: how many bids did somebody make before ten seconds passed without one?
    name: 'q11',
    stages: [
      {
        name: 'q11',
        kind: 'window',
        stream: 'bids',
        keyBy: 'payload.bidder',
        window: { type: 'session', gapMs: SIZE_MS, ...TIMES },
        code: `export const add = (count) => (count ?? 0) + 1;
export const merge = (a, b) => a + b;
export const process = ({ key, startMs, endMs, state }) => ({
  type: 'q11', key, payload: { bidder: Number(key), bids: state, from: startMs, to: endMs },
});`,
      },
    ],
    result: 'outputs',
    reference: ({ bids }) =>
      [...grouped(bids, ({ bidder }) => String(bidder))].flatMap(([bidder, own]) => {
        const sessions: { bidder: number; bids: number; from: number; to: number }[] = [];
        const times = own.map(({ dateTime }) => Date.parse(dateTime)).sort((a, b) => a - b);
        for (const ms of times) {
          const last = sessions.at(-1);
          if (last && ms <= last.to) Object.assign(last, { bids: last.bids + 1, to: ms + SIZE_MS });
          else sessions.push({ bidder: Number(bidder), bids: 1, from: ms, to: ms + SIZE_MS });
        }
        return sessions;
      }),
  },
  {
    // Last bids: the newest of each bidder on each auction. Its result is the state itself.
    name: 'q18',
    stages: [
      {
        name: 'q18',
        kind: 'stateful',
        stream: 'bids',
        keyBy: ['payload.bidder', 'payload.auction'],
        code: `export function process({ payload }, last) {
  return !last || payload.dateTime > last.dateTime ? payload : undefined;
}`,
      },
    ],
    result: 'state',
    reference: ({ bids }) =>
      [...grouped(bids, ({ bidder, auction }) => `${bidder}|${auction}`).values()].map((same) =>
        same.reduce((last, bid) => (bid.dateTime > last.dateTime ? bid : last)),
      ),
  },
];

/** What a query gives over the events, as sorted JSON texts: a multiset that a run is compared with. */
export const referenceOf = (query: Query, events: readonly EventInput[]): string[] =>
  query
    .reference(allEvents(events))
    .map((output) => JSON.stringify(output))
    .sort();
