// The DAG jobs to begin with: each is a whole definition that really runs as it stands.
import type { DagSpecInput } from '../../../shared/schemas/dag.ts';
import { WORD_CODE } from '../word-code.ts';
import { productUpload } from './programs/product-upload.ts';

export interface Template {
  id: string;
  title: string;
  /** One line: what it shows. */
  about: string;
  spec: DagSpecInput;
}

const DIAMOND: DagSpecInput = {
  kind: 'dag',
  name: 'two readings',
  input: { text: 'Many hands make light work, and light work makes many hands idle.' },
  steps: {
    words: {
      run: 'edge',
      code: `// A step without needs begins at once. What it returns is its output.
${WORD_CODE}
export default ({ input }) => input.text.toLowerCase().match(WORD) ?? [];
`,
    },
    longest: {
      needs: ['words'],
      run: 'edge',
      code: `export default ({ steps }) => steps.words.toSorted((a, b) => b.length - a.length)[0] ?? '';
`,
    },
    repeated: {
      needs: ['words'],
      run: 'edge',
      code: `// Runs beside \`longest\`: both need the same step, and not each other.
export default ({ steps }) => {
  const counts = {};
  for (const word of steps.words) counts[word] = (counts[word] ?? 0) + 1;
  return Object.keys(counts).filter((word) => counts[word] > 1);
};
`,
    },
    report: {
      needs: ['words', 'longest', 'repeated'],
      run: 'edge',
      code: `// Runs once all three are done.
export default ({ steps }, ctx) => {
  ctx.log('attempt ' + ctx.attempt);
  const { words, longest, repeated } = steps;
  return { words: words.length, longest, repeated };
};
`,
    },
  },
};

const FAN_OUT: DagSpecInput = {
  kind: 'dag',
  name: 'primes by ranges',
  input: { upTo: 2_000_000, ranges: 40 },
  steps: {
    ranges: {
      run: 'edge',
      code: `// A list: the next step runs once for each of its items.
export default ({ input: { upTo, ranges } }) =>
  Array.from({ length: ranges }, (_, i) => ({
    from: Math.floor((upTo * i) / ranges),
    to: Math.floor((upTo * (i + 1)) / ranges),
  }));
`,
    },
    primes: {
      needs: ['ranges'],
      run: 'edge',
      forEach: 'steps.ranges',
      concurrency: 16,
      retry: { maxAttempts: 3, baseMs: 200 },
      code: `// Each item is tried again by itself: some of these stumble the first time.
export default ({ item: { from, to } }, ctx) => {
  if (ctx.item % 13 === 7 && ctx.attempt === 1) throw new Error('stumbled, as it was meant to');
  const composite = new Uint8Array(to - from);
  for (let p = 2; p * p < to; p++) {
    for (let n = Math.max(p * p, Math.ceil(from / p) * p); n < to; n += p) composite[n - from] = 1;
  }
  let count = 0;
  for (let n = Math.max(2, from); n < to; n++) if (!composite[n - from]) count++;
  return count;
};
`,
    },
    total: {
      needs: ['primes'],
      run: 'edge',
      code: `// The output of a step with \`forEach\` is the list of outputs, in the order of the items.
export default ({ input, steps }) => ({
  upTo: input.upTo,
  primes: steps.primes.reduce((sum, count) => sum + count, 0),
});
`,
    },
  },
};

