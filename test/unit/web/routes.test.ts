// Addresses lead to screens.
import { expect, test } from 'vitest';
import { matchRoute } from '../../../web/lib/routes.ts';

test.each([
  ['/', 'home', {}],
  ['/jobs', 'jobs', {}],
  ['/jobs/', 'jobs', {}],
  ['/jobs/new', 'newJob', {}],
  ['/jobs/job-1', 'job', { id: 'job-1' }],
  ['/jobs/a%20b', 'job', { id: 'a b' }],
  ['/jobs/%', 'job', { id: '%' }],
  ['/schedules', 'schedules', {}],
  ['/schedules/new', 'newSchedule', {}],
  ['/schedules/nightly', 'schedule', { name: 'nightly' }],
  ['/patterns', 'patterns', {}],
  ['/patterns/kappa', 'pattern', { pattern: 'kappa' }],
  ['/volunteer', 'volunteer', {}],
  ['/jobs/job-1/more', 'notFound', {}],
  ['/nowhere', 'notFound', {}],
])('%s is %s', (path, route, params) => expect(matchRoute(path)).toEqual({ route, params }));
