// Calls of the streams' routes, and their live tails, as tests make them.
import { expect } from 'vitest';
import type { Problem } from '../../shared/schemas/problem.ts';
import type { Appended, EventsPage, Stream, StreamEvent } from '../../shared/schemas/stream.ts';
import { call, postJson, problemOf } from './rest.ts';

export const put = (name: string, spec: unknown = {}) =>
  call(`/streams/${name}`, {
    method: 'PUT',
    body: JSON.stringify(spec),
    headers: { 'content-type': 'application/json' },
  });

export async function create(name: string, spec: unknown = {}): Promise<Stream> {
  const response = await put(name, spec);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export const show = async (name: string): Promise<Stream> =>
  (await call(`/streams/${name}`)).json();

export async function refusal(response: Response, status: number): Promise<Problem> {
  expect(response.status).toBe(status);
  return problemOf(response);
}

export const postLines = (name: string, lines: string[], headers: Record<string, string> = {}) =>
  call(`/streams/${name}/events`, {
    method: 'POST',
    body: lines.join('\n'),
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });

export const post = (name: string, body: unknown, headers: Record<string, string> = {}) =>
  postJson(`/streams/${name}/events`, body, headers);

export async function publish(name: string, body: unknown): Promise<Appended> {
  const response = await post(name, body);
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export const page = (name: string, query = '') => call(`/streams/${name}/events${query}`);

export async function read(name: string, query = ''): Promise<EventsPage> {
  const response = await page(name, query);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** All events of a stream, partition after partition. */
export async function readAll(name: string): Promise<StreamEvent[]> {
  const { partitions } = await show(name);
  const pages = await Promise.all(
    partitions.map(({ partition }) => read(name, `?partition=${partition}&limit=1000`)),
  );
  return pages.flatMap(({ events }) => events);
}

export const numbered = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Reads server-sent events as they come. */
export class Sse {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  id: string | null = null;

  constructor(response: Response) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    if (!response.body) throw new Error('no body');
    this.#reader = response.body.getReader();
  }

  /** The next `count` events' data; what only sets the id, and comments, are passed over. */
  async take(count: number): Promise<StreamEvent[]> {
    const events: StreamEvent[] = [];
    while (events.length < count) {
      const frame = await this.#frame();
      for (const line of frame.split('\n')) {
        if (line.startsWith('id: ')) this.id = line.slice(4);
        if (line.startsWith('data: ')) events.push(JSON.parse(line.slice(6)) as StreamEvent);
      }
    }
    return events;
  }

  /** Reads the frame that says where the tail begins. */
  async begin(): Promise<void> {
    const [, id] = /^id: (.*)$/.exec(await this.#frame()) ?? [];
    this.id = id ?? null;
  }

  async isClosed(): Promise<boolean> {
    return (await this.#reader.read()).done;
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async #frame(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return frame;
      }
      const { value, done } = await this.#reader.read();
      if (done) throw new Error('the stream ended');
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }
}

export const live = async (name: string, query = '', headers: Record<string, string> = {}) =>
  new Sse(await call(`/streams/${name}/events/live${query}`, { headers }));
