// What the processor form holds, as one plain value. Numbers may be null while a person types. Pure.
import {
  GRACE_DEFAULT_MS,
  IDLE_DEFAULT_MS,
  JOIN_REMEMBER_DEFAULT_MS,
  RETRY_ATTEMPTS_DEFAULT,
  RETRY_BASE_DEFAULT_MS,
  RETRY_MAX_DEFAULT_MS,
  SHARDS_DEFAULT,
  SKEW_DEFAULT_MS,
  WINDOW_BYTES_DEFAULT,
  WINDOW_EVENTS_DEFAULT,
  WINDOW_WAIT_DEFAULT_MS,
} from '../../../../shared/limits.ts';
import type {
  EventWindow,
  JoinRules,
  ProcessorKind,
  WindowJob,
} from '../../../../shared/schemas/processor.ts';

export interface ProcessorDraft {
  name: string;
  kind: ProcessorKind;
  /** Names, with commas or spaces between. */
  streams: string;
  types: string;
  output: string;
  code: string;
  services: { name: string; url: string }[];
  /** JSON text. */
  params: string;
  startFrom: 'latest' | 'earliest' | 'point';
  /** An offset or an ISO time. */
  startPoint: string;
  maxAttempts: number | null;
  baseMs: number | null;
  maxMs: number | null;

  // keyed kinds
  /** Paths into the event, with commas or spaces between. */
  keyBy: string;
  /** One for each stream instead. */
  keyPerStream: boolean;
  keyByStream: Record<string, string>;
  shards: number | null;
  /** A stream; empty: none. */
  late: string;

  // stateful
  /** Null: states are kept for good. */
  ttlMs: number | null;

  // join
  joinTypes: string;
  timeoutMs: number | null;
  onTimeout: JoinRules['onTimeout'];
  rememberMs: number | null;

  // window
  windowType: EventWindow['type'];
  sizeMs: number | null;
  /** Null: windows follow each other. */
  slideMs: number | null;
  gapMs: number | null;
  graceMs: number | null;
  idleMs: number | null;
  skewMs: number | null;
  timePath: string;

  // batch
  /** What runs on a batch. */
  runs: 'code' | 'job';
  maxEvents: number | null;
  maxBytes: number | null;
  maxWaitMs: number | null;
  /** The rest of a job that was put by other means: it must not get lost by an edit. */
  job: Omit<WindowJob, 'code'> | null;
}

type NamesOf<Value> = {
  [Name in keyof ProcessorDraft]: [Value, ProcessorDraft[Name]] extends [
    ProcessorDraft[Name],
    Value,
  ]
    ? Name
    : never;
}[keyof ProcessorDraft];
/** The fields that hold any text, and those that hold a number. */
export type TextOf = NamesOf<string>;
export type NumberOf = NamesOf<number | null>;

const MINUTE_MS = 60_000;

/** Before a template has filled anything in. */
export const emptyDraft = (): ProcessorDraft => ({
  name: '',
  kind: 'stateless',
  streams: '',
  types: '',
  output: '',
  code: '',
  services: [],
  params: '{}',
  startFrom: 'latest',
  startPoint: '0',
  maxAttempts: RETRY_ATTEMPTS_DEFAULT,
  baseMs: RETRY_BASE_DEFAULT_MS,
  maxMs: RETRY_MAX_DEFAULT_MS,

  keyBy: 'key',
  keyPerStream: false,
  keyByStream: {},
  shards: SHARDS_DEFAULT,
  late: '',

  ttlMs: null,

  joinTypes: '',
  timeoutMs: MINUTE_MS,
  onTimeout: 'emit-partial',
  rememberMs: JOIN_REMEMBER_DEFAULT_MS,

  windowType: 'tumbling',
  sizeMs: MINUTE_MS,
  slideMs: null,
  gapMs: 30 * MINUTE_MS,
  graceMs: GRACE_DEFAULT_MS,
  idleMs: IDLE_DEFAULT_MS,
  skewMs: SKEW_DEFAULT_MS,
  timePath: 'time',

  runs: 'code',
  maxEvents: WINDOW_EVENTS_DEFAULT,
  maxBytes: WINDOW_BYTES_DEFAULT,
  maxWaitMs: WINDOW_WAIT_DEFAULT_MS,
  job: null,
});

/** Names with commas or spaces between. */
export const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');
