// Claim-check: a document travels as a ticket; its bytes lie in R2 until somebody asks for them.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example } from './example.ts';
import { pick, putProcessor, putStream } from './example.ts';

export const INDEXER_CODE = `// The event is small; what it stands for may be large. It is fetched, and its hash checked, only here.
export async function process(event, ctx) {
  const content = await ctx.payload(event);
  const text = content instanceof Uint8Array ? new TextDecoder().decode(content) : String(content.text);
  const words = text.split(/\\s+/).filter((word) => word !== '').length;
  return { type: 'DocumentRead', key: event.key, payload: { document: event.id, words, claimed: 'claim' in event } };
}
`;

export const DOCUMENTS: Example = {
  setUp: [
    putStream(
      'documents',
      { partitions: 1, claimCheckBytes: 98_304 },
      'payloads above 96 KiB go to R2 by themselves',
    ),
    putStream('document-facts', { partitions: 1 }, 'what was found in them'),
    putProcessor(
      'indexer',
      {
        stream: 'documents',
        kind: 'stateless',
        output: 'document-facts',
        code: INDEXER_CODE,
        startFrom: 'earliest',
      },
      'fetches a payload when it needs it, and counts its words',
    ),
  ],
  streams: ['documents', 'document-facts'],
  processors: ['indexer'],
  schedules: [],
};

const WORDS = ['many', 'hands', 'make', 'light', 'work', 'of', 'a', 'heavy', 'load', 'together'];

/** An event whose payload has about so many bytes. */
export function documentEvent(bytes: number, random: () => number): EventInput {
  let text = '';
  while (text.length < bytes) text += `${pick(WORDS, random())} `;
  return { type: 'DocumentWritten', key: 'report', payload: { text: text.slice(0, bytes) } };
}
