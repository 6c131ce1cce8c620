// Nexmark's auction site (Tucker, Tufte, Papadimos, Maier: "NEXMark", and the generator of Apache Beam that
// the field measures with): of every 50 events 1 is a person, 3 are auctions, 46 are bids; half of the bids go
// to a hot auction, three of four bidders and sellers are hot ones; sizes are about 200, 500 and 100 bytes
// without the fields' names.
// Seeded: the same number of events at the same rate is the same events.
import { seededRandom } from '../../../shared/sandbox/determinism.ts';
import type { EventInput } from '../../../shared/schemas/stream.ts';

const PERSONS = 1;
const AUCTIONS = 3;
const EVENTS_AN_EPOCH = 50;
const FIRST_ID = 1_000;
const FIRST_CATEGORY = 10;
const CATEGORIES = 5;
/** A hot auction or person is the last whose number is a multiple of this. */
const HOT_STRIDE = 100;
const HOT_AUCTION_RATIO = 2;
const HOT_PERSON_RATIO = 4;
const AUCTIONS_IN_FLIGHT = 100;
const PEOPLE_ACTIVE = 1_000;
/** Bids may name people and auctions that come a little later. */
const ID_LEAD = 10;
const SIZE = { person: 200, auction: 500, bid: 100 };
/** In event time. */
const EVENTS_PER_SECOND = 10_000;
const START_MS = Date.UTC(2026, 0, 1);

const STATES = ['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'];
const CITIES = [
  ...['Phoenix', 'Los Angeles', 'San Francisco', 'Boise', 'Portland', 'Bend'],
  ...['Redmond', 'Seattle', 'Kent', 'Cheyenne'],
];
const FIRST_NAMES = ['Peter', 'Paul', 'Luke', 'John', 'Saul', 'Vicky', 'Kate', 'Julie', 'Sarah'];
const LAST_NAMES = ['Shultz', 'Abrams', 'Spencer', 'White', 'Bartels', 'Walton', 'Smith', 'Jones'];
const HOT_CHANNELS = ['Google', 'Facebook', 'Baidu', 'Apple'];

export interface Person {
  id: number;
  name: string;
  emailAddress: string;
  creditCard: string;
  city: string;
  state: string;
  dateTime: string;
  extra: string;
}

export interface Auction {
  id: number;
  itemName: string;
  description: string;
  initialBid: number;
  reserve: number;
  dateTime: string;
  expires: string;
  seller: number;
  category: number;
  extra: string;
}

export interface Bid {
  auction: number;
  bidder: number;
  price: number;
  channel: string;
  url: string;
  dateTime: string;
  extra: string;
}

/** When the nth event happens. */
type Clock = (n: number) => string;
type Random = () => number;
const below = (random: Random, bound: number) => Math.floor(random() * bound);
const oneOf = (random: Random, list: readonly string[]) => list[below(random, list.length)] ?? '';

function letters(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += String.fromCharCode(97 + below(random, 26));
  return text;
}

/** Prices spread over six powers of ten, in cents. */
const price = (random: Random) => Math.round(10 ** (random() * 6) * 100);

/** Fills an event up to its usual size. */
const extra = (random: Random, used: number, size: number) =>
  letters(random, Math.max(0, Math.round((size - used) * (0.8 + random() * 0.4))));

const lastPerson = (n: number) => Math.floor(n / EVENTS_AN_EPOCH);

function lastAuction(n: number): number {
  const epoch = Math.floor(n / EVENTS_AN_EPOCH);
  const within = n % EVENTS_AN_EPOCH;
  if (within < PERSONS) return epoch * AUCTIONS - 1;
  return epoch * AUCTIONS + Math.min(within - PERSONS, AUCTIONS - 1);
}

function somePerson(random: Random, n: number): number {
  const active = Math.min(lastPerson(n) + 1, PEOPLE_ACTIVE);
  return lastPerson(n) + 1 - active + below(random, active + ID_LEAD);
}

