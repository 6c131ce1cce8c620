// The REST contract, typed by the shared schemas, one function a call. Every failure is an ApiProblem with
// a stable code, also when the edge cannot be reached. Types only: the edge validates, the page trusts it.
import { UPLOAD_PART_BYTES } from '../../shared/limits.ts';
import type { Json, List } from '../../shared/schemas/common.ts';
import type { DagJob, DagSpecInput, StepDetail, StepItem } from '../../shared/schemas/dag.ts';
import type { Dataset, UploadedPart } from '../../shared/schemas/dataset.ts';
import type {
  Job,
  JobEvent,
  JobState,
  MapReduceSpecInput,
  ResultRecord,
  Task,
} from '../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../shared/schemas/jobs.ts';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { Problem } from '../../shared/schemas/problem.ts';
import type {
  Batch,
  DeadLetter,
  KeyedState,
  LateEvent,
  OpenEventWindow,
  Processor,
  ProcessorSpecInput,
  ProcessorSummary,
  RedriveBody,
  StateEntry,
  WaitingKey,
} from '../../shared/schemas/processor.ts';
import type { Schedule, ScheduleRun, ScheduleSpecInput } from '../../shared/schemas/schedule.ts';
import type { Faults, User } from '../../shared/schemas/service.ts';
import type {
  Appended,
  EventInput,
  EventsPage,
  Stream,
  StreamPoint,
  StreamSpec,
} from '../../shared/schemas/stream.ts';
import type { Swarm, Volunteer } from '../../shared/schemas/swarm.ts';
import { token } from './token.svelte.ts';

/** What the edge refused and why; `problem.status` 0 = it was not reached at all. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** Anything thrown, as a problem that can be shown. */
export function asProblem(error: unknown): Problem {
  if (error instanceof ApiProblem) return error.problem;
  return {
    type: 'about:blank',
    title: 'Something broke in this page',
    status: 0,
    detail: error instanceof Error ? error.message : String(error),
    code: 'internal',
    errors: [],
  };
}

const UNREACHED: Problem = {
  type: 'about:blank',
  title: 'The edge does not answer',
  status: 0,
  detail: 'No answer from this address. Is the server running, and this device online?',
  code: 'unavailable',
  errors: [],
};

type Query = Record<string, string | number | boolean | undefined>;

function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

function authorization(): Record<string, string> {
  return token.value ? { authorization: `Bearer ${token.value}` } : {};
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const body: unknown = await response.json().catch(() => null);
  return new ApiProblem(toProblem(response.status, body));
}

function toProblem(status: number, body: unknown): Problem {
  if (status === 401) token.refused();
  const said = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>;
  return {
    type: said.type ?? 'about:blank',
    title: said.title ?? 'The edge gave no reason',
    status,
    detail: said.detail ?? `HTTP status ${status}.`,
    code: said.code ?? (status >= 500 ? 'internal' : 'invalid_request'),
    errors: said.errors ?? [],
  };
}

