// The pages of processors that keep something by key, against a real edge: states and how fresh they are, what a
// join waits for, windows that are open and events that came too late; and the form that makes them.
import { beforeAll, expect, test, vi } from 'vitest';
import type { ProcessorSpecInput, StateEntry } from '../../shared/schemas/processor.ts';
import type { EventInput } from '../../shared/schemas/stream.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';
import { expectFit, NARROW, savedText, Visitor } from '../support/visit.ts';
import { TEMPLATES } from '../../web/features/processors/kinds/templates.ts';

const WAIT = { timeout: 60_000, interval: 100 };
const HOUR_MS = 3_600_000;

const edge = edgeOfFile();
const visitor = new Visitor(await browserOfFile(), edge);

const publish = (stream: string, events: EventInput[]) =>
  edge.client.streams.append(stream, events);
const put = (name: string, spec: ProcessorSpecInput) => edge.client.processors.put(name, spec);

const visits = (user: string, count: number): EventInput[] =>
  Array.from({ length: count }, () => ({ type: 'Visit', key: user, payload: { userId: user } }));
const part = (type: string, productId: string): EventInput => ({
  type,
  key: productId,
  payload: { productId, name: `Lamp ${productId}` },
});
/** An hour ago, so that its window is far from closing by anybody else's clock. */
const view = (page: string, afterMs: number): EventInput => ({
  type: 'View',
  key: 'views',
  time: new Date(Math.floor(Date.now() / HOUR_MS - 1) * HOUR_MS + afterMs).toISOString(),
  payload: { page },
});

beforeAll(async () => {
  for (const name of ['visits', 'products', 'created', 'views']) {
    await edge.client.streams.put(name, { partitions: name === 'visits' ? 2 : 1 });
  }
  await put('counter', {
    kind: 'stateful',
    stream: 'visits',
    keyBy: 'payload.userId',
    shards: 2,
    code: TEMPLATES.counter.code,
  });
  await put('catalogue', {
    kind: 'join',
    stream: 'products',
    output: 'created',
    keyBy: 'payload.productId',
    shards: 2,
    code: TEMPLATES.product.code,
    join: {
      types: ['ProductUploaded', 'ImageEncoded', 'VideoEncoded'],
      timeoutMs: HOUR_MS,
      onTimeout: 'emit-partial',
    },
  });
  await put('views', {
    kind: 'window',
    stream: 'views',
    keyBy: 'payload.page',
    shards: 2,
    code: TEMPLATES.views.code,
    window: { type: 'tumbling', sizeMs: 60_000, graceMs: 0, idleMs: HOUR_MS },
  });
  await Promise.all([
    publish(
      'visits',
      ['ann', 'bob', 'cy'].flatMap((user) => visits(user, 3)),
    ),
    publish('products', [
      part('ProductUploaded', 'p1'),
      part('ImageEncoded', 'p1'),
      part('ProductUploaded', 'p2'),
      part('ProductUploaded', 'p2'),
    ]),
    publish('views', [view('/home', 1_000), view('/home', 2_000), view('/home', 61_000)]),
  ]);
  await vi.waitFor(async () => {
    expect((await edge.client.processors.get('counter')).counters.processed).toBe(9);
    expect((await edge.client.processors.get('catalogue')).counters.late).toBe(1);
    expect((await edge.client.processors.windows('views')).items).toHaveLength(1);
  }, WAIT);
  await publish('views', [view('/home', 3_000)]);
  await vi.waitFor(async () => {
    expect((await edge.client.processors.late('views')).items).toHaveLength(1);
  }, WAIT);
});

const PAGES: [name: string, path: string, there: RegExp][] = [
  ['states', '/processors/counter?key=ann', /^applied \d of \d$/],
  ['a board of what waits', '/processors/catalogue?key=p1', /times out in/],
  ['open windows', '/processors/views?key=%2Fhome', /of event time to go/],
];
test.each(PAGES)('%s fit a phone, and axe finds nothing', async (_name, path, there) => {
  await visitor.visit(
    path,
    async (page) => {
      await page.getByText(there).first().waitFor();
      await expectFit(page);
    },
    NARROW,
  );
});

