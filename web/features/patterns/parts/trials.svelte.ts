// Changes an address and sends a mail at the same moment, and follows the mail through both mailers. One
// trial of a user at a time, so that "when did the store know" has one answer.
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';
import { client } from '../../../lib/api.ts';
import { addressOf, changeAddress, mailTo } from '../examples/letters.ts';
import { publish } from '../examples/example.ts';
import { USERS } from '../examples/mail.ts';
import type { Playground } from '../model/playground.svelte.ts';
import type { Delivery, Mailer, Place, Trial } from '../model/staleness.ts';

const LOOK_MS = 150;
/** What is not there after this long is looked for less often. */
const PATIENCE_MS = 15_000;
const TRIALS_KEPT_MAX = 200;
const LANES = 4;
const DEAD_LETTERS_LOOKED_AT = 100;

const MAILERS: Record<Mailer, { processor: string; output: string }> = {
  fromStore: { processor: 'mail-from-store', output: 'sent-from-store' },
  byAsking: { processor: 'mail-by-asking', output: 'sent-by-asking' },
};

interface MailSent {
  mail: string;
  to: string;
  update?: Place & { time: string };
}

export type Trials = ReturnType<typeof createTrials>;

/** Must be called while a component is set up: it looks as long as that lives. */
export function createTrials(playground: Playground) {
  let trials = $state.raw<readonly Trial[]>([]);
  let running = $state(false);
  const read: Record<Mailer, number | null> = { fromStore: null, byAsking: null };
  let alive = true;
  let looking = false;
  let lookUntilMs = 0;
  $effect(() => () => {
    alive = false;
  });

  function change(mail: string, next: Partial<Trial>): void {
    trials = trials.map((trial) => (trial.mail === mail ? { ...trial, ...next } : trial));
  }
  const find = (mail: string) => trials.find((trial) => trial.mail === mail);

  function deliver(mailer: Mailer, { payload, time }: StreamEvent): void {
    const { mail, to, update = null } = payload as unknown as MailSent;
    const trial = find(mail);
    if (!trial || trial[mailer].state === 'sent') return;
    const tookMs = Date.now() - trial.startedMs;
    change(mail, { [mailer]: { state: 'sent', to, tookMs, atMs: Date.parse(time), update } });
  }

  async function readNew(mailer: Mailer): Promise<void> {
    const { output } = MAILERS[mailer];
    const from = read[mailer];
    if (from === null) return;
    const { events, next } = await client.streams.events(output, { partition: 0, from });
    read[mailer] = Math.max(read[mailer] ?? 0, next);
    for (const event of events) deliver(mailer, event);
  }

  /** Looks for what is under way: often at first, then with each look of the playground. */
  async function look(): Promise<void> {
    lookUntilMs = Date.now() + PATIENCE_MS;
    if (looking) return;
    looking = true;
    try {
      do {
        await Promise.all([readNew('fromStore'), readNew('byAsking')]);
        await wait(LOOK_MS);
      } while (alive && Date.now() < lookUntilMs && trials.some(isUnderway));
    } finally {
      looking = false;
    }
  }

  async function begin(): Promise<void> {
    for (const mailer of ['fromStore', 'byAsking'] as const) {
      if (read[mailer] !== null) continue;
      read[mailer] = (await client.streams.get(MAILERS[mailer].output)).partitions[0]?.next ?? 0;
    }
  }

  async function one(index: number, withChange: boolean): Promise<void> {
    const [userId, name] = USERS[index % USERS.length] ?? USERS[0];
    const mail = `mail-${crypto.randomUUID().slice(0, 13)}`;
    const newAddress = withChange ? addressOf(name, Math.random()) : null;
    const trial: Trial = {
      mail,
      userId,
      name,
      startedMs: Date.now(),
      newAddress,
      change: withChange ? 'asked' : 'none',
      applied: null,
      fromStore: { state: 'underway' },
      byAsking: { state: 'underway' },
    };
    trials = [trial, ...trials].slice(0, TRIALS_KEPT_MAX);
    const changing =
      newAddress === null
        ? Promise.resolve()
        : playground.make(changeAddress(userId, name, newAddress)).then(
            () => change(mail, { change: 'stored' }),
            () => change(mail, { change: 'refused' }),
          );
    try {
      await playground.make(publish('mail', [mailTo(userId, mail)]));
    } catch (error) {
      trials = trials.filter((other) => other.mail !== mail);
      throw error;
    }
    void look().catch(() => undefined); // the next trial, or the next look, begins it again
    await changing;
    await settle(mail);
  }

  /** Until the store has sent the mail and knows of the change. */
  async function settle(mail: string): Promise<void> {
    const untilMs = Date.now() + PATIENCE_MS;
    for (let trial = find(mail); alive && trial && Date.now() < untilMs; trial = find(mail)) {
      if (trial.change === 'stored' && !trial.applied) await askStore(trial);
      else if (trial.fromStore.state !== 'underway') return;
      await wait(LOOK_MS);
    }
  }

  async function askStore({ mail, userId, newAddress }: Trial): Promise<void> {
    const { state, changedAt } = await client.processors.state(MAILERS.fromStore.processor, userId);
    const known = state as { email: string; update: Place } | null;
    if (known?.email !== newAddress || changedAt === null) return;
    change(mail, { applied: { place: known.update, atMs: Date.parse(changedAt) } });
  }

  return {
    /** Newest first. */
    get all() {
      return trials;
    },
    get running() {
      return running;
    },
    /** So many trials, some users side by side. */
    async run(count: number, withChange: boolean): Promise<void> {
      if (running) return;
      running = true;
      const first = Math.floor(Math.random() * USERS.length);
      try {
        await begin();
        const lanes = Array.from({ length: Math.min(LANES, count) }, async (_, lane) => {
          for (let index = lane; index < count; index += LANES)
            await one(first + index, withChange);
        });
        await Promise.all(lanes);
      } catch (error) {
        await playground.act('sending', () => Promise.reject(error));
      } finally {
        running = false;
        void playground.refresh();
      }
    },
    /** Marks those that ended as dead letters of a mailer. */
    async lookAtDeadLetters(mailer: Mailer): Promise<void> {
      const { items } = await client.processors.deadLetters(MAILERS[mailer].processor, {
        limit: DEAD_LETTERS_LOOKED_AT,
      });
      const isDead = ({ mail }: Trial) => items.some(({ event }) => event?.id === mail);
      const state: Delivery = { state: 'dead' };
      trials = trials.map((trial) =>
        trial[mailer].state === 'underway' && isDead(trial) ? { ...trial, [mailer]: state } : trial,
      );
    },
    /** One look for mails that came late, such as after a redrive. */
    async catchUp(): Promise<void> {
      await Promise.all([readNew('fromStore'), readNew('byAsking')]);
    },
  };
}

const isUnderway = (trial: Trial): boolean =>
  trial.fromStore.state === 'underway' || trial.byAsking.state === 'underway';

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
