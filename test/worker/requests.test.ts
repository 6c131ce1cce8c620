// What a request says beside its body is honoured or refused, whatever the operation: numbers in queries, places to
// resume from, ranges of uploads, conditions, encodings.
import { describe, expect, it } from 'vitest';
import { JSON_BODY_MAX_BYTES } from '../../shared/limits.ts';
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

describe('conditions', () => {
  const put = (headers: Record<string, string>, body = 'whole') =>
    call('/datasets/conditional', { method: 'PUT', body, headers });
  const etagNow = async () =>
    (await call('/datasets/conditional/bytes', { method: 'HEAD' })).headers.get('etag') ?? '';
  const bytes = async () => (await call('/datasets/conditional/bytes')).text();

  async function failed(response: Response): Promise<void> {
    expect(await problemOf(response)).toMatchObject({ status: 412, code: 'precondition_failed' });
  }

  it('decide whether a dataset is made, replaced or deleted', async () => {
    await failed(await put({ 'if-match': '*' }));
    expect((await put({ 'if-none-match': '*' })).status).toBe(201);
    await failed(await put({ 'if-none-match': '*' }, 'other'));
    await failed(await put({ 'if-match': '"other"' }, 'other'));
    const first = await etagNow();
    await failed(await put({ 'if-match': `W/${first}` }, 'other'));
    expect(await bytes()).toBe('whole');
    expect((await put({ 'if-match': `"a", ${first}` }, 'second')).status).toBe(201);
    await failed(await put({ 'if-match': first }, 'third'));
    const remove = (etag: string) =>
      call('/datasets/conditional', { method: 'DELETE', headers: { 'if-match': etag } });
    await failed(await remove(first));
    expect(await bytes()).toBe('second');
    expect((await remove(await etagNow())).status).toBe(204);
  });

  it('of two that would make the same dataset let one', async () => {
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((body) => put({ 'if-none-match': '*' }, body)),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 412, 412]);
  });

  it('are honoured where something is read that has an ETag', async () => {
    await put({});
    const stored = await call('/claims', { method: 'POST', body: 'payload' });
    const { token } = await stored.json<{ token: string }>();
    const { id } = await doneJob();
    const paths = [
      '/datasets/conditional/bytes',
      `/claims/${token}`,
      `/jobs/${id}/result?format=csv`,
    ];
    for (const path of paths) {
      const whole = await call(path);
      const etag = whole.headers.get('etag') ?? '';
      expect(etag, path).toMatch(/^".+"$/);
      await whole.arrayBuffer();
      const status = async (name: string, value: string) => {
        const response = await call(path, { headers: { [name]: value } });
        await response.arrayBuffer();
        return response.status;
      };
      expect(await status('if-none-match', `"x", W/${etag}`), path).toBe(304);
      expect(await status('if-none-match', '*')).toBe(304);
      expect(await status('if-none-match', '"x"')).toBe(200);
      expect(await status('if-match', etag)).toBe(200);
      expect(await status('if-match', '"x"')).toBe(412);
    }
  });

  it('by time are honoured for a dataset, whose time is told', async () => {
    await put({});
    const modified = (await call('/datasets/conditional/bytes')).headers.get('last-modified') ?? '';
    const before = new Date(Date.parse(modified) - 1_000).toUTCString();
    const status = async (name: string, value: string) =>
      (await call('/datasets/conditional/bytes', { method: 'HEAD', headers: { [name]: value } }))
        .status;
    expect(await status('if-modified-since', modified)).toBe(304);
    expect(await status('if-modified-since', before)).toBe(200);
    expect(await status('if-unmodified-since', modified)).toBe(200);
    expect(await status('if-unmodified-since', before)).toBe(412);
    expect(await status('if-modified-since', 'yesterday')).toBe(400);
  });

  it('that an operation does not take are refused, and so is a part of a body', async () => {
    await putJson('/streams/plain', {});
    await put({});
    const conditional = [
      ['if-match', '"x"'],
      ['if-none-match', '*'],
      ['if-modified-since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
      ['if-unmodified-since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
      ['if-range', '"x"'],
      ['content-range', 'bytes 40-43/44'],
    ] as const;
    for (const [name, value] of conditional) {
      const headers = { [name]: value };
      const json = { body: '{}', headers: { ...headers, 'content-type': 'application/json' } };
      for (const init of [{ headers }, { method: 'DELETE', headers }, { method: 'PUT', ...json }]) {
        expect(await refusedFields('/streams/plain', init)).toEqual([name]);
      }
      expect(await refusedFields('/jobs', { method: 'POST', ...json })).toEqual([name]);
    }
    expect((await call('/streams/plain')).status).toBe(200);
    const tail = await put({ 'content-range': 'bytes 5-8/9' }, 'TAIL');
    expect((await problemOf(tail)).detail).toContain('/parts');
    expect(await bytes()).toBe('whole');
  });
});

