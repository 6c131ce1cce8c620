// The volunteer protocol: JSON text frames over one WebSocket, browser <-> LobbyObject.
// One union per direction, a version, and a closed set of refusals. Bytes never travel here: a lease is
// a capability for the data routes /api/leases/:lease/{input,program,output}.
import * as z from 'zod';
import { GRANT_MAX_TASKS, NAME_MAX_CHARS, SLOTS_MAX } from './limits.ts';
import { TaskError } from './schemas/job.ts';
import type { MapPlan, MapTask } from './mapreduce/task.ts';

/** Raised with every change that an older page would not understand. */
export const PROTOCOL_VERSION = 2;

/** WebSocket sub-path: `/api/volunteer?id=<volunteer id>`; the id chooses the lobby shard. */
export const VolunteerId = z
  .string()
  .regex(/^[a-z0-9-]{8,64}$/, 'lower-case letters, digits and dashes, 8 to 64');

// --- Refusals: the lobby says one of these and closes the socket with the code beside it. ---------
export const REFUSALS = {
  protocol_mismatch: [4001, 'This page speaks another protocol version. Reload it.'],
  bad_message: [4002, 'The lobby got a message that it cannot read.'],
  rate_limited: [4003, 'Too many messages from this volunteer.'],
  lobby_full: [4004, 'This lobby has all the volunteers that it can serve.'],
  replaced: [4005, 'This volunteer connected again from another tab.'],
} as const satisfies Record<string, readonly [number, string]>;
export type RefusalCode = keyof typeof REFUSALS;

// --- Browser → lobby ------------------------------------------------------------------------------
const Lease = z.string().max(8_192);

export const Hello = z.object({
  type: z.literal('hello'),
  protocol: z.number().int(),
  volunteer: VolunteerId,
  /** Made by the page and kept with the id: without it no other tab can speak as this volunteer. */
  secret: z.string().min(16).max(128),
  name: z.string().trim().min(1).max(NAME_MAX_CHARS),
  cores: z.number().int().min(1).max(1024),
  slots: z.number().int().min(0).max(SLOTS_MAX),
});

export const ClientMessage = z.discriminatedUnion('type', [
  Hello,
  /** How many tasks may run at once now; 0 = grant nothing (snoozed, finishing, on battery). */
  z.object({
    type: z.literal('capacity'),
    slots: z.number().int().min(0).max(SLOTS_MAX),
    state: z.enum(['lending', 'snoozed', 'finishing']),
  }),
  /** Every PROGRESS_MS while tasks run: the leases that are alive. Only these are renewed. */
  z.object({
    type: z.literal('progress'),
    leases: z.array(z.object({ lease: Lease, fraction: z.number().min(0).max(1) })).max(SLOTS_MAX),
  }),
  /** Results, batched. `receipt` is the answer of PUT …/output; `ms` is the task's own running time. */
  z.object({
    type: z.literal('done'),
    results: z
      .array(z.object({ lease: Lease, receipt: z.string().max(131_072), ms: z.number().min(0) }))
      .max(GRANT_MAX_TASKS),
  }),
  z.object({
    type: z.literal('failed'),
    failures: z
      .array(z.object({ lease: Lease, error: TaskError, ms: z.number().min(0) }))
      .max(GRANT_MAX_TASKS),
  }),
  /** Given back unstarted or unfinished, not the program's fault. */
  z.object({ type: z.literal('returned'), leases: z.array(Lease).max(GRANT_MAX_TASKS) }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

// --- Lobby → browser ------------------------------------------------------------------------------
export interface Grant {
  lease: string;
  job: string;
  attempt: number;
  task: MapTask;
  /** From receipt on: past it the lease is somebody else's. Renewed by `progress`. */
  leaseMs: number;
}

export type LobbyMessage =
  | { type: 'welcome'; protocol: number; volunteer: string; name: string; progressMs: number }
  | { type: 'refused'; code: RefusalCode; message: string }
  /** `plans` holds the plan of every job that this socket has not been told of yet. */
  | { type: 'grant'; plans: MapPlan[]; grants: Grant[] }
  /** Stop these: the job was cancelled, or the lease ran out. Nothing is to be reported for them. */
  | { type: 'revoke'; leases: string[]; reason: string }
  /** Nothing to do, and why; sent when that changes. */
  | { type: 'idle'; reason: string }
  /** What became of results: shown as this volunteer's contribution. */
  | { type: 'credit'; tasks: number; bytes: number; verified: number; rejected: number };

/** On GET …/input: byte offset, in the whole input, of the first byte that is sent. Splits are aligned to records. */
export const INPUT_START_HEADER = 'x-manyhands-start';
/**
 * On GET …/input: the edge's signature under where the records of the split lie. Sent back with PUT …/output, it
 * spares the edge to look for them again.
 */
export const RANGE_HEADER = 'x-manyhands-range';
/** On PUT …/output: the spill's SHA-256 as the mapper computed it, in hex. */
export const DIGEST_HEADER = 'x-manyhands-digest';

/** Kept alive without waking the lobby: the runtime answers PING with PONG by itself. */
export const PING = 'ping';
export const PONG = 'pong';
