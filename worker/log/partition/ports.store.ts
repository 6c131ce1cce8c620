// What a partition needs of the platform, and its sizes: a test gives it others.
import {
  DEDUP_IDS_MAX,
  LOG_ROW_MAX_BYTES,
  SEGMENT_BLOCK_BYTES,
  SEGMENT_BYTES,
  SEGMENT_TIMES_MAX,
} from '../../../shared/limits.ts';
import type { StreamWakeUp } from '../../contracts/wake-ups.ts';
import type { IdKey } from './id-index.ts';
import type { ClaimShards } from './claims.ts';
import type { SegmentSizes } from './sealing.store.ts';
import type { SqlSource } from '../../platform/sql.store.ts';

export interface LogPorts {
  storage: SqlSource;
  bucket: R2Bucket;
  claims: ClaimShards;
  ring(wakeUps: StreamWakeUp[]): Promise<void>;
  /** Work that is not awaited. */
  later(work: Promise<void>): void;
  randomKey(): IdKey;
  now(): number;
}

export interface LogSizes extends SegmentSizes {
  rowBytes: number;
  dedupIds: number;
}

export const LOG_SIZES: LogSizes = {
  segmentBytes: SEGMENT_BYTES,
  segmentRows: SEGMENT_TIMES_MAX,
  blockBytes: SEGMENT_BLOCK_BYTES,
  rowBytes: LOG_ROW_MAX_BYTES,
  dedupIds: DEDUP_IDS_MAX,
};
