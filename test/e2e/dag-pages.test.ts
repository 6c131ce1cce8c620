// The page of a run of a DAG, against a real edge: every kind of step is on it, a step shows what it was given and came
// to, a signal is sent from it, what failed is tried again; and a thousand steps stay something to look at.
import type { Locator, Page } from 'playwright-core';
import { beforeAll, expect, test, vi } from 'vitest';
import type { DagJob, DagSpecInput } from '../../shared/schemas/dag.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { expectFit, NARROW, takePicture, Visitor } from '../support/visit.ts';

const WAIT = { timeout: 30_000, interval: 50 };

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);

const submit = async (name: string, steps: DagSpecInput['steps'], input: DagSpecInput['input']) =>
  (await edge.client.jobs.submit({ kind: 'dag', name, input, steps })).id;
const runOf = (id: string) => edge.client.jobs.dag(id);
const ends = (id: string, state: DagJob['state']) =>
  vi.waitFor(async () => expect((await runOf(id)).state).toBe(state), WAIT);
const edgeStep = (code: string, needs: string[] = []) => ({ run: 'edge' as const, code, needs });

/** One step of each kind, and something of each kind that comes out of one. */
const PRODUCT: DagSpecInput['steps'] = {
  uploaded: { run: 'wait', stream: 'products', types: ['Uploaded'], key: 'input.product' },
  video: {
    ...edgeStep(
      `export default async ({ item }, ctx) => {
  ctx.log('frame', item, 'of', ctx.step)
  return { frame: item * 2 }
}`,
      ['uploaded'],
    ),
    forEach: 'input.frames',
    concurrency: 2,
  },
  image: {
    ...edgeStep(
      `export default (input, ctx) => {
  if (ctx.attempt === 1) throw new Error('the canvas is wet')
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="40"><rect width="64" height="40" fill="teal"/></svg>'
  return { bytes: new TextEncoder().encode(svg), contentType: 'image/svg+xml' }
}`,
      ['uploaded'],
    ),
    retry: { maxAttempts: 3, baseMs: 1, maxMs: 2 },
  },
  caption: {
    run: 'volunteer',
    code: 'export default ({ input }) => input.product.toUpperCase()',
  },
  words: {
    run: 'mapreduce',
    job: {
      input: { inline: 'a lamp, a light' },
      code: 'export function map(line, emit) { for (const w of line.split(/\\W+/)) emit(w, 1) }\nexport const reduce = "sum"',
      mappers: 'edge',
    },
  },
  gift: { ...edgeStep('export default () => "wrapped"'), when: 'input.gift' },
  dry: { run: 'sleep', ms: 10, needs: ['image'] },
  approve: { run: 'wait', signal: 'approve', needs: ['video', 'image'] },
  product: edgeStep(
    'export default ({ input, steps }) => ({ id: input.product, by: steps.approve.by, caption: steps.caption })',
    ['approve', 'dry', 'caption', 'words'],
  ),
};

beforeAll(async () => {
  await edge.client.streams.put('products', { partitions: 1 });
});

const graphOf = (page: Page): Locator => page.getByRole('group', { name: 'Steps of this run' });
const node = (page: Page, words: RegExp): Locator =>
  graphOf(page).getByRole('button', { name: words });

