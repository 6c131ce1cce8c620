// A definition as it is typed, checked as the edge would check it: what can be drawn of it, and what is wrong with it,
// each at its place in the text. Pure.
import { compileExpressions, compileStep } from '../../../../../shared/dag/program.ts';
import { graphErrors, readGraph } from '../../../../../shared/dag/graph.ts';
import { DAG_SPEC_MAX_BYTES, DAG_STEPS_MAX } from '../../../../../shared/limits.ts';
import { compileProgram } from '../../../../../shared/mapreduce/program.ts';
import type { ProgramError } from '../../../../../shared/sandbox/program.ts';
import type { Json } from '../../../../../shared/schemas/common.ts';
import { DagSpec, type DagSpecInput, Step } from '../../../../../shared/schemas/dag.ts';
import type { GraphStep, StepMark } from '../../../../lib/dag/graph/graph-step.ts';
import { lineColumn, type Path, type Places, readJson, withinString } from './json-text.ts';

export interface DefinitionProblem extends ProgramError {
  /** As the API names it: `steps.resize.needs`. */
  path: string;
  /** Which step it is about. */
  step: string | null;
  /** In the step's own code, from 1; null: it is about something else. */
  inCode: { line: number; column: number } | null;
}

export interface Definition {
  text: string;
  /** Null: it has problems. */
  spec: DagSpecInput | null;
  problems: DefinitionProblem[];
  /** As far as they can be made out, however wrong the rest is. */
  steps: GraphStep[];
  levels: number;
  /** Steps with code of their own, and that code. */
  code: Map<string, string>;
  /** Null: it is no JSON. */
  places: Places | null;
}

/** The first mistake of each step, for its box. */
export function mistakeMarks(
  problems: readonly DefinitionProblem[],
): ReadonlyMap<string, StepMark> {
  const marks = new Map<string, StepMark>();
  for (const { step, message } of problems) {
    if (step === null || marks.has(step)) continue;
    marks.set(step, { state: null, detail: message, share: null });
  }
  return marks;
}

export const codePath = (step: string, run: string | null): Path =>
  run === 'mapreduce' ? ['steps', step, 'job', 'code'] : ['steps', step, 'code'];

export function checkDefinition(text: string): Definition {
  const read = readJson(text);
  if (!read.ok) {
    const { message, at } = read.problem;
    const problem = { path: '', message, step: null, inCode: null, ...lineColumn(text, at) };
    return { ...NOTHING, text, problems: [problem] };
  }
  const { value, places } = read;
  const steps = stepsOf(value);
  const code = codeOf(value, steps);
  const problems = new Problems(text, places);
  const parsed = DagSpec.safeParse(value);
  if (!parsed.success) problems.schema(parsed.error.issues);
  if (text.length > DAG_SPEC_MAX_BYTES) {
    problems.add([], `a definition has at most ${DAG_SPEC_MAX_BYTES} bytes`);
  }
  const graph = readGraph(Object.fromEntries(steps.map(({ name, needs }) => [name, needs])));
  if (!graph.ok) {
    for (const { path, message } of graphErrors(graph.problems)) {
      problems.add(path.split('.'), message);
    }
  }
  for (const { name, run } of steps) {
    const own = code.get(name);
    if (own === undefined) continue;
    for (const error of codeErrors(own, run)) problems.code(codePath(name, run), name, own, error);
  }
  if (parsed.success) {
    const expressions = compileExpressions(parsed.data);
    if (!expressions.ok) {
      for (const { path, message } of expressions.errors) problems.add(path.split('.'), message);
    }
  }
  const fine = parsed.success && problems.found.length === 0;
  return {
    text,
    spec: fine ? (value as unknown as DagSpecInput) : null,
    problems: problems.found.sort((a, b) => a.line - b.line || a.column - b.column),
    steps,
    levels: graph.ok ? graph.levels.length : 0,
    code,
    places,
  };
}

const NOTHING: Definition = {
  text: '',
  spec: null,
  problems: [],
  steps: [],
  levels: 0,
  code: new Map(),
  places: null,
};

class Problems {
  readonly found: DefinitionProblem[] = [];
  readonly #text: string;
  readonly #places: Places;

