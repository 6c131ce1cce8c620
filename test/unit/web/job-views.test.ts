// Pure positioning and reading on the job page: the split grid, the task stream, pictures, bars, lines.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Job } from '../../../shared/schemas/job.ts';
import { cellState } from '../../../web/features/jobs/mapreduce/cell-state.ts';
import { eventText } from '../../../web/lib/jobs/event-text.ts';
import {
  cellAfterKey,
  cellAt,
  cellPlace,
  layoutGrid,
} from '../../../web/features/jobs/mapreduce/grid-layout.ts';
import { JobModel } from '../../../web/features/jobs/mapreduce/job-model.ts';
import { layoutLanes } from '../../../web/features/jobs/mapreduce/lane-layout.ts';
import { timeTicks } from '../../../web/lib/time-ticks.ts';
import { Picture, pictureWidth } from '../../../web/features/jobs/mapreduce/picture.ts';
import { barsOf, piOf } from '../../../web/features/jobs/mapreduce/result-shape.ts';
import { ThroughputSeries } from '../../../web/features/jobs/mapreduce/throughput-series.ts';
import { stagesOf } from '../../../web/features/jobs/mapreduce/stages.ts';

describe('split grid', () => {
  test('fits its width and height, covers every split, and finds each cell again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 60, max: 1_400 }),
        fc.nat(),
        (splits, width, pick) => {
          const layout = layoutGrid(splits, width, 336);
          expect(layout.width).toBeLessThanOrEqual(width);
          expect(layout.height).toBeLessThanOrEqual(336);
          expect(layout.cells * layout.perCell).toBeGreaterThanOrEqual(splits);
          expect((layout.cells - 1) * layout.perCell).toBeLessThan(splits);
          const cell = pick % layout.cells;
          const { x, y } = cellPlace(layout, cell);
          expect(cellAt(layout, x + layout.cell / 2, y + layout.cell / 2)).toBe(cell);
          for (const key of ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'Home', 'End']) {
            const to = cellAfterKey(layout, cell, key) ?? -1;
            expect(to).toBeGreaterThanOrEqual(0);
            expect(to).toBeLessThan(layout.cells);
          }
        },
      ),
    );
    expect(cellAfterKey(layoutGrid(9, 500, 336), 3, 'a')).toBeNull();
    expect(cellAt(layoutGrid(9, 500, 336), -1, 0)).toBeNull();
  });

  test('a cell that stands for several splits shows the loudest of their states', () => {
    const model = new JobModel();
    const time = '2026-11-24T10:00:00.000Z';
    const tasks = [0, 1, 2, 3].map((task) => [task, 1]);
    model.fold([
      { seq: 1, time, type: 'planned', splits: 8 },
      { seq: 2, time, type: 'granted', by: 'edge', tasks },
      {
        seq: 3,
        time,
        type: 'committed',
        by: 'edge',
        tasks: [
          [0, 1],
          [1, 1],
          [2, 1],
        ],
      },
      {
        seq: 4,
        time,
        type: 'attemptFailed',
        by: 'edge',
        task: 3,
        attempt: 1,
        error: { code: 'internal', message: 'x' },
      },
    ]);
    const layout = { ...layoutGrid(8, 300, 336), perCell: 2, cells: 4 };
    const states = [0, 1, 2, 3].map((cell) => cellState(model, layout, cell));
    expect(states).toEqual(['committed', 'retry', 'waiting', 'waiting']);
    const halves = { ...layout, perCell: 3 };
    expect(cellState(model, halves, 0)).toBe('committed');
  });
});

describe('task stream', () => {
  const ended = { attempt: 1, end: 'committed' as const };

  test('what ran at once lies in different rows, what followed in the same', () => {
    const { bars, rows } = layoutLanes(
      2,
      [
        { ...ended, task: 0, lane: 0, startMs: 0, endMs: 100 },
        { ...ended, task: 1, lane: 0, startMs: 10, endMs: 120 },
        { ...ended, task: 2, lane: 0, startMs: 100, endMs: 200 },
        { ...ended, task: 3, lane: 1, startMs: 0, endMs: 50 },
      ],
      [{ task: 4, attempt: 1, lane: 1, grantedMs: 60 }],
      0,
      300,
    );
    const rowOf = Object.fromEntries(bars.map((bar) => [bar.task, bar.row]));
    expect(rowOf).toEqual({ 0: 0, 1: 1, 2: 0, 3: 0, 4: 0 });
    expect(rows).toEqual([2, 1]);
    expect(bars.find((bar) => bar.task === 4)).toMatchObject({ kind: 'open', endMs: 300 });
  });

  test('ticks stay few, whatever the span', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (spanMs) => {
        const ticks = timeTicks(spanMs, 8);
        expect(ticks.length).toBeLessThanOrEqual(9);
        expect(ticks[0]).toBe(0);
        expect(ticks.at(-1) ?? 0).toBeLessThanOrEqual(spanMs);
      }),
    );
  });
});

