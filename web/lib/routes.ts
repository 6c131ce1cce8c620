// The addresses of the screens, the matching between them, and links made from them. Pure: the router holds the state, and
// ../routes.ts says which page each one shows.
export const PATHS = {
  home: '/',
  jobs: '/jobs',
  newJob: '/jobs/new',
  job: '/jobs/:id',
  streams: '/streams',
  stream: '/streams/:name',
  processors: '/processors',
  newProcessor: '/processors/new',
  processor: '/processors/:name',
  schedules: '/schedules',
  newSchedule: '/schedules/new',
  schedule: '/schedules/:name',
  patterns: '/patterns',
  pattern: '/patterns/:pattern',
  volunteer: '/volunteer',
} as const;

export type RouteName = keyof typeof PATHS;
export interface Match {
  route: RouteName | 'notFound';
  params: Record<string, string>;
}

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}` ? Name : never;
/** What the address of a screen says: `{id: string}` for a job's. */
export type Params<Route extends RouteName> = Record<ParamNames<(typeof PATHS)[Route]>, string>;
type Query = Record<string, string | undefined>;

/** The address of a screen: `href('job', {id})`, `href('newJob', {}, {from: id})`. */
export function href<Route extends RouteName>(
  route: Route,
  ...[params, query = {}]: [ParamNames<(typeof PATHS)[Route]>] extends [never]
    ? [params?: Record<string, never>, query?: Query]
    : [params: Params<Route>, query?: Query]
): string {
  const values: Record<string, string> = params ?? {};
  const path = PATHS[route].replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? ''),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.set(name, value);
  return search.size > 0 ? `${path}?${search}` : path;
}

/** First match wins: a fixed word stands before a parameter in PATHS. A slash at the end does not matter. */
export function matchRoute(path: string): Match {
  const segments = split(path);
  for (const [route, pattern] of Object.entries(PATHS) as [RouteName, string][]) {
    const params = matchSegments(split(pattern), segments);
    if (params) return { route, params };
  }
  return { route: 'notFound', params: {} };
}

function matchSegments(pattern: string[], segments: string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decode(segment);
    else if (part !== segment) return null;
  }
  return params;
}

function split(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a stray % is taken as it stands
  }
}