const isHot = (random: Random, ratio: number) => below(random, ratio) > 0;
const hotOf = (last: number) => Math.floor(Math.max(0, last) / HOT_STRIDE) * HOT_STRIDE;

function person(random: Random, timeOf: Clock, n: number): EventInput {
  const id = FIRST_ID + lastPerson(n);
  const name = `${oneOf(random, FIRST_NAMES)} ${oneOf(random, LAST_NAMES)}`;
  const emailAddress = `${letters(random, 7)}@${letters(random, 5)}.com`;
  const creditCard = Array.from({ length: 4 }, () => 1000 + below(random, 9000)).join(' ');
  const place = { city: oneOf(random, CITIES), state: oneOf(random, STATES) };
  const fields = { id, name, emailAddress, creditCard, ...place, dateTime: timeOf(n) };
  const used = 8 + name.length + emailAddress.length + creditCard.length + place.city.length + 10;
  const payload = { ...fields, extra: extra(random, used, SIZE.person) };
  return { type: 'Person', id: `person-${id}`, key: String(id), time: timeOf(n), payload };
}

function auction(random: Random, timeOf: Clock, n: number): EventInput {
  const id = FIRST_ID + lastAuction(n);
  const seller = isHot(random, HOT_PERSON_RATIO) ? hotOf(lastPerson(n)) : somePerson(random, n);
  const initialBid = price(random);
  const itemName = letters(random, 20);
  const description = letters(random, 100);
  const payload = {
    id,
    itemName,
    description,
    initialBid,
    reserve: initialBid + price(random),
    dateTime: timeOf(n),
    expires: timeOf(n + EVENTS_AN_EPOCH * 40 + below(random, EVENTS_AN_EPOCH * 80)),
    seller: FIRST_ID + seller,
    category: FIRST_CATEGORY + below(random, CATEGORIES),
    extra: extra(random, 8 + itemName.length + description.length + 48, SIZE.auction),
  };
  return { type: 'Auction', id: `auction-${id}`, key: String(id), time: timeOf(n), payload };
}

function bid(random: Random, timeOf: Clock, n: number): EventInput {
  const last = lastAuction(n);
  const first = Math.max(0, last - AUCTIONS_IN_FLIGHT);
  const onAuction = isHot(random, HOT_AUCTION_RATIO)
    ? hotOf(last)
    : first + below(random, last - first + 1 + ID_LEAD);
  const bidder = isHot(random, HOT_PERSON_RATIO) ? hotOf(lastPerson(n)) + 1 : somePerson(random, n);
  const channel = random() < 0.5 ? oneOf(random, HOT_CHANNELS) : `channel-${below(random, 10_000)}`;
  const fields = {
    auction: FIRST_ID + onAuction,
    bidder: FIRST_ID + bidder,
    price: price(random),
    channel,
    url: `https://www.nexmark.com/${letters(random, 5)}/item.htm?query=1`,
    dateTime: timeOf(n),
  };
  const payload: Bid = { ...fields, extra: extra(random, 32 + channel.length, SIZE.bid) };
  return {
    type: 'Bid',
    id: `bid-${n}`,
    key: String(payload.auction),
    time: timeOf(n),
    payload: { ...payload },
  };
}

export interface NexmarkOptions {
  seed?: string;
  /** How many of the events happen in one second of event time. */
  eventsPerSecond?: number;
}

/** The first `count` events of the auction site. */
export function* nexmarkEvents(
  count: number,
  { seed = 'nexmark', eventsPerSecond = EVENTS_PER_SECOND }: NexmarkOptions = {},
): Generator<EventInput> {
  const random = seededRandom(seed);
  const timeOf: Clock = (n) => new Date(START_MS + (n / eventsPerSecond) * 1_000).toISOString();
  for (let n = 0; n < count; n += 1) {
    const within = n % EVENTS_AN_EPOCH;
    if (within < PERSONS) yield person(random, timeOf, n);
    else if (within < PERSONS + AUCTIONS) yield auction(random, timeOf, n);
    else yield bid(random, timeOf, n);
  }
}
