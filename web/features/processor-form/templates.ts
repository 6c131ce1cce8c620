// What a new processor begins as, one for each way to run: code that works as it stands. Plain data.
export type TemplateId = 'stateless' | 'batch' | 'job';

export interface Template {
  code: string;
  /** What to fill in with it, where the field is still empty. */
  services: { name: string; url: string }[];
}

export const TEMPLATES: Record<TemplateId, Template> = {
  stateless: {
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
  },
  batch: {
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
  },
  job: {
    code: `// A MapReduce job over each window: volunteers and the edge share its work. A record is an event.
export function map(event, emit) {
  emit(event.type, 1);
}

export const combine = 'sum';
export const reduce = 'sum';
`,
    services: [],
  },
};

/** Code that nobody has written in may be replaced without asking. */
export const isTemplate = (code: string): boolean =>
  code.trim() === '' || Object.values(TEMPLATES).some((template) => template.code === code);
