// Leases and receipts are signed texts: the holder of a lease may read one range, read one program and
// write one object, and the data routes need no look-up to know it. A receipt is the edge's signature
// under what was stored, so that a mapper cannot report another digest than its upload had.
import * as z from 'zod';
import type {
  LeaseClaims,
  MapPlan,
  MapTask,
  SpillReceipt,
} from '../../../shared/mapreduce/task.ts';
import { SpillTrailer } from '../../../shared/mapreduce/spill.ts';
import { signToken, verifyToken } from '../../platform/token.ts';
import type { Report } from '../../contracts/job.rpc.ts';

const Count = z.number().int().min(0);

const Claims = z.object({
  job: z.string(),
  task: Count,
  attempt: Count,
  by: z.string(),
  expiresAtMs: z.number(),
  input: z
    .object({
      key: z.string(),
      start: Count,
      end: Count,
      size: Count,
      align: z.enum(['lines', 'none']),
    })
    .nullable(),
  partitions: Count,
}) satisfies z.ZodType<LeaseClaims>;

const Receipt = z.object({
  job: z.string(),
  task: Count,
  attempt: Count,
  digest: z.string(),
  storedBytes: Count,
  sections: z.string(),
  trailer: SpillTrailer,
}) satisfies z.ZodType<SpillReceipt>;

/** Where the records of a leased split lie in the input: half-open, in bytes. */
const Range = z.object({ start: Count, end: Count });
export type LeaseRange = z.infer<typeof Range>;

/** Prefixes keep the kinds of signed text apart: a receipt is no lease. */
const LEASE = 'lease';
const RANGE = 'range';
const RECEIPT = 'receipt';

export interface NewLease {
  plan: MapPlan;
  task: MapTask;
  attempt: number;
  by: string;
  expiresAtMs: number;
  /** `exact`: the split begins and ends with a record already. */
  input: { key: string; bytes: number; exact?: boolean } | null;
}

export function claimsOf({ plan, task, attempt, by, expiresAtMs, input }: NewLease): LeaseClaims {
  const { split } = task;
  const lineBased =
    (plan.format === 'lines' || plan.format === 'ndjson') && !plan.gzip && input?.exact !== true;
  return {
    job: plan.job,
    task: task.task,
    attempt,
    by,
    expiresAtMs,
    partitions: plan.partitions,
    input:
      input && split.kind === 'bytes'
        ? {
            key: input.key,
            start: split.start,
            end: split.end,
            size: input.bytes,
            align: lineBased ? 'lines' : 'none',
          }
        : null,
  };
}

export async function signLease(secret: string, lease: NewLease): Promise<string> {
  return signToken(secret, { kind: LEASE, ...claimsOf(lease) });
}

/** Null: not signed by us, or expired. */
export async function openLease(
  secret: string,
  token: string,
  nowMs: number,
): Promise<LeaseClaims | null> {
  const payload = await verifyToken(secret, token);
  if (!isOfKind(payload, LEASE)) return null;
  const claims = Claims.parse(payload);
  return claims.expiresAtMs > nowMs ? claims : null;
}

export async function signRange(
  secret: string,
  { job, task, attempt }: LeaseClaims,
  { start, end }: LeaseRange,
): Promise<string> {
  return signToken(secret, { kind: RANGE, job, task, attempt, start, end });
}

/** Null: not signed by us for this attempt. */
export async function openRange(
  secret: string,
  { job, task, attempt }: LeaseClaims,
  token: string,
): Promise<LeaseRange | null> {
  const payload = await verifyToken(secret, token);
  if (!isOfKind(payload, RANGE)) return null;
  const range = Range.extend({ job: z.string(), task: Count, attempt: Count }).parse(payload);
  const own = range.job === job && range.task === task && range.attempt === attempt;
  return own ? { start: range.start, end: range.end } : null;
}

export async function signReceipt(secret: string, receipt: SpillReceipt): Promise<string> {
  return signToken(secret, { kind: RECEIPT, ...receipt });
}

/** The receipts of reports, in their order; null: the report has none that we signed. */
export function openReceipts(
  secret: string,
  reports: readonly Report[],
): Promise<(SpillReceipt | null)[]> {
  const opened = reports.map(({ outcome }) =>
    outcome.kind === 'done' ? openReceipt(secret, outcome.receipt) : null,
  );
  return Promise.all(opened);
}

export async function openReceipt(secret: string, token: string): Promise<SpillReceipt | null> {
  const payload = await verifyToken(secret, token);
  return isOfKind(payload, RECEIPT) ? Receipt.parse(payload) : null;
}

export function packReceiptSections(packed: Uint8Array): string {
  let binary = '';
  for (const byte of packed) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function unpackReceiptSections(receipt: SpillReceipt): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(receipt.sections), (char) => char.charCodeAt(0));
}

function isOfKind(payload: unknown, kind: string): boolean {
  return (
    typeof payload === 'object' && payload !== null && 'kind' in payload && payload.kind === kind
  );
}
