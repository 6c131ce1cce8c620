// The state of the New job page: the draft, what is wrong with it, its dry run, and submitting it.
import type { ProgramError } from '../../../../../shared/sandbox/program.ts';
import { compileProgram } from '../../../../../shared/mapreduce/program.ts';
import type { DryRunResult } from '../../../../../shared/mapreduce/dry-run.ts';
import type { Job } from '../../../../../shared/schemas/job.ts';
import type { FieldError, Problem } from '../../../../../shared/schemas/problem.ts';
import { asProblem, client } from '../../../../lib/api.ts';
import { dryRun } from '../../../../volunteer/dry-run.ts';
import {
  type Draft,
  draftFrom,
  draftText,
  errorAt,
  nearestField,
  readDraft,
  specOf,
} from './draft.ts';
import { dryRunInput } from './dry-run-input.ts';
import { firstBytes } from './first-bytes.ts';
import { readStored, store } from '../../../../lib/stored.ts';
import { TEMPLATES, type Template } from '../../../../lib/jobs/templates.ts';

const STORED_AS = 'manyhands.draft';

export interface DryRunShown {
  result: DryRunResult;
  ms: number;
  /** What it was made of: another draft makes it old. */
  of: string;
}

export class Workspace {
  draft: Draft = $state(firstDraft());
  /** The template that the draft began as, while it is unchanged in code. */
  template = $derived(TEMPLATES.find(({ spec }) => spec.code === this.draft.code)?.id ?? null);
  /** What the last replacement overwrote. */
  replaced: Draft | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  submitting = $state(false);
  running = $state(false);
  shown: DryRunShown | null = $state.raw(null);
  dryRunProblem: Problem | null = $state.raw(null);
  /** Compile errors found by a dry run; while typing, the editor finds its own. */
  marks: readonly ProgramError[] = $state.raw([]);
  #attempted = $state(false);
  #serverErrors: readonly FieldError[] = $state.raw([]);

  readonly specified = $derived(specOf(this.draft));
  readonly #dryRunOf = $derived(
    JSON.stringify([
      this.draft.code,
      this.draft.params,
      this.draft.inputKind,
      this.draft.dataset,
      this.draft.inline,
      this.draft.format,
      this.draft.from,
      this.draft.to,
      this.draft.stream,
      this.draft.streamFrom,
    ]),
  );
  readonly dryRunIsOld = $derived(this.shown !== null && this.shown.of !== this.#dryRunOf);

  readonly errors: readonly FieldError[] = $derived.by(() => {
    const own = this.specified.ok ? [] : this.specified.errors;
    // That the first field is still empty need not be said at once.
    const seen = own.filter(
      ({ path }) => this.#attempted || (path !== 'input.dataset' && path !== 'input.stream'),
    );
    return [...seen, ...this.#serverErrors];
  });

  errorAt(path: string): string {
    return errorAt(this.errors, path);
  }

  use(template: Template): void {
    this.#replace(draftFrom(template.spec));
  }

  copy(job: Job): void {
    this.#replace(draftFrom(job.spec));
  }

  undo(): void {
    if (this.replaced) this.draft = this.replaced;
    this.replaced = null;
  }

  /** Kept for a reload; called when the draft changes. */
  keep(): void {
    this.#serverErrors = [];
    store('sessionStorage', STORED_AS, draftText(this.draft));
  }

  async dryRun(): Promise<void> {
    if (this.running) return;
    this.#attempted = true;
    this.dryRunProblem = null;
    this.marks = [];
    const { specified } = this;
    const blocking = specified.ok
      ? []
      : specified.errors.filter(({ path }) => path === 'params' || path.startsWith('input'));
    if (!specified.ok && (blocking.length > 0 || this.draft.code === '')) return;
    const spec = specified.ok ? specified.spec : null;
    if (!spec) return;
    this.running = true;
    const of = this.#dryRunOf;
    const startMs = performance.now();
    try {
      const input = await dryRunInput(spec.input, {
        dataset: firstBytes,
        stream: client.streams.get,
        events: client.streams.events,
      });
      const { code, params = {}, skipBadRecords = 0 } = spec;
      const ran = await dryRun({ code, params, input, skipBadRecords });
      const ms = performance.now() - startMs;
      if (!ran.ok) this.marks = ran.errors;
      else {
        this.shown = { result: ran.result, ms, of };
        const { error } = ran.result;
        if (error?.line) {
          this.marks = [{ line: error.line, column: error.column ?? 1, message: error.message }];
        }
      }
    } catch (error) {
      this.dryRunProblem = asProblem(error);
    } finally {
      this.running = false;
    }
  }

  /** The job's id, or null with the reasons shown. */
  async submit(): Promise<string | null> {
    this.#attempted = true;
    this.problem = null;
    if (!this.specified.ok || this.submitting) return null;
    const compiled = compileProgram(this.draft.code);
    if (!compiled.ok) {
      this.marks = compiled.errors;
      return null;
    }
    this.submitting = true;
    try {
      return (await client.jobs.submit(this.specified.spec)).id;
    } catch (error) {
      const problem = asProblem(error);
      this.#serverErrors = problem.errors.filter(({ path }) => nearestField(path) !== null);
      // Said once: what has a field of its own is said there.
      const rest = problem.errors.filter(({ path }) => nearestField(path) === null);
      this.problem = { ...problem, errors: rest };
      return null;
    } finally {
      this.submitting = false;
    }
  }

  #replace(draft: Draft): void {
    const before = $state.snapshot(this.draft);
    const changed = !TEMPLATES.some(({ spec }) => spec.code === before.code);
    this.replaced = changed && before.code !== draft.code ? before : null;
    this.draft = draft;
    this.marks = [];
    this.shown = null;
    this.problem = null;
    this.#attempted = false;
  }
}

function firstDraft(): Draft {
  const [first] = TEMPLATES;
  if (!first) throw new Error('there is no template');
  return readDraft(readStored('sessionStorage', STORED_AS)) ?? draftFrom(first.spec);
}
