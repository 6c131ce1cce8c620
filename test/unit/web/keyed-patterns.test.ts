// The pages of stateful workers, joins and windows: what they say of a mail's way, draw of event time, and encode.
import { describe, expect, test } from 'vitest';
import type { LateEvent, OpenEventWindow } from '../../../shared/schemas/processor.ts';
import type { StreamEvent } from '../../../shared/schemas/stream.ts';
import { fillOf } from '../../../web/features/patterns/model/drum.ts';
import { writeAnimation } from '../../../web/features/patterns/encoders/animated-webp.ts';
import { fitBox, fitWidth, panAt } from '../../../web/features/patterns/encoders/sizes.ts';
import { productCard } from '../../../web/features/patterns/model/product-card.ts';
import {
  type Delivery,
  tallyOf,
  type Trial,
  verdictOf,
  whyOf,
} from '../../../web/features/patterns/model/staleness.ts';
import {
  boxesOf,
  closedBoxes,
  dotsOf,
  openBoxes,
  place,
  ticksOf,
} from '../../../web/features/patterns/model/timeline.ts';

const OLD = 'ada+1@example.com';
const NEW = 'ada+2@example.com';

const sent = (to: string, atMs: number, offset?: number): Delivery => ({
  state: 'sent',
  to,
  tookMs: 80,
  atMs,
  update: offset === undefined ? null : { partition: 0, offset },
});
const trial = (more: Partial<Trial>): Trial => ({
  mail: 'm',
  userId: 'u1',
  name: 'Ada',
  startedMs: 0,
  newAddress: NEW,
  change: 'stored',
  applied: { place: { partition: 0, offset: 4 }, atMs: 112 },
  fromStore: { state: 'underway' },
  byAsking: { state: 'underway' },
  ...more,
});

describe('a mail sent while its address changes', () => {
  test('went to the old mailbox when the store did not know better, and it says why', () => {
    const stale = trial({ fromStore: sent(OLD, 100, 3), byAsking: sent(NEW, 105) });
    expect(verdictOf(stale, 'fromStore')).toBe('old');
    expect(whyOf(stale, 'fromStore')).toBe(
      'the store knew users/0 offset 3; the change is offset 4, applied 12 ms later',
    );
    expect(verdictOf(stale, 'byAsking')).toBe('new');
    expect(whyOf(stale, 'byAsking')).toBe('the service had the change when it was asked');
  });

  test('says that the change has not arrived while it has not', () => {
    const stale = trial({ applied: null, fromStore: sent(OLD, 100, 3) });
    expect(whyOf(stale, 'fromStore')).toContain('the change has not reached it yet');
  });

  test('never claims that the change came before a mail that it did not reach', () => {
    const applied = { place: { partition: 0, offset: 4 }, atMs: 90 };
    const stale = trial({ applied, fromStore: sent(OLD, 100, 3) });
    expect(whyOf(stale, 'fromStore')).toContain('applied right after');
  });

  test('went to the new one when the change was faster', () => {
    const fresh = trial({ fromStore: sent(NEW, 120, 4) });
    expect(verdictOf(fresh, 'fromStore')).toBe('new');
    expect(whyOf(fresh, 'fromStore')).toBe(
      'the change, users/0 offset 4, was in the store already',
    );
  });

  test('can reach the old one by asking too, when it was asked first', () => {
    const early = trial({ byAsking: sent(OLD, 90) });
    expect(verdictOf(early, 'byAsking')).toBe('old');
    expect(whyOf(early, 'byAsking')).toContain('before it had stored the change');
  });

  test('is neither when the change was refused or none was made', () => {
    const refused = trial({ change: 'refused', fromStore: sent(OLD, 100, 3) });
    expect(verdictOf(refused, 'fromStore')).toBe('sent');
    const only = trial({ newAddress: null, change: 'none', fromStore: sent(OLD, 100, 3) });
    expect(whyOf(only, 'fromStore')).toBe('it knew users/0 offset 3, and asked nobody');
  });

  test('is counted once at each mailer', () => {
    const trials = [
      trial({ fromStore: sent(OLD, 1, 3), byAsking: { state: 'dead' } }),
      trial({ fromStore: sent(NEW, 1, 4), byAsking: sent(NEW, 1) }),
      trial({}),
    ];
    expect(tallyOf(trials, 'fromStore')).toEqual({
      old: 1,
      new: 1,
      underway: 1,
      sent: 0,
      dead: 0,
      medianMs: 80,
    });
    expect(tallyOf(trials, 'byAsking')).toMatchObject({ new: 1, underway: 1, dead: 1 });
    expect(tallyOf([], 'byAsking').medianMs).toBeNull();
  });
});

