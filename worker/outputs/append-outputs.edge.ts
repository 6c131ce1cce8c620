// Outputs of processors on their way into a stream, under the name of an idempotent producer.
import type { Env } from '../platform/env.ts';
import { ProblemError } from '../platform/problem.ts';
import { appendEvents } from '../log/append.edge.ts';
import type { StreamDefinition } from '../contracts/names.ts';
import { streamNamed } from '../log/streams.edge.ts';
import { OutputMissingError } from './refusal.ts';
import type { OutputEvents } from './effects.ts';

/** Throws OutputMissingError when there is no such stream, and like `appendEvents`. */
export async function appendOutputs(
  env: Env,
  output: string,
  { events, sequences, ids }: OutputEvents,
  producer: string,
): Promise<{ accepted: number; duplicates: number }> {
  const stream = await outputStream(env, output);
  return appendEvents(env, stream, events, { producer: { id: producer, sequences }, ids });
}

async function outputStream(env: Env, name: string): Promise<StreamDefinition> {
  try {
    return await streamNamed(env, name);
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'not_found')) throw error;
    throw new OutputMissingError(`the output stream ${name} is gone`);
  }
}
