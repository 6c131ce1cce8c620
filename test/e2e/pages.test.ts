// Every page in both colour schemes and at both ends of width, against a real edge with a real job: no
// error in the console, nothing that axe finds, nothing wider than the window. Then the way of a newcomer:
// a template, a dry run, a job, its result.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateLog } from '../../worker/local/log-generator.ts';
import { HITS_PER_PAGE } from '../../worker/local/hits-per-page.ts';
import { openVolunteer } from '../../worker/local/volunteers.ts';
import type { LentBrowser } from '../../worker/local/volunteers.ts';
import { launchChromium } from '../support/chromium.ts';
import { startTestEdge } from '../support/edge.ts';
import type { TestEdge } from '../support/edge.ts';
import {
  DIAGONAL_LOOKS,
  LOOKS,
  overflowPx,
  takePicture,
  violations,
  visit,
} from '../support/visit.ts';
import { waitFor, waitForVolunteers } from '../support/jobs.ts';

const MIB = 1024 * 1024;
const WIDE = { scheme: 'light', width: 1280 } as const;

let browser: Browser;
let edge: TestEdge;
let lent: LentBrowser;
/** One that is done and one that failed, by page name. */
const jobs = { done: '', failed: '' };

beforeAll(async () => {
  [browser, edge] = await Promise.all([launchChromium(), startTestEdge()]);
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
afterAll(async () => {
  await browser?.close();
  await edge?.stop();
});

const PAGES: [name: string, path: () => string][] = [
  ['home', () => '/'],
  ['jobs', () => '/jobs'],
  ['new-job', () => '/jobs/new?template=page-hits'],
  ['job-done', () => `/jobs/${jobs.done}`],
  ['job-failed', () => `/jobs/${jobs.failed}`],
  ['volunteer', () => '/volunteer'],
  ['not-found', () => '/no/such/page'],
  ['api-docs', () => '/api/docs'],
];

describe.each(PAGES)('%s', (name, path) => {
  // The documentation is one very long page.
  test.each(name === 'api-docs' ? DIAGONAL_LOOKS : LOOKS)('$scheme at $width px', async (look) => {
    const { context, page, errors } = await visit(browser, `${edge.url}${path()}`, look);
    try {
      expect(await violations(page)).toEqual([]);
      expect(await overflowPx(page)).toBeLessThanOrEqual(0);
      expect(errors).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

test('a dry run shows what comes out, before anything is submitted', async () => {
  const address = `${edge.url}/jobs/new?template=page-hits`;
  const { context, page, errors } = await visit(browser, address, WIDE);
  try {
    await page.getByRole('button', { name: /dry run/i }).click();
    await page.getByRole('heading', { name: /emitted by map/i }).waitFor();
    await page.getByRole('textbox', { name: 'Program' }).evaluate((editor) => {
      window.scrollTo(0, editor.getBoundingClientRect().top + window.scrollY - 120);
    });
    await takePicture(page, 'new-job');
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
});

test('a template is tried on its first records, then submitted, and its result is shown', async () => {
  const { context, page, errors } = await visit(
    browser,
    `${edge.url}/jobs/new?template=mandelbrot`,
    WIDE,
  );
  try {
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
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
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
  const { context, page, errors } = await visit(browser, `${edge.url}/jobs/${id}`, WIDE);
  try {
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
    expect(errors).toEqual([]);
  } finally {
    await context.close();
    await second.context.close();
  }
});

test('a dry run of a program that throws shows the error and submits nothing', async () => {
  const before = await edge.client.jobs.list();
  const { context, page } = await visit(browser, `${edge.url}/jobs/new?template=word-count`, WIDE);
  try {
    const editor = page.getByRole('textbox', { name: /program|code/i });
    await editor.fill("export function map(line) { throw new Error('not today') }");
    await page.getByRole('button', { name: /dry run/i }).click();
    await page
      .getByText(/not today/)
      .first()
      .waitFor();
    const after = await edge.client.jobs.list();
    expect(after.items.length).toBe(before.items.length);
  } finally {
    await context.close();
  }
});