describe('event time as a picture', () => {
  const span = { fromMs: 10_000, toMs: 20_000 };
  const iso = (ms: number) => new Date(ms).toISOString();
  const views = (fromMs: number, toMs: number, count: number) => ({
    key: '/',
    payload: { start: iso(fromMs), end: iso(toMs), views: count },
  });
  const open: OpenEventWindow = {
    key: '/',
    start: iso(14_000),
    end: iso(16_000),
    closesAt: iso(17_000),
    events: 2,
    bytes: 10,
  };

  test('what lies outside is drawn at the edge that it lies beyond', () => {
    expect(place(15_000, span)).toEqual({ at: 0.5, beyond: null });
    expect(place(5_000, span)).toEqual({ at: 0, beyond: 'left' });
    expect(place(99_000, span)).toEqual({ at: 1, beyond: 'right' });
  });

  test('windows that closed are told by their outputs; those out of sight are left out', () => {
    const visit = {
      key: 'ada',
      payload: { start: iso(12_000), end: iso(13_000), pages: ['/', '/'] },
    };
    const boxes = closedBoxes([views(1_000, 2_000, 9), views(9_000, 11_000, 5), visit], span);
    expect(boxes.map(({ lane, events }) => [lane, events])).toEqual([
      ['/', 5],
      ['ada', 2],
    ]);
  });

  test('a window that has just closed is drawn once, as closed', () => {
    const boxes = boxesOf(openBoxes([open], span), closedBoxes([views(14_000, 16_000, 3)], span));
    expect(boxes).toMatchObject([{ state: 'closed', events: 3 }]);
    expect(boxesOf(openBoxes([open], span), [])).toMatchObject([{ state: 'open', events: 2 }]);
  });

  test('a click that came too late is marked with the reason', () => {
    const click = (id: string, ms: number): StreamEvent => ({
      id,
      partition: 0,
      offset: 0,
      type: 'Click',
      key: 'ada',
      time: iso(ms),
    });
    const late: LateEvent = {
      event: click('b', 1_000),
      stream: 'clicks',
      key: '/',
      reason: 'closed',
      at: iso(15_000),
    };
    const dots = dotsOf([click('a', 15_000), click('b', 1_000)], () => '/', [late]);
    expect(dots.map((dot) => [dot.id, dot.timeMs, dot.late])).toEqual([
      ['a', 15_000, null],
      ['b', 1_000, 'closed'],
    ]);
  });

  test('the axis is marked at whole steps', () => {
    expect(ticksOf({ fromMs: 10_500, toMs: 31_000 }, 10_000)).toEqual([20_000, 30_000]);
  });
});

describe('encoders', () => {
  test('make pictures no larger than the original, and keep their shape', () => {
    expect(fitWidth({ width: 1_200, height: 900 }, 480)).toEqual({ width: 480, height: 360 });
    expect(fitWidth({ width: 100, height: 50 }, 480)).toEqual({ width: 100, height: 50 });
    expect(fitWidth({ width: 4_000, height: 1 }, 160)).toEqual({ width: 160, height: 1 });
    expect(fitBox({ width: 1_201, height: 300 }, { width: 640, height: 480 })).toEqual({
      width: 640,
      height: 158,
    });
  });

  test('pan within the picture, from its left to its right', () => {
    const size = { width: 1_000, height: 800 };
    for (const moment of [0, 0.25, 0.5, 1]) {
      const { x, y, width, height } = panAt(size, moment);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + width).toBeLessThanOrEqual(1_000.001);
      expect(y + height).toBeLessThanOrEqual(800.001);
    }
    expect(panAt(size, 1).x).toBeGreaterThan(panAt(size, 0).x);
  });

  /** A picture of one pixel: RIFF, and one VP8L chunk of an odd size, with its padding. */
  const still = (pixel: number) =>
    Uint8Array.of(
      ...[0x52, 0x49, 0x46, 0x46, 18, 0, 0, 0, 0x57, 0x45, 0x42, 0x50],
      ...[0x56, 0x50, 0x38, 0x4c, 5, 0, 0, 0, 0x2f, 0, 0, 0, pixel, 0],
    );

  test('put still pictures into one file that says how long it is', () => {
    const frames = [1, 2, 3].map((pixel) => ({ webp: still(pixel), durationMs: 125 }));
    const file = writeAnimation(frames, { width: 640, height: 480 });
    const view = new DataView(file.buffer);
    const text = new TextDecoder('latin1').decode(file);
    expect(view.getUint32(4, true)).toBe(file.length - 8);
    expect(text.slice(8, 16)).toBe('WEBPVP8X');
    expect(text.split('ANMF')).toHaveLength(4);
    expect(text.split('VP8L')).toHaveLength(4);
    const frame = text.indexOf('ANMF');
    // Size: 16 of its own and the picture's chunk. Then place, width and height less one, and how long it stays.
    expect(view.getUint32(frame + 4, true)).toBe(16 + 14);
    expect([...file.subarray(frame + 14, frame + 23)]).toEqual([0x7f, 2, 0, 0xdf, 1, 0, 125, 0, 0]);
  });

  test('refuse what is no WebP', () => {
    const frames = [{ webp: new Uint8Array(20), durationMs: 1 }];
    expect(() => writeAnimation(frames, { width: 1, height: 1 })).toThrow('no WebP');
  });
});

test('a product that timed out says what it had to do without', () => {
  const media = (width: number) => ({
    token: `t${width}`,
    bytes: 1,
    sha256: '',
    contentType: 'image/webp',
    width,
    height: width,
  });
  const payload = {
    productId: 'mug',
    original: null,
    images: [media(160), media(960)],
    clip: null,
  };
  expect(productCard({ key: 'mug', payload })).toMatchObject({
    id: 'mug',
    images: [{ width: 960 }, { width: 160 }],
    missing: ['the original', 'its clip'],
  });
});

test('a drum is empty without keys, seen with one, and never more than full', () => {
  expect(fillOf(0)).toBe(0);
  expect(fillOf(1)).toBeGreaterThan(0.05);
  expect(fillOf(8)).toBeGreaterThan(fillOf(1));
  expect(fillOf(1_000_000)).toBe(1);
});
