// One look per kind, everywhere: which colour token, which word, which icon. Exhaustive by type, so that
// a state added to the schemas does not compile until somebody has decided how it looks.
import Ban from '@lucide/svelte/icons/ban';
import Check from '@lucide/svelte/icons/check';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleDashed from '@lucide/svelte/icons/circle-dashed';
import CircleX from '@lucide/svelte/icons/circle-x';
import Combine from '@lucide/svelte/icons/combine';
import Cpu from '@lucide/svelte/icons/cpu';
import Flag from '@lucide/svelte/icons/flag';
import HandHelping from '@lucide/svelte/icons/hand-helping';
import Hexagon from '@lucide/svelte/icons/hexagon';
import Hourglass from '@lucide/svelte/icons/hourglass';
import MapIcon from '@lucide/svelte/icons/map';
import MoonStar from '@lucide/svelte/icons/moon-star';
import Play from '@lucide/svelte/icons/play';
import Scissors from '@lucide/svelte/icons/scissors';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import Shuffle from '@lucide/svelte/icons/shuffle';
import Sigma from '@lucide/svelte/icons/sigma';
import Table2 from '@lucide/svelte/icons/table-2';
import Trash2 from '@lucide/svelte/icons/trash-2';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Undo2 from '@lucide/svelte/icons/undo-2';
import ArrowDownUp from '@lucide/svelte/icons/arrow-down-up';
import Box from '@lucide/svelte/icons/box';
import Clock from '@lucide/svelte/icons/clock';
import History from '@lucide/svelte/icons/history';
import Mail from '@lucide/svelte/icons/mail';
import OctagonX from '@lucide/svelte/icons/octagon-x';
import Package from '@lucide/svelte/icons/package';
import Pause from '@lucide/svelte/icons/pause';
import Rows3 from '@lucide/svelte/icons/rows-3';
import Tally5 from '@lucide/svelte/icons/tally-5';
import Ticket from '@lucide/svelte/icons/ticket';
import Waves from '@lucide/svelte/icons/waves';
import CalendarClock from '@lucide/svelte/icons/calendar-clock';
import CalendarX from '@lucide/svelte/icons/calendar-x';
import ShieldX from '@lucide/svelte/icons/shield-x';
import AlarmClockOff from '@lucide/svelte/icons/alarm-clock-off';
import Brackets from '@lucide/svelte/icons/brackets';
import Cylinder from '@lucide/svelte/icons/cylinder';
import Merge from '@lucide/svelte/icons/merge';
import MoveRight from '@lucide/svelte/icons/move-right';
import PackageCheck from '@lucide/svelte/icons/package-check';
import TimerOff from '@lucide/svelte/icons/timer-off';
import AlarmClock from '@lucide/svelte/icons/alarm-clock';
import BellRing from '@lucide/svelte/icons/bell-ring';
import CirclePlay from '@lucide/svelte/icons/circle-play';
import Radio from '@lucide/svelte/icons/radio';
import SkipForward from '@lucide/svelte/icons/skip-forward';
import Workflow from '@lucide/svelte/icons/workflow';
import type { LucideIcon } from '@lucide/svelte/icons';
import type { Step, StepState } from '../../../shared/schemas/dag.ts';
import type { AttemptState, JobKind, JobState, Task } from '../../../shared/schemas/job.ts';
import type {
  Batch,
  BatchReason,
  DeadLetter,
  PartitionLag,
  ProcessorKind,
  ProcessorState,
  WaitingKey,
} from '../../../shared/schemas/processor.ts';
import type { Schedule, ScheduleRun } from '../../../shared/schemas/schedule.ts';
import type { Volunteer } from '../../../shared/schemas/swarm.ts';

export type TaskState = Task['state'];
export type VolunteerState = Volunteer['state'];
/** What plays a part in a job: its stages, and who does them. */
export type Role =
  'split' | 'map' | 'combine' | 'shuffle' | 'reduce' | 'result' | 'transfer' | 'edge' | 'volunteer';
/** What plays a part in a stream. */
export type StreamRole = 'stream' | 'claim' | 'processor' | 'deadLetter';
export type Kind =
  | JobState
  | TaskState
  | AttemptState
  | VolunteerState
  | Role
  | StreamRole
  | ProcessorKind
  | ProcessorState
  | WaitingKey['state']
  | PartitionLag['state']
  | BatchReason
  | Batch['state']
  | DeadLetter['state']
  | Schedule['state']
  | ScheduleRun['state']
  | JobKind
  | StepState
  | Step['run']
  | 'signal'
  | 'retry'
  | 'late'
  | 'disagreement';

export type Token =
  'accent' | 'map' | 'reduce' | 'transfer' | 'edge' | 'retry' | 'failed' | 'done' | 'muted' | 'ink';

export interface Look {
  /** A custom property's name, without the dashes: `var(--${token})`. */
  token: Token;
  label: string;
  icon: LucideIcon;
}

