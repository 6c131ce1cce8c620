// A job in the middle of which the edge restarts over the same storage, while a real browser maps it.
import { describe, expect, test } from 'vitest';
import { generateLog } from '../../worker/local/log-generator.ts';
import { openVolunteer } from '../../worker/local/volunteers.ts';
import { countPages, SLOW_HITS_PER_PATH } from '../support/access-log.ts';
import { recordsOf, submit, waitFor, waitForVolunteers, waitUntil } from '../support/jobs.ts';
import { killableEdge } from '../support/killable-edge.ts';
import { browserOfFile } from '../support/suite.ts';

const MIB = 1024 * 1024;
const log = Buffer.concat([...generateLog({ bytes: 16 * MIB })]);

const edge = killableEdge();
const browser = await browserOfFile();

describe('with storage that outlives the edge', () => {
  test('an edge that restarts in the middle of a job still ends it right', async () => {
    await edge.client.datasets.put('access.log', log);
    await openVolunteer(browser, edge.url);
    await waitForVolunteers(edge.client, 1);
    const { id } = await submit(edge.client, {
      input: { dataset: 'access.log', format: 'lines' },
      code: SLOW_HITS_PER_PATH,
      splitBytes: MIB,
      partitions: 2,
    });
    await waitUntil(edge.client, id, 'some mapped', ({ progress }) => progress.mapped >= 3);
    await edge.restart();
    const job = await waitFor(edge.client, id, 'done');

    expect(await recordsOf(edge.client, id)).toEqual(countPages(log));
    expect(job.progress).toEqual({ splits: 16, mapped: 16, partitions: 2, reduced: 2 });
    expect(job.counters.bytesIn).toBe(log.length);
  });
});
