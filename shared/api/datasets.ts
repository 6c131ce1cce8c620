// Datasets: bytes that are sent whole or in parts, and read whole or by range.
import * as z from 'zod';
import { MIB, UPLOAD_PART_MIN_BYTES, UPLOAD_PARTS_MAX } from '../limits.ts';
import { listOf, ListQuery, ResourceName } from '../schemas/common.ts';
import { Dataset, PartQuery, UploadedPart } from '../schemas/dataset.ts';
import { bytes, bytesBody, created, EtagConditions, json, nothing, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

const complete = created('The dataset, complete.', Dataset, 'dataset');

export const datasets = resource(
  'datasets',
  ROUTES.datasets,
  {
    tag: { name: 'Datasets', description: 'Bytes that jobs read.' },
    params: { name: ResourceName.meta({ description: 'The dataset’s name.' }) },
  },
  {
    list: {
      summary: 'All datasets, by name',
      query: ListQuery,
      answers: { 200: json('A page of datasets.', listOf(Dataset)) },
      problems: ['invalid_request'],
      curl: '$API/datasets',
    },
    put: {
      summary: 'Upload a dataset as one body',
      description:
        'The body is streamed to storage and hashed on its way, whatever its size, and kept as it was sent: a Content-Encoding is not undone (jobs unpack gzip by its first bytes). A body with Content-Range is refused: pieces go to `…/parts`. Conditional by the ETag of `…/bytes`: `If-None-Match: *` creates and never replaces, `If-Match` replaces only that version. A former dataset of the name is replaced once all of the new one is there, and jobs that read the former one keep it.',
      headers: EtagConditions,
      body: bytesBody('The bytes; the Content-Type is kept with the dataset.'),
      answers: { 201: complete },
      problems: ['invalid_request', 'precondition_failed', 'too_large'],
      curl: "-X PUT -T access.log -H 'content-type: text/plain' $API/datasets/access.log",
    },
    get: {
      summary: 'What is known of a dataset',
      answers: { 200: json('Its size, hash and type.', Dataset) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/datasets/access.log',
    },
    delete: {
      summary: 'Delete a dataset',
      description: 'Jobs that read it keep its bytes until they end. Conditional by the ETag.',
      headers: EtagConditions,
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found', 'precondition_failed'],
      curl: '-X DELETE $API/datasets/access.log',
    },
    bytes: {
      summary: 'The bytes, whole or one range',
      description:
        'HEAD works too. A single range is answered with just that; several ranges with the whole. Conditional by ETag and by time. Always sent as binary, whatever the dataset’s own type.',
      headers: z.object({
        range: z
          .string()
          .optional()
          .meta({ examples: ['bytes=0-1023'] }),
        ...EtagConditions.shape,
        'if-modified-since': z.string().optional(),
        'if-unmodified-since': z.string().optional(),
        'if-range': z.string().optional(),
      }),
      answers: {
        200: bytes('All bytes.'),
        206: bytes(
          'The bytes of the range.',
          z.object({ 'content-range': z.string().meta({ examples: ['bytes 0-1023/67108864'] }) }),
        ),
        304: nothing('The dataset is still the one of the condition.'),
      },
      problems: [
        'invalid_request',
        'not_found',
        'gone',
        'precondition_failed',
        'range_not_satisfiable',
      ],
      curl: '-r 0-1023 $API/datasets/access.log/bytes',
    },
    putPart: {
      summary: 'Upload one part of a dataset',
      description: `For bodies over the platform's request limit, and for connections that break. The first part begins the upload and its Content-Type becomes the dataset's. Parts are numbered from 1 to ${UPLOAD_PARTS_MAX}, come in any order, and may be sent again; all have the same size of at least ${UPLOAD_PART_MIN_BYTES / MIB} MiB, but the last, which may be smaller. Nothing is visible before the upload is completed. An upload that is not completed is given up after a day.`,
      query: PartQuery,
      body: bytesBody('The bytes of the part, with their Content-Length.'),
      answers: { 200: json('The part is stored.', UploadedPart) },
      problems: ['invalid_request', 'length_required', 'gone'],
      curl: "--data-binary @part-1 '$API/datasets/huge.log/parts?part=1'",
    },
    parts: {
      summary: 'The parts that are there, to resume an upload',
      answers: {
        200: json('All parts, by number; none when no upload goes on.', listOf(UploadedPart)),
      },
      problems: ['invalid_request'],
      curl: '$API/datasets/huge.log/parts',
    },
    abortParts: {
      summary: 'Give an upload in parts up',
      answers: { 204: nothing('Its parts are gone.') },
      problems: ['invalid_request', 'not_found'],
      curl: '-X DELETE $API/datasets/huge.log/parts',
    },
    complete: {
      summary: 'Put the parts together',
      description: 'The dataset has no hash: its bytes never passed by in their order.',
      answers: { 201: complete },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X POST $API/datasets/huge.log/complete',
    },
  },
);
