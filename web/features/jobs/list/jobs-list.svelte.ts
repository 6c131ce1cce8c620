// The jobs on the screen: the first page asked for again while the page is in sight, older ones on request.
import { summaryOfRun } from '../../../../shared/dag/summary.ts';
import type { JobState } from '../../../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../../../shared/schemas/jobs.ts';
import { client } from '../../../lib/api.ts';
import { poll } from '../../../lib/poll.svelte.ts';
import { isOver } from '../../../lib/theme/kinds.ts';
import { appendPage, mergeFirstPage, replaceJobs } from './merge-pages.ts';

const PAGE_ITEMS = 50;
const REFRESH_MS = 2_000;
/** Jobs past the first page that still run are asked for one by one, this many at a time. */
const OLDER_REFRESHED_MAX = 20;

/** Must be called while a component is set up; make a new one for another filter. */
export function createJobsList(state: JobState | undefined) {
  let items = $state.raw<AnyJobSummary[]>([]);
  /** Where the next page begins; null: all is loaded. */
  let next = $state<string | null>(null);
  let paged = false;
  const filter = state ? { state } : {};

  const first = poll(async () => {
    const page = await client.jobs.list({ ...filter, limit: PAGE_ITEMS });
    items = mergeFirstPage(page.items, items, page.next === null);
    if (!paged || page.next === null) next = page.next;
    await refreshOlder();
    return page;
  }, REFRESH_MS);

  async function refreshOlder() {
    const running = items.slice(PAGE_ITEMS).filter((job) => !isOver(job.state));
    if (running.length === 0) return;
    const asked = running.slice(0, OLDER_REFRESHED_MAX);
    const fresh = await Promise.all(asked.map((job) => summaryOf(job).catch(() => null)));
    items = replaceJobs(items, asked, fresh, state);
  }

  return {
    get items() {
      return items;
    },
    get loaded() {
      return first.value !== null;
    },
    get problem() {
      return first.problem;
    },
    get hasMore() {
      return next !== null;
    },
    async loadMore() {
      if (next === null) return;
      const page = await client.jobs.list({ ...filter, limit: PAGE_ITEMS, cursor: next });
      paged = true;
      items = appendPage(items, page.items);
      next = page.next;
    },
  };
}

async function summaryOf({ id }: AnyJobSummary): Promise<AnyJobSummary> {
  const job = await client.jobs.get(id);
  return job.kind === 'dag' ? summaryOfRun(job) : job;
}
