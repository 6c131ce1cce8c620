// REST calls about DAG jobs, inside workerd.
import type { DagJob, DagSpecInput, StepDetail } from '../../shared/schemas/dag.ts';
import { call, postJson, problemOf } from './rest.ts';

export type Steps = DagSpecInput['steps'];

export const edge = (code: string, more: object = {}) => ({ run: 'edge' as const, code, ...more });

export async function submitDag(
  steps: Steps,
  more: Partial<DagSpecInput> = {},
  headers: Record<string, string> = {},
): Promise<DagJob> {
  const response = await postJson('/jobs', { kind: 'dag', ...more, steps }, headers);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  const job: DagJob = await response.json();
  if (response.headers.get('location') !== `/api/jobs/${job.id}`) throw new Error('no location');
  return job;
}

export const dagJob = async (id: string): Promise<DagJob> => (await call(`/jobs/${id}`)).json();

/** Follows the live events, which end with the run. */
export async function dagEnded(id: string): Promise<DagJob> {
  await (await call(`/jobs/${id}/events/live`)).text();
  return dagJob(id);
}

export const runDag = async (steps: Steps, more: Partial<DagSpecInput> = {}): Promise<DagJob> =>
  dagEnded((await submitDag(steps, more)).id);

export async function dagResult(id: string): Promise<Record<string, unknown>> {
  const response = await call(`/jobs/${id}/result`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

export const stepOf = async (id: string, step: string, query = ''): Promise<StepDetail> =>
  (await call(`/jobs/${id}/steps/${step}${query}`)).json();

export const refusal = async (body: unknown) => problemOf(await postJson('/jobs', body));

/** Reads live events until one of this type. */
export async function seen(id: string, type: string): Promise<void> {
  const response = await call(`/jobs/${id}/events/live`);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (!text.includes(`"type":"${type}"`)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the events ended without ${type}: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
}
