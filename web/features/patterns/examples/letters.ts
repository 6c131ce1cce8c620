// Stateful: who writes to whom is known from the stream of changes, kept by the processor itself; beside it the same
// mails by asking the User Service for each. The one may be some moments behind, the other is slow and can be gone.
import type { EventInput } from '../../../../shared/schemas/stream.ts';
import type { Example, RestCall } from './example.ts';
import { putProcessor, putStream, putUser } from './example.ts';
import { USERS } from './mail.ts';

export const STORE_CODE = `// Two streams make one state for each user: what the service told of them. A mail reads it and asks nobody.
export function process(event, state, ctx) {
  if (event.type === 'UserInformationUpdated') {
    const { name, email } = event.payload;
    // The new state. It also remembers which update it comes from.
    return { name, email, update: { partition: event.partition, offset: event.offset, time: event.time } };
  }
  if (state === null) throw new Error('nothing was told of ' + ctx.key + ' yet'); // tried again later
  ctx.emit({
    type: 'MailSent',
    key: ctx.key,
    payload: { mail: event.id, to: state.email, update: state.update },
  });
  // Nothing is returned: the state stays what it is.
}
`;

export const ASKING_CODE = `// Keeps nothing: it asks for every mail, and so always hears the newest. Or nothing, while the service is down.
export async function process(event, ctx) {
  const user = await ctx.call('users', event.payload.userId);
  if (user === null) throw new Error('nobody is called ' + event.payload.userId);
  return { type: 'MailSent', key: user.id, payload: { mail: event.id, to: user.email } };
}
`;

const RETRY = { maxAttempts: 5, baseMs: 300, maxMs: 3_000 };

export const STORE_SPEC = {
  stream: ['mail', 'users'],
  kind: 'stateful',
  types: ['MailEvent', 'UserInformationUpdated'],
  keyBy: { mail: 'payload.userId', users: 'key' },
  output: 'sent-from-store',
  code: STORE_CODE,
  retry: RETRY,
  startFrom: 'earliest',
};

export const LETTERS: Example = {
  setUp: [
    putStream('mail', { partitions: 4 }, 'the stream that asks for mails'),
    putStream('users', {}, 'what the User Service tells of its users'),
    putStream('sent-from-store', { partitions: 1 }, 'mails whose address was known'),
    putStream('sent-by-asking', { partitions: 1 }, 'mails whose address was asked for'),
    ...USERS.map(([id, name]) => putUser(id, name)),
    putProcessor('mail-from-store', STORE_SPEC, 'keeps what it was told of each user'),
    putProcessor(
      'mail-by-asking',
      {
        stream: 'mail',
        kind: 'stateless',
        types: ['MailEvent'],
        output: 'sent-by-asking',
        code: ASKING_CODE,
        services: { users: { url: '/api/services/users/{key}' } },
        retry: RETRY,
        startFrom: 'earliest',
      },
      'asks the User Service for each mail',
    ),
  ],
  streams: ['mail', 'users', 'sent-from-store', 'sent-by-asking'],
  processors: ['mail-from-store', 'mail-by-asking'],
  schedules: [],
  borrowed: ['users'],
};

export const mailTo = (userId: string, id: string): EventInput => ({
  type: 'MailEvent',
  id,
  key: userId,
  payload: { userId },
});

/** Another address, told from the one before by a number. */
export const addressOf = (name: string, random: number): string =>
  `${name.toLowerCase()}+${1_000 + Math.floor(9_000 * random)}@example.com`;

export const changeAddress = (id: string, name: string, email: string): RestCall => ({
  method: 'PUT',
  path: `/api/services/users/${id}`,
  body: { name, email },
  why: `${name} has another address`,
});