test('a run is watched to its end: steps open, a signal is sent, what comes out is on the page', async () => {
  const id = await submit('product upload', PRODUCT, {
    product: 'p1',
    frames: [1, 2, 3],
    gift: false,
  });
  await edge.client.streams.append('products', {
    type: 'Uploaded',
    key: 'p1',
    payload: {},
  });
  await visitor.visit(`/jobs/${id}`, async (page) => {
    await node(page, /^approve .*running/).waitFor();
    await node(page, /^image edge step .*done.*2 attempts/).waitFor();
    await node(page, /^video edge step, for each item .*done.*3\/3/).waitFor();
    await node(page, /^gift .*skipped/).waitFor();
    await node(page, /^caption volunteer step .*done/).waitFor();
    await node(page, /^words MapReduce step .*done/).waitFor();
    await expectFit(page);
    await takePicture(page, 'dag');

    await node(page, /^image/).click();
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('img', { name: 'image' }).waitFor();
    await drawer.getByText('the canvas is wet').first().waitFor();
    await drawer.getByRole('button', { name: 'line 2:' }).click();
    await drawer.getByText('export default (input, ctx)').waitFor();
    await expectFit(page);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });

    await page.goto(`${edge.url}/jobs/${id}?step=video`);
    await drawer.getByText('3 of 3 done').waitFor();
    await drawer.getByRole('button', { name: /^1 done/ }).click();
    await drawer.getByText('frame 2 of video').first().waitFor();
    await page.keyboard.press('Escape');

    await page.getByRole('button', { name: 'Send approve' }).click();
    const body = drawer.getByLabel('JSON of the signal approve');
    await body.fill('{"by":');
    await drawer.getByRole('button', { name: 'Send the signal' }).click();
    await drawer.getByRole('alert').waitFor();
    await body.fill('{"by":"ann"}');
    await drawer.getByRole('button', { name: 'Send the signal' }).click();
    await drawer.getByRole('region', { name: 'Output of approve' }).getByText('"ann"').waitFor();
    await page.keyboard.press('Escape');

    const outputs = page.getByRole('region', { name: 'Output of product' });
    await outputs.getByText('"ann"').waitFor();
    await outputs.getByText('"P1"', { exact: true }).waitFor();
    await page.getByText('The run is done.').waitFor();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'All as JSON' }).click();
    expect((await saved).suggestedFilename()).toBe(`${id}.json`);
  });
  await visitor.visit(
    `/jobs/${id}`,
    async (page) => {
      await page.getByRole('region', { name: 'Output of product' }).waitFor();
      await expectFit(page);
    },
    NARROW,
  );
});

test('what failed says why and is tried again from the page; a run that goes on is cancelled and deleted', async () => {
  const id = await submit(
    'flaky',
    {
      once: edgeStep('export default () => 1'),
      twice: edgeStep(
        'export default (input, ctx) => { if (ctx.attempt < 2) throw new Error("not yet") }',
        ['once'],
      ),
      hold: { run: 'wait', signal: 'go', needs: ['twice'] },
    },
    null,
  );
  await ends(id, 'failed');
  await visitor.visit(
    `/jobs/${id}`,
    async (page) => {
      await page.getByRole('alert').getByText('Error: not yet', { exact: true }).waitFor();
      await node(page, /^hold .*cancelled/).waitFor();
      await expectFit(page);
      await page.getByRole('button', { name: 'Retry' }).click();
      await page.getByRole('button', { name: 'Send go' }).waitFor();
      expect((await runOf(id)).steps['once']?.attempts).toBe(1);

      await page.getByRole('button', { name: 'Cancel' }).click();
      await node(page, /^hold .*cancelled/).waitFor();
      await page.getByRole('button', { name: 'Delete' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
      await page.waitForURL(/\/jobs$/);
      await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    },
    NARROW,
  );
  await expect(runOf(id)).rejects.toMatchObject({ problem: { code: 'not_found' } });
});

test('a thousand steps are three boxes, and each one can be found', async () => {
  const middle = Array.from({ length: 998 }, (_, i) => `part-${i}`);
  const one = edgeStep('export default () => 1', ['begin']);
  const id = await submit(
    'thousand',
    {
      begin: edgeStep('export default () => 0'),
      ...Object.fromEntries(middle.map((name) => [name, one])),
      end: edgeStep('export default ({ steps }) => Object.keys(steps).length', middle),
    },
    null,
  );
  await visitor.visit(`/jobs/${id}`, async (page) => {
    await node(page, /^998 steps of level 2 .*998 done/).waitFor();
    expect(await graphOf(page).getByRole('button').count()).toBe(3);
    await page.getByRole('region', { name: 'Output of end' }).getByText('998').waitFor();
    await node(page, /^998 steps/).click();
    await page.getByRole('dialog').getByRole('searchbox').fill('part-997');
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^part-997/ })
      .click();
    await page.getByRole('dialog').getByRole('heading', { name: 'part-997' }).waitFor();
    await page.keyboard.press('Escape');

    // Rows out of sight are not drawn, and keys get there all the same.
    const chart = page.getByRole('group', { name: 'Steps over time' });
    await chart.getByRole('button', { name: /^begin/ }).focus();
    await page.keyboard.press('End');
    await vi.waitFor(async () => {
      expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/^\s*end/);
    }, WAIT);
    expect(await chart.getByRole('button').count()).toBeLessThan(50);
  });
});
