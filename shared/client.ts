// The client of the REST contract, for pages, Node 20 and Workers: `import { createClient } from 'manyhands/client'`.
//
//   const client = createClient('http://localhost:8787', { token: 'secret' });
//   await client.datasets.upload('access.log', file, { onProgress: (bytes) => show(bytes) });
//   const { id } = await client.jobs.submit({ kind: 'mapreduce', input: { dataset: 'access.log' }, code });
//   for await (const { data } of client.jobs.follow(id)) console.log(data.type);
//   const job = await client.jobs.waitFor(id);
//   for await (const { key, value } of client.jobs.records(id, { order: 'key' })) console.log(key, value);
//
// Its calls are made from the table of routes and typed by the schemas of the operations; nothing is validated
// here, so no schema is loaded. Whatever fails throws an ApiProblem; an aborted call throws its signal's reason.
import { UPLOAD_PART_BYTES } from './limits.ts';
import { type Calls, callsOf } from './client/calls.ts';
import { type ClientOptions, Http } from './client/http.ts';
import { chunks } from './client/live.ts';
import { ApiProblem } from './client/problem.ts';
import type { OnProgress } from './client/upload.ts';
import type { Json, List } from './schemas/common.ts';
import type { JobState, ResultRecord } from './schemas/job.ts';
import type { AnyJob, JobSpecInput } from './schemas/jobs.ts';
import type { StateEntry } from './schemas/processor.ts';
import type { Appended } from './schemas/stream.ts';

export type { ClientOptions, Fetch } from './client/http.ts';
export type { LiveMessage, LiveOptions } from './client/live.ts';
export type { Bytes, OnProgress } from './client/upload.ts';
export { ApiProblem };

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** Past this a file goes in parts: each can be tried again, and no body meets the platform's 100 MB. */
const WHOLE_UPLOAD_MAX_BYTES = 8 * UPLOAD_PART_BYTES;
const PART_TRIES = 3;
const PAGE_ITEMS = 500;

export const ENDED: ReadonlySet<JobState> = new Set(['done', 'failed', 'cancelled']);

export type Client = ReturnType<typeof createClient>;

export function createClient(url: string, options: ClientOptions = {}) {
  const http = new Http(url, options);
  const calls = callsOf(http);
  const { datasets, jobs, processors, streams } = calls;

  return {
    ...calls,
    url: http.url,
    /** Any request, with the client's token; throws ApiProblem. */
    request: http.request.bind(http),
    /** Any call by its method and path: JSON in, JSON out; undefined for an answer without a body. */
    call: (method: string, path: string, body?: unknown, { signal }: CallOptions = {}) =>
      http.json(path, { method, ...(signal && { signal }) }, body),
    datasets: {
      ...datasets,
      /** As one body, or in parts when it is large. */
      async upload(name: string, file: Blob, { signal, onProgress }: UploadOptions = {}) {
        if (file.size <= WHOLE_UPLOAD_MAX_BYTES) {
          return datasets.put(name, file, { signal, onProgress });
        }
        await abortParts(calls, name, signal);
        for (let part = 1, start = 0; start < file.size; part++, start += UPLOAD_PART_BYTES) {
          const body = file.slice(start, start + UPLOAD_PART_BYTES, file.type);
          await triedOften(() =>
            datasets.putPart(name, body, {
              part,
              signal,
              onProgress: onProgress && ((bytes) => onProgress(start + bytes)),
            }),
          );
        }
        return datasets.complete(name, { signal });
      },
    },
    jobs: {
      ...jobs,
      submit: jobs.submit as SubmitOf & Pick<typeof jobs.submit, 'url'>,
      /** Throws for a job of another kind. */
      mapReduce: async (id: string, { signal }: CallOptions = {}) =>
        ofKind(await jobs.get(id, { signal }), 'mapreduce'),
      /** Throws for a job of another kind. */
      dag: async (id: string, { signal }: CallOptions = {}) =>
        ofKind(await jobs.get(id, { signal }), 'dag'),
      /** The job once it has ended, however it did. */
      async waitFor(job: string | { id: string }, { signal }: CallOptions = {}): Promise<AnyJob> {
        const id = typeof job === 'string' ? job : job.id;
        const events = jobs.follow(id, { signal });
        while (!(await events.next()).done);
        return jobs.get(id, { signal });
      },
      /** The result of a MapReduce job, record by record. */
      async *records(id: string, more: { order?: 'partition' | 'key' } & CallOptions = {}) {
        yield* ndjson<ResultRecord>(await jobs.result(id, more));
      },
      /** The result of a DAG job: the outputs by step. */
      outputs: async (id: string, { signal }: CallOptions = {}): Promise<Record<string, Json>> =>
        (await jobs.result(id, { signal })).json() as Promise<Record<string, Json>>,
    },
    processors: {
      ...processors,
      /** All states, each as it is when it is read. */
      async *exportStates(name: string, more: { prefix?: string } & CallOptions = {}) {
        const { signal, ...query } = more;
        const url = processors.states.url(name, { ...query, format: 'ndjson' });
        yield* ndjson<StateEntry>(await http.request(http.pathOf(url), signal && { signal }));
      },
    },
    streams: {
      ...streams,
      /** Events as NDJSON text, one a line. */
      async appendLines(name: string, lines: string, more: CallOptions = {}): Promise<Appended> {
        const headers = { 'content-type': 'application/x-ndjson' };
        return (await http.send(http.pathOf(streams.append.url(name)), {
          method: 'POST',
          headers,
          body: lines,
          ...(more.signal && { signal: more.signal }),
        })) as Appended;
      },
    },
  };
}

export interface UploadOptions extends CallOptions {
  onProgress?: OnProgress | undefined;
}

function ofKind<Kind extends AnyJob['kind']>(job: AnyJob, kind: Kind) {
  if (job.kind !== kind) throw new TypeError(`the job ${job.id} is of the kind ${job.kind}`);
  return job as Extract<AnyJob, { kind: Kind }>;
}

/** A job of the kind that was submitted. */
type SubmitOf = <Spec extends JobSpecInput>(
  spec: Spec,
  options?: CallOptions & { headers?: { 'idempotency-key'?: string } },
) => Promise<Extract<AnyJob, { kind: Spec['kind'] }>>;

/** Parts of an upload that was left half-way, perhaps of another file, must not become part of this one. */
async function abortParts({ datasets }: Calls, name: string, signal?: AbortSignal): Promise<void> {
  try {
    await datasets.abortParts(name, { signal });
  } catch (error) {
    if (!(error instanceof ApiProblem && error.problem.status === 404)) throw error;
  }
}

async function triedOften(send: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await send();
      return;
    } catch (error) {
      const mayPass = error instanceof ApiProblem && error.isPassing;
      if (!mayPass || tries === PART_TRIES) throw error;
    }
  }
}

/** Every item of a list, page by page: `listAll((page) => client.jobs.tasks(id, page))`. */
export async function listAll<Item>(
  ask: (page: { limit: number; cursor?: string }) => Promise<List<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let page = await ask({ limit: PAGE_ITEMS });
  items.push(...page.items);
  while (page.next !== null) {
    page = await ask({ limit: PAGE_ITEMS, cursor: page.next });
    items.push(...page.items);
  }
  return items;
}

/** The lines of an answer, each parsed, as they come. */
export async function* ndjson<Value>(answer: Response): AsyncGenerator<Value, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of chunks(answer)) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield JSON.parse(line) as Value;
  }
  if (rest !== '') yield JSON.parse(rest) as Value;
}
