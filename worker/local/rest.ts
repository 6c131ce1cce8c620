// The few REST calls that the local commands and the end-to-end tests make, typed by the same schemas as
// the server. Answers that are not 2xx throw with the problem's code and detail.
import { ReadableStream } from 'node:stream/web';
import { setTimeout as pause } from 'node:timers/promises';
import type { List } from '../../shared/schemas/common.ts';
import type {
  Job,
  JobEvent,
  JobState,
  MapReduceSpecInput,
  ResultRecord,
  Task,
} from '../../shared/schemas/job.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import type { Health, Swarm, Volunteer } from '../../shared/schemas/swarm.ts';

const POLL_MS = 50;
const WAIT_MAX_MS = 120_000;
const ENDED: ReadonlySet<JobState> = new Set(['done', 'failed', 'cancelled']);

export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(call: string, problem: Problem) {
    super(`${call}: ${problem.status} ${problem.code}: ${problem.detail}`);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

export class Rest {
  readonly url: string;
  /** Waiting asks this often; every question is work for the edge that is waited for. */
  readonly #pollMs: number;

  constructor(url: string, pollMs = POLL_MS) {
    this.url = url;
    this.#pollMs = pollMs;
  }

  /** Throws ProblemError for any answer that is not 2xx. */
  async call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${this.url}${path}`, { method, ...init });
    if (response.ok) return response;
    const text = await response.text();
    let problem: Problem;
    try {
      problem = JSON.parse(text);
    } catch {
      throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    }
    throw new ProblemError(`${method} ${path}`, problem);
  }

  async json<Answer>(path: string): Promise<Answer> {
    return (await this.call('GET', path)).json() as Promise<Answer>;
  }

  /** Sends JSON; the answer is JSON too, or nothing. */
  async send<Answer>(method: 'PUT' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const init = {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    };
    const response = await this.call(method, path, body === undefined ? {} : init);
    const text = await response.text();
    return (text === '' ? null : JSON.parse(text)) as Answer;
  }

  put<Answer>(path: string, body?: unknown): Promise<Answer> {
    return this.send('PUT', path, body);
  }

  post<Answer>(path: string, body?: unknown): Promise<Answer> {
    return this.send('POST', path, body);
  }

  health(): Promise<Health> {
    return this.json('/api/health');
  }

  swarm(): Promise<Swarm> {
    return this.json('/api/swarm');
  }

  volunteers(): Promise<Volunteer[]> {
    return this.all('/api/volunteers');
  }

  /** Streams: the chunks are pulled as fast as the server takes them. `bytes`: their sum, when it is known. */
  async upload(
    name: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    bytes?: number,
  ): Promise<void> {
    const init = {
      body: ReadableStream.from(chunks),
      headers: {
        'content-type': 'application/octet-stream',
        ...(bytes === undefined ? {} : { 'content-length': String(bytes) }),
      },
      duplex: 'half', // What Node asks for with a streamed body.
    };
    // The two libraries' types of the same stream differ.
    await this.call('PUT', `/api/datasets/${encodeURIComponent(name)}`, init as object);
  }

  submit(spec: Omit<MapReduceSpecInput, 'kind'>): Promise<Job> {
    return this.post('/api/jobs', { kind: 'mapreduce', ...spec });
  }

  job(id: string): Promise<Job> {
    return this.json(`/api/jobs/${id}`);
  }

  /** Polls until so many volunteers are connected. */
  async waitForVolunteers(count: number, maxMs = WAIT_MAX_MS): Promise<void> {
    const deadline = Date.now() + maxMs;
    for (;;) {
      const { volunteers } = await this.swarm();
      if (volunteers >= count) return;
      if (Date.now() > deadline) {
        throw new Error(`waited for ${count} volunteers, and ${volunteers} are connected`);
      }
      await pause(this.#pollMs);
    }
  }

  /** Polls until `holds`; a job that ends in another way, or the time limit, throws with what it said. */
  async waitUntil(
    id: string,
    what: string,
    holds: (job: Job) => boolean,
    maxMs = WAIT_MAX_MS,
  ): Promise<Job> {
    const deadline = Date.now() + maxMs;
    for (;;) {
      const job = await this.job(id);
      if (holds(job)) return job;
      if (ENDED.has(job.state) || Date.now() > deadline) {
        throw new Error(
          `job ${id}: waited for ${what}, and it is "${job.state}" (${job.reason}): ` +
            JSON.stringify({ progress: job.progress, error: job.error, counters: job.counters }),
        );
      }
      await pause(this.#pollMs);
    }
  }

  waitFor(id: string, state: JobState, maxMs = WAIT_MAX_MS): Promise<Job> {
    return this.waitUntil(id, `state ${state}`, (job) => job.state === state, maxMs);
  }

  tasks(id: string): Promise<Task[]> {
    return this.all(`/api/jobs/${id}/tasks`);
  }

  events(id: string): Promise<JobEvent[]> {
    return this.all(`/api/jobs/${id}/events`);
  }

  async result(id: string): Promise<ResultRecord[]> {
    const text = await (await this.call('GET', `/api/jobs/${id}/result?order=key`)).text();
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ResultRecord);
  }

  top(id: string, n: number): Promise<ResultRecord[]> {
    return this.json(`/api/jobs/${id}/result/top?n=${n}`);
  }

  /** Every page of a list. */
  async all<Item>(path: string): Promise<Item[]> {
    const items: Item[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = `limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const page: List<Item> = await this.json(`${path}?${query}`);
      items.push(...page.items);
      cursor = page.next;
    }
    return items;
  }
}
