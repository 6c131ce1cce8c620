// Events that a shard lost after their effect, as dead letters of their consumer.
import { env, evictDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { DEAD_LETTERS_MAX } from '../../shared/limits.ts';
import { consumerObject } from '../../worker/stubs.ts';
import type { Letter, ConsumerConfig } from '../../worker/contracts/consumer.rpc.ts';
import { consumerName, type ConsumerRef } from '../../worker/contracts/names.ts';
import { newStream } from './streams.ts';

async function paused(stream: string): Promise<ConsumerRef> {
  const { uid } = await newStream(stream, 1);
  const source = { stream, uid, partition: 0 };
  const ref = { processor: 'p', processorUid: `processor_${stream}`, generation: 1, source };
  const config: ConsumerConfig = {
    ref,
    version: 1,
    programKey: 'none',
    programHash: 'none',
    guard: false,
    types: null,
    output: null,
    services: {},
    params: {},
    retry: { maxAttempts: 1, baseMs: 0, maxMs: 0 },
    paused: true,
    rebuilding: false,
  };
  await consumerObject(env, ref).configure(config, 'earliest');
  return ref;
}

const letter = (stream: string, offset: number, message: string): Letter => ({
  id: `${stream}:0:${offset}`,
  offset,
  line: JSON.stringify({ partition: 0, offset, id: `${offset}`, type: 'T', payload: 1 }),
  error: { code: 'deadline', message },
  attempts: 1,
  atMs: 1_000,
});

describe('a lost event', () => {
  it('is a dead letter once, however often it is told of', async () => {
    const ref = await paused('dead');
    const consumer = consumerObject(env, ref);
    await consumer.addDeadLetters([letter('dead', 5, 'first'), letter('dead', 3, 'first')]);
    await evictDurableObject(env.CONSUMERS.get(env.CONSUMERS.idFromName(consumerName(ref))));
    await consumer.addDeadLetters([letter('dead', 5, 'second'), letter('dead', 7, 'second')]);
    const { items } = await consumer.deadLetters(undefined, 10);
    expect(items.map(({ offset, error, state }) => [offset, error.message, state])).toEqual([
      [3, 'first', 'dead'],
      [5, 'first', 'dead'],
      [7, 'second', 'dead'],
    ]);
    const status = await consumer.status();
    expect(status).toMatchObject({ deadLetters: 3, counters: { deadLettered: 3 } });
  });

  it('that was being run again is dead again, and waits to be asked for', async () => {
    const ref = await paused('again');
    const consumer = consumerObject(env, ref);
    await consumer.addDeadLetters([letter('again', 5, 'first')]);
    expect(await consumer.redrive({ all: true }, Date.now() + 3600_000)).toBe(1);
    await consumer.addDeadLetters([letter('again', 5, 'second')]);
    const { items } = await consumer.deadLetters(undefined, 10);
    expect(items).toMatchObject([{ state: 'dead', attempts: 2, error: { message: 'second' } }]);
    expect((await consumer.status())?.counters.deadLettered).toBe(2);
  });

  it('is refused when no more are kept', async () => {
    const ref = await paused('many');
    const consumer = consumerObject(env, ref);
    const line = '{}';
    const letters = Array.from({ length: 1_000 }, (_, i) => ({ ...letter('many', i, 'm'), line }));
    for (let at = 0; at < DEAD_LETTERS_MAX; at += 1_000) {
      await consumer.addDeadLetters(
        letters.map((one, i) => ({ ...one, offset: at + i, id: `many:0:${at + i}` })),
      );
    }
    const refusal = await consumer.addDeadLetters([letter('many', DEAD_LETTERS_MAX, 'one more')]);
    expect(refusal).toContain('no more are kept');
    expect((await consumer.status())?.deadLetters).toBe(DEAD_LETTERS_MAX);
  });

  it('of a consumer that nobody configured is nobody’s', async () => {
    const source = { stream: 'no', uid: 'no', partition: 0 };
    const ref = { processor: 'p', processorUid: 'processor_none', generation: 1, source };
    await consumerObject(env, ref).addDeadLetters([letter('no', 1, 'm')]);
    expect(await consumerObject(env, ref).status()).toBeNull();
  });
});