  constructor(text: string, places: Places) {
    this.#text = text;
    this.#places = places;
  }

  add(path: Path, message: string): void {
    this.#push(path, message, this.#places.nearest(path).from, null);
  }

  code(path: Path, step: string, code: string, { line, column, message }: ProgramError): void {
    const place = this.#places.value(path);
    if (!place) return;
    const index = indexOf(code, line, column);
    const at = withinString(this.#text, place, index);
    this.#push(path, `${step}, line ${line} of its code: ${message}`, at, { line, column });
  }

  schema(issues: readonly Issue[]): void {
    for (const issue of issues) {
      const { code, path, message, keys = [], issues: inner = [] } = issue;
      if (code === 'unrecognized_keys') {
        for (const key of keys) this.add([...path, key], `there is no field ${key}`);
      } else if (code === 'invalid_key') {
        this.add(path, `${String(path.at(-1))}: ${inner[0]?.message ?? message}`);
      } else if (path.at(-1) === 'run' && path.length === 3) {
        this.add(path, `run is one of ${RUNS.join(', ')}`);
      } else this.add(path, `${named(path)}${message}`);
    }
  }

  #push(path: Path, message: string, at: number, inCode: DefinitionProblem['inCode']): void {
    const step = path[0] === 'steps' && path.length > 1 ? String(path[1]) : null;
    const dotted = path.map(String).join('.');
    this.found.push({ path: dotted, message, step, inCode, ...lineColumn(this.#text, at) });
  }
}

interface Issue {
  code?: string | undefined;
  path: PropertyKey[];
  message: string;
  keys?: string[] | undefined;
  issues?: { message: string }[] | undefined;
}

const RUNS: readonly string[] = Step.options.map(({ shape }) => shape.run.value);

const named = (path: Path) => (path.length === 0 ? '' : `${String(path.at(-1))}: `);

/** Of a step's own code; of a MapReduce step, of its job's. */
export function codeErrors(code: string, run: GraphStep['run']): readonly ProgramError[] {
  const known = COMPILED.get(run === 'mapreduce' ? `m${code}` : code);
  if (known) return known;
  const compiled = run === 'mapreduce' ? compileProgram(code) : compileStep(code);
  const errors = compiled.ok ? [] : compiled.errors;
  if (COMPILED.size >= COMPILED_KEPT_MAX) COMPILED.clear();
  COMPILED.set(run === 'mapreduce' ? `m${code}` : code, errors);
  return errors;
}

/** While somebody types in one step, the others are not compiled again at each letter. */
const COMPILED = new Map<string, readonly ProgramError[]>();
const COMPILED_KEPT_MAX = 2 * DAG_STEPS_MAX;

function indexOf(code: string, line: number, column: number): number {
  let start = 0;
  for (let i = 1; i < line; i++) {
    const end = code.indexOf('\n', start);
    if (end < 0) break;
    start = end + 1;
  }
  return Math.min(code.length, start + column - 1);
}

/** What can be drawn of it: also while half of it is still missing. */
function stepsOf(value: Json): GraphStep[] {
  return Object.entries(fieldsOf(fieldsOf(value)['steps']))
    .slice(0, DAG_STEPS_MAX)
    .map(([name, step]) => {
      const { needs, run, forEach } = fieldsOf(step);
      const known = typeof run === 'string' && RUNS.includes(run);
      return {
        name,
        needs: Array.isArray(needs) ? needs.filter((need) => typeof need === 'string') : [],
        run: known ? (run as NonNullable<GraphStep['run']>) : null,
        repeated: forEach !== undefined,
      };
    });
}

function codeOf(value: Json, steps: readonly GraphStep[]): Map<string, string> {
  const all = fieldsOf(fieldsOf(value)['steps']);
  return new Map(
    steps.flatMap(({ name, run }) => {
      const step = fieldsOf(all[name]);
      const { code } = run === 'mapreduce' ? fieldsOf(step['job']) : step;
      return typeof code === 'string' ? [[name, code] as const] : [];
    }),
  );
}

const fieldsOf = (value: Json | undefined): Record<string, Json | undefined> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
