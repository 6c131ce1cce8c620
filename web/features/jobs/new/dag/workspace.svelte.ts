// The state of the editor of a DAG job: the text, what it comes to, the step whose code is open, and submitting it.
import type { DagSpecInput } from '../../../../../shared/schemas/dag.ts';
import type { Problem } from '../../../../../shared/schemas/problem.ts';
import { asProblem, client } from '../../../../lib/api.ts';
import { readStored, store } from '../../../../lib/stored.ts';
import type { CodePlace } from '../../../../lib/ui/code-place.ts';
import { checkDefinition, codePath, type Definition, mistakeMarks } from './definition.ts';
import { lineColumn, replaceAt } from './json-text.ts';
import { definitionText, TEMPLATES, type Template, textOf } from '../../../../lib/dag/templates.ts';

const STORED_AS = 'manyhands.dag-draft';
/** A large definition is not read again at each letter. */
const CHECK_AFTER_MS = 120;

export class Workspace {
  text: string = $state(firstText());
  /** Of the text as it was a moment ago. */
  definition: Definition = $state.raw(checkDefinition(''));
  /** The last one that was JSON: while a bracket is missing, the picture stays. */
  drawn: Definition = $state.raw(checkDefinition('{}'));
  selected: string | null = $state(null);
  submitting = $state(false);
  problem: Problem | null = $state.raw(null);
  /** What the last replacement overwrote. */
  replaced: string | null = $state.raw(null);
  /** Where the definition's editor, and that of the step's code, should go. */
  goTo: CodePlace | null = $state.raw(null);
  goToInCode: CodePlace | null = $state.raw(null);
  template = $derived(TEMPLATES.find((template) => textOf(template) === this.text)?.id ?? null);
  readonly step = $derived(this.drawn.steps.find(({ name }) => name === this.selected) ?? null);
  readonly code = $derived(
    this.selected === null ? null : (this.drawn.code.get(this.selected) ?? null),
  );
  readonly broken = $derived(this.definition.places === null);
  /** What is wrong with a step, in its box. */
  readonly marks = $derived(mistakeMarks(this.definition.problems));
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#check();
  }

  /** Called when the text changes: kept for a reload, and looked at. */
  changed(): void {
    this.problem = null;
    store('sessionStorage', STORED_AS, this.text);
    clearTimeout(this.#timer);
    if (this.text === this.definition.text) return;
    this.#timer = setTimeout(() => this.#check(), CHECK_AFTER_MS);
  }

  use(template: Template): void {
    this.#replace(textOf(template));
  }

  async copy(id: string): Promise<void> {
    try {
      const { spec } = await client.jobs.dag(id);
      this.#replace(definitionText(spec));
    } catch (error) {
      this.problem = asProblem(error);
    }
  }

  undo(): void {
    if (this.replaced !== null) this.text = this.replaced;
    this.replaced = null;
    this.#check();
  }

  /** Opens a step: its code, and its place in the definition. */
  select(step: string): void {
    this.selected = step;
  }

  showInDefinition(step: string): void {
    const place = this.definition.places?.name(['steps', step]);
    if (place) this.goTo = lineColumn(this.text, place.from);
  }

  /** Writes a step's code into the definition, and nothing else of it. */
  setCode(step: string, code: string): void {
    // What was read a moment ago may have moved since.
    if (this.text !== this.definition.text) this.#check();
    const { definition } = this;
    if (definition.code.get(step) === code) return;
    const run = definition.steps.find(({ name }) => name === step)?.run ?? null;
    const place = definition.places?.value(codePath(step, run));
    if (!place) return;
    this.text = replaceAt(this.text, place, code);
    this.#check();
  }

  show(problem: Definition['problems'][number]): void {
    if (problem.inCode && problem.step !== null) {
      this.selected = problem.step;
      this.goToInCode = { ...problem.inCode };
    } else this.goTo = { line: problem.line, column: problem.column };
  }

  /** The run's id, or null with the reasons shown. */
  async submit(): Promise<string | null> {
    this.#check();
    this.problem = null;
    const [first] = this.definition.problems;
    if (first) this.show(first);
    const { spec } = this.definition;
    if (spec === null || this.submitting) return null;
    this.submitting = true;
    try {
      return (await client.jobs.submit(spec as DagSpecInput)).id;
    } catch (error) {
      this.problem = asProblem(error);
      return null;
    } finally {
      this.submitting = false;
    }
  }

  #check(): void {
    clearTimeout(this.#timer);
    if (this.text !== this.definition.text || this.text === '') {
      this.definition = checkDefinition(this.text);
    }
    if (this.definition.places !== null) this.drawn = this.definition;
    if (!this.step) this.selected = this.drawn.steps[0]?.name ?? null;
  }

  #replace(text: string): void {
    const own = !TEMPLATES.some((template) => textOf(template) === this.text);
    this.replaced = own && this.text.trim() !== '' && this.text !== text ? this.text : null;
    this.text = text;
    this.selected = null;
    this.problem = null;
    this.#check();
  }
}

function firstText(): string {
  const [first] = TEMPLATES;
  if (!first) throw new Error('there is no template');
  return readStored('sessionStorage', STORED_AS) ?? textOf(first);
}