describe('throughput', () => {
  test('a steady job of rare tasks is a steady line, a busy one is left as it is', () => {
    const rare = new ThroughputSeries();
    for (let second = 0; second < 50; second++) {
      rare.add(second * 1_000, { tasks: 1, records: 10, bytes: 0 });
    }
    const spiky = rare.rates('records').perSecond;
    expect(Math.max(...spiky)).toBe(40);
    const middle = rare.smoothed('records').perSecond.slice(30, -30);
    expect(Math.max(...middle)).toBeLessThan(13);
    expect(Math.min(...middle)).toBeGreaterThan(7);
    const busy = new ThroughputSeries();
    for (let i = 0; i < 2_000; i++) {
      busy.add(i * 10, { tasks: 1, records: i % 7, bytes: 1 });
    }
    expect(busy.smoothed('records')).toEqual(busy.rates('records'));
  });
});

describe('result', () => {
  const row = (length: number, value: number) => new Array<number>(length).fill(value);

  test('rows of equally many numbers are a picture, nothing else is', () => {
    const rows = [0, 1, 2].map((n) => ({ key: String(n), value: row(20, n) }));
    expect(pictureWidth(rows)).toBe(20);
    expect(pictureWidth(rows.slice(0, 1))).toBeNull();
    expect(pictureWidth([...rows, { key: '3', value: row(19, 1) }])).toBeNull();
    expect(pictureWidth([...rows, { key: '3', value: 7 }])).toBeNull();
    expect(
      pictureWidth([
        { key: 'a', value: ['x'] },
        { key: 'b', value: ['y'] },
      ]),
    ).toBeNull();
  });

  test('a picture is painted in the order of its keys, the largest value darkest', () => {
    const picture = new Picture(16);
    picture.add({ key: '1', value: row(16, 3) });
    picture.add({ key: '0', value: row(16, 9) });
    expect(picture.add({ key: '2', value: [1] })).toBe(false);
    const pixels = picture.paint();
    expect(pixels).toHaveLength(16 * 2 * 4);
    expect([...pixels.subarray(0, 4)]).toEqual([20, 20, 26, 255]);
    expect(pixels[16 * 4]).not.toBe(20);
  });

  test('numbers become bars, π is read from its two counts', () => {
    const records = [
      { key: 'inside', value: 785 },
      { key: 'total', value: 1_000 },
    ];
    expect(barsOf(records)?.map((bar) => bar.share)).toEqual([0.785, 1]);
    expect(piOf(records)).toBe(3.14);
    expect(piOf([...records, { key: 'other', value: 1 }])).toBeNull();
    expect(barsOf([...records, { key: 'x', value: 'y' }])).toBeNull();
    expect(barsOf([...records, { key: 'x', value: -1 }])).toBeNull();
  });
});

describe('stages and events', () => {
  const stages = (state: Job['state'], mapped: number, reduced: number) =>
    stagesOf({ state, error: null, progress: { splits: 4, mapped, partitions: 2, reduced } }).map(
      (stage) => stage.state,
    );

  test('each state of a job has its stage', () => {
    expect(stages('queued', 0, 0)).toEqual(['done', 'waiting', 'waiting', 'waiting', 'waiting']);
    expect(stages('mapping', 2, 0)).toEqual(['done', 'active', 'active', 'waiting', 'waiting']);
    expect(stages('reducing', 4, 1)).toEqual(['done', 'done', 'done', 'active', 'waiting']);
    expect(stages('done', 4, 2)).toEqual(['done', 'done', 'done', 'done', 'done']);
    expect(stages('failed', 2, 0)).toEqual(['done', 'failed', 'waiting', 'waiting', 'waiting']);
    expect(stages('failed', 4, 1)).toEqual(['done', 'done', 'done', 'failed', 'waiting']);
    expect(stages('cancelled', 2, 0)).toEqual(['done', 'waiting', 'waiting', 'waiting', 'waiting']);
  });

  test('an event is a sentence that names who and what', () => {
    const time = '2026-11-24T10:00:00.000Z';
    const name = (by: string) => (by === 'volunteer-a' ? 'Ada' : by);
    expect(
      eventText(
        { seq: 1, time, type: 'committed', by: 'volunteer-a', tasks: [[7, 1, 20, 5, 8_388_608]] },
        name,
      ),
    ).toBe('Ada finished split 7, 8.39 MB.');
    const error = { code: 'program_threw', message: 'TypeError: no' };
    expect(
      eventText({ seq: 2, time, type: 'attemptFailed', by: 'edge', task: 3, error }, name),
    ).toBe('edge failed at split 3: TypeError: no.');
    const tasks = [1, 2, 3, 4, 5].map((task) => [task, 1]);
    expect(eventText({ seq: 3, time, type: 'granted', by: 'edge', tasks }, name)).toBe(
      'edge got 5 splits (1, 2, 3, …).',
    );
  });
});