const APPROVAL: DagSpecInput = {
  kind: 'dag',
  name: 'publish after approval',
  input: { title: 'Many hands', author: 'Ada' },
  steps: {
    draft: {
      run: 'edge',
      code: `export default ({ input }) => ({ text: input.title + ', by ' + input.author, version: 1 });
`,
    },
    // Answered on the run's page, or by POST …/signals/decision with {"approved": true}.
    approval: { needs: ['draft'], run: 'wait', signal: 'decision', timeoutMs: 24 * 3600_000 },
    publish: {
      needs: ['draft', 'approval'],
      run: 'edge',
      when: 'steps.approval?.approved === true',
      code: `// Runs only when the signal said {"approved": true}; else it is skipped.
export default ({ steps }) => ({ published: steps.draft.text });
`,
    },
    file: {
      needs: ['draft', 'approval'],
      run: 'edge',
      when: 'steps.approval?.approved !== true',
      code: `export default ({ steps }) => ({ filed: steps.draft.text, why: steps.approval?.why ?? 'not said' });
`,
    },
    tell: {
      needs: ['publish', 'file'],
      run: 'edge',
      afterSkipped: 'run',
      code: `// One of the two was skipped: its output is null here, and this step runs nevertheless.
export default ({ input, steps }, ctx) => {
  const outcome = steps.publish ?? steps.file;
  ctx.log('tell ' + input.author + ': ' + JSON.stringify(outcome));
  return outcome;
};
`,
    },
  },
};

const NESTED: DagSpecInput = {
  kind: 'dag',
  name: 'words and a verdict',
  input: { least: 2 },
  steps: {
    count: {
      run: 'mapreduce',
      job: {
        name: 'word count',
        input: {
          inline:
            'Many hands make light work.\nMany cooks spoil the broth.\nLight work is soon forgotten; the broth is not.',
          format: 'lines',
        },
        partitions: 2,
        code: `// A MapReduce job of its own: it has a page, volunteers take its splits.
${WORD_CODE}
export function map(line, emit) {
  for (const [word] of line.toLowerCase().matchAll(WORD)) emit(word, 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`,
      },
    },
    verdict: {
      needs: ['count'],
      run: 'edge',
      code: `// A small result comes along as records; of a large one, steps.count is a ticket.
export default ({ input, steps }) => {
  const often = steps.count.records.filter(({ value }) => value >= input.least);
  often.sort((a, b) => b.value - a.value || (a.key < b.key ? -1 : 1));
  return { words: steps.count.keys, often };
};
`,
    },
  },
};

export const TEMPLATES: readonly Template[] = [
  {
    id: 'product-upload',
    title: 'Product upload',
    about: 'pictures and a clip made in volunteers’ browsers, side by side',
    spec: productUpload({ productId: 'sunrise', picture: null, clip: null }),
  },
  {
    id: 'diamond',
    title: 'Diamond',
    about: 'two steps at once, and one that needs both',
    spec: DIAMOND,
  },
  {
    id: 'fan-out',
    title: 'Fan-out',
    about: 'one step for each item of a list, each tried again by itself',
    spec: FAN_OUT,
  },
  {
    id: 'approval',
    title: 'Approval',
    about: 'waits for a person’s signal, then one way or the other',
    spec: APPROVAL,
  },
  {
    id: 'mapreduce',
    title: 'Nested MapReduce',
    about: 'a whole MapReduce job as a step, and a verdict on its result',
    spec: NESTED,
  },
];

export const templateById = (id: string): Template | null =>
  TEMPLATES.find((template) => template.id === id) ?? null;

const TEXTS = new Map<Template, string>();

/** As a person would write it. */
export function textOf(template: Template): string {
  const known = TEXTS.get(template);
  if (known !== undefined) return known;
  const text = definitionText(template.spec);
  TEXTS.set(template, text);
  return text;
}

/** Short lists stay on one line. */
export function definitionText(spec: DagSpecInput): string {
  return `${JSON.stringify(spec, null, 2).replace(SPREAD_LIST, (list: string) => {
    const short = list.replace(/\s*\n\s*/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim());
    return short.length <= 80 ? short : list;
  })}\n`;
}

/** A text in JSON has no line breaks: what spreads over lines is no part of one. */
const SPREAD_LIST = /\[\n\s+[^[\]{}\n]+(?:,\n\s+[^[\]{}\n]+)*\n\s*\]/g;
