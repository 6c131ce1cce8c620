// Stateless: a mail event names a user; the mailer asks the User Service who that is, and emits a mail.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example } from './example.ts';
import { many, pick, putProcessor, putStream, putUser } from './example.ts';

export const USERS = [
  ['u1', 'Ada'],
  ['u2', 'Grace'],
  ['u3', 'Edsger'],
  ['u4', 'Barbara'],
  ['u5', 'Donald'],
  ['u6', 'Frances'],
  ['u7', 'Tony'],
  ['u8', 'Radia'],
] as const;

export const MAILER_CODE = `// One mail for each event. It keeps nothing between two events: that is why it can run anywhere, often at once.
export async function process(event, ctx) {
  const user = await ctx.call('users', event.payload.userId); // throws when the service fails: tried again later
  if (user === null) throw new Error('nobody is called ' + event.payload.userId);
  return {
    type: 'Email',
    key: user.id,
    payload: { to: user.email, subject: 'Hello ' + user.name, template: event.payload.template },
  };
}
`;

export const MAILER_SPEC = {
  stream: 'mail-events',
  kind: 'stateless',
  types: ['MailEvent'],
  output: 'emails',
  code: MAILER_CODE,
  services: { users: { url: '/api/services/users/{key}' } },
  // Short, so that one can watch it: five tries within some seconds, then a dead letter.
  retry: { maxAttempts: 5, baseMs: 300, maxMs: 3_000 },
  startFrom: 'earliest',
};

export const MAIL: Example = {
  setUp: [
    putStream('mail-events', { partitions: 4 }, 'the stream that asks for mails'),
    putStream('emails', { partitions: 4 }, 'the stream of mails to be sent'),
    ...USERS.map(([id, name]) => putUser(id, name)),
    putProcessor('mailer', MAILER_SPEC, 'reads the one, asks the User Service, writes the other'),
  ],
  streams: ['mail-events', 'emails'],
  processors: ['mailer'],
  schedules: [],
};

const TEMPLATES = ['welcome', 'receipt', 'reminder'];

export function mailEvents(count: number, random: () => number): EventInput[] {
  return many(count, () => {
    const [userId] = pick(USERS, random());
    return {
      type: 'MailEvent',
      key: userId,
      payload: { userId, template: pick(TEMPLATES, random()) },
    };
  });
}
