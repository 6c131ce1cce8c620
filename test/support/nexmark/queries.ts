// Nexmark's queries that need no state, each twice: as a processor, and as a plain function over the events
// in memory, which says what has to come out.
import type { ProcessorSpecInput } from '../../../shared/schemas/processor.ts';
import type { EventInput } from '../../../shared/schemas/stream.ts';
import type { Bid } from './generator.ts';

export interface Query {
  name: string;
  /** Without its streams. */
  processor: Pick<Extract<ProcessorSpecInput, { kind: 'stateless' }>, 'code' | 'params' | 'types'>;
  reference(bid: Bid): object | null;
}

/** The side input of query 13: the generator's default of 500 rows. */
const SIDE_ROWS = 500;
const SIDE_INPUT = Array.from({ length: SIDE_ROWS }, (_, key) => `side ${key}`);

export const QUERIES: Query[] = [
  {
    // Pass-through: what the machinery itself costs.
    name: 'q0',
    processor: {
      types: ['Bid'],
      code: `export function process({ payload: { auction, bidder, price, dateTime, extra } }) {
  return { type: 'q0', key: String(auction), payload: { auction, bidder, price, dateTime, extra } };
}`,
    },
    reference: ({ auction, bidder, price, dateTime, extra }) => ({
      ...{ auction, bidder, price, dateTime, extra },
    }),
  },
  {
    // Currency conversion: dollars to euros.
    name: 'q1',
    processor: {
      types: ['Bid'],
      code: `export function process({ payload: { auction, bidder, price, dateTime, extra } }) {
  return { type: 'q1', key: String(auction), payload: { auction, bidder, price: 0.908 * price, dateTime, extra } };
}`,
    },
    reference: ({ auction, bidder, price, dateTime, extra }) => ({
      ...{ auction, bidder, price: 0.908 * price, dateTime, extra },
    }),
  },
  {
    // Selection: bids on certain auctions.
    name: 'q2',
    processor: {
      types: ['Bid'],
      code: `export function process({ payload: { auction, price } }) {
  if (auction % 123 === 0) return { type: 'q2', key: String(auction), payload: { auction, price } };
}`,
    },
    reference: ({ auction, price }) => (auction % 123 === 0 ? { auction, price } : null),
  },
  {
    // Bounded side input: each bid is joined with a row of a small fixed table.
    name: 'q13',
    processor: {
      types: ['Bid'],
      params: { sideInput: SIDE_INPUT },
      code: `export function process({ payload: { auction, bidder, price, dateTime } }, ctx) {
  const { sideInput } = ctx.params;
  const value = sideInput[auction % sideInput.length];
  return { type: 'q13', key: String(auction), payload: { auction, bidder, price, dateTime, value } };
}`,
    },
    reference: ({ auction, bidder, price, dateTime }) => ({
      ...{ auction, bidder, price, dateTime, value: SIDE_INPUT[auction % SIDE_ROWS] },
    }),
  },
];

/** What a query gives over the events, as sorted JSON texts: a set that two runs can be compared by. */
export function referenceOf(query: Query, events: readonly EventInput[]): string[] {
  return events
    .filter(({ type }) => type === 'Bid')
    .map(({ payload }) => query.reference(payload as unknown as Bid))
    .filter((output) => output !== null)
    .map((output) => JSON.stringify(output))
    .sort();
}
