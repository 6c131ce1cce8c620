// The data routes of a lease, for those who write a volunteer of their own.
import * as z from 'zod';
import { DIGEST_HEADER, INPUT_START_HEADER, RANGE_HEADER } from '../protocol.ts';
import { bytes, bytesBody, json, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

export const leases = resource(
  'leases',
  ROUTES.leases,
  {
    tag: { name: 'Leases', description: 'The data routes of the volunteers.' },
    params: {
      lease: z
        .string()
        .meta({ description: 'The lease as it was granted: signed, and with a deadline.' }),
    },
  },
  {
    input: {
      summary: 'The bytes of the records of a leased split',
      open: true,
      answers: {
        200: bytes(
          'Whole records.',
          z.object({
            [INPUT_START_HEADER]: z
              .string()
              .meta({ description: 'Offset of the first byte in the whole input.' }),
            [RANGE_HEADER]: z.string().meta({
              description: 'Where the records lie, signed: to be sent along with the output.',
            }),
          }),
        ),
      },
      problems: ['bad_lease', 'not_found', 'gone', 'too_large'],
      curl: '$API/leases/$LEASE/input -o split',
    },
    program: {
      summary: 'The compiled program of a leased task',
      open: true,
      answers: { 200: bytes('The program’s text.') },
      problems: ['bad_lease', 'gone'],
      curl: '$API/leases/$LEASE/program',
    },
    output: {
      summary: 'The spill of a leased task',
      description:
        'Verified while it is stored, and never replaced. The receipt goes back over the volunteer’s socket.',
      open: true,
      headers: z.object({
        [DIGEST_HEADER]: z
          .string()
          .meta({ description: 'SHA-256 of the spill’s canonical content, in hex.' }),
        [RANGE_HEADER]: z.string().optional().meta({
          description:
            'As it came with the input; without it the edge reads the input’s ends again.',
        }),
      }),
      body: bytesBody('The spill, with its Content-Length.'),
      answers: { 200: json('The signed receipt.', z.object({ receipt: z.string() })) },
      problems: ['bad_lease', 'length_required', 'too_large', 'bad_spill', 'conflict'],
      curl: `-X PUT -T spill -H '${DIGEST_HEADER}: $DIGEST' $API/leases/$LEASE/output`,
    },
  },
);