/** A request with this browser's token. Resolves with a response that is `ok`, throws ApiProblem otherwise. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiProblem(UNREACHED);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function json<Body>(path: string, init?: RequestInit): Promise<Body> {
  return (await request(path, init)).json() as Promise<Body>;
}

function post<Body>(path: string, body?: unknown): Promise<Body> {
  if (body === undefined) return json<Body>(path, { method: 'POST' });
  const headers = { 'content-type': 'application/json' };
  return json<Body>(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function put<Body>(path: string, body: unknown): Promise<Body> {
  const headers = { 'content-type': 'application/json' };
  return json<Body>(path, { method: 'PUT', headers, body: JSON.stringify(body) });
}

async function remove(path: string): Promise<void> {
  await request(path, { method: 'DELETE' });
}

/** Any call of the contract, for pages that show what they ask. Null for an answer without a body. */
export async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const response = await request(path, {
    method,
    ...(body === undefined ? {} : { headers, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}

const jobPath = (id: string, rest = '') => `/api/jobs/${encodeURIComponent(id)}${rest}`;
const datasetPath = (name: string, rest = '') => `/api/datasets/${encodeURIComponent(name)}${rest}`;

export type ResultFormat = 'ndjson' | 'csv';
export type ResultOrder = 'partition' | 'key';
export interface Page {
  limit?: number;
  cursor?: string;
}

export const jobs = {
  /** Of both kinds. */
  list: (query: Page & { state?: JobState } = {}) =>
    json<List<AnyJobSummary>>(withQuery('/api/jobs', { ...query })),
  get: (id: string) => json<Job>(jobPath(id)),
  submit: (spec: MapReduceSpecInput) => post<Job>('/api/jobs', spec),
  cancel: (id: string) => post<Job>(jobPath(id, '/cancel')),
  retry: (id: string) => post<Job>(jobPath(id, '/retry')),
  async forget(id: string): Promise<void> {
    await request(jobPath(id), { method: 'DELETE' });
  },
  tasks: (id: string, page: Page = {}) =>
    json<List<Task>>(withQuery(jobPath(id, '/tasks'), { ...page })),
  events: (id: string, page: Page = {}) =>
    json<List<JobEvent>>(withQuery(jobPath(id, '/events'), { ...page })),
  top: (id: string, query: { n?: number; by?: 'value' | 'key'; direction?: 'desc' | 'asc' } = {}) =>
    json<ResultRecord[]>(withQuery(jobPath(id, '/result/top'), { ...query })),
  /** The streamed result, to be read line by line or saved (see download.ts). */
  result: (id: string, format: ResultFormat, order: ResultOrder, signal?: AbortSignal) =>
    request(resultUrl(id, format, order), signal ? { signal } : {}),
};

export function resultUrl(id: string, format: ResultFormat, order: ResultOrder): string {
  return withQuery(jobPath(id, '/result'), { format, order });
}

const stepPath = (id: string, step: string, rest = '') =>
  jobPath(id, `/steps/${encodeURIComponent(step)}${rest}`);

/** Runs of DAG jobs: jobs of another kind, under the same addresses. */
export const runs = {
  get: (id: string) => json<DagJob>(jobPath(id)),
  submit: (spec: DagSpecInput) => post<DagJob>('/api/jobs', spec),
  cancel: (id: string) => post<DagJob>(jobPath(id, '/cancel')),
  retry: (id: string) => post<DagJob>(jobPath(id, '/retry')),
  forget: (id: string) => remove(jobPath(id)),
  /** With the attempts of the step, or of one of its items. */
  step: (id: string, step: string, item?: number) =>
    json<StepDetail>(withQuery(stepPath(id, step), { item })),
  items: (id: string, step: string, page: Page = {}) =>
    json<List<StepItem>>(withQuery(stepPath(id, step, '/items'), { ...page })),
  async signal(id: string, name: string, body: Json): Promise<void> {
    await request(jobPath(id, `/signals/${encodeURIComponent(name)}`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  },
  resultPath: (id: string) => jobPath(id, '/result'),
};

/** Fraction 0…1 of the bytes that have left this browser. */
export type OnUpload = (fraction: number) => void;

/** Past this a file goes in parts: each can be tried again, and no body meets the platform's 100 MB. */
const WHOLE_UPLOAD_MAX_BYTES = 8 * UPLOAD_PART_BYTES;
const PART_TRIES = 3;

export const datasets = {
  list: (page: Page = {}) => json<List<Dataset>>(withQuery('/api/datasets', { ...page })),
  get: (name: string) => json<Dataset>(datasetPath(name)),
  async upload(name: string, file: Blob, onUpload: OnUpload = () => {}): Promise<Dataset> {
    if (file.size <= WHOLE_UPLOAD_MAX_BYTES)
      return send<Dataset>('PUT', datasetPath(name), file, (bytes) =>
        onUpload(file.size === 0 ? 1 : bytes / file.size),
      );
    await forgetParts(name);
    const parts = Math.ceil(file.size / UPLOAD_PART_BYTES);
    for (let part = 1; part <= parts; part++) {
      const start = (part - 1) * UPLOAD_PART_BYTES;
      const body = file.slice(start, start + UPLOAD_PART_BYTES);
      await sendPart(datasetPath(name, `/parts?part=${part}`), body, (bytes) =>
        onUpload((start + bytes) / file.size),
      );
    }
    return post<Dataset>(datasetPath(name, '/complete'));
  },
  /** The first bytes, by a range request; fewer when the dataset is smaller. */
  async sample(name: string, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const response = await request(datasetPath(name, '/bytes'), {
        headers: { range: `bytes=0-${bytes - 1}` },
        cache: 'no-store',
      });
      return new Uint8Array(await response.arrayBuffer()).subarray(0, bytes);
    } catch (error) {
      // An empty dataset has no first byte to ask for.
      if (error instanceof ApiProblem && error.problem.status === 416) return new Uint8Array();
      throw error;
    }
  },
};

/** Parts of an upload that was left half-way, perhaps of another file, must not become part of this one. */
async function forgetParts(name: string): Promise<void> {
  try {
    await request(datasetPath(name, '/parts'), { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof ApiProblem && error.problem.status === 404)) throw error;
  }
}

async function sendPart(path: string, body: Blob, onBytes: (bytes: number) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await send<UploadedPart>('POST', path, body, onBytes);
      return;
    } catch (error) {
      const status = error instanceof ApiProblem ? error.problem.status : 0;
      const worthAnother = status === 0 || status === 429 || status >= 500;
      if (!worthAnother || attempt === PART_TRIES) throw error;
    }
  }
}

/** XMLHttpRequest, because fetch does not tell how much of a body has left. */
function send<Body>(
  method: 'PUT' | 'POST',
  path: string,
  body: Blob,
  onBytes: (bytes: number) => void,
): Promise<Body> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, path);
    xhr.responseType = 'json';
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    xhr.setRequestHeader('content-type', body.type || 'application/octet-stream');
    xhr.upload.onprogress = (event) => onBytes(event.loaded);
    xhr.onerror = () => reject(new ApiProblem(UNREACHED));
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) {
        onBytes(body.size);
        resolve(xhr.response as Body);
      } else reject(new ApiProblem(toProblem(xhr.status, xhr.response)));
    };
    xhr.send(body);
  });
}

