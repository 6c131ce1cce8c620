// The list on the screen is a fresh first page and what "Load more" brought earlier. Pure.
import type { JobState } from '../../../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../../../shared/schemas/jobs.ts';

/**
 * `fresh` is the first page as it is now, newest first; `loaded` what is shown. What is not older than the
 * last of `fresh` and not in it is gone (forgotten, or no longer of the chosen state). A fresh page that
 * is the whole list (`whole`) has nothing after it.
 */
export function mergeFirstPage(
  fresh: readonly AnyJobSummary[],
  loaded: readonly AnyJobSummary[],
  whole: boolean,
): AnyJobSummary[] {
  const last = fresh.at(-1);
  if (whole || !last) return [...fresh];
  const ids = new Set(fresh.map((job) => job.id));
  const older = loaded.filter((job) => !ids.has(job.id) && job.createdAt < last.createdAt);
  return [...fresh, ...older];
}

/** Adds the next page after what is shown, each job once. */
export function appendPage(
  loaded: readonly AnyJobSummary[],
  page: readonly AnyJobSummary[],
): AnyJobSummary[] {
  const ids = new Set(loaded.map((job) => job.id));
  return [...loaded, ...page.filter((job) => !ids.has(job.id))];
}

/** `fresh[i]` is what became of `asked[i]`; null = gone. Who has left the chosen state leaves the list. */
export function replaceJobs(
  loaded: readonly AnyJobSummary[],
  asked: readonly AnyJobSummary[],
  fresh: readonly (AnyJobSummary | null)[],
  state: JobState | undefined,
): AnyJobSummary[] {
  const byId = new Map(asked.map((job, index) => [job.id, fresh[index] ?? null]));
  return loaded.flatMap((job) => {
    const next = byId.get(job.id);
    if (next === undefined) return [job];
    return next === null || (state && next.state !== state) ? [] : [next];
  });
}
