// The code of a fold, twice: as plain JavaScript, and as a program in the runtime that isolates have. Both fail and stop
// early now and then.
import { NEW_FUNCTION_ORIGIN } from '../../../shared/sandbox/program-text.ts';
import { runFold } from '../../../shared/streaming/fold-run.ts';
import type { FoldCall, FoldOutcome } from '../../../shared/streaming/process.ts';
import type { KeyedCode } from '../../../worker/processors/keyed/operator.ts';
import { factoryOf, hostOf, NOBODY } from '../../unit/streaming/programs.ts';
import { type Event, fold, type State } from './fold-world.ts';

type Call = Omit<FoldCall, 'params' | 'version'>;

const codeThat = (folds: (call: Call) => Promise<FoldOutcome>): KeyedCode => ({
  fold: folds,
  fire: () => Promise.reject(new Error('states fire nothing')),
});

const PROGRAM = `
  export async function process(event, state, ctx) {
    const { deed, offset, expireMs, filling } = event;
    if (deed === 'poison' || (deed === 'flaky' && ctx.attempt < 2)) throw new Error('no');
    if (offset % 3 === 0) await null;
    ctx.emit({ type: 'Seen', payload: { offset, before: state ?? null } });
    if (expireMs !== null && deed !== 'leave') ctx.expire(expireMs);
    if (deed === 'leave') {
      if (state) state.push('by the way');
      return undefined;
    }
    if (deed === 'forget') return null;
    if (deed === 'same' && state) return state;
    return [...(state ?? []).slice(-3), offset, ...Array(filling).fill(7)];
  }
`;
const factory = factoryOf(PROGRAM, false, { kind: 'stateful' });
const host = hostOf(NOBODY);

export const programCode = (): KeyedCode =>
  codeThat(async (call) => {
    const result = await runFold({
      factory,
      host,
      origin: NEW_FUNCTION_ORIGIN,
      guardSteps: null,
      call: { ...call, params: {}, version: 1 },
    });
    if (!result.ok) throw new Error(result.error.message);
    const { outputs } = result.outcome;
    const seen = outputs.split('\n').filter((line) => line !== '');
    const plain = seen.map((line) =>
      JSON.stringify((JSON.parse(line) as { payload: unknown }).payload),
    );
    return { ...result.outcome, outputs: plain.map((line) => `${line}\n`).join('') };
  });

export const plainCode = (random: () => number): KeyedCode =>
  codeThat(async ({ text, keys, states, keepGoing }) => {
    const now = new Map(states.map(([key, [state]]) => [key, JSON.parse(state ?? '') as State]));
    const changed = new Map<string, { state: string | null; ttlMs: number | null }>();
    const outputs: string[] = [];
    const outputOffsets: number[] = [];
    const failures: { offset: number; error: { code: 'program_threw'; message: string } }[] = [];
    const lines = text.split('\n');
    let stoppedAt: number | null = null;
    for (const [i, line] of lines.entries()) {
      const event = JSON.parse(line) as Event & { offset: number };
      const key = keys[i] as string;
      if (i > 0 && random() < 0.05) {
        stoppedAt = event.offset;
        break;
      }
      const { deed, offset, expireMs } = event;
      if (deed === 'poison' || (deed === 'flaky' && random() < 0.5)) {
        failures.push({ offset, error: { code: 'program_threw', message: 'no' } });
        if (keepGoing) continue;
        break;
      }
      const state = fold(event, offset, now.get(key) ?? null);
      outputs.push(JSON.stringify({ offset, before: now.get(key) ?? null }));
      outputOffsets.push(offset);
      if (state === undefined) continue;
      if (state === null) now.delete(key);
      else now.set(key, state);
      const ttlMs = state === null ? 0 : (expireMs ?? changed.get(key)?.ttlMs ?? null);
      changed.set(key, { state: state && JSON.stringify(state), ttlMs });
    }
    return {
      changed: [...changed].map(([key, change]) => ({ key, ...change })),
      outputs: outputs.map((output) => `${output}\n`).join(''),
      outputOffsets,
      failures,
      stoppedAt,
      log: [],
    };
  });