const streamPath = (name: string, rest = '') => `/api/streams/${encodeURIComponent(name)}${rest}`;
const processorPath = (name: string, rest = '') =>
  `/api/processors/${encodeURIComponent(name)}${rest}`;
const servicePath = (user: string) => `/api/services/users/${encodeURIComponent(user)}`;

export interface EventsQuery {
  partition?: number;
  from?: number | 'earliest' | 'latest';
  limit?: number;
  resolve?: boolean;
}

export const streams = {
  list: (page: Page = {}) => json<List<Stream>>(withQuery('/api/streams', { ...page })),
  get: (name: string) => json<Stream>(streamPath(name)),
  put: (name: string, spec: StreamSpec) => put<Stream>(streamPath(name), spec),
  remove: (name: string) => remove(streamPath(name)),
  publish: (name: string, events: EventInput | EventInput[]) =>
    post<Appended>(streamPath(name, '/events'), events),
  /** Events as NDJSON text, one a line. */
  publishLines: (name: string, lines: string) =>
    json<Appended>(streamPath(name, '/events'), {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines,
    }),
  events: (name: string, query: EventsQuery = {}) =>
    json<EventsPage>(withQuery(streamPath(name, '/events'), { ...query })),
  livePath: (name: string) => streamPath(name, '/events/live'),
};

