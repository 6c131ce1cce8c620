// A body of bytes, as it comes: its type, its length when that is known, and the stream itself.
import type { Context } from 'hono';
import * as z from 'zod';
import { CONTENT_TYPE_MAX_CHARS } from '../../shared/limits.ts';
import { digits } from '../../shared/schemas/common.ts';
import type { AppEnv } from '../platform/env.ts';
import { parse } from '../platform/parse.ts';

const ContentType = z.string().max(CONTENT_TYPE_MAX_CHARS).default('application/octet-stream');
const ContentLength = digits(0);

export function uploadOf({ req }: Context<AppEnv>) {
  const length = req.header('content-length');
  return {
    contentType: parse(ContentType, req.header('content-type') || undefined, 'content-type'),
    contentLength: length === undefined ? null : parse(ContentLength, length, 'content-length'),
    body: req.raw.body as ReadableStream<Uint8Array> | null,
  };
}
