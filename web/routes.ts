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

const PAGES: { [Route in RouteName]: Page<Params<Route>> } = {
  home: {
    load: () => import('./features/home/Home.svelte'),
    title: 'Manyhands: jobs done by every browser that lends a core',
    section: null,
  },
  jobs: {
    load: () => import('./features/jobs/list/JobsPage.svelte'),
    title: 'Jobs',
    section: 'jobs',
  },
  newJob: {
    load: () => import('./features/jobs/new/NewJobPage.svelte'),
    title: 'New job',
    section: 'jobs',
  },
  job: {
    load: () => import('./features/jobs/JobPage.svelte'),
    title: 'Job',
    section: 'jobs',
  },
  streams: {
    load: () => import('./features/streams/list/StreamsPage.svelte'),
    title: 'Streams',
    section: 'streams',
  },
  stream: {
    load: () => import('./features/streams/detail/StreamPage.svelte'),
    title: ({ name }) => `${name} · Stream`,
    section: 'streams',
  },
  processors: {
    load: () => import('./features/processors/list/ProcessorsPage.svelte'),
    title: 'Processors',
    section: 'streams',
  },
  newProcessor: {
    load: () => import('./features/processors/form/NewProcessor.svelte'),
    title: 'New processor',
    section: 'streams',
  },
  processor: {
    load: () => import('./features/processors/detail/ProcessorPage.svelte'),
    title: ({ name }) => `${name} · Processor`,
    section: 'streams',
  },
  schedules: {
    load: () => import('./features/schedules/list/SchedulesPage.svelte'),
    title: 'Schedules',
    section: 'schedules',
  },
  newSchedule: {
    load: () => import('./features/schedules/form/NewSchedule.svelte'),
    title: 'New schedule',
    section: 'schedules',
  },
  schedule: {
    load: () => import('./features/schedules/detail/SchedulePage.svelte'),
    title: ({ name }) => `${name} · Schedule`,
    section: 'schedules',
  },
  patterns: {
    load: () => import('./features/patterns/PatternsPage.svelte'),
    title: 'Patterns',
    section: 'patterns',
  },
  pattern: {
    load: () => import('./features/patterns/PatternPage.svelte'),
    title: 'Patterns',
    section: 'patterns',
  },
  volunteer: {
    load: () => import('./features/volunteer/VolunteerPage.svelte'),
    title: 'Volunteer',
    section: 'volunteer',
  },
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