test('a state is found by its key, says what is not in it yet, and grows while one looks', async () => {
  await visitor.visit('/processors/counter', async (page) => {
    await page.getByRole('searchbox', { name: 'Key to find' }).fill('ann');
    await page.keyboard.press('Enter');
    await page.waitForURL(/key=ann/);
    const state = page.getByRole('region', { name: 'State of this key' });
    await state.getByText('"count": 3').waitFor();
    await page.getByText('Up to date: everything that was published is in it.').waitFor();

    await expectFit(page);

    await edge.client.processors.pause('counter');
    await publish('visits', visits('ann', 1));
    await page.getByText(/As of visits\/\d offset \d: 1 event is not in it yet\./).waitFor();
    await state.getByText('"count": 3').waitFor();
    await edge.client.processors.resume('counter');
    await state.getByText('"count": 4').waitFor();
    await page.getByText('Up to date').waitFor();

    const table = page.getByRole('region', { name: 'States by key' });
    await table.getByRole('button', { name: 'cy' }).click();
    await page.waitForURL(/key=cy/);
    await page.getByRole('searchbox', { name: /begin with/ }).fill('b');
    await page.waitForURL(/prefix=b/);
    await table.getByRole('button', { name: 'cy' }).waitFor({ state: 'detached' });
    const lines = await savedText(page, () =>
      page.getByRole('button', { name: 'Export these' }).click(),
    );
    const entry = JSON.parse(lines) as StateEntry;
    expect(entry).toMatchObject({ key: 'bob', state: { count: 3 } });
  });
});

test('the board says what waits for what, and a key leaves it when all has come', async () => {
  await visitor.visit('/processors/catalogue', async (page) => {
    const board = page.getByRole('list', { name: 'Keys that wait', exact: true });
    const key = (name: string) => board.getByRole('button', { name, exact: true });
    await page.getByRole('button', { name: /^ImageEncoded 1/ }).click();
    await page.waitForURL(/missing=ImageEncoded/);
    await key('p1').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Show all' }).click();
    await key('p1').click();
    await board.getByText('0:1').waitFor();
    await expectFit(page);

    await page.getByText('another event of its type waited under its key').waitFor();
    await publish('products', [part('VideoEncoded', 'p1')]);
    await key('p1').waitFor({ state: 'detached' });
    expect(await key('p2').count()).toBe(1);

    await page.getByRole('button', { name: 'Drain' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 waiting key').waitFor();
    await dialog.getByRole('button', { name: 'Drain' }).click();
    await page.getByText(/^Nothing waits\./).waitFor();
  });
  expect((await edge.client.processors.get('catalogue')).counters).toMatchObject({
    fired: 1,
    timedOut: 1,
  });
});

test('a late event says why it is late, and shows itself; a drain closes the windows', async () => {
  await visitor.visit('/processors/views', async (page) => {
    await page.getByText('every window that it belongs to had closed').waitFor();
    await page.getByRole('button', { name: 'View /home' }).click();
    await page.getByRole('region', { name: 'Payload' }).getByText('"page": "/home"').waitFor();
    await expectFit(page);
    await page.getByRole('button', { name: 'Drain' }).click();
    await page.getByText(/^No window is open\./).waitFor();
  });
});

test('the form refuses at the field, makes a processor by key, and keeps fixed what is fixed', async () => {
  await visitor.visit(
    '/processors/new?stream=visits',
    async (page) => {
      await page.getByText('On windows of event time').click();
      await page.getByRole('button', { name: 'Sessions' }).click();
      expect(await page.getByLabel('Key', { exact: true }).inputValue()).toBe('payload.userId');
      await page.getByText('When all types are there').click();
      await page.getByLabel('Name', { exact: true }).fill('pairs');
      await page.getByLabel('Joins these types').fill('Visit');
      await page.getByRole('button', { name: 'Create processor' }).click();
      await page.getByText('name two types or more').waitFor();
      await expectFit(page);

      await page.getByLabel('Joins these types').fill('Visit, Purchase');
      await page.getByLabel('Key', { exact: true }).fill('payload.userId');
      await page.getByRole('button', { name: 'Create processor' }).click();
      await page.waitForURL(/\/processors\/pairs$/);
      await page.getByText(/^Nothing waits\./).waitFor();

      await page.getByRole('button', { name: 'Edit' }).first().click();
      const shards = page.getByLabel('Shards');
      await shards.waitFor();
      expect(await shards.isDisabled()).toBe(true);
      expect(await page.getByLabel('Key', { exact: true }).isDisabled()).toBe(true);
      await page.getByLabel('Time-out, ms').fill('5000');
      await page.getByRole('button', { name: 'Save version 2' }).click();
      await page.getByText('version 2', { exact: true }).waitFor();
    },
    NARROW,
  );
  expect((await edge.client.processors.get('pairs')).spec).toMatchObject({
    kind: 'join',
    join: { types: ['Visit', 'Purchase'], timeoutMs: 5_000 },
  });
});
