// What a new processor begins as, one or more for each way to run: code that works as it stands. Plain data.
import type { ProcessorKind } from '../../../../shared/schemas/processor.ts';
import type { ProcessorDraft } from './draft.ts';

export const TEMPLATE_IDS = [
  'stateless',
  'counter',
  'address',
  'product',
  'views',
  'sessions',
  'batch',
  'job',
] as const;
export type TemplateId = (typeof TEMPLATE_IDS)[number];

export interface Template {
  kind: ProcessorKind;
  /** To choose it by, where its kind has others. */
  label: string;
  code: string;
  services: { name: string; url: string }[];
  /** What to fill in with it, where a field is still as it was. */
  fields: Partial<ProcessorDraft>;
}

export const TEMPLATES: Record<TemplateId, Template> = {
  stateless: {
    kind: 'stateless',
    label: 'Mail',
    code: `// Runs for each event, in order within a partition. What it returns is published to the output.
export async function process(event, ctx) {
  const user = await ctx.call('users', event.payload.userId);
  if (!user) throw new Error(\`no user \${event.payload.userId}\`);
  return {
    type: 'Email',
    key: user.id,
    payload: { to: user.email, subject: \`Hello \${user.name}\` },
  };
}
`,
    services: [{ name: 'users', url: '/api/services/users/{key}' }],
    fields: {},
  },
  counter: {
    kind: 'stateful',
    label: 'Counter',
    code: `// Runs for each event with the state of its key, in order. What it returns is the key's new state:
// undefined leaves it as it is, null forgets it. What ctx.emit gets is published to the output.
export function process(event, state, ctx) {
  const count = (state?.count ?? 0) + 1;
  if (count % 100 === 0) ctx.log(\`\${ctx.key} has come \${count} times\`);
  return { count, last: event.time };
}
`,
    services: [],
    fields: { keyBy: 'payload.userId' },
  },
  address: {
    kind: 'stateful',
    label: 'Latest address',
    code: `// Keeps the newest address of each user, so that mail is sent without asking anybody.
export function process(event, state, ctx) {
  if (event.type === 'UserInformationUpdated') {
    return { email: event.payload.email, since: event.time };
  }
  if (!state) throw new Error(\`no address of \${ctx.key} is known yet\`);
  ctx.emit({
    type: 'MailSent',
    key: ctx.key,
    payload: { to: state.email, subject: event.payload.subject },
  });
  return undefined; // the state stays as it is
}
`,
    services: [],
    fields: {
      streams: 'mail, users',
      types: 'MailEvent, UserInformationUpdated',
      keyPerStream: true,
      keyByStream: { mail: 'payload.userId', users: 'key' },
    },
  },
  product: {
    kind: 'join',
    label: 'Product',
    code: `// Runs once for each key, when an event of every type is there, in whatever order they came.
// After a time-out that emits what is there, the types that are missing are null.
export function process({ ProductUploaded, ImageEncoded, VideoEncoded }, ctx) {
  return {
    type: 'ProductCreated',
    key: ctx.key,
    payload: {
      name: ProductUploaded?.payload.name ?? 'unknown',
      images: ImageEncoded?.payload.images ?? [],
      video: VideoEncoded?.payload.video ?? null,
    },
  };
}
`,
    services: [],
    fields: {
      keyBy: 'payload.productId',
      joinTypes: 'ProductUploaded, ImageEncoded, VideoEncoded',
    },
  },
  views: {
    kind: 'window',
    label: 'Counts',
    code: `// A window keeps what add makes of its events; process runs once, when the window closes.
export function add(views, event) {
  return (views ?? 0) + 1;
}

export function process({ key, start, end, state }) {
  return { type: 'PageViews', key, payload: { page: key, from: start, to: end, views: state } };
}
`,
    services: [],
    fields: { keyBy: 'payload.page', windowType: 'tumbling' },
  },
  sessions: {
    kind: 'window',
    label: 'Sessions',
    code: `// A session keeps what add makes of its events; process runs once, when nothing came for long enough.
const PAGES_KEPT = 50;

export function add(pages, event) {
  return [...(pages ?? []), event.payload.page].slice(-PAGES_KEPT);
}

// An event between two sessions makes them one; the older comes first.
export function merge(older, newer) {
  return [...older, ...newer].slice(-PAGES_KEPT);
}

export function process({ key, start, end, count, state }) {
  return { type: 'Session', key, payload: { from: start, to: end, events: count, pages: state } };
}
`,
    services: [],
    fields: { keyBy: 'payload.userId', windowType: 'session' },
  },
  batch: {
    kind: 'batch',
    label: 'A function',
    code: `// Runs once for each window; the batch is read as it comes and never held as a whole.
export async function process(batch, ctx) {
  const byType = {};
  for await (const event of batch) {
    byType[event.type] = (byType[event.type] ?? 0) + 1;
  }
  ctx.log(\`\${batch.events} events, closed by \${batch.reason}\`);
  return { type: 'Summary', payload: { events: batch.events, byType } };
}
`,
    services: [],
    fields: { runs: 'code' },
  },
  job: {
    kind: 'batch',
    label: 'A MapReduce job',
    code: `// A MapReduce job over each window: volunteers and the edge share its work. A record is an event.
export function map(event, emit) {
  emit(event.type, 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`,
    services: [],
    fields: { runs: 'job' },
  },
};

/** Code that the person has not edited may be replaced without asking. */
export const isTemplate = (code: string): boolean =>
  code.trim() === '' || Object.values(TEMPLATES).some((template) => template.code === code);
