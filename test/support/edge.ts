// A local edge of a test's own (any free port, storage thrown away) and the few REST calls that the
// end-to-end tests make, typed by the same schemas as the server.
import type { Health } from '../../shared/schemas/swarm.ts';
import type {
  Job,
  JobEvent,
  JobState,
  MapReduceSpecInput,
  ResultRecord,
  Task,
} from '../../shared/schemas/job.ts';
import type { List } from '../../shared/schemas/common.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import { startEdge } from '../../worker/local/edge.ts';
import type { Edge, EdgeOptions } from '../../worker/local/edge.ts';

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
  constructor(url: string) {
    this.url = url;
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

  health(): Promise<Health> {
    return this.json('/api/health');
  }

  async upload(name: string, body: BodyInit | AsyncIterable<Uint8Array>): Promise<void> {
    await this.call('PUT', `/api/datasets/${name}`, {
      // Node's fetch takes async iterables; the DOM's type does not know them.
      body: body as BodyInit,
      headers: { 'content-type': 'application/octet-stream' },
      duplex: 'half',
    } as RequestInit);
  }

  async submit(spec: Omit<MapReduceSpecInput, 'kind'>): Promise<Job> {
    const response = await this.call('POST', '/api/jobs', {
      body: JSON.stringify({ kind: 'mapreduce', ...spec }),
      headers: { 'content-type': 'application/json' },
    });
    return response.json() as Promise<Job>;
  }

  job(id: string): Promise<Job> {
    return this.json(`/api/jobs/${id}`);
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
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
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
  private async all<Item>(path: string): Promise<Item[]> {
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

export interface TestEdge extends Edge {
  rest: Rest;
}

export async function startTestEdge(options: EdgeOptions = {}): Promise<TestEdge> {
  const edge = await startEdge({ quiet: true, ...options });
  return { ...edge, rest: new Rest(edge.url) };
}
