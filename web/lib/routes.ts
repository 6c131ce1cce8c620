// The screens and their addresses, and the matching between them. Pure: the router holds the state.
export const ROUTES = {
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

export type RouteName = keyof typeof ROUTES;
export interface Match {
  route: RouteName | 'notFound';
  params: Record<string, string>;
}

/** First match wins: a fixed word stands before a parameter in ROUTES. A slash at the end does not matter. */
export function matchRoute(path: string): Match {
  const segments = split(path);
  for (const [route, pattern] of Object.entries(ROUTES) as [RouteName, string][]) {
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
