// What the page of a run is drawn from: boxes and lines of graphs of any size, bars over time, figures and sentences.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DagJob, StepStatus } from '../../../shared/schemas/dag.ts';
import { DagSpec, type DagSpecInput } from '../../../shared/schemas/dag.ts';
import { readGraph } from '../../../shared/dag/graph.ts';
import {
  drawnGraph,
  EDGES_MAX,
  NODES_MAX,
  SPANS_MAX,
} from '../../../web/lib/dag/graph/collapse.ts';
import { type GraphStep, graphSteps } from '../../../web/lib/dag/graph/graph-step.ts';
import {
  layoutGraph,
  neighbour,
  NODE_HEIGHT_PX,
  NODE_WIDTH_PX,
  smoothPath,
} from '../../../web/lib/dag/graph/layout.ts';
import { fitScale, startScale, zoomed } from '../../../web/lib/dag/graph/zoom.ts';
import {
  ganttChart,
  type ItemTimes,
  LANES_MAX,
  ROW_PX,
  rowsInSight,
} from '../../../web/features/jobs/dag/gantt/chart.ts';
import { ITEMS_SHOWN, LiveItems } from '../../../web/features/jobs/dag/gantt/live-items.ts';
import {
  awaited,
  criticalMs,
  lastSteps,
  markOf,
  runNowMs,
  stepCounts,
  whyWords,
} from '../../../web/lib/dag/run-figures.ts';
import { runEventText } from '../../../web/features/jobs/dag/run-event-text.ts';
import { claimsIn, mediaOf } from '../../../web/lib/claims/claims-in.ts';

const graphStep = (name: string, needs: string[] = []): GraphStep => ({
  name,
  needs,
  run: 'edge',
  repeated: false,
});
const diamond = (width: number): GraphStep[] => {
  const middle = Array.from({ length: width }, (_, i) => `m${i}`);
  return [
    graphStep('begin'),
    ...middle.map((name) => graphStep(name, ['begin'])),
    graphStep('end', middle),
  ];
};
const chain = (length: number): GraphStep[] =>
  Array.from({ length }, (_, i) => graphStep(`s${i}`, i === 0 ? [] : [`s${i - 1}`]));

