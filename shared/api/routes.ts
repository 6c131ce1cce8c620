// Where every operation of the REST contract lies: its method, its path, what goes in and what comes out.
// Without zod, so that the client carries nothing else. What an operation means stands in the file of its resource.

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: `/api/${string}`;
  /** What is sent; nothing unless said. */
  readonly body?: 'json' | 'bytes';
  /** What the client hands on: parsed JSON, or nothing, unless said. */
  readonly answer?: 'raw' | 'live' | 'socket';
}

export const ROUTES = {
  datasets: {
    list: { method: 'GET', path: '/api/datasets' },
    put: { method: 'PUT', path: '/api/datasets/:name', body: 'bytes' },
    get: { method: 'GET', path: '/api/datasets/:name' },
    delete: { method: 'DELETE', path: '/api/datasets/:name' },
    bytes: { method: 'GET', path: '/api/datasets/:name/bytes', answer: 'raw' },
    putPart: { method: 'POST', path: '/api/datasets/:name/parts', body: 'bytes' },
    parts: { method: 'GET', path: '/api/datasets/:name/parts' },
    abortParts: { method: 'DELETE', path: '/api/datasets/:name/parts' },
    complete: { method: 'POST', path: '/api/datasets/:name/complete' },
  },
  jobs: {
    submit: { method: 'POST', path: '/api/jobs', body: 'json' },
    list: { method: 'GET', path: '/api/jobs' },
    get: { method: 'GET', path: '/api/jobs/:id' },
    delete: { method: 'DELETE', path: '/api/jobs/:id' },
    result: { method: 'GET', path: '/api/jobs/:id/result', answer: 'raw' },
    top: { method: 'GET', path: '/api/jobs/:id/result/top' },
    tasks: { method: 'GET', path: '/api/jobs/:id/tasks' },
    events: { method: 'GET', path: '/api/jobs/:id/events' },
    follow: { method: 'GET', path: '/api/jobs/:id/events/live', answer: 'live' },
    cancel: { method: 'POST', path: '/api/jobs/:id/cancel' },
    retry: { method: 'POST', path: '/api/jobs/:id/retry' },
    step: { method: 'GET', path: '/api/jobs/:id/steps/:step' },
    items: { method: 'GET', path: '/api/jobs/:id/steps/:step/items' },
    signal: { method: 'POST', path: '/api/jobs/:id/signals/:name', body: 'json' },
  },
  streams: {
    list: { method: 'GET', path: '/api/streams' },
    put: { method: 'PUT', path: '/api/streams/:name', body: 'json' },
    get: { method: 'GET', path: '/api/streams/:name' },
    delete: { method: 'DELETE', path: '/api/streams/:name' },
    append: { method: 'POST', path: '/api/streams/:name/events', body: 'json' },
    events: { method: 'GET', path: '/api/streams/:name/events' },
    follow: { method: 'GET', path: '/api/streams/:name/events/live', answer: 'live' },
  },
  claims: {
    store: { method: 'POST', path: '/api/claims', body: 'bytes' },
    bytes: { method: 'GET', path: '/api/claims/:token', answer: 'raw' },
  },
  processors: {
    list: { method: 'GET', path: '/api/processors' },
    put: { method: 'PUT', path: '/api/processors/:name', body: 'json' },
    get: { method: 'GET', path: '/api/processors/:name' },
    delete: { method: 'DELETE', path: '/api/processors/:name' },
    pause: { method: 'POST', path: '/api/processors/:name/pause' },
    resume: { method: 'POST', path: '/api/processors/:name/resume' },
    replay: { method: 'POST', path: '/api/processors/:name/replay', body: 'json' },
    drain: { method: 'POST', path: '/api/processors/:name/drain' },
    batches: { method: 'GET', path: '/api/processors/:name/batches' },
    states: { method: 'GET', path: '/api/processors/:name/state' },
    state: { method: 'GET', path: '/api/processors/:name/state/:key' },
    waiting: { method: 'GET', path: '/api/processors/:name/waiting' },
    windows: { method: 'GET', path: '/api/processors/:name/windows' },
    late: { method: 'GET', path: '/api/processors/:name/late' },
    deadLetters: { method: 'GET', path: '/api/processors/:name/dead-letters' },
    redrive: {
      method: 'POST',
      path: '/api/processors/:name/dead-letters/redrive',
      body: 'json',
    },
  },
  users: {
    // Before the users: it is no user's id.
    faults: { method: 'GET', path: '/api/services/users/_faults' },
    setFaults: { method: 'PUT', path: '/api/services/users/_faults', body: 'json' },
    get: { method: 'GET', path: '/api/services/users/:id' },
    put: { method: 'PUT', path: '/api/services/users/:id', body: 'json' },
  },
  schedules: {
    list: { method: 'GET', path: '/api/schedules' },
    put: { method: 'PUT', path: '/api/schedules/:name', body: 'json' },
    get: { method: 'GET', path: '/api/schedules/:name' },
    delete: { method: 'DELETE', path: '/api/schedules/:name' },
    run: { method: 'POST', path: '/api/schedules/:name/run' },
    pause: { method: 'POST', path: '/api/schedules/:name/pause' },
    resume: { method: 'POST', path: '/api/schedules/:name/resume' },
  },
  swarm: {
    health: { method: 'GET', path: '/api/health' },
    now: { method: 'GET', path: '/api/swarm' },
    volunteers: { method: 'GET', path: '/api/volunteers' },
    socket: { method: 'GET', path: '/api/volunteer', answer: 'socket' },
  },
  leases: {
    input: { method: 'GET', path: '/api/leases/:lease/input', answer: 'raw' },
    program: { method: 'GET', path: '/api/leases/:lease/program', answer: 'raw' },
    output: { method: 'PUT', path: '/api/leases/:lease/output', body: 'bytes' },
  },
  docs: {
    openapi: { method: 'GET', path: '/api/openapi.json' },
    page: { method: 'GET', path: '/api/docs', answer: 'raw' },
  },
} as const satisfies Record<string, Record<string, Route>>;

export type Routes = typeof ROUTES;
