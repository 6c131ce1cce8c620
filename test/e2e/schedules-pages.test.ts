// The pages of schedules and of the pattern that replays a day by one, as somebody uses them, against a real edge.
import { describe, expect, test } from 'vitest';
import { books, button, PATIENCE, patternPages } from '../support/pattern-pages.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { takePicture, Visitor } from '../support/visit.ts';

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);
const { looksRight, withExample, processor } = patternPages(edge, visitor);

describe('before anything is set up', () => {
  looksRight([
    ['schedules', '/schedules'],
    ['new schedule', '/schedules/new'],
  ]);
});

test('kappa: the day is replayed as a job, and better code takes over by a replay', async () => {
  await withExample('kappa', async (page) => {
    await button(page, 'Place 200').click();
    await books(page, '200 came in: 200 done, 0 dead letters, 0 waiting');
    await button(page, 'Run the replay now').click();
    await page.getByLabel('Revenue by category').getByText('kitchen').waitFor(PATIENCE);
    const { runs } = await edge.client.schedules.get('dashboard');
    expect(runs).toMatchObject([{ state: 'done', manual: true }]);
    expect((await edge.client.jobs.mapReduce(runs[0]?.job ?? '')).counters.recordsIn).toBe(200);

    await button(page, 'Put in better code').click();
    await button(page, 'The better code is in').waitFor();
    const { version } = await processor('recommendation');
    await button(page, 'Replay from the beginning').click();
    await page
      .getByText(`Version ${version + 1} serves: it was rebuilt from 200 events`)
      .waitFor(PATIENCE);
    await books(page, '200 came in: 200 done, 0 dead letters, 0 waiting');
    await page
      .getByText(`v${version + 1}`, { exact: true })
      .first()
      .waitFor();
    await takePicture(page, 'kappa');
  });
});

test('a schedule is written with a live preview, run, paused and deleted', async () => {
  await visitor.visit('/schedules/new', async (page, errors) => {
    const cron = page.getByLabel('Cron pattern');
    await cron.fill('often');
    await page.getByText(/five, six, or seven space separated parts/).waitFor();
    await cron.fill('30 4 * * MON');
    await page.getByText('At 04:30, only on Monday').waitFor();
    await button(page, 'Create schedule').click();
    await page.getByText('give it a name').waitFor();
    await page.getByLabel('Name').fill('weekly');
    await page.getByLabel('Stream').fill('nowhere');
    await button(page, 'Create schedule').click();
    await page
      .getByText(/there is no stream nowhere/)
      .first()
      .waitFor();
    // The browser itself logs the answer that was meant to come.
    expect(errors.splice(0)).toMatchObject([expect.stringContaining('404')]);
    await page.getByLabel('Stream').fill('orders');
    await button(page, 'Create schedule').click();
    await page.waitForURL(/\/schedules\/weekly$/);

    await button(page, 'Run now').click();
    await page
      .getByRole('region', { name: 'Table of runs' })
      .getByText('done', { exact: true })
      .waitFor(PATIENCE);
    await page.getByRole('img', { name: 'The last 1 run: 1 done' }).waitFor();
    await button(page, 'Pause').click();
    await page.getByText(/^Paused: nothing runs/).waitFor();
    await button(page, 'Resume').click();
    await page
      .getByText(/^Monday 04:30/)
      .or(page.getByText(/^(today|tomorrow) 04:30/))
      .first()
      .waitFor();
    await button(page, 'Delete').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await page.waitForURL(/\/schedules$/);
    const { items } = await edge.client.schedules.list();
    expect(items.map(({ name }) => name)).toEqual(['dashboard']);
  });
});

describe('when everything is set up', () => {
  looksRight([
    ['kappa', '/patterns/kappa'],
    ['schedules', '/schedules'],
    ['schedule', '/schedules/dashboard'],
  ]);
});

test('taking an example down leaves nothing of it', async () => {
  await visitor.visit('/patterns/kappa', async (page) => {
    await page.getByText('The example is set up').click();
    await button(page, 'Take it down').click();
    await page.getByRole('heading', { name: 'Set up this example' }).waitFor();
    const { schedules, processors, streams } = edge.client;
    const namesThere = async () => {
      const lists = await Promise.all([schedules.list(), processors.list(), streams.list()]);
      return lists.flatMap(({ items }) => items.map(({ name }) => name));
    };
    // The page shows the beginning again when the first of them is gone.
    const taken = ['dashboard', 'recommendation', 'orders', 'recommendations'];
    await expect
      .poll(async () => (await namesThere()).filter((name) => taken.includes(name)), PATIENCE)
      .toEqual([]);
  });
});
