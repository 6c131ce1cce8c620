// What the demo prints at the end, from the job, its tasks and its volunteers alone.
import type { Job, ResultRecord, Task } from '../../shared/schemas/job.ts';
import { dollars, megabytes, rate, seconds, table, thousands } from './terminal.ts';

const PAGE_MAX_CHARS = 60;

export interface Mapper {
  name: string;
  tasks: number;
  /** Running time of its committed attempts, by its own clock. */
  ms: number;
}

/** Who mapped what: committed map attempts by mapper, the most tasks first. */
export function mappersOf(tasks: Task[], names: ReadonlyMap<string, string>): Mapper[] {
  const mappers = new Map<string, Mapper>();
  for (const task of tasks) {
    if (task.stage !== 'map') continue;
    const attempt = task.attempts.find(({ state }) => state === 'committed');
    if (attempt === undefined) continue;
    const name =
      attempt.by === 'edge' ? 'the edge' : `browser ${names.get(attempt.by) ?? attempt.by}`;
    const mapper = mappers.get(attempt.by) ?? { name, tasks: 0, ms: 0 };
    mapper.tasks += 1;
    mapper.ms += attempt.ms ?? 0;
    mappers.set(attempt.by, mapper);
  }
  const sorted = [...mappers.values()].sort(
    (a, b) => b.tasks - a.tasks || a.name.localeCompare(b.name),
  );
  return numberNamesakes(sorted);
}

/** Two tabs of one kind of browser have the same name until somebody gives them another. */
function numberNamesakes(mappers: Mapper[]): Mapper[] {
  const seen = new Map<string, number>();
  const isShared = (name: string) => mappers.filter((mapper) => mapper.name === name).length > 1;
  return mappers.map((mapper) => {
    if (!isShared(mapper.name)) return mapper;
    const number = (seen.get(mapper.name) ?? 0) + 1;
    seen.set(mapper.name, number);
    return { ...mapper, name: `${mapper.name} #${number}` };
  });
}

export function demoReport(
  job: Job,
  top: ResultRecord[],
  mappers: Mapper[],
  elapsedMs: number,
): string {
  const records = job.counters.recordsIn;
  const pages = top.map(({ key, value }, rank) => [
    String(rank + 1),
    key.length > PAGE_MAX_CHARS ? `${key.slice(0, PAGE_MAX_CHARS - 1)}…` : key,
    thousands(Number(value)),
    `${((100 * Number(value)) / Math.max(1, records)).toFixed(1)} %`,
  ]);
  const shares = mappers.map(({ name, tasks, ms }) => [
    name,
    String(tasks),
    seconds(ms),
    `${((100 * tasks) / Math.max(1, job.progress.splits)).toFixed(0)} %`,
  ]);
  return [
    pages.length > 0 ? table(['#', 'page', 'hits', 'of all'], pages) : 'No page was found in it.',
    '',
    table(['mapped by', 'splits', 'busy', 'of all'], shares),
    '',
    `${thousands(records)} lines, ${megabytes(job.inputBytes)}, ` +
      `${thousands(job.counters.keysOut)} pages in ${seconds(elapsedMs)}: ` +
      `${rate(job.inputBytes, elapsedMs)} end to end`,
    `On Cloudflare this job would cost about ${dollars(job.cost.usd)} in operations`,
  ].join('\n');
}
