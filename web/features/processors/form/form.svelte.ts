// The state of the form of a processor: the draft, what is wrong with it, and putting it.
import type { ProgramError } from '../../../../shared/sandbox/program.ts';
import { compileProgram } from '../../../../shared/mapreduce/program.ts';
import { compileProcessor } from '../../../../shared/streaming/program.ts';
import type { FieldError, Problem } from '../../../../shared/schemas/problem.ts';
import { asProblem, client } from '../../../lib/api.ts';
import { fieldOf, marksOf, specOf, withTemplate } from './form-draft.ts';
import type { ProcessorDraft } from '../kinds/draft.ts';
import { rulesOf } from '../kinds/kinds.ts';
import { isTemplate, type TemplateId } from '../kinds/templates.ts';

export class ProcessorFormState {
  draft: ProcessorDraft = $state()!;
  problem: Problem | null = $state.raw(null);
  submitting = $state(false);
  marks: readonly ProgramError[] = $state.raw([]);
  #attempted = $state(false);
  #serverErrors: readonly FieldError[] = $state.raw([]);
  readonly specified = $derived(specOf(this.draft));

  constructor(draft: ProcessorDraft) {
    this.draft = draft;
  }

  get rules() {
    return rulesOf(this.draft.kind);
  }

  /** And no function of one's own. */
  get runsJob(): boolean {
    return this.rules.runsJob(this.draft);
  }

  /** `exactly`: where a field has several inputs, the path of this one. */
  errorAt(field: string, exactly = field): string {
    const own = this.#attempted && !this.specified.ok ? this.specified.errors : [];
    const isHere = ({ path }: FieldError) =>
      exactly === field ? fieldOf(path) === field : path === exactly || path === field;
    return [...own, ...this.#serverErrors].find(isHere)?.message ?? '';
  }

  /** What the compiler says of the code, as processor or as job. */
  check = (code: string): readonly ProgramError[] => {
    const { kind, windowType } = this.draft;
    const compiled = this.runsJob
      ? compileProgram(code)
      : compileProcessor(code, { kind, window: { type: windowType } });
    return compiled.ok ? [] : compiled.errors;
  };

  /** Changes what the code is given, and so the code: the kind, or what a kind divides into. */
  choose(change: Partial<Pick<ProcessorDraft, 'kind' | 'runs' | 'windowType'>>): void {
    Object.assign(this.draft, change);
    this.begin(this.rules.templateOf(this.draft));
  }

  /** False once somebody has written in the code. */
  get canBegin(): boolean {
    return isTemplate(this.draft.code);
  }

  /** Begins with another template of this kind. */
  begin(template: TemplateId): void {
    this.draft = withTemplate(this.draft, template);
    this.marks = [];
  }

  /** What the edge said belongs to what was sent. */
  changed(): void {
    this.#serverErrors = [];
  }

  /** The processor's name once the edge has taken it, or null with the reasons shown. */
  async submit(): Promise<string | null> {
    this.#attempted = true;
    this.problem = null;
    this.marks = [];
    const { specified, draft } = this;
    if (!specified.ok || this.submitting) return null;
    this.marks = this.check(draft.code);
    if (this.marks.length > 0) return null;
    this.submitting = true;
    try {
      return (await client.processors.put(specified.name, specified.spec)).name;
    } catch (error) {
      const problem = asProblem(error);
      this.#serverErrors = problem.errors.filter(({ path }) => fieldOf(path) !== null);
      this.marks = marksOf(problem.errors);
      // Said once: what has a field of its own is said there.
      const rest = problem.errors.filter(({ path }) => fieldOf(path) === null);
      this.problem = { ...problem, errors: rest };
      return null;
    } finally {
      this.submitting = false;
    }
  }
}
