// Described here: datasets, sent whole or in parts, read whole or by range.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { MIB, UPLOAD_PART_MIN_BYTES, UPLOAD_PARTS_MAX } from '../../shared/limits.ts';
import { listOf, ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import { Dataset, PartQuery, UploadedPart } from '../../shared/schemas/dataset.ts';
import { bytes, json, location, nothing, operation } from './openapi-operation.ts';

const tag = 'Datasets';
const path = z.object({ name: ResourceName.meta({ description: 'The dataset’s name.' }) });

const created = {
  ...json('The dataset, complete.', Dataset),
  headers: location('dataset'),
};

export const datasetPaths: ZodOpenApiPathsObject = {
  '/api/datasets': {
    get: operation({
      id: 'listDatasets',
      tag,
      summary: 'All datasets, by name',
      params: { query: ListQuery },
      answers: { 200: json('A page of datasets.', listOf(Dataset)) },
      problems: ['invalid_request'],
      curl: '$API/datasets',
    }),
  },
  '/api/datasets/{name}': {
    put: operation({
      id: 'putDataset',
      tag,
      summary: 'Upload a dataset as one body',
      description:
        'The body is streamed to storage and hashed on its way, whatever its size; a Content-Encoding is not undone. A former dataset of the name is replaced once all of the new one is there, and jobs that read the former one keep it.',
      params: { path },
      body: { ...bytes('The bytes; the Content-Type is kept with the dataset.'), required: true },
      answers: { 201: created },
      problems: ['invalid_request', 'too_large'],
      curl: "-X PUT -T access.log -H 'content-type: text/plain' $API/datasets/access.log",
    }),
    get: operation({
      id: 'getDataset',
      tag,
      summary: 'What is known of a dataset',
      params: { path },
      answers: { 200: json('Its size, hash and type.', Dataset) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/datasets/access.log',
    }),
    delete: operation({
      id: 'deleteDataset',
      tag,
      summary: 'Delete a dataset',
      description: 'Jobs that read it keep its bytes until they end.',
      params: { path },
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found'],
      curl: '-X DELETE $API/datasets/access.log',
    }),
  },
  '/api/datasets/{name}/bytes': {
    get: operation({
      id: 'getDatasetBytes',
      tag,
      summary: 'The bytes, whole or one range',
      description:
        'HEAD works too. A single range is answered with just that; several ranges with the whole. Conditional by ETag: If-None-Match, If-Range. Always sent as binary, whatever the dataset’s own type.',
      params: {
        path,
        header: z.object({
          range: z
            .string()
            .optional()
            .meta({ examples: ['bytes=0-1023'] }),
          'if-none-match': z.string().optional(),
          'if-range': z.string().optional(),
        }),
      },
      answers: {
        200: bytes('All bytes.'),
        206: {
          ...bytes('The bytes of the range.'),
          headers: z.object({
            'content-range': z.string().meta({ examples: ['bytes 0-1023/67108864'] }),
          }),
        },
        304: nothing('The dataset is still the one of If-None-Match.'),
      },
      problems: ['invalid_request', 'not_found', 'gone', 'range_not_satisfiable'],
      curl: '-r 0-1023 $API/datasets/access.log/bytes',
    }),
  },
  '/api/datasets/{name}/parts': {
    post: operation({
      id: 'putDatasetPart',
      tag,
      summary: 'Upload one part of a dataset',
      description: `For bodies over the platform's request limit, and for connections that break. The first part begins the upload and its Content-Type becomes the dataset's. Parts are numbered from 1 to ${UPLOAD_PARTS_MAX}, come in any order, and may be sent again; all have the same size of at least ${UPLOAD_PART_MIN_BYTES / MIB} MiB, but the last, which may be smaller. Nothing is visible before the upload is completed. An upload that nobody completes is given up after a day.`,
      params: { path, query: PartQuery },
      body: { ...bytes('The bytes of the part, with their Content-Length.'), required: true },
      answers: { 200: json('The part is stored.', UploadedPart) },
      problems: ['invalid_request', 'length_required', 'gone'],
      curl: "--data-binary @part-1 '$API/datasets/huge.log/parts?part=1'",
    }),
    get: operation({
      id: 'listDatasetParts',
      tag,
      summary: 'The parts that are there, to resume an upload',
      params: { path },
      answers: {
        200: json('All parts, by number; none when no upload goes on.', listOf(UploadedPart)),
      },
      problems: ['invalid_request'],
      curl: '$API/datasets/huge.log/parts',
    }),
    delete: operation({
      id: 'abortDatasetParts',
      tag,
      summary: 'Give an upload in parts up',
      params: { path },
      answers: { 204: nothing('Its parts are gone.') },
      problems: ['invalid_request', 'not_found'],
      curl: '-X DELETE $API/datasets/huge.log/parts',
    }),
  },
  '/api/datasets/{name}/complete': {
    post: operation({
      id: 'completeDataset',
      tag,
      summary: 'Put the parts together',
      description: 'The dataset has no hash: its bytes never passed by in their order.',
      params: { path },
      answers: { 201: created },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X POST $API/datasets/huge.log/complete',
    }),
  },
};
