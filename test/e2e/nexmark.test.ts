// Nexmark's queries on a local edge that is killed and started again on its way.
import { expect, test } from 'vitest';
import { killableEdge, WAIT_MAX_MS } from '../support/killable-edge.ts';
import { nexmarkEvents } from '../support/nexmark/generator.ts';
import { KEYED_QUERIES, STATELESS_QUERIES } from '../support/nexmark/queries.ts';
import { runNexmark } from '../support/nexmark/run.ts';

const edge = killableEdge();

test('Nexmark’s queries give the same when all is sent twice and the edge is killed', async () => {
  const result = await runNexmark({
    client: () => edge.client,
    events: [...nexmarkEvents(6_000, { eventsPerSecond: 120 })],
    eventsARequest: 120,
    queries: [...STATELESS_QUERIES, ...KEYED_QUERIES],
    disorder: { crashAt: [0.3, 0.8], crash: () => edge.restart() },
    maxMs: WAIT_MAX_MS,
  });
  expect(result.queries.filter(({ equal }) => !equal)).toEqual([]);
  // Of each two requests at least one is answered with what the other one, or a killed one, had appended.
  expect(result.duplicates).toBeGreaterThanOrEqual(6_000);
});