export const KINDS: Record<Kind, Look> = {
  // jobs
  queued: { token: 'muted', label: 'queued', icon: Hourglass },
  mapping: { token: 'map', label: 'mapping', icon: MapIcon },
  reducing: { token: 'reduce', label: 'reducing', icon: Sigma },
  running: { token: 'map', label: 'running', icon: Play },
  done: { token: 'done', label: 'done', icon: CircleCheck },
  failed: { token: 'failed', label: 'failed', icon: CircleX },
  cancelled: { token: 'muted', label: 'cancelled', icon: Ban },
  // tasks
  waiting: { token: 'muted', label: 'waiting', icon: CircleDashed },
  checking: { token: 'accent', label: 'being checked', icon: ShieldCheck },
  committed: { token: 'done', label: 'committed', icon: Check },
  // attempts
  leased: { token: 'map', label: 'leased', icon: Play },
  'awaiting-quorum': { token: 'accent', label: 'waiting for a quorum', icon: ShieldCheck },
  held: { token: 'accent', label: 'waiting for a quorum', icon: ShieldCheck },
  discarded: { token: 'muted', label: 'discarded', icon: Trash2 },
  returned: { token: 'retry', label: 'returned', icon: Undo2 },
  revoked: { token: 'retry', label: 'revoked', icon: Ban },
  // volunteers
  working: { token: 'accent', label: 'working', icon: Cpu },
  idle: { token: 'muted', label: 'idle', icon: CircleDashed },
  snoozed: { token: 'muted', label: 'snoozed', icon: MoonStar },
  finishing: { token: 'accent', label: 'finishing', icon: Flag },
  // roles
  split: { token: 'ink', label: 'split', icon: Scissors },
  map: { token: 'map', label: 'map', icon: MapIcon },
  combine: { token: 'reduce', label: 'combine', icon: Combine },
  shuffle: { token: 'transfer', label: 'shuffle', icon: Shuffle },
  reduce: { token: 'reduce', label: 'reduce', icon: Sigma },
  result: { token: 'done', label: 'result', icon: Table2 },
  transfer: { token: 'transfer', label: 'transfer', icon: ArrowDownUp },
  edge: { token: 'edge', label: 'edge', icon: Hexagon },
  volunteer: { token: 'accent', label: 'volunteer', icon: HandHelping },
  // streams, and what reads them
  stream: { token: 'edge', label: 'stream', icon: Waves },
  claim: { token: 'transfer', label: 'claim', icon: Ticket },
  processor: { token: 'map', label: 'processor', icon: Box },
  deadLetter: { token: 'failed', label: 'dead letter', icon: Mail },
  // kinds of processors
  stateless: { token: 'map', label: 'stateless', icon: MoveRight },
  stateful: { token: 'map', label: 'stateful', icon: Cylinder },
  join: { token: 'map', label: 'join', icon: Merge },
  window: { token: 'map', label: 'event-time windows', icon: Brackets },
  batch: { token: 'map', label: 'batches', icon: Rows3 },
  // keys of a join that wait no more, and events that came after
  fired: { token: 'done', label: 'fired', icon: PackageCheck },
  timedOut: { token: 'retry', label: 'timed out', icon: TimerOff },
  late: { token: 'retry', label: 'late', icon: AlarmClockOff },
  // processors and their places in partitions
  paused: { token: 'muted', label: 'paused', icon: Pause },
  replaying: { token: 'reduce', label: 'replaying', icon: History },
  blocked: { token: 'failed', label: 'blocked', icon: OctagonX },
  dead: { token: 'failed', label: 'dead', icon: Mail },
  redriving: { token: 'retry', label: 'on its way again', icon: Undo2 },
  // what closed a window
  events: { token: 'map', label: 'events', icon: Tally5 },
  bytes: { token: 'transfer', label: 'bytes', icon: Package },
  time: { token: 'reduce', label: 'time', icon: Clock },
  drain: { token: 'retry', label: 'drained', icon: Rows3 },
  // schedules and their runs
  active: { token: 'accent', label: 'active', icon: CalendarClock },
  missed: { token: 'retry', label: 'missed', icon: CalendarX },
  refused: { token: 'failed', label: 'refused', icon: ShieldX },
  // DAG jobs: what a step is, and how it stands
  dag: { token: 'ink', label: 'DAG', icon: Workflow },
  mapreduce: { token: 'map', label: 'MapReduce', icon: Combine },
  wait: { token: 'reduce', label: 'wait', icon: BellRing },
  sleep: { token: 'muted', label: 'sleep', icon: AlarmClock },
  signal: { token: 'reduce', label: 'signal', icon: Radio },
  ready: { token: 'accent', label: 'ready', icon: CirclePlay },
  skipped: { token: 'muted', label: 'skipped', icon: SkipForward },
  // what went another way than planned
  retry: { token: 'retry', label: 'tried again', icon: Undo2 },
  disagreement: { token: 'failed', label: 'disagreement', icon: TriangleAlert },
};

/** Job states in the order in which a job passes through them. */
export const JOB_STATE_ORDER: readonly JobState[] = [
  'queued',
  'mapping',
  'reducing',
  'running',
  'done',
  'failed',
  'cancelled',
];

/** States after which a job changes no more by itself. */
export function isOver(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}
