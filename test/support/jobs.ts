// MapReduce jobs and volunteers, as the tests and benchmarks ask for them.
import { type Client, listAll } from '../../shared/client.ts';
import type { MapReduceSpecInput, ResultRecord } from '../../shared/schemas/job.ts';

export { waitFor, waitForVolunteers, waitUntil } from '../../worker/local/waiting.ts';

export const submit = (client: Client, spec: Omit<MapReduceSpecInput, 'kind'>) =>
  client.jobs.submit({ kind: 'mapreduce', ...spec });

export const tasksOf = (client: Client, id: string) =>
  listAll((page) => client.jobs.tasks(id, page));

export const eventsOf = (client: Client, id: string) =>
  listAll((page) => client.jobs.events(id, page));

export const volunteersOf = (client: Client) => listAll(client.swarm.volunteers);

/** The whole result, by key. */
export async function recordsOf(client: Client, id: string): Promise<ResultRecord[]> {
  const records: ResultRecord[] = [];
  for await (const record of client.jobs.records(id, { order: 'key' })) records.push(record);
  return records;
}
