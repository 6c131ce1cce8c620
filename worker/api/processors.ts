// /api/processors: user code that reads streams, and what it keeps.
import { CONNECTIONS_MAX } from '../../shared/limits.ts';
import {
  keyedPlaces,
  keyedState,
  lateEvents,
  openWindows,
  stateExport,
  states,
  waiting,
} from '../processors/keyed/reading.edge.ts';
import type { Env } from '../platform/env.ts';
import { catalog, processorObject } from '../stubs.ts';
import { found, ProblemError } from '../platform/problem.ts';
import { sideBySide } from '../platform/side-by-side.ts';
import {
  defineProcessor,
  deleteProcessor,
  processorNamed,
} from '../processors/definition/define.edge.ts';
import type { ProcessorRpc } from '../contracts/processor.rpc.ts';
import { created, type Handlers, Reply } from './serve.ts';

/** A rebuilt version may take over while its state is asked for. */
const STATE_TRIES = 3;

/** Asks the processor's object. It may be deleted meanwhile. */
const ask = async <Value>(
  env: Env,
  name: string,
  question: (processor: ProcessorRpc) => Promise<Value | null>,
): Promise<Value> => found(await question(await processorNamed(env, name)), `processor ${name}`);

const allowed = <Value extends object>(answer: Value | { conflict: string }): Value => {
  if ('conflict' in answer) throw new ProblemError('conflict', answer.conflict);
  return answer;
};

export const processorHandlers: Handlers<'processors'> = {
  async list({ env, query: { cursor, limit } }) {
    const { items, next } = await catalog(env).processors(cursor, limit);
    const summaries = await sideBySide(items, CONNECTIONS_MAX, ({ uid }) =>
      processorObject(env, uid).summary(),
    );
    return { items: summaries.filter((summary) => summary !== null), next };
  },
  async put({ env, params: { name }, body: spec }) {
    const { created: isNew, processor } = await defineProcessor(env, name, spec);
    return isNew ? created(processor, `/api/processors/${name}`) : new Reply(200, processor);
  },
  get: ({ env, params: { name } }) => ask(env, name, (processor) => processor.get()),
  async delete({ env, params: { name } }) {
    found((await deleteProcessor(env, name)) || null, `processor ${name}`);
  },
  pause: ({ env, params: { name } }) => ask(env, name, (processor) => processor.pause()),
  resume: ({ env, params: { name } }) => ask(env, name, (processor) => processor.resume()),
  replay: async ({ env, params: { name }, body: { from } }) =>
    allowed(await ask(env, name, (processor) => processor.replay(from))),
  drain: async ({ env, params: { name } }) =>
    allowed(await ask(env, name, (processor) => processor.drain())),
  async batches({ env, params: { name }, query: { cursor, limit } }) {
    const batches = await ask(env, name, (processor) => processor.batches(cursor, limit));
    if (batches === 'conflict') {
      throw new ProblemError('conflict', `${name} is no batch processor: it has no windows`);
    }
    return batches;
  },
  async states({ env, params: { name }, query: { prefix, format, ...page } }) {
    const places = await keyedPlaces(env, name, 'states');
    if (format === 'json') return states(env, places, prefix, page);
    return new Response(stateExport(env, places, prefix), {
      headers: {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${name}.ndjson"`,
        'cache-control': 'no-store',
      },
    });
  },
  async state({ env, params: { name, key } }) {
    for (let tries = 1; tries <= STATE_TRIES; tries++) {
      const places = await keyedPlaces(env, name, 'state');
      const answer = await keyedState(env, places, key);
      if (answer) return answer;
    }
    throw new ProblemError('unavailable', `${name} is being rebuilt: ask again`);
  },
  async waiting({ env, params: { name }, query: { missing, ...page } }) {
    const places = await keyedPlaces(env, name, 'waiting');
    return waiting(env, places, missing ?? null, page);
  },
  async windows({ env, params: { name }, query: page }) {
    const places = await keyedPlaces(env, name, 'windows');
    return openWindows(env, places, page);
  },
  async late({ env, params: { name }, query: { limit } }) {
    const places = await keyedPlaces(env, name, 'late');
    return { items: await lateEvents(env, places, limit), next: null };
  },
  deadLetters: ({ env, params: { name }, query: { cursor, limit } }) =>
    ask(env, name, (processor) => processor.deadLetters(cursor, limit)),
  async redrive({ env, params: { name }, body }) {
    const redriven = await ask(env, name, (processor) => processor.redrive(body));
    if (redriven === 0 && body.ids) {
      const message = `no dead letter of ${name} has ${body.ids.length === 1 ? 'this id' : 'one of these ids'}`;
      throw new ProblemError('not_found', message, [{ path: 'ids', message }]);
    }
    return { redriven };
  },
};
