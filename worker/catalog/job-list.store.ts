// The catalog's jobs, newest first. Ids begin with the kind's prefix, then with their time: a kind is a range of the
// primary key, read from its end, and both kinds together are two such ranges merged. No index is written for it.
import type { List } from '../../shared/schemas/common.ts';
import { JOB_KINDS, type JobKind } from '../../shared/schemas/job.ts';
import type { AnyJobSummary } from '../../shared/schemas/jobs.ts';
import { ageOf, JOB_PREFIXES } from '../platform/ids.ts';
import type { JobFilter } from '../contracts/catalog.rpc.ts';
import { page } from '../platform/page.ts';
import type { Sql } from '../platform/sql.store.ts';

export function listJobs(sql: Sql, filter: JobFilter): List<AnyJobSummary> {
  const { kind, limit } = filter;
  const found = (kind ? [kind] : JOB_KINDS).flatMap((one) => jobsOfKind(sql, one, filter));
  if (kind === undefined) found.sort((a, b) => (ageOf(a.id) < ageOf(b.id) ? 1 : -1));
  return page(found, limit, ({ id }) => id);
}

/** One more than is asked for: so it is known whether there are others. */
function jobsOfKind(sql: Sql, kind: JobKind, { state, cursor, limit }: JobFilter): AnyJobSummary[] {
  const first = `${JOB_PREFIXES[kind]}_`;
  // The cursor may be an id of the other kind.
  const before = cursor === undefined ? `${first}~` : `${first}${ageOf(cursor)}`;
  const rows = sql.all<{ summary: string }>(
    `SELECT summary FROM jobs WHERE (?1 IS NULL OR state = ?1) AND id >= ?2 AND id < ?3
     ORDER BY id DESC LIMIT ?4`,
    state ?? null,
    first,
    before,
    limit + 1,
  );
  return rows.map((row) => JSON.parse(row.summary) as AnyJobSummary);
}
