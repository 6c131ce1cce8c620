// From a checked specification to a processor that runs: compiles the code, checks streams and cycles in the
// catalog, and hands the rest to its ProcessorObject. What can be refused is refused before anything changes.
import type { Processor, ProcessorSpec } from '../../../shared/schemas/processor.ts';
import type { ProcessorEntry } from '../../contracts/catalog.rpc.ts';
import type { Env } from '../../platform/env.ts';
import { catalog, processorObject } from '../../stubs.ts';
import { notFound, ProblemError } from '../../platform/problem.ts';
import { FIXED_KIND, FIXED_STREAMS } from './fixed-fields.ts';
import { lateOf } from './keyed-spec.ts';
import { isKeyed, kindOf } from './kinds.ts';
import { checkParams } from './params.ts';
import type { ProcessorDefinition, Put, FixedField } from '../../contracts/processor.rpc.ts';
import { storeProgram } from '../../isolates/processor-program.edge.ts';
import { configureStream } from '../../log/streams.edge.ts';

/** Throws ProblemErrors: `bad_program`, `too_large`, `not_found` (a stream), `cycle`, `conflict`, `unavailable`. */
export async function defineProcessor(
  env: Env,
  name: string,
  spec: ProcessorSpec,
): Promise<{ created: boolean; processor: Processor }> {
  checkParams(spec.params, 'params');
  kindOf(spec.kind).check?.(spec);
  const { code } = spec;
  const program = code === undefined ? null : await programOf(env, spec, code);
  const streams = [...new Set(typeof spec.stream === 'string' ? [spec.stream] : spec.stream)];
  await checkFixed(env, name, { spec, program }, streams);
  const { kind, output = null } = spec;
  const entry = { name, kind, streams, output, late: lateOf(spec) };
  const put = async (): Promise<Put> => {
    const { uid, streams: definitions } = await enter(env, entry);
    // They may have been cut off half-way when they were made.
    for (const stream of definitions) await configureStream(env, stream);
    const guard = env.LOCAL === '1';
    const definition: ProcessorDefinition = {
      name,
      uid,
      spec,
      streams: definitions,
      program,
      guard,
    };
    return await processorObject(env, uid).put(definition);
  };
  try {
    let answer = await put();
    if (answer.kind === 'deleted') {
      // It is being deleted: what is put now is a new one.
      await catalog(env).deleteProcessor(name);
      answer = await put();
    }
    if (answer.kind === 'fixed') throw fixed(name, answer.field);
    if (answer.kind === 'deleted') throw new ProblemError('conflict', `${name} is being deleted`);
    return { created: answer.kind === 'created', processor: answer.processor };
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    console.error(`the processor ${name} was not put in place`, error);
    const detail = `not all that work for ${name} could be reached; it is put in place as soon as they can be`;
    throw new ProblemError('unavailable', detail);
  }
}

/** False: there is none. */
export async function deleteProcessor(env: Env, name: string): Promise<boolean> {
  const entry = await catalog(env).processor(name);
  if (!entry) return false;
  // Its object first: it remembers for good that this unique id is used up.
  await processorObject(env, entry.uid).delete();
  await catalog(env).deleteProcessor(name);
  return true;
}

/** The processor's object. Throws `not_found`. */
export async function processorNamed(env: Env, name: string) {
  const entry = await catalog(env).processor(name);
  if (!entry) throw notFound(`processor ${name}`);
  return processorObject(env, entry.uid);
}

/** Asked before the catalog changes anything; the ProcessorObject has the last word. */
async function checkFixed(
  env: Env,
  name: string,
  definition: Pick<ProcessorDefinition, 'spec' | 'program'>,
  streams: string[],
) {
  const before = await catalog(env).processor(name);
  if (!before) return;
  if (before.kind !== definition.spec.kind) throw fixed(name, FIXED_KIND);
  if (before.streams.toSorted().join() !== streams.toSorted().join()) {
    throw fixed(name, FIXED_STREAMS);
  }
  if (!isKeyed(definition)) return;
  const field = await processorObject(env, before.uid).fixed(definition);
  if (field) throw fixed(name, field);
}

function fixed(name: string, { path, what }: FixedField): ProblemError {
  const place = path === 'kind' || path === 'stream';
  const why = place ? 'its place in the log' : 'what it keeps under its keys';
  const message = `the ${what} of ${name} cannot change: ${why} would mean something else; put a new processor beside it, or delete it first`;
  return new ProblemError('conflict', message, [{ path, message }]);
}

async function programOf(env: Env, spec: ProcessorSpec, code: string) {
  const { key, hash, ...parts } = await storeProgram(env, code, spec);
  return { key, hash, ...kindOf(spec.kind).partsOf?.(parts) };
}

async function enter(env: Env, entry: Omit<ProcessorEntry, 'uid'>) {
  const put = await catalog(env).putProcessor(entry);
  switch (put.kind) {
    case 'put':
      return put;
    case 'unknownStream': {
      const missing = notFound(`stream ${put.stream}`);
      missing.errors.push({ path: put.field, message: missing.message });
      throw missing;
    }
    case 'cycle': {
      const path = put.path.join(' → ');
      const message = `events would go round in a circle: ${path}`;
      throw new ProblemError('cycle', message, [{ path: put.field, message }]);
    }
  }
}
