// What a run keeps: small outputs, items and events in memory, as many as fit, and the claims that it refers to, which
// stay while it does. Who still has to hear of a claim is stored with it.
import { RUN_HELD_MAX_CHARS } from '../../../../shared/limits.ts';
import type { TaskError } from '../../../../shared/schemas/job.ts';
import type { Output } from '../../../contracts/run.rpc.ts';
import { tokensOf } from './run-claims.ts';
import type { RunContext } from './run-context.ts';
import type { RunRecord } from './run-record.ts';

export class RunHeld {
  readonly #context: RunContext;
  /** Characters that lie in memory. */
  #chars: number;

  constructor(context: RunContext) {
    this.#context = context;
    this.#chars = charsWithin(context.record);
  }

  /** Null: so many characters more may be kept. */
  problemOf(chars: number): TaskError | null {
    if (this.#chars + chars <= RUN_HELD_MAX_CHARS) return null;
    const message = `the small outputs and items of a run have at most ${RUN_HELD_MAX_CHARS} characters together; larger outputs, and bytes, are kept outside`;
    return { code: 'memory', message };
  }

  problemWith(outputs: readonly Output[]): TaskError | null {
    return this.problemOf(outputs.reduce((sum, output) => sum + charsOf(output), 0));
  }

  /** Within a turn. */
  keep(chars: number, tokens: readonly string[] = []): void {
    this.#chars += chars;
    if (tokens.length === 0) return;
    this.#context.store.addClaims(tokens);
    this.settle();
  }

  /** Within a turn: outputs that count. */
  keepOutputs(outputs: readonly Output[]): void {
    const chars = outputs.reduce((sum, output) => sum + charsOf(output), 0);
    this.keep(chars, tokensOf(outputs));
  }

  /** Tells the claims that were not told yet. */
  settle(): void {
    const context = this.#context;
    if (context.store.claims('owed').length === 0) return;
    context.effects.add('claims', context.ports.nowMs(), async () => {
      for (const { n, tokens } of context.store.claims('owed')) {
        await context.ports.hold(context.id, tokens);
        context.count({ durableObjectRequest: tokens.length, rowWritten: 2 * tokens.length });
        if (context.closed) return null;
        context.store.transaction(() => context.store.claimsHeld(n));
      }
      return null;
    });
  }
}

function charsWithin(record: RunRecord): number {
  let chars = 0;
  for (const waiting of Object.values(record.signals)) {
    for (const json of waiting) chars += json.length;
  }
  for (const { output, items, events } of Object.values(record.steps)) {
    if (output) chars += charsOf(output);
    for (const json of Object.values(events)) chars += json.length;
    for (const { json, unit } of items ?? []) {
      chars += json.length + (unit.output ? charsOf(unit.output) : 0);
    }
  }
  return chars;
}

const charsOf = (output: Output) => (output.kind === 'json' ? output.json.length : 0);
