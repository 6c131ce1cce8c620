// Addresses lead to screens.
import { expect, test } from 'vitest';
import { href, matchRoute } from '../../../web/lib/routes.ts';

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

test('a link leads to the screen and with the parameters that it was made of', () => {
  expect(matchRoute(href('job', { id: 'a/b c%' }))).toEqual({
    route: 'job',
    params: { id: 'a/b c%' },
  });
  expect(href('newJob')).toBe('/jobs/new');
  expect(href('newJob', {}, { kind: 'dag', from: 'run 1' })).toBe('/jobs/new?kind=dag&from=run+1');
  expect(href('newJob', {}, { kind: undefined })).toBe('/jobs/new');
});
