// Volunteer steps in a real browser: a picture comes in as a claim, is decoded, drawn in three sizes and written as WebP
// in the sandbox of somebody who lends a core, and comes back as claims.
import { deflateSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import type { Claim } from '../../shared/schemas/claim.ts';
import type { DagJob, DagSpecInput } from '../../shared/schemas/dag.ts';
import { waitForVolunteers } from '../support/jobs.ts';
import { browserOfFile, edgeOfFile } from '../support/suite.ts';

const edge = edgeOfFile();
const browser = await browserOfFile();
let page: Page;

beforeAll(async () => {
  page = await browser.newPage();
  await page.goto(`${edge.url}/volunteer`);
  await page.getByRole('main').getByRole('button', { name: 'Start' }).click();
  await waitForVolunteers(edge.client, 1);
});

const runDag = async (spec: Omit<DagSpecInput, 'kind'>): Promise<DagJob> => {
  const { id } = await edge.client.jobs.submit({ kind: 'dag', ...spec });
  await edge.client.jobs.waitFor(id);
  return edge.client.jobs.dag(id);
};
const resultOf = async <Result>({ id }: DagJob) => (await edge.client.jobs.outputs(id)) as Result;
const bytesOf = async ({ token }: Claim) =>
  Buffer.from(await (await edge.client.claims.bytes(token)).arrayBuffer());

async function claimOf(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Claim> {
  return edge.client.claims.store(bytes, { contentType });
}

/** A PNG, red on its left half and blue on its right. */
function png(width: number, height: number): Uint8Array<ArrayBuffer> {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (1 + 3 * width) + 1 + 3 * x;
      rows.set(x < width / 2 ? [220, 20, 20] : [20, 20, 220], at);
    }
  }
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    framed.set(body, 4);
    framed.writeUInt32BE(crc32(body), body.length + 4);
    return framed;
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.of()),
  ];
  return new Uint8Array(Buffer.concat([signature, ...parts]));
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

interface Seen {
  width: number;
  height: number;
  left: number[];
  right: number[];
}

/** As another browser page sees it. */
const look = (bytes: Buffer, type: string): Promise<Seen> =>
  page.evaluate(
    async ([base64, type]) => {
      const data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([data], { type }));
      const { width, height } = picture;
      const context = new OffscreenCanvas(width, height).getContext('2d');
      if (!context) throw new Error('no canvas');
      context.drawImage(picture, 0, 0);
      const at = (x: number) => [...context.getImageData(x, height >> 1, 1, 1).data.slice(0, 3)];
      return { width, height, left: at(width >> 2), right: at(width - (width >> 2)) };
    },
    [bytes.toString('base64'), type] as const,
  );

const RESIZE = `export default async ({ input, item: width }, ctx) => {
  const bytes = await ctx.payload(input.picture);
  const picture = await createImageBitmap(new Blob([bytes], { type: input.picture.contentType }));
  const canvas = new OffscreenCanvas(width, Math.round((width * picture.height) / picture.width));
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  ctx.log(picture.width + ' to ' + width);
  return canvas.convertToBlob({ type: 'image/webp' });
}`;

test('a volunteer writes a picture as WebP in three sizes', async () => {
  const picture = await claimOf(png(640, 480), 'image/png');
  const widths = [320, 160, 80];
  const run = await runDag({
    name: 'thumbnails',
    input: { picture: { ...picture }, widths },
    steps: {
      resize: { run: 'volunteer', forEach: 'input.widths', code: RESIZE },
      total: {
        run: 'edge',
        needs: ['resize'],
        code: `export default async ({ steps }, ctx) => {
          const read = await Promise.all(steps.resize.map((claim) => ctx.payload(claim)));
          return read.map(({ length }) => length);
        }`,
      },
    },
  });
  expect(run).toMatchObject({ state: 'done', error: null });
  const { resize, total } = await resultOf<{ resize: Claim[]; total: number[] }>(run);
  expect(resize.map(({ contentType }) => contentType)).toEqual(Array(3).fill('image/webp'));
  expect(total).toEqual(resize.map(({ bytes }) => bytes));
  for (const [i, claim] of resize.entries()) {
    const bytes = await bytesOf(claim);
    expect(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 12)).toBe('RIFFWEBP');
    const { width, height, left, right } = await look(bytes, 'image/webp');
    expect([width, height]).toEqual([widths[i], (widths[i] as number) * 0.75]);
    // Lossy: about the colours that they were.
    expect(left.map((tone, n) => Math.abs(tone - ([220, 20, 20][n] as number)) < 30)).not.toContain(
      false,
    );
    expect(
      right.map((tone, n) => Math.abs(tone - ([20, 20, 220][n] as number)) < 30),
    ).not.toContain(false);
  }
  const job = await edge.client.jobs.get(run.steps['resize']?.job ?? '');
  expect(job).toMatchObject({
    name: 'thumbnails / resize',
    state: 'done',
    counters: { volunteerTasks: 3, edgeTasks: 0 },
  });
});

test('what a volunteer’s code throws is the step’s error, with its place', async () => {
  const run = await runDag({
    steps: {
      broken: {
        run: 'volunteer',
        code: `export default async () => {
          await createImageBitmap(new ImageData(1, 1));
          throw new Error('no such picture');
        }`,
      },
      after: { run: 'edge', needs: ['broken'], code: 'export default () => 1' },
    },
  });
  expect(run).toMatchObject({
    state: 'failed',
    steps: {
      broken: { state: 'failed', error: { code: 'program_threw', line: 3 } },
      after: { state: 'cancelled' },
    },
  });
  expect(run.steps['broken']?.error?.message).toContain('no such picture');
});

test('a run that is deleted takes its volunteers’ jobs along', async () => {
  const run = await runDag({
    steps: { one: { run: 'volunteer', code: 'export default () => new ImageData(2, 2).width' } },
  });
  expect(await resultOf(run)).toEqual({ one: 2 });
  const job = run.steps['one']?.job as string;
  expect((await edge.client.jobs.get(job)).state).toBe('done');
  await edge.client.jobs.delete(run.id);
  await expect
    .poll(() => edge.client.jobs.get(job).catch((error: unknown) => error))
    .toMatchObject({ problem: { code: 'not_found' } });
});
