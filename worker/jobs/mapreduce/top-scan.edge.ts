// Finds a result's first records. By key ascending that is the beginning of the merged parts; any other order
// takes one pass over all of them.
import type { ResultRecord, TopQuery } from '../../../shared/schemas/job.ts';
import type { Part } from '../../contracts/job.rpc.ts';
import { ResultReader } from './result-reader.edge.ts';
import { TopRecords } from './top.ts';

/** Throws `too_large`. */
export async function topOf(
  bucket: R2Bucket,
  parts: Part[],
  query: TopQuery,
): Promise<ResultRecord[]> {
  const reader = new ResultReader(bucket, parts);
  const sorted = query.by === 'key' && query.direction === 'asc';
  const top = new TopRecords(query);
  for await (const text of sorted ? reader.byKey() : reader.inPartitions()) {
    if (typeof text === 'string') top.push(text);
    else if (top.wantsKey(text.key)) top.push(`${await reader.textOf(text)}\n`);
    if (sorted && top.records.length === query.n) break;
  }
  return top.records;
}
