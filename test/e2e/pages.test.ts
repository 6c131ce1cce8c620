// Every page in both colour schemes and at both ends of width, against a real edge with a real job: no
// error in the console, nothing that axe finds, nothing wider than the window. Then the way of a newcomer:
// a template, a dry run, a job, its result.
import { beforeAll, expect, test } from 'vitest';
import { generateLog } from '../../worker/local/log-generator.ts';
import { HITS_PER_PAGE } from '../../worker/local/hits-per-page.ts';
import { openVolunteer } from '../../worker/local/volunteers.ts';
import type { LentBrowser } from '../../worker/local/volunteers.ts';
import { waitFor, waitForVolunteers } from '../support/jobs.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { LOOKS, takePicture, Visitor } from '../support/visit.ts';

const MIB = 1024 * 1024;

const edge = edgeOfFile();
const browser = await browserOfFile();
const visitor = new Visitor(browser, edge);
let lent: LentBrowser;
/** One that is done and one that failed, by page name. */
const jobs = { done: '', failed: '' };

beforeAll(async () => {
  await edge.client.datasets.put('access.log', generateLog({ bytes: 8 * MIB }));
  lent = await openVolunteer(browser, edge.url);
  await waitForVolunteers(edge.client, 1);
  const done = await edge.client.jobs.submit({
    kind: 'mapreduce',
    name: 'page hits',
    input: { dataset: 'access.log' },
    code: HITS_PER_PAGE,
    splitBytes: 256 * 1024,
  });
  const failed = await edge.client.jobs.submit({
    kind: 'mapreduce',
    name: 'a program that throws',
    input: { inline: 'one\ntwo\n' },
    code: 'export function map(line) {\n  throw new Error(`cannot read ${line}`)\n}',
  });
  await waitFor(edge.client, done.id, 'done');
  await waitFor(edge.client, failed.id, 'failed');
  Object.assign(jobs, { done: done.id, failed: failed.id });
});

visitor.looksRight([
  { name: 'home', path: () => '/', looks: LOOKS },
  { name: 'jobs', path: () => '/jobs', looks: LOOKS },
  { name: 'new-job', path: () => '/jobs/new?template=page-hits', looks: LOOKS },
  { name: 'job-done', path: () => `/jobs/${jobs.done}`, looks: LOOKS },
  { name: 'job-failed', path: () => `/jobs/${jobs.failed}`, looks: LOOKS },
  { name: 'volunteer', path: () => '/volunteer', looks: LOOKS },
  { name: 'not-found', path: () => '/no/such/page', looks: LOOKS },
  // The documentation is one very long page.
  { name: 'api-docs', path: () => '/api/docs' },
]);

test('a dry run shows what comes out, before anything is submitted', async () => {
  await visitor.visit('/jobs/new?template=page-hits', async (page) => {
    await page.getByRole('button', { name: /dry run/i }).click();
    await page.getByRole('heading', { name: /emitted by map/i }).waitFor();
    await page.getByRole('textbox', { name: 'Program' }).evaluate((editor) => {
      window.scrollTo(0, editor.getBoundingClientRect().top + window.scrollY - 120);
    });
    await takePicture(page, 'new-job');
  });
});

test('a template is tried on its first records, then submitted, and its result is shown', async () => {
  await visitor.visit('/jobs/new?template=mandelbrot', async (page) => {
    await page.getByRole('button', { name: /dry run/i }).click();
    // Rows are the keys: the first of them comes out of this tab's sandbox, before anything is submitted.
    await page.getByText('00000', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: /^(submit|run)/i }).click();
    await page.waitForURL(/\/jobs\/(?!new)/);
    const id = page.url().split('/').at(-1) ?? '';
    const job = await waitFor(edge.client, id, 'done');
    expect(job.counters.keysOut).toBe(600);
    const picture = page.getByRole('img', { name: /mandelbrot|picture/i });
    await picture.waitFor();
    await picture.scrollIntoViewIfNeeded();
    await takePicture(page, 'mandelbrot');
  });
});

test('a job is watched while two browsers map it', async () => {
  const second = await openVolunteer(browser, edge.url);
  await waitForVolunteers(edge.client, 2);
  const { id } = await edge.client.jobs.submit({
    kind: 'mapreduce',
    name: 'page hits, slowly',
    input: { dataset: 'access.log' },
    // Slow by work, so that there is a middle to be watched.
    code: HITS_PER_PAGE.replace(') {\n', ') {\n  for (let i = 0; i < 150_000; i++) ctx.params;\n'),
    splitBytes: Math.ceil((8 * MIB) / 48),
  });
  await visitor.visit(`/jobs/${id}`, async (page) => {
    await page
      .getByText(/^(1[6-9]|[23]\d) \/ 48/)
      .first()
      .waitFor();
    await takePicture(page, 'job');
    // The one who lends sees what runs.
    await lent.page.getByText('page hits, slowly').first().waitFor();
    await takePicture(lent.page, 'volunteer');
    await page.getByText('48 / 48').first().waitFor();
    await page.getByRole('heading', { name: 'Result' }).waitFor();
  });
  await second.context.close();
});

test('a dry run of a program that throws shows the error and submits nothing', async () => {
  const before = await edge.client.jobs.list();
  await visitor.visit('/jobs/new?template=word-count', async (page) => {
    const editor = page.getByRole('textbox', { name: /program|code/i });
    await editor.fill("export function map(line) { throw new Error('not today') }");
    await page.getByRole('button', { name: /dry run/i }).click();
    await page
      .getByText(/not today/)
      .first()
      .waitFor();
    const after = await edge.client.jobs.list();
    expect(after.items.length).toBe(before.items.length);
  });
});