describe('a drawn graph', () => {
  test('of a small one, each step is a box and each need a line', () => {
    const { nodes, edges } = drawnGraph(diamond(3));
    expect(nodes.map(({ id }) => id)).toEqual(['begin', 'm0', 'm1', 'm2', 'end']);
    expect(edges).toHaveLength(6);
  });

  test('of a diamond with a thousand steps is three boxes', () => {
    const { nodes, edges, nodeOf } = drawnGraph(diamond(998));
    expect(nodes.map(({ steps }) => steps.length)).toEqual([1, 998, 1]);
    expect(edges).toEqual([
      { from: 'begin', to: '#1-1' },
      { from: '#1-1', to: 'end' },
    ]);
    expect(nodeOf.get('m997')).toBe('#1-1');
  });

  test('of a chain with a thousand steps puts levels together, in order', () => {
    const { nodes, edges } = drawnGraph(chain(1_000));
    expect(nodes.length).toBeLessThanOrEqual(NODES_MAX);
    expect(nodes.flatMap(({ steps }) => steps)).toEqual(chain(1_000).map(({ name }) => name));
    expect(edges).toHaveLength(nodes.length - 1);
  });

  const arbitrary = fc
    .array(fc.array(fc.nat(), { maxLength: 40 }), { minLength: 1, maxLength: 600 })
    .map((all) =>
      all.map((needs, i) =>
        graphStep(`s${i}`, i === 0 ? [] : [...new Set(needs.map((need) => `s${need % i}`))]),
      ),
    );

  test('of any one has every step in one box, lines that lead on, and a bounded size', () => {
    fc.assert(
      fc.property(arbitrary, (steps) => {
        const { nodes, edges, nodeOf } = drawnGraph(steps);
        const all = nodes.flatMap((node) => node.steps);
        expect(all.toSorted()).toEqual(steps.map(({ name }) => name).toSorted());
        expect(nodeOf.size).toBe(steps.length);
        expect(nodes.length).toBeLessThanOrEqual(NODES_MAX);
        expect(edges.length).toBeLessThanOrEqual(EDGES_MAX);
        const level = new Map(nodes.map((node) => [node.id, node]));
        let spans = 0;
        for (const { from, to } of edges) {
          const [a, b] = [level.get(from), level.get(to)];
          expect(a?.toLevel ?? 0).toBeLessThan(b?.fromLevel ?? 0);
          spans += (b?.fromLevel ?? 0) - (a?.fromLevel ?? 0);
        }
        expect(spans).toBeLessThanOrEqual(SPANS_MAX);
        for (const { name, needs } of steps) {
          for (const need of needs) {
            const [from, to] = [nodeOf.get(need), nodeOf.get(name)];
            if (from !== to) expect(edges).toContainEqual({ from, to });
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('of what is still being written shows circles and leaves out what is not there', () => {
    const steps = [graphStep('a', ['b']), graphStep('b', ['a', 'nobody', 'b'])];
    const graph = drawnGraph(steps);
    expect(graph.nodes).toHaveLength(2);
    expect(graph.edges).toHaveLength(2);
    const placed = layoutGraph(graph, 'right');
    expect(placed.nodes).toHaveLength(2);
    expect(placed.edges.every(({ path }) => path.startsWith('M'))).toBe(true);
  });
});

describe('a layout', () => {
  test('has no two boxes on one spot, and needs lie before what needs them', () => {
    for (const direction of ['right', 'down'] as const) {
      const graph = drawnGraph(diamond(5));
      const { nodes, width, height } = layoutGraph(graph, direction);
      const at = new Map(nodes.map((node) => [node.id, node]));
      for (const { from, to } of graph.edges) {
        const [a, b] = [at.get(from), at.get(to)];
        if (direction === 'right') {
          expect((a?.x ?? 0) + NODE_WIDTH_PX).toBeLessThan(b?.x ?? 0);
        } else expect((a?.y ?? 0) + NODE_HEIGHT_PX).toBeLessThan(b?.y ?? 0);
      }
      for (const [i, a] of nodes.entries()) {
        expect(a.x >= 0 && a.x + NODE_WIDTH_PX <= width).toBe(true);
        expect(a.y >= 0 && a.y + NODE_HEIGHT_PX <= height).toBe(true);
        for (const b of nodes.slice(i + 1)) {
          const apart =
            Math.abs(a.x - b.x) >= NODE_WIDTH_PX || Math.abs(a.y - b.y) >= NODE_HEIGHT_PX;
          expect(apart).toBe(true);
        }
      }
    }
  });

  test('lines that go round boxes lie within the picture, too', () => {
    const around = [...diamond(2).slice(0, -1), graphStep('end', ['begin', 'm0', 'm1'])];
    for (const direction of ['right', 'down'] as const) {
      const graph = drawnGraph(around);
      const { edges, width, height } = layoutGraph(graph, direction);
      for (const { path } of edges) {
        const numbers = path.match(/-?[\d.]+/g)?.map(Number) ?? [];
        numbers.forEach((value, i) => {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(i % 2 === 0 ? width : height);
        });
      }
    }
  });

  test('arrow keys lead to the nearest box ahead, or nowhere', () => {
    const { nodes } = layoutGraph(drawnGraph(diamond(3)), 'right');
    expect(neighbour(nodes, 'begin', 'ArrowLeft')).toBeNull();
    expect(neighbour(nodes, 'begin', 'Enter')).toBeNull();
    const middle = neighbour(nodes, 'begin', 'ArrowRight') ?? '';
    expect(middle).toMatch(/^m/);
    expect(neighbour(nodes, middle, 'ArrowLeft')).toBe('begin');
    const below = neighbour(nodes, middle, 'ArrowDown') ?? neighbour(nodes, middle, 'ArrowUp');
    expect(below).toMatch(/^m/);
    expect(neighbour(nodes, 'end', 'ArrowRight')).toBeNull();
  });

  test('a line goes through its points', () => {
    expect(smoothPath([], 'right')).toBe('');
    const path = smoothPath(
      [
        { x: 0, y: 0 },
        { x: 40, y: 20 },
      ],
      'right',
    );
    expect(path).toBe('M0 0C20 0 20 20 40 20');
  });

  test('what is small is never blown up, what is large stays readable until one asks for all', () => {
    const room = { width: 1_000, height: 500 };
    expect(startScale({ width: 300, height: 100 }, room)).toBe(1);
    expect(startScale({ width: 10_000, height: 100 }, room)).toBe(0.7);
    expect(fitScale({ width: 4_000, height: 100 }, room)).toBe(0.25);
    expect(fitScale({ width: 1e6, height: 1e6 }, room)).toBe(0.2);
    expect(zoomed(1.4, 2)).toBe(1.5);
  });
});

const T0 = Date.parse('2026-01-01T00:00:00Z');
const iso = (ms: number) => new Date(T0 + ms).toISOString();

function status(
  state: StepStatus['state'],
  fromMs: number | null,
  toMs: number | null,
  more: Partial<StepStatus> = {},
): StepStatus {
  return {
    state,
    reason: '',
    attempts: fromMs === null ? 0 : 1,
    startedAt: fromMs === null ? null : iso(fromMs),
    finishedAt: toMs === null ? null : iso(toMs),
    error: null,
    level: 0,
    ...more,
  };
}

function runOf(
  steps: DagSpecInput['steps'],
  statuses: Record<string, StepStatus>,
  more: Partial<DagJob> = {},
): DagJob {
  const spec = DagSpec.parse({ kind: 'dag', name: 'run', steps });
  const graph = readGraph(
    Object.fromEntries(Object.entries(spec.steps).map(([name, { needs }]) => [name, needs])),
  );
  if (!graph.ok) throw new Error('not a graph');
  return {
    id: 'run_1',
    kind: 'dag',
    name: 'run',
    state: 'running',
    reason: '',
    createdAt: iso(0),
    startedAt: iso(0),
    finishedAt: null,
    spec,
    levels: graph.levels,
    steps: statuses,
    signals: [],
    criticalPath: [],
    cost: { operations: {}, usd: 0 },
    error: null,
    ...more,
  };
}
const CODE = 'export default () => 1';
const edge = (needs: string[] = []) => ({ run: 'edge' as const, code: CODE, needs });

describe('steps over time', () => {
  const steps = {
    list: edge(),
    each: { ...edge(['list']), forEach: 'steps.list', concurrency: 3 },
    end: edge(['each']),
  };
  const run = runOf(steps, {
    list: status('done', 10, 100),
    each: status('running', 150, null, { items: { count: 5, done: 2, failed: 0, running: 3 } }),
    end: status('waiting', null, null),
  });
  const times: ItemTimes[] = [0, 1, 2, 3, 4].map((item) => ({
    item,
    state: item < 2 ? 'done' : 'running',
    startedAt: iso(150 + (item < 3 ? item : 100 + item)),
    finishedAt: item < 2 ? iso(250 + item) : null,
  }));

  test('have a bar each, and a line from when they could have begun', () => {
    const { rows, heightPx, fromMs, toMs } = ganttChart(run, new Map(), [], T0 + 500);
    expect(rows.map(({ step, bar }) => [step, bar && [bar.fromMs - T0, bar.toMs - T0]])).toEqual([
      ['list', [10, 100]],
      ['each', [150, 500]],
      ['end', null],
    ]);
    expect(rows.map(({ readyMs }) => readyMs && readyMs - T0)).toEqual([0, 100, null]);
    expect([fromMs - T0, toMs - T0]).toEqual([0, 500]);
    expect(heightPx).toBe(3 * ROW_PX);
  });

  test('items that ran at once lie in lanes, one that came after takes a free one', () => {
    const { rows } = ganttChart(run, new Map([['each', times]]), ['each'], T0 + 500);
    const items = rows[1]?.items ?? [];
    expect(items.map(({ item, lane }) => [item, lane])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 0],
      [4, 1],
    ]);
    for (const a of items) {
      for (const b of items) {
        if (a === b || a.lane !== b.lane) continue;
        expect(a.toMs <= b.fromMs || b.toMs <= a.fromMs).toBe(true);
      }
    }
  });

  test('the room for items is there before the first one begins, and bounded', () => {
    const wide = runOf(
      { ...steps, each: { ...steps.each, concurrency: 200 } },
      { ...run.steps, each: status('waiting', null, null) },
    );
    const before = ganttChart(wide, new Map(), ['each'], T0).rows[1]?.heightPx ?? 0;
    const after = ganttChart(wide, new Map([['each', times]]), ['each'], T0).rows[1]?.heightPx;
    expect(after).toBe(before);
    expect(before).toBeLessThan(ROW_PX + LANES_MAX * 10);
  });

  test('only rows in sight are drawn', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `s${i}`);
    const many = runOf(
      Object.fromEntries(names.map((name) => [name, edge()])),
      Object.fromEntries(names.map((name) => [name, status('done', 0, 1)])),
    );
    const { rows } = ganttChart(many, new Map(), [], T0);
    const seen = rowsInSight(rows, 100 * ROW_PX + 1, 10 * ROW_PX);
    expect(seen.map(({ step }) => step)).toEqual(names.slice(100, 111));
    expect(rowsInSight(rows, 0, ROW_PX)).toHaveLength(1);
    expect(rowsInSight([], 0, 100)).toEqual([]);
  });
});

describe('items followed live', () => {
  const each = (done: number, state: StepStatus['state'] = 'running') => ({
    steps: {
      each: status(state, 0, null, { items: { count: 9, done, failed: 0, running: 0 } }),
    },
  });

  test('are asked for when something changed, and not when nothing did', async () => {
    let asked = 0;
    const told: string[] = [];
    const live = new LiveItems({
      nowMs: () => performance.now(),
      load: (step, limit) => {
        asked++;
        expect([step, limit]).toEqual(['each', ITEMS_SHOWN]);
        return Promise.resolve([{ item: 0, state: 'done', startedAt: iso(0), finishedAt: iso(1) }]);
      },
      onTimes: (step) => told.push(step),
    });
    live.update(each(1), []);
    expect(asked).toBe(0);
    live.update(each(1), ['each']);
    expect(asked).toBe(1);
    await expect.poll(() => told).toEqual(['each']);
    // While one answer is digested, the newest change is remembered.
    live.update(each(2), ['each']);
    live.update(each(3), ['each']);
    await expect.poll(() => asked, { timeout: 5_000 }).toBe(2);
    live.close();
  });
});

describe('a run in figures and words', () => {
  const steps = {
    a: edge(),
    go: { run: 'wait' as const, signal: 'go', needs: ['a'] },
    nap: { run: 'sleep' as const, ms: 60_000 },
    end: edge(['go', 'nap']),
  };
  const running = runOf(steps, {
    a: status('done', 0, 40),
    go: status('running', 50, null),
    nap: status('running', 0, null),
    end: status('waiting', null, null),
  });

  test('says what is waited for, and what is at work', () => {
    expect(awaited(running)).toEqual([{ step: 'go', signal: 'go' }]);
    expect(whyWords(running)).toBe('go waits for the signal go, nap sleeps 1 min 00 s');
    const busy = { ...running, steps: { ...running.steps, a: status('running', 0, null) } };
    expect(whyWords(busy)).toMatch(/^a at work; go waits/);
    const failed = { ...running, steps: { ...running.steps, a: status('failed', 0, 1) } };
    expect(whyWords(failed)).toMatch(/^a failed; go waits/);
    expect(whyWords({ ...running, reason: 'go: waits for the signal go' })).toBe(
      'go: waits for the signal go',
    );
    expect(awaited({ ...running, state: 'cancelled' })).toEqual([]);
  });

  test('counts steps, adds up the critical path, and knows which outputs matter', () => {
    expect(stepCounts(running)).toMatchObject({ done: 1, running: 2, waiting: 1, failed: 0 });
    expect(criticalMs({ ...running, criticalPath: ['a', 'go'] }, T0 + 150)).toBe(140);
    expect(lastSteps(running)).toEqual(['end']);
  });

  test('a clock that is behind does not make what happened lie in the future', () => {
    expect(runNowMs(running, T0 - 5_000)).toBe(T0 + 50);
    expect(runNowMs(running, T0 + 900)).toBe(T0 + 900);
    const over = { ...running, state: 'done' as const, finishedAt: iso(100) };
    expect(runNowMs(over, T0 + 900)).toBe(T0 + 100);
  });

  test('a box says how long, how often, how many', () => {
    expect(markOf(status('done', 0, 1_200), T0)).toEqual({
      state: 'done',
      detail: '1.2 s',
      share: null,
    });
    expect(markOf(status('failed', 0, 10, { attempts: 3 }), T0).detail).toBe('3 attempts · 10 ms');
    const items = { count: 4, done: 1, failed: 1, running: 2 };
    expect(markOf(status('running', 0, null, { items, attempts: 4 }), T0 + 5)).toEqual({
      state: 'running',
      detail: '1/4 · 5 ms',
      share: 0.5,
    });
    expect(markOf(status('ready', null, null), T0).detail).toBe('');
  });

  test('the picture is made of the definition', () => {
    expect(graphSteps(running.spec.steps).map(({ name, run }) => [name, run])).toEqual([
      ['a', 'edge'],
      ['go', 'wait'],
      ['nap', 'sleep'],
      ['end', 'edge'],
    ]);
  });

  test('events are sentences', () => {
    const event = (type: 'stepDone' | 'stepRetried' | 'signal', fields: object) =>
      runEventText({ seq: 1, time: iso(0), type, ...fields });
    expect(event('stepDone', { step: 'each', items: [7] })).toBe('each item 7 done.');
    expect(event('stepDone', { step: 'each', items: [0, 1, 2, 3, 4, 5] })).toBe(
      'each items 0, 1, 2, 3, … (6) done.',
    );
    expect(
      event('stepRetried', { step: 'a', attempt: 1, error: { message: 'no', code: 'deadline' } }),
    ).toBe('a failed at attempt 1, and is tried again: no.');
    expect(event('signal', { name: 'go' })).toBe('The signal go came.');
  });
});

describe('claims in an output', () => {
  const claim = { token: 't', bytes: 3, sha256: 'a'.repeat(64), contentType: 'image/webp' };

  test('are found wherever they lie, the first ones of very many', () => {
    const value = { thumbs: [claim, { deep: claim }], width: 3, none: { token: 't' } };
    expect(claimsIn(value, 10).map(({ path }) => path)).toEqual(['thumbs[0]', 'thumbs[1].deep']);
    expect(claimsIn(claim, 10)).toEqual([{ claim, path: '' }]);
    expect(
      claimsIn(
        Array.from({ length: 100 }, () => claim),
        4,
      ),
    ).toHaveLength(4);
    expect(claimsIn('text', 4)).toEqual([]);
  });

  test('are shown as what they are', () => {
    const media = (contentType: string) => mediaOf({ ...claim, contentType });
    expect(media('image/png')).toBe('image');
    expect(media('video/webm')).toBe('video');
    expect(media('application/json; charset=utf-8')).toBe('json');
    expect(media('application/problem+json')).toBe('json');
    expect(media('text/plain')).toBe('text');
    expect(media('application/octet-stream')).toBeNull();
  });
});