describe('a payload', () => {
  it('is read as it was sent', async () => {
    await putJson('/streams/exact', { partitions: 1 });
    const payload = '{"id":9007199254740993,"rate":0.1234567890123456789}';
    const send = (body: string, type: string) =>
      call('/streams/exact/events', { method: 'POST', body, headers: { 'content-type': type } });
    await send(`[{"type":"A","payload":${payload}}]`, 'application/json');
    await send(`{"type": "A", "payload": ${payload}}`, 'application/x-ndjson');
    const text = await (await call('/streams/exact/events')).text();
    expect(text.split(`"payload":${payload}`)).toHaveLength(3);
    const refused = await send('[{"type":"A","payload":1e400}]', 'application/json');
    expect((await problemOf(refused)).errors[0]?.path).toBe('[0]');
  });
});

describe('Content-Encoding', () => {
  const packed = async (text: string): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(
      await new Response(
        new Blob([text]).stream().pipeThrough(new CompressionStream('gzip')),
      ).arrayBuffer(),
    );
  const send = (path: string, body: BodyInit, encoding: string, type = 'application/json') =>
    call(path, {
      method: 'POST',
      body,
      headers: { 'content-type': type, 'content-encoding': encoding },
    });

  it('gzip is unpacked, of JSON and of NDJSON', async () => {
    await putJson('/streams/packed', { partitions: 1 });
    const one = await send('/streams/packed/events', await packed('{"type":"A"}'), 'gzip');
    const lines = await packed('{"type":"B"}\n{"type":"C"}\n');
    const two = await send('/streams/packed/events', lines, 'X-GZIP', 'application/x-ndjson');
    expect([one.status, two.status]).toEqual([202, 202]);
    const page = await (
      await call('/streams/packed/events')
    ).json<{ events: { type: string }[] }>();
    expect(page.events.map(({ type }) => type)).toEqual(['A', 'B', 'C']);
    const spec = { kind: 'mapreduce', mappers: 'edge', input: { inline: 'x' }, code: PROGRAM };
    expect((await send('/jobs', await packed(JSON.stringify(spec)), 'gzip')).status).toBe(201);
  });

  it('has the bound of what is unpacked; damage and other encodings are told', async () => {
    const bomb = await packed(' '.repeat(JSON_BODY_MAX_BYTES + 1));
    expect(bomb.length).toBeLessThan(JSON_BODY_MAX_BYTES / 100);
    expect((await problemOf(await send('/jobs', bomb, 'gzip'))).code).toBe('too_large');
    const cut = (await packed('{"kind":"dag"}')).slice(0, -1);
    const problem = await problemOf(await send('/jobs', cut, 'gzip'));
    expect(problem).toMatchObject({ code: 'invalid_request' });
    expect(problem.detail).toContain('gzip');
    for (const encoding of ['br', 'deflate', 'gzip, gzip']) {
      const refused = await send('/jobs', '{}', encoding);
      expect(refused.headers.get('accept-encoding')).toBe('gzip');
      expect(await problemOf(refused)).toMatchObject({ status: 415, code: 'unsupported_encoding' });
    }
  });
});
