// A dataset's bytes as an HTTP answer: whole or one range, conditional. Always as binary, whatever the dataset's
// type: text would be compressed on its way, and bytes that strangers uploaded must never run as a page.
import type { StoredDataset } from '../contracts/catalog.rpc.ts';
import { etagOf, lastModified, notModified } from '../platform/conditions.ts';
import { ProblemError } from '../platform/problem.ts';
import { byteRange } from './byte-range.ts';

/** Null: the object is gone, because the dataset was replaced or deleted meanwhile. */
export async function serveBytes(
  bucket: R2Bucket,
  dataset: StoredDataset,
  request: Request,
): Promise<Response | null> {
  const { name, key, bytes: size } = dataset;
  // Objects never change, so that the version is a strong validator.
  const etag = etagOf(key);
  const modified = dataset.createdAt;
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${name}"`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    etag,
    'last-modified': lastModified(modified),
  };
  const answer = notModified(request.headers, { etag, modified }, headers);
  if (answer) return answer;
  // A time is too coarse to join pieces by (RFC 9110 §13.1.5): then the whole comes.
  const ifRange = request.headers.get('if-range');
  const asked = ifRange === null || ifRange === etag ? request.headers.get('range') : null;
  // A range means nothing to HEAD (RFC 9110 §14.2).
  const range = request.method === 'HEAD' ? null : byteRange(asked, size);
  if (range === 'unsatisfiable') {
    throw new ProblemError('range_not_satisfiable', `the dataset has ${size} bytes`, [], {
      'content-range': `bytes */${size}`,
      'accept-ranges': 'bytes',
    });
  }
  headers['content-length'] = String(range?.length ?? size);
  if (range) {
    const { offset, length } = range;
    headers['content-range'] = `bytes ${offset}-${offset + length - 1}/${size}`;
  }
  const status = range ? 206 : 200;
  if (request.method === 'HEAD' || size === 0) return new Response(null, { status, headers });
  const object = await bucket.get(key, range ? { range } : {});
  return object && new Response(object.body, { status, headers, encodeBody: 'manual' });
}
