// A DAG run on a local edge that is killed and started again on its way: what was finished is not run again, what was
// under way is, and sleeps and waits go on.
import { expect, test } from 'vitest';
import type { DagJob, DagSpecInput } from '../../shared/schemas/dag.ts';
import { killableEdge, until } from '../support/killable-edge.ts';

const edge = killableEdge();

const runOf = (id: string) => edge.client.jobs.dag(id);
const stateOf = (step: string) => (run: DagJob) => run.steps[step]?.state;

/** Takes some time, and leaves a trace at the User Service, which is slow. */
const SLOW = `export default async ({ item }, ctx) => {
  await ctx.call('users', 'nobody-' + item);
  return { item, attempt: ctx.attempt };
}`;

test('a run goes on after the edge was killed, and finishes each step once', async () => {
  await edge.client.users.setFaults({ latencyMs: 150, errorRate: 0 });
  const spec: DagSpecInput = {
    kind: 'dag',
    name: 'killed twice',
    input: { items: 24 },
    steps: {
      before: {
        run: 'edge',
        code: 'export default ({ input }) => "x".repeat(100_000 + input.items);',
      },
      each: {
        run: 'edge',
        needs: ['before'],
        forEach: 'Array.from({ length: input.items }, (_, n) => n)',
        concurrency: 4,
        services: { users: { url: '/api/services/users/{key}' } },
        code: SLOW,
      },
      rest: { run: 'sleep', ms: 3_000, needs: ['before'] },
      approval: { run: 'wait', signal: 'approved', needs: ['before'] },
      after: {
        run: 'edge',
        needs: ['before', 'each', 'rest', 'approval'],
        code: `export default ({ steps }) => ({
          letters: steps.before.length,
          items: steps.each.map(({ item }) => item),
          by: steps.approval.by,
        });`,
      },
    },
  };
  const { id } = await edge.client.jobs.submit(spec);
  const first = await until(
    'some items',
    () => runOf(id),
    ({ steps }) => {
      const done = steps['each']?.items?.done ?? 0;
      return done >= 4 && done < 20;
    },
  );
  const before = first.steps['before'];
  await edge.restart();
  await edge.client.jobs.signal(id, 'approved', { by: 'ada' });
  await until(
    'the approval',
    () => runOf(id),
    (run) => stateOf('approval')(run) === 'done',
  );
  await edge.restart();
  const run = await until(
    'the end',
    () => runOf(id),
    ({ state }) => state !== 'running',
  );

  expect(run.state, JSON.stringify(run.error)).toBe('done');
  expect(run.steps['before']).toEqual(before);
  expect(run.steps['each']?.items).toMatchObject({ count: 24, done: 24, failed: 0, running: 0 });
  const result = await edge.client.jobs.outputs(id);
  expect(result['after']).toEqual({
    letters: 100_024,
    items: Array.from({ length: 24 }, (_, n) => n),
    by: 'ada',
  });
  // What was under way when the edge was killed ran again, and was told so; most ran once.
  const attempts = (result['each'] as { attempt: number }[]).map(({ attempt }) => attempt);
  expect(attempts.filter((attempt) => attempt === 1).length).toBeGreaterThan(12);
  expect(Math.max(...attempts)).toBeGreaterThan(1);
});
