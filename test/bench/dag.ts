// DAG jobs against Cloudflare Workflows in the same local runtime: what a step costs by itself, one after the other and
// side by side; and random graphs of steps that take their time against the bound that no scheduler can beat.
import { criticalPath, readGraph } from '../../shared/dag/graph.ts';
import { seededRandom } from '../../shared/sandbox/determinism.ts';
import type { DagSpecInput } from '../../shared/schemas/dag.ts';
import type { Client } from '../../shared/client.ts';
import { startTestEdge } from '../support/edge.ts';
import { medianRatio, type Row, spread } from './measure.ts';
import { startWorkflows, type Workflows } from './peers/workflows.ts';

const EMPTY = 'export default () => null;';
const GRAPHS = 3;
const GRAPH_STEPS = 40;
const SLOWEST_MS = 400;

export interface DagBench {
  /** Steps one after the other. */
  sequence: number;
  /** Items of one step side by side. */
  fanOut: number;
  rounds: number;
}

export async function dag(
  { sequence, fanOut, rounds }: DagBench,
  say: (text: string) => void,
): Promise<Row[]> {
  const ours = { sequence: [] as number[], fanOut: [] as number[] };
  const theirs = { sequence: [] as number[], fanOut: [] as number[] };
  const spans: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const edge = await startTestEdge();
    let workflows: Workflows | null = null;
    try {
      await ranMs(edge.client, chain(2));
      ours.sequence.push((await ranMs(edge.client, chain(sequence))) / sequence);
      ours.fanOut.push((await ranMs(edge.client, fan(fanOut))) / fanOut);
      for (let graph = 0; graph < GRAPHS; graph += 1) {
        const { spec, boundMs } = sleepers(`round ${round}, graph ${graph}`);
        spans.push((await ranMs(edge.client, spec)) / boundMs);
      }
      workflows = await startWorkflows();
      await workflows.run('sequence', 2);
      theirs.sequence.push((await workflows.run('sequence', sequence)) / sequence);
      theirs.fanOut.push((await workflows.run('fanOut', fanOut)) / fanOut);
    } finally {
      await workflows?.stop();
      await edge.stop();
    }
    const last = (values: number[]) => (values.at(-1) ?? NaN).toFixed(2);
    say(
      `dag, round ${round} of ${rounds}: a step ${last(ours.sequence)} ms (Workflows ${last(theirs.sequence)}), ` +
        `an item ${last(ours.fanOut)} ms (${last(theirs.fanOut)}), makespan ${last(spans)} of the bound`,
    );
  }
  const beside = 'Cloudflare Workflows, local, `step.do`';
  return [
    {
      what: `${sequence} empty steps one after the other, ms a step`,
      result: spread(ours.sequence, 2),
      beside,
      peer: spread(theirs.sequence, 2),
      ratio: medianRatio(theirs.sequence, ours.sequence).toFixed(1),
      aim: '≥ 1',
    },
    {
      what: `fan-out of ${fanOut.toLocaleString('en-US')} empty steps, ms a step`,
      result: spread(ours.fanOut, 2),
      beside,
      peer: spread(theirs.fanOut, 2),
      ratio: medianRatio(theirs.fanOut, ours.fanOut).toFixed(1),
      aim: '≥ 5',
    },
    {
      what: `makespan of random graphs of ${GRAPH_STEPS} steps that sleep up to ${SLOWEST_MS} ms`,
      result: `${spread(spans, 3)} × the bound`,
      beside: 'the critical path: no scheduler is faster',
      peer: '1',
      ratio: '',
      aim: '',
    },
  ];
}

const stepName = (n: number) => `s${n}`;

/** Empty steps, each needing the one before it. */
const chain = (count: number): DagSpecInput => ({
  kind: 'dag',
  name: 'a chain of empty steps',
  steps: Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      stepName(n),
      { run: 'edge' as const, code: EMPTY, needs: n === 0 ? [] : [stepName(n - 1)] },
    ]),
  ),
});

const fan = (count: number): DagSpecInput => ({
  kind: 'dag',
  name: 'a fan of empty steps',
  steps: {
    all: {
      run: 'edge',
      code: EMPTY,
      forEach: `Array.from({ length: ${count} }, (_, n) => n)`,
      concurrency: 256,
    },
  },
});

function sleepers(seed: string): { spec: DagSpecInput; boundMs: number } {
  const random = seededRandom(seed);
  const ms = Array.from({ length: GRAPH_STEPS }, () => Math.ceil(random() * SLOWEST_MS));
  const needs = Object.fromEntries(
    ms.map((_, n) => {
      const wanted = n === 0 ? 0 : Math.floor(random() * 4);
      const own = Array.from({ length: wanted }, () => stepName(Math.floor(random() * n)));
      return [stepName(n), [...new Set(own)]];
    }),
  );
  const graph = readGraph(needs);
  if (!graph.ok) throw new Error('a graph whose steps need earlier ones has no cycle');
  const bound = criticalPath(needs, graph.levels, (step) => ms[Number(step.slice(1))] ?? 0);
  const steps = ms.map((own, n) => [
    stepName(n),
    { run: 'sleep', ms: own, needs: needs[stepName(n)] },
  ]);
  return {
    spec: { kind: 'dag', name: 'sleepers', steps: Object.fromEntries(steps) } as DagSpecInput,
    boundMs: bound.ms,
  };
}

/** From its submission until it is done, by the run's own clock. */
async function ranMs(client: Client, spec: DagSpecInput): Promise<number> {
  const { id } = await client.jobs.submit(spec);
  const { state, createdAt, finishedAt, error } = await client.jobs.waitFor(id);
  if (state !== 'done') throw new Error(`${state}: ${error?.message}`);
  return Date.parse(finishedAt ?? '') - Date.parse(createdAt);
}
