// Which page each address shows: its file, loaded when somebody goes there, its title, and where it belongs in the top bar.
// Addresses and links are in lib/routes.ts, which pages import; this file imports the pages.
import type { Component } from 'svelte';
import type { Match, Params, RouteName } from './lib/routes.ts';

export type Section = 'jobs' | 'streams' | 'patterns' | 'schedules' | 'volunteer';

interface Page<Props extends Record<string, string>> {
  load: () => Promise<{ default: Component<Props> }>;
  /** Of the window. A page that knows more says so itself when it has it. */
  title: string | ((params: Props) => string);
  section: Section | null;
}

const page = <Props extends Record<string, string>>(
  load: Page<Props>['load'],
  title: Page<Props>['title'],
  section: Section | null,
): Page<Props> => ({ load, title, section });

const PAGES: { [Route in RouteName]: Page<Params<Route>> } = {
  home: page(
    () => import('./features/home/Home.svelte'),
    'Manyhands: jobs done by every browser that lends a core',
    null,
  ),
  jobs: page(() => import('./features/jobs/list/JobsPage.svelte'), 'Jobs', 'jobs'),
  newJob: page(() => import('./features/jobs/new/NewJobPage.svelte'), 'New job', 'jobs'),
  job: page(() => import('./features/jobs/JobPage.svelte'), 'Job', 'jobs'),
  streams: page(() => import('./features/streams/list/StreamsPage.svelte'), 'Streams', 'streams'),
  stream: page(
    () => import('./features/streams/detail/StreamPage.svelte'),
    ({ name }) => `${name} · Stream`,
    'streams',
  ),
  processors: page(
    () => import('./features/processors/list/ProcessorsPage.svelte'),
    'Processors',
    'streams',
  ),
  newProcessor: page(
    () => import('./features/processors/form/NewProcessor.svelte'),
    'New processor',
    'streams',
  ),
  processor: page(
    () => import('./features/processors/detail/ProcessorPage.svelte'),
    ({ name }) => `${name} · Processor`,
    'streams',
  ),
  schedules: page(
    () => import('./features/schedules/list/SchedulesPage.svelte'),
    'Schedules',
    'schedules',
  ),
  newSchedule: page(
    () => import('./features/schedules/form/NewSchedule.svelte'),
    'New schedule',
    'schedules',
  ),
  schedule: page(
    () => import('./features/schedules/detail/SchedulePage.svelte'),
    ({ name }) => `${name} · Schedule`,
    'schedules',
  ),
  patterns: page(() => import('./features/patterns/PatternsPage.svelte'), 'Patterns', 'patterns'),
  pattern: page(() => import('./features/patterns/PatternPage.svelte'), 'Patterns', 'patterns'),
  volunteer: page(
    () => import('./features/volunteer/VolunteerPage.svelte'),
    'Volunteer',
    'volunteer',
  ),
};

/** All that any address says; each page takes its own. */
type AnyParams = Params<RouteName>;

export interface Screen {
  load: () => Promise<{ default: Component<AnyParams> }>;
  params: AnyParams;
  title: string;
  /** Two addresses of one page are two screens when this differs: nothing of the first may remain. */
  key: string;
}

/** Null: there is no such page. */
export function screenOf({ route, params }: Match): Screen | null {
  if (route === 'notFound') return null;
  const page: Page<AnyParams> = PAGES[route];
  const given = params as AnyParams;
  const title = typeof page.title === 'string' ? page.title : page.title(given);
  return {
    load: page.load,
    params: given,
    title: route === 'home' ? title : `${title} · Manyhands`,
    key: JSON.stringify([route, params]),
  };
}

export const sectionOf = (route: Match['route']): Section | null =>
  route === 'notFound' ? null : PAGES[route].section;
