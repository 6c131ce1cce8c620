// REST calls into the worker under test, inside workerd.
import { SELF } from 'cloudflare:test';
import type { Job, JobEvent, MapReduceSpecInput } from '../../shared/schemas/job.ts';
import type { Problem } from '../../shared/schemas/problem.ts';

export const ORIGIN = 'http://localhost';

export const call = (path: string, init?: RequestInit): Promise<Response> =>
  SELF.fetch(`${ORIGIN}/api${path}`, init);

export const postJson = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

export async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type');
  if (type !== 'application/problem+json') throw new Error(`${response.status} ${type}`);
  return response.json();
}

type Spec = Omit<MapReduceSpecInput, 'kind'>;

export async function submit(spec: Spec): Promise<Job> {
  const response = await postJson('/jobs', { kind: 'mapreduce', ...spec });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export const job = async (id: string): Promise<Job> => (await call(`/jobs/${id}`)).json();

/** Follows the live events, which end with the job; no polling. */
export async function ended(id: string): Promise<Job> {
  await (await call(`/jobs/${id}/events/live`)).text();
  return job(id);
}

export const run = async (spec: Spec): Promise<Job> => ended((await submit(spec)).id);

export async function events(id: string): Promise<JobEvent[]> {
  const { items } = (await (await call(`/jobs/${id}/events`)).json()) as { items: JobEvent[] };
  return items;
}

export async function result(id: string): Promise<{ key: string; value: unknown }[]> {
  const response = await call(`/jobs/${id}/result?order=key`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const lines = (await response.text()).split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as { key: string; value: unknown });
}
