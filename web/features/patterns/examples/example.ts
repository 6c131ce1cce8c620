// What an example is: plain data. The REST calls that set it up (each may be made again: PUT says what should be),
// and the names of what they make. Pages, tests and documents use the same.
import type { EventInput } from '../../../../shared/schemas/stream.ts';

export interface RestCall {
  method: 'PUT' | 'POST' | 'DELETE';
  path: string;
  body?: unknown;
  /** One line: what it is good for. */
  why: string;
}

export interface Example {
  setUp: readonly RestCall[];
  streams: readonly string[];
  processors: readonly string[];
  schedules: readonly string[];
  /** Streams among these that are there for others too: they are not taken away. */
  borrowed?: readonly string[];
}

export const putStream = (name: string, spec: object, why: string): RestCall => ({
  method: 'PUT',
  path: `/api/streams/${name}`,
  body: spec,
  why,
});

export const putProcessor = (name: string, spec: object, why: string): RestCall => ({
  method: 'PUT',
  path: `/api/processors/${name}`,
  body: spec,
  why,
});

export const putUser = (id: string, name: string): RestCall => ({
  method: 'PUT',
  path: `/api/services/users/${id}`,
  body: { name, email: `${name.toLowerCase()}@example.com` },
  why: `${name} is known to the User Service`,
});

export const publish = (stream: string, events: readonly EventInput[]): RestCall => ({
  method: 'POST',
  path: `/api/streams/${stream}/events`,
  body: events,
  why: events.length === 1 ? 'publishes one event' : `publishes ${events.length} events`,
});

/** What takes the example away again, in the order in which nothing is left that reads what is gone. */
export function takeDownOf({ streams, processors, schedules, borrowed = [] }: Example): RestCall[] {
  const remove = (kind: string, name: string): RestCall => ({
    method: 'DELETE',
    path: `/api/${kind}/${name}`,
    why: `forgets ${name}`,
  });
  return [
    ...schedules.map((name) => remove('schedules', name)),
    ...processors.map((name) => remove('processors', name)),
    ...streams.filter((name) => !borrowed.includes(name)).map((name) => remove('streams', name)),
  ];
}

/** One of a list, by a random number of 0…1. */
export function pick<Item>(items: readonly Item[], random: number): Item {
  const item = items[Math.min(items.length - 1, Math.floor(random * items.length))];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** So many events, made one by one. */
export const many = (count: number, make: (index: number) => EventInput): EventInput[] =>
  Array.from({ length: count }, (_, index) => make(index));
