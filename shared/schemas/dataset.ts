// Datasets: bytes in R2 that a job reads.
import * as z from 'zod';
import { UPLOAD_PARTS_MAX } from '../limits.ts';
import { digits, IsoTime } from './common.ts';

export const Dataset = z
  .object({
    name: z.string(),
    bytes: z.number().int(),
    sha256: z.string().optional().meta({ description: 'hex; absent when uploaded in parts' }),
    contentType: z.string(),
    createdAt: IsoTime,
  })
  .meta({ id: 'Dataset' });
export type Dataset = z.infer<typeof Dataset>;

export const PartQuery = z.object({
  part: digits(1, UPLOAD_PARTS_MAX),
});

export const UploadedPart = z
  .object({ part: z.number().int(), bytes: z.number().int(), etag: z.string() })
  .meta({ id: 'UploadedPart' });
export type UploadedPart = z.infer<typeof UploadedPart>;
