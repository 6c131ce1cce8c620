// What a request says beside its body is honoured or refused, whatever the operation: numbers in queries, places to
// resume from, ranges of uploads, conditions, encodings.
import { describe, expect, it } from 'vitest';
import type { Job } from '../../shared/schemas/job.ts';
import { call, ended, problemOf, submit } from './rest.ts';

const PROGRAM = "export const map = (line, emit) => emit(line, 1)\nexport const reduce = 'sum'";
const doneJob = async (): Promise<Job> =>
  ended((await submit({ mappers: 'edge', input: { inline: 'a\nb' }, code: PROGRAM })).id);

const putJson = (path: string, body: unknown) =>
  call(path, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });

async function refusedFields(path: string, init?: RequestInit): Promise<string[]> {
  const response = await call(path, init);
  const { code, errors } = await problemOf(response);
  expect([response.status, code], path).toEqual([400, 'invalid_request']);
  return errors.map((error) => error.path);
}

describe('numbers in queries', () => {
  const RUBBISH = ['', '%20', '%201', '1e0', '0x1', '-1', '+1', '1.0', '99999999999999999'];

  it('have digits only, and a field that has others is named', async () => {
    await putJson('/streams/numbers', { partitions: 2 });
    const { id } = await doneJob();
    const places: [path: string, field: string][] = [
      ['/streams/numbers/events', 'partition'],
      ['/streams/numbers/events', 'from'],
      ['/streams/numbers/events', 'limit'],
      ['/streams/numbers/events/live', 'partition'],
      ['/jobs', 'limit'],
      [`/jobs/${id}/result/top`, 'n'],
      [`/jobs/${id}/tasks`, 'cursor'],
      [`/jobs/${id}/events`, 'cursor'],
      [`/jobs/${id}/events/live`, 'after'],
      [`/jobs/${id}/steps/a`, 'item'],
      [`/jobs/${id}/steps/a/items`, 'cursor'],
      ['/datasets/numbers/parts', 'part'],
    ];
    for (const [path, field] of places) {
      const init = path.endsWith('/parts') ? { method: 'POST', body: 'x' } : {};
      for (const rubbish of RUBBISH) {
        expect(await refusedFields(`${path}?${field}=${rubbish}`, init)).toEqual([field]);
      }
    }
    expect((await call('/streams/numbers/events?partition=01&from=0&limit=1')).status).toBe(200);
  });

  it('are looked at in Last-Event-ID as well', async () => {
    const { id } = await doneJob();
    const live = (last: string) =>
      refusedFields(`/jobs/${id}/events/live`, { headers: { 'last-event-id': last } });
    for (const rubbish of ['0x1', '1e0', '-1', 'x']) {
      expect(await live(rubbish)).toEqual(['last-event-id']);
    }
  });
});
