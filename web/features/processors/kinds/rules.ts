// All that the page has to know of a kind of processor. `kinds.ts` has the table, a file beside it each kind. Pure.
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import type {
  Processor,
  ProcessorCounters,
  ProcessorKind,
  ProcessorSpec,
} from '../../../../shared/schemas/processor.ts';
import type { ProcessorDraft } from './draft.ts';
import type { TemplateId } from './templates.ts';

export type SpecOf<Kind extends ProcessorKind> = Extract<ProcessorSpec, { kind: Kind }>;

export type CounterRow = [name: string, meaning: string, value: number];

export interface Figure {
  label: string;
  value: string;
  detail: string;
  title?: string;
}

/** What a processor of this kind keeps between events, in words. */
interface Holds {
  one: string;
  many: string;
  short: string;
  heading: string;
}

/** What a drain ends. */
interface Drain<Spec> {
  does: string;
  /** Why there is no need of it. */
  nothing: string;
  isEmpty: (processor: Processor) => boolean;
  /** What to ask first, where it ends what is incomplete. */
  warning?: { title: string; keep: string; text(spec: Spec, keys: number): string };
}

/** The methods are given the specification of their own kind only. */
export interface KindRules<Spec extends ProcessorSpec> {
  /** What its code runs on, and what it keeps: the choice in the form. */
  title: string;
  line: string;

  /** To choose among in the form; none where another field decides. */
  templates: readonly TemplateId[];
  templateOf(draft: ProcessorDraft): TemplateId;
  /** The fields of the form that only some kinds have, as paths into the specification. */
  fields: readonly string[];
  /** What of the form only this kind has. */
  draftOf(spec: Spec): Partial<ProcessorDraft>;
  /** The way back. What is missing is left to the schema to refuse. */
  partOf(draft: ProcessorDraft, streams: readonly string[], errors: FieldError[]): object;
  /** False: it takes the types that its rules name. */
  filtersTypes: boolean;

  types(spec: Spec): readonly string[] | undefined;
  code(spec: Spec): string;
  /** A MapReduce job runs, and not a function. */
  runsJob(of: Spec | ProcessorDraft): boolean;

  /** Null: nothing by key. */
  holds: Holds | null;
  figures(processor: Processor, nowMs: number): Figure[];
  counters(counters: ProcessorCounters): CounterRow[];
  /** Null: no event is ever late. */
  late: { none: string; stream(spec: Spec): string | undefined } | null;
  /** Null: nothing is ever open. */
  drain: Drain<Spec> | null;
}

/** What most kinds have in common. */
export const PLAIN = {
  fields: [],
  draftOf: () => ({}),
  partOf: ({ code }: ProcessorDraft) => ({ code }),
  filtersTypes: true,
  types: (spec: ProcessorSpec) => spec.types,
  code: (spec: ProcessorSpec) => spec.code ?? '',
  runsJob: () => false,
  holds: null,
  figures: () => [],
  counters: () => [],
  late: null,
  drain: null,
} satisfies Partial<KindRules<ProcessorSpec>>;
