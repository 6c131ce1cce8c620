// Kappa: one stream of orders, read twice. A recommendation reacts to each order at once; a dashboard reads the whole
// day again by the clock. And because the log stays, a better recommendation can be rebuilt from its beginning.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example, RestCall } from './example.ts';
import { many, pick, putProcessor, putStream } from './example.ts';

interface Product {
  name: string;
  category: string;
  cents: number;
}

const PRODUCTS: readonly Product[] = [
  { name: 'coffee beans', category: 'kitchen', cents: 1290 },
  { name: 'filter papers', category: 'kitchen', cents: 390 },
  { name: 'hand grinder', category: 'kitchen', cents: 4900 },
  { name: 'tea pot', category: 'kitchen', cents: 3450 },
  { name: 'notebook', category: 'paper', cents: 890 },
  { name: 'fountain pen', category: 'paper', cents: 2990 },
  { name: 'ink, blue', category: 'paper', cents: 750 },
  { name: 'tent', category: 'outdoors', cents: 18900 },
  { name: 'sleeping bag', category: 'outdoors', cents: 9900 },
  { name: 'head torch', category: 'outdoors', cents: 2490 },
  { name: 'batteries', category: 'electronics', cents: 690 },
  { name: 'radio', category: 'electronics', cents: 5900 },
];
const CUSTOMERS = ['ada', 'grace', 'edsger', 'barbara', 'donald', 'frances'];

const GOES_WITH = `const GOES_WITH = {
  'coffee beans': ['filter papers', 'hand grinder'],
  'hand grinder': ['coffee beans'],
  'tea pot': ['filter papers'],
  notebook: ['fountain pen'],
  'fountain pen': ['ink, blue', 'notebook'],
  tent: ['sleeping bag', 'head torch'],
  'sleeping bag': ['tent'],
  'head torch': ['batteries'],
  radio: ['batteries'],
};
`;

export const RECOMMENDATION_CODE = `// Reacts to an order while it is warm: what goes with the first thing that was bought?
${GOES_WITH}
export function process(event) {
  const { customer, items } = event.payload;
  const bought = [...new Set(items.map((item) => item.product))];
  const product = GOES_WITH[bought[0]]?.find((other) => !bought.includes(other));
  if (product === undefined) return; // nothing to recommend
  return { type: 'Recommended', key: customer, payload: { customer, product, because: bought[0] } };
}
`;

export const BETTER_RECOMMENDATION_CODE = `// Looks at everything that was bought, and recommends what goes with most of it.
${GOES_WITH}
export function process(event) {
  const { customer, items } = event.payload;
  const bought = [...new Set(items.map((item) => item.product))];
  const votes = new Map();
  for (const product of bought) {
    for (const other of GOES_WITH[product] ?? []) {
      if (!bought.includes(other)) votes.set(other, [...(votes.get(other) ?? []), product]);
    }
  }
  const [best] = [...votes].sort(([, a], [, b]) => b.length - a.length);
  if (best === undefined) return;
  const [product, because] = best;
  return { type: 'Recommended', key: customer, payload: { customer, product, because } };
}
`;

export const REVENUE_CODE = `// The day's revenue of each category, in cents. Its records are the stream's events.
export function map(event, emit) {
  if (event.type !== 'OrderPlaced') return;
  for (const { category, cents, quantity } of event.payload.items) emit(category, cents * quantity);
}

export const combine = 'sum';
export const reduce = 'sum';
`;

const recommendation = (code: string) => ({
  stream: 'orders',
  kind: 'stateless',
  types: ['OrderPlaced'],
  output: 'recommendations',
  code,
  startFrom: 'earliest',
});

/** The same processor with better code: what comes from now on, until a replay rebuilds what was. */
export const IMPROVE: RestCall = putProcessor(
  'recommendation',
  recommendation(BETTER_RECOMMENDATION_CODE),
  'better code, from the next order on',
);

export const DASHBOARD_SPEC = {
  cron: '0 3 * * *',
  timezone: 'UTC',
  job: {
    kind: 'mapreduce',
    name: 'revenue by category',
    // The stream keeps one day: its beginning is the day's.
    input: { stream: 'orders', from: 'earliest' },
    code: REVENUE_CODE,
    partitions: 1,
  },
};

export const SHOP: Example = {
  setUp: [
    putStream('orders', { partitions: 4, retention: { hours: 24 } }, 'every order of a day'),
    putStream('recommendations', { partitions: 2 }, 'what the shop recommends'),
    putProcessor(
      'recommendation',
      recommendation(RECOMMENDATION_CODE),
      'reads each order as it comes',
    ),
    {
      method: 'PUT',
      path: '/api/schedules/dashboard',
      body: DASHBOARD_SPEC,
      why: 'reads the day again, at three in the morning',
    },
  ],
  streams: ['orders', 'recommendations'],
  processors: ['recommendation'],
  schedules: ['dashboard'],
};

export function orders(count: number, random: () => number): EventInput[] {
  return many(count, () => {
    const customer = pick(CUSTOMERS, random());
    const items = Array.from({ length: 1 + Math.floor(3 * random()) }, () => {
      const { name, category, cents } = pick(PRODUCTS, random());
      return { product: name, category, cents, quantity: 1 + Math.floor(2 * random()) };
    });
    return { type: 'OrderPlaced', key: customer, payload: { customer, items } };
  });
}