export const processors = {
  list: (page: Page = {}) =>
    json<List<ProcessorSummary>>(withQuery('/api/processors', { ...page })),
  get: (name: string) => json<Processor>(processorPath(name)),
  put: (name: string, spec: ProcessorSpecInput) => put<Processor>(processorPath(name), spec),
  pause: (name: string) => post<Processor>(processorPath(name, '/pause')),
  resume: (name: string) => post<Processor>(processorPath(name, '/resume')),
  replay: (name: string, from: StreamPoint) =>
    post<Processor>(processorPath(name, '/replay'), { from }),
  drain: (name: string) => post<Processor>(processorPath(name, '/drain')),
  batches: (name: string, page: Page = {}) =>
    json<List<Batch>>(withQuery(processorPath(name, '/batches'), { ...page })),
  deadLetters: (name: string, page: Page = {}) =>
    json<List<DeadLetter>>(withQuery(processorPath(name, '/dead-letters'), { ...page })),
  /** What is kept under one key: its state, what waits under it, or its windows; and how fresh that is. */
  state: (name: string, key: string) =>
    json<KeyedState>(processorPath(name, `/state/${encodeURIComponent(key)}`)),
  states: (name: string, query: Page & { prefix?: string } = {}) =>
    json<List<StateEntry>>(withQuery(processorPath(name, '/state'), { ...query })),
  /** All states, a line a key, to be saved (see download.ts). */
  statesPath: (name: string, prefix = '') =>
    withQuery(processorPath(name, '/state'), { format: 'ndjson', prefix: prefix || undefined }),
  waiting: (name: string, query: Page & { missing?: string } = {}) =>
    json<List<WaitingKey>>(withQuery(processorPath(name, '/waiting'), { ...query })),
  windows: (name: string, page: Page = {}) =>
    json<List<OpenEventWindow>>(withQuery(processorPath(name, '/windows'), { ...page })),
  late: (name: string, page: Page = {}) =>
    json<List<LateEvent>>(withQuery(processorPath(name, '/late'), { ...page })),
  redrive: (name: string, body: RedriveBody) =>
    post<{ redriven: number }>(processorPath(name, '/dead-letters/redrive'), body),
  remove: (name: string) => remove(processorPath(name)),
};

export const claims = {
  upload: (file: Blob, onUpload: OnUpload = () => {}) =>
    send<Claim>('POST', '/api/claims', file, (bytes) =>
      onUpload(file.size === 0 ? 1 : bytes / file.size),
    ),
  path: (token: string) => `/api/claims/${encodeURIComponent(token)}`,
};

const schedulePath = (name: string, rest = '') =>
  `/api/schedules/${encodeURIComponent(name)}${rest}`;

export const schedules = {
  list: (page: Page = {}) => json<List<Schedule>>(withQuery('/api/schedules', { ...page })),
  get: (name: string) => json<Schedule>(schedulePath(name)),
  put: (name: string, spec: ScheduleSpecInput) => put<Schedule>(schedulePath(name), spec),
  run: (name: string) => post<ScheduleRun>(schedulePath(name, '/run')),
  pause: (name: string) => post<Schedule>(schedulePath(name, '/pause')),
  resume: (name: string) => post<Schedule>(schedulePath(name, '/resume')),
  remove: (name: string) => remove(schedulePath(name)),
};

/** The playground's own User Service. */
export const users = {
  get: (id: string) => json<User>(servicePath(id)),
  put: (id: string, user: { name?: string; email: string }) => put<User>(servicePath(id), user),
  faults: () => json<Faults>('/api/services/users/_faults'),
  setFaults: (faults: Faults) => put<Faults>('/api/services/users/_faults', faults),
};

export const swarm = () => json<Swarm>('/api/swarm');
export const volunteers = (page: Page = {}) =>
  json<List<Volunteer>>(withQuery('/api/volunteers', { ...page }));

export const api = {
  jobs,
  runs,
  datasets,
  streams,
  processors,
  claims,
  schedules,
  users,
  swarm,
  volunteers,
  resultUrl,
};
export type { Json };
