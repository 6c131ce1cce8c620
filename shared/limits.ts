// Every limit and default of the system, unit last in the name. Platform limits are Cloudflare's
// (paid plan, late 2026); the rest are ours. Relations that must hold are asserted at the end.

export const KIB = 1024;
export const MIB = 1024 * 1024;

// --- What a request may carry -------------------------------------------------------------------
/** JSON bodies (job specifications). The platform allows 100 MB; nothing here needs it. */
export const JSON_BODY_MAX_BYTES = 4 * MIB;
/** Values in each other; the stacks of all that read them are deeper. */
export const JSON_DEPTH_MAX = 1_000;
export const CODE_MAX_BYTES = 256 * KIB;
export const PARAMS_MAX_BYTES = 64 * KIB;
export const INLINE_MAX_BYTES = MIB;
export const NAME_MAX_CHARS = 128;
export const LIST_DEFAULT_ITEMS = 50;
export const LIST_MAX_ITEMS = 500;
export const IDEMPOTENCY_MS = 24 * 3600_000;
export const IDEMPOTENCY_KEY_MAX_CHARS = 255;

// --- Datasets -----------------------------------------------------------------------------------
/** R2 multipart parts: at least 5 MiB, all equal but the last, at most 10,000. */
export const UPLOAD_PART_BYTES = 8 * MIB;
export const UPLOAD_PART_MIN_BYTES = 5 * MIB;
export const UPLOAD_PARTS_MAX = 10_000;
/** A body of known size goes into R2 as one put up to here (R2 takes 5 GiB less 5 MiB), above it in parts. */
export const PUT_MAX_BYTES = 4096 * MIB;
/** A streamed upload holds one part in memory. Longer bodies go in parts that the client makes. */
export const UPLOAD_PART_HELD_MAX_BYTES = 32 * MIB;
export const CONTENT_TYPE_MAX_CHARS = 255;
/** An upload in parts that is not completed is given up after this long. */
export const UPLOAD_KEEP_MS = 24 * 3600_000;

// --- Planning -----------------------------------------------------------------------------------
export const SPLIT_DEFAULT_BYTES = 8 * MIB;
/** A split is held whole, as text, in a 128 MB isolate. */
export const SPLIT_MAX_BYTES = 32 * MIB;
export const SPLIT_DEFAULT_ITEMS = 10_000;
export const SPLIT_MAX_ITEMS = 100_000_000;
export const TASKS_MAX = 100_000;
/** A gzip file cannot be split; its compressed bytes are held whole while it is unpacked in a stream. */
export const GZIP_MAX_BYTES = 64 * MIB;
export const RECORD_MAX_BYTES = 16 * MIB;
/** Every task of a CSV job gets the header's names: with a header of 1 MiB they stay below 2 MB. */
export const CSV_COLUMNS_MAX = 65_536;
export const PARTITIONS_DEFAULT = 4;
export const PARTITIONS_MAX = 512;
export const SKIP_BAD_RECORDS_MAX = 1_000_000;
/** Bad records are counted without bound and listed up to this many a task and a job. */
export const BAD_RECORDS_LISTED_PER_TASK = 20;
export const BAD_RECORDS_LISTED_PER_JOB = 1_000;

// --- Records, spills ----------------------------------------------------------------------------
export const KEY_MAX_BYTES = 64 * KIB;
export const VALUE_MAX_BYTES = MIB;
/** Past this estimate of its in-memory size the mapper's table is combined and sorted into a run. */
export const SPILL_BUFFER_BYTES = 24 * MIB;
export const SPILL_BLOCK_BYTES = 256 * KIB;
export const SPILL_MAX_BYTES = 64 * MIB;
/** Uncompressed: what the edge hashes and checks of one upload, however well it was compressed. */
export const SPILL_RAW_MAX_BYTES = 512 * MIB;
export const LOG_LINES_MAX = 100;
export const LOG_LINE_MAX_CHARS = 1_000;
export const USER_COUNTERS_MAX = 100;
export const COUNTER_NAME_MAX_CHARS = 100;
export const ERROR_MESSAGE_MAX_CHARS = 2_000;
export const ERROR_STACK_MAX_CHARS = 4_000;

// --- Reduce -------------------------------------------------------------------------------------
/** Sources merged at once; more go through intermediate objects. */
export const MERGE_FAN_IN = 64;
/** Read-ahead of one merge source: fan-in × this is the reducer's memory. */
export const MERGE_CHUNK_BYTES = 512 * KIB;
/** Open connections a Worker invocation may hold. */
export const CONNECTIONS_MAX = 6;
/** Without a `reduce`, or with "collect", a key's values become one JSON array of at most this size. */
export const GROUP_MAX_BYTES = 32 * MIB;
export const REDUCE_RING_AGAIN_MS = 60_000;
export const REDUCE_ATTEMPTS_MAX = 4;
export const TOP_DEFAULT_ITEMS = 20;
export const TOP_MAX_ITEMS = 1_000;
/** What the best records of a `top` may hold: n large values would not fit in an isolate. */
export const TOP_MAX_BYTES = 24 * MIB;

// --- Results ------------------------------------------------------------------------------------
/** Range reads of a result ordered by key: the platform allows 10,000 subrequests. */
export const RESULT_READS_MAX = 9_000;
/** Read-ahead of all the parts together while a result is merged by key. */
export const RESULT_MERGE_BYTES = 32 * MIB;
export const RESULT_CHUNK_MIN_BYTES = 64 * KIB;
export const RESULT_CHUNK_MAX_BYTES = 2 * MIB;

// --- Jobs ---------------------------------------------------------------------------------------
/** A failed job keeps its spills this long, so that a retry runs only what is not committed. */
export const FAILED_KEEP_MS = 24 * 3600_000;
export const EVENTS_PAGE_MAX_ITEMS = 1_000;
/** A live stream waits this long for the next event before it shows a sign of life. */
export const LIVE_WAIT_MS = 15_000;
/** At most this often a running job tells the catalog how far it is. */
export const SUMMARY_MS = 1_000;

// --- Leases, attempts ---------------------------------------------------------------------------
/** Before any speed is known. Later: LEASE_FACTOR × the median attempt, between the two bounds. */
export const LEASE_MS = 60_000;
export const LEASE_MIN_MS = 15_000;
export const LEASE_MAX_MS = 15 * 60_000;
export const LEASE_FACTOR = 10;
/** How long the data routes honour a lease's signature; the JobObject decides what still counts. */
export const LEASE_TOKEN_MS = 3600_000;
export const ATTEMPTS_MAX = 4;
/** A volunteer's sandboxed worker that shows no progress for this long is terminated. */
export const TASK_STALL_MS = 30_000;
export const PROGRESS_MS = 2_000;
export const QUORUM_COPIES_DEFAULT = 2;
export const QUORUM_COPIES_MAX = 5;
/** `adaptive`: this share of the tasks is run again at the edge and compared. */
export const ADAPTIVE_RECHECK_SHARE = 0.05;

// --- Streams ------------------------------------------------------------------------------------
export const STREAM_PARTITIONS_DEFAULT = 4;
export const STREAM_PARTITIONS_MAX = 64;
export const EVENT_KEY_MAX_BYTES = 2 * KIB;
export const EVENT_ID_MAX_CHARS = 255;
export const EVENT_TYPE_MAX_CHARS = 128;
/** A payload above this goes to R2 and the event carries a claim. A whole event has to fit a row. */
export const CLAIM_CHECK_DEFAULT_BYTES = 96 * KIB;
export const CLAIM_CHECK_MIN_BYTES = 1;
export const CLAIM_CHECK_MAX_BYTES = MIB;
export const RETENTION_DEFAULT_HOURS = 168;
export const RETENTION_MAX_HOURS = 24 * 366;
/** What one partition may hold before appends are refused as `stream_full`. */
export const PARTITION_DEFAULT_BYTES = 100 * 1024 * MIB;
export const PARTITION_MIN_BYTES = KIB;
/** One append request: it is checked whole before any of it is appended. */
export const APPEND_MAX_BYTES = 16 * MIB;
export const APPEND_MAX_EVENTS = 100_000;
/** What one call to a LogObject carries; larger appends are several calls. */
export const APPEND_CALL_MAX_BYTES = 2 * MIB;
/** A packed row: the platform takes values of 2 MB. */
export const LOG_ROW_MAX_BYTES = 1.5 * MIB;
/** The tail is sealed into an R2 segment past this size. */
export const SEGMENT_BYTES = 8 * MIB;
/**
 * Or past this age, if it is not small: a put costs what 120 KiB save by lying in R2 instead of in rows for a
 * week. Small tails are better read from rows, too.
 */
export const SEGMENT_AGE_MS = 3600_000;
export const SEGMENT_AGED_MIN_BYTES = 128 * KIB;
/** R2 did not take segments for long: appends are refused before the object's own storage is full. */
export const TAIL_MAX_BYTES = 1024 * MIB;
/** Byte positions are indexed about this densely within a segment. */
export const SEGMENT_BLOCK_BYTES = 64 * KIB;
/** Appends (rows) in a segment, so that it can keep the time of each. A tail with more is sealed, too. */
export const SEGMENT_TIMES_MAX = 4_096;
/** Event ids that clients chose are remembered for this many of a partition's youngest such events. */
export const DEDUP_IDS_MAX = 2_000_000;
/** A job that pinned segments and never let go loses them after this long. */
export const PINS_KEEP_MS = 7 * 24 * 3600_000;
export const PINS_MAX = 1_000;
/** Readers that are woken after an append to one partition. */
export const SUBSCRIBERS_MAX = 1_000;
/** Open calls that wait in one object for events of a log or a job, and how long others wait before they ask again. */
export const WAITERS_MAX = 10_000;
export const WAITERS_FULL_PAUSE_MS = 2_000;
/** Counts and readers' places are written at most this often: losing them costs a wake-up too many. */
export const LOG_FLUSH_MS = 10_000;
/** A producer that was silent this long is forgotten. */
export const PRODUCER_KEEP_MS = 30 * 24 * 3600_000;
/** Stream definitions that an isolate remembers, and for how long. */
export const STREAMS_REMEMBERED_MAX = 1_000;
export const STREAMS_REMEMBERED_MS = 5_000;
/** A page of streams ends early past this many partitions: each is asked for its status. */
export const STREAMS_PAGE_PARTITIONS = 500;
/** One page of a live tail: what a slow reader makes the edge hold. */
export const LIVE_PAGE_MAX_EVENTS = 200;
export const LIVE_PAGE_MAX_BYTES = 256 * KIB;
export const EVENTS_DEFAULT_ITEMS = 100;
export const EVENTS_MAX_ITEMS = 1_000;
/** Bytes of events in one answer or one batch; at least one event whatever its size. */
export const READ_MAX_BYTES = 4 * MIB;

// --- Claims -------------------------------------------------------------------------------------
export const CLAIM_SHARDS = 16;
/** A claim that no event refers to is collected after this long. */
export const CLAIM_ORPHAN_MS = 24 * 3600_000;
/** After its last holder let go a claim stays this long: an append that looked it up may be about to hold it. */
export const CLAIM_RELEASE_GRACE_MS = 15_000;
/** Payloads of one append that go to R2: each is a put, and the platform allows 10,000 subrequests. */
export const APPEND_MAX_CLAIMS = 4_000;
/** How long a collected claim's token is answered with 410 before it is forgotten. */
export const CLAIM_TOMBSTONE_MS = 30 * 24 * 3600_000;
/** `ctx.payload(event)` holds the whole payload in the isolate. */
export const PAYLOAD_MAX_BYTES = 32 * MIB;

// --- Processors ---------------------------------------------------------------------------------
export const PROCESSOR_STREAMS_MAX = 16;
export const PROCESSOR_TYPES_MAX = 100;
export const PROCESSOR_SERVICES_MAX = 16;
/** Events run together: one isolate call, one append per output partition, one commit. */
export const BATCH_MAX_EVENTS = 1_000;
export const BATCH_MAX_BYTES = MIB;
/** Events of a batch that may wait for a service at once, and calls open at once (the platform: 6 connections). */
export const PROCESS_IN_FLIGHT = 64;
export const SERVICE_CALLS_MAX = 6;
/** Calls of one batch that wait for their turn. */
export const SERVICE_CALLS_WAITING_MAX = 1_000;
export const SERVICE_TIMEOUT_MS = 5_000;
export const SERVICE_ANSWER_MAX_BYTES = MIB;
/** One event's `process` call, by the wall clock. */
export const PROCESS_TIMEOUT_MS = 30_000;
export const PROCESS_CPU_MS = 30_000;
/** A batch begins no further event after this long: the rest of it is the next batch. */
export const PROCESS_START_MS = 10_000;
/** How long what is left of a batch may outlast its last event's time before its isolate is given up. */
export const PROCESS_GRACE_MS = 5_000;
/** CPU time of a batch processor's function over a whole window: the platform's most. */
export const BATCH_CPU_MS = 300_000;
/** Promises that nothing moved for this long, with no call open, will never settle: user code has no timers. */
export const PROCESS_QUIET_MS = 5_000;
/** Payloads out of claims that the events of a batch hold at once; the earliest event always gets its own. */
export const PAYLOADS_HELD_MAX_BYTES = 32 * MIB;
/** Local mode only: loop turns and calls of one event's code. */
export const PROCESS_GUARD_STEPS = 200_000_000;
/** What one event may emit. */
export const OUTPUTS_PER_EVENT_MAX = 1_000;
export const OUTPUT_BATCH_MAX_BYTES = 8 * MIB;
export const RETRY_ATTEMPTS_DEFAULT = 5;
export const RETRY_ATTEMPTS_MAX = 20;
export const RETRY_BASE_DEFAULT_MS = 500;
export const RETRY_MAX_DEFAULT_MS = 30_000;
export const RETRY_MAX_MS = 3600_000;
/** A consumer's lease; renewed by each commit. Outlasts one batch that waits for its slowest event. */
export const CONSUME_LEASE_MS = 60_000;
/** While a batch runs its lease is renewed this often. */
export const CONSUME_RENEW_MS = 20_000;
/** One wake-up consumes for about this long, then sends the next. */
export const CONSUME_FOR_MS = 10_000;
/** A batch is sized to run about this long; the first one, before any speed is known, has this many events. */
export const CONSUME_AIM_MS = 2_000;
export const CONSUME_FIRST_EVENTS = 250;
/** What is blocked (a full output) is tried again at least this often. */
export const BLOCKED_MAX_MS = 30_000;
/** Dead letters that one work item runs again, each alone, and how many of them at once. */
export const REDRIVE_TOGETHER = 32;
export const REDRIVE_IN_FLIGHT = 6;
/** Latencies are kept for one to two of these. */
export const LATENCY_HALF_MS = 5 * 60_000;
/** How often a replay is looked at, beside what its consumers announce: first so, then less and less often. */
export const CUTOVER_LOOK_MS = 1_000;
export const CUTOVER_LOOK_MAX_MS = 10_000;
/** A wake-up that was not answered is sent again after this long. */
export const WAKE_UP_AGAIN_MS = 20_000;
/** And after twice as long each time, up to this: it may be paused, and wake-ups cost money. */
export const WAKE_UP_AGAIN_MAX_MS = 10 * 60_000;
/** Dead letters of one (processor, partition); past it the partition stops and says why. */
export const DEAD_LETTERS_MAX = 100_000;
export const REDRIVE_RATE_MAX = 10_000;

// --- Keyed state ---------------------------------------------------------------------------------
export const SHARDS_DEFAULT = 4;
export const SHARDS_MAX = 64;
export const KEY_PATH_MAX_CHARS = 200;
/** Paths that make one key together. */
export const KEY_PARTS_MAX = 8;
/** A key that state is kept under. */
export const STATE_KEY_MAX_BYTES = 2 * KIB;
/** The state of one key, as JSON. A row takes 2 MB. */
export const STATE_MAX_BYTES = MIB;
export const STATE_TTL_MIN_MS = 1_000;
export const STATE_TTL_MAX_MS = 366 * 24 * 3600_000;
/** How often forgotten keys are swept: a share of their time to live, between these bounds. */
export const STATE_SWEEP_MIN_MS = 1_000;
export const STATE_SWEEP_MAX_MS = 3600_000;
/** Keys that one step of a sweep looks at. */
export const STATE_SWEEP_KEYS = 2_000;
/** A page of state ends early past this; a state larger than the second is left out of pages. */
export const STATE_PAGE_BYTES = 4 * MIB;
export const STATE_LISTED_MAX_BYTES = 64 * KIB;
/** Items of a list that a Worker holds while it merges the lists of all shards. */
export const STATE_MERGE_ITEMS = 512;
/** How often one shard is asked for one page: past it the page ends early. */
export const STATE_PAGE_ASKS = 20;
/** States that cross to an isolate in one call. What does not fit waits for the next one. */
export const FOLD_STATES_MAX_BYTES = 16 * MIB;
/** UTF-16 units, of three bytes at most, of one text in a row or a parameter: the platform takes 2 MB. */
export const TEXT_PIECE_MAX_CHARS = 500_000;
/** Outputs that a shard owes; while it owes any, no more is applied. */
export const OUTBOX_ROW_MAX_BYTES = MIB;
/** Joins, windows and keys that one step of a timer ends. */
export const DUE_TOGETHER = 250;
/** One alarm of a shard ends things for about this long, then the next one goes on. */
export const SHARD_DUE_FOR_MS = 5_000;
export const JOIN_TYPES_MAX = 16;
export const JOIN_TIMEOUT_MAX_MS = 30 * 24 * 3600_000;
export const JOIN_REMEMBER_DEFAULT_MS = 24 * 3600_000;
export const JOIN_REMEMBER_MAX_MS = 30 * 24 * 3600_000;
/** All the events that wait under one key. */
export const JOIN_MAX_BYTES = MIB;
/** Events that are read, or handed to the code, in one call; joins that do not fit wait for the next one. */
export const JOIN_CALL_MAX_BYTES = 8 * MIB;
/** Keys that are due together lie in one row, up to so many and so much text. */
export const JOIN_DUE_ROW_KEYS = 256;
export const JOIN_DUE_ROW_CHARS = 200_000;
/** Keys that become due within this of each other share a row, if they come one by one. */
export const JOIN_DUE_ROW_MS = 1_000;
/** Keys that fired are taken out of the rows of keys that wait when there are more of them than this, and than of the others. */
export const JOIN_STALE_KEYS = 10_000;
/** Keys that one commit looks at for that. */
export const JOIN_TIDY_KEYS = 4_000;
/** Keys that a page of waiting keys looks at. */
export const JOIN_PAGE_LOOKS = 5_000;
/** Fired keys that one step of a timer forgets. */
export const JOIN_FORGET_KEYS = 2_000;
/** Calls of the code that one batch makes, when events fail and others take their places. */
export const JOIN_ROUNDS_MAX = 10;
export const GRACE_DEFAULT_MS = 1_000;
export const GRACE_MAX_MS = 7 * 24 * 3600_000;
export const IDLE_DEFAULT_MS = 5_000;
export const IDLE_MAX_MS = 24 * 3600_000;
export const SKEW_DEFAULT_MS = 60_000;
export const SKEW_MAX_MS = 366 * 24 * 3600_000;
export const WINDOWS_PER_EVENT_MAX = 100;
/** Events of one window whose program keeps them all (it exports no `add`). */
export const EVENT_WINDOW_EVENTS_MAX = 10_000;
/** States or events of windows that one step reads and hands over: the isolate's call takes 32 MiB at two bytes a character. */
export const EVENT_WINDOW_CALL_MAX_BYTES = 8 * MIB;
/** Events of one step, each counted as often as the windows that it lies in. */
export const EVENT_WINDOW_LINES_MAX = 5_000;
/** Windows that have to be closed: past it a shard takes no more events than it closes windows. */
export const EVENT_WINDOWS_DUE_MAX = 10_000;
/** A row of windows by their end lists so many of them; one step looks at so many rows. */
export const EVENT_WINDOW_ENDS_PER_ROW = 250;
export const EVENT_WINDOW_ENDS_ROWS = 16;
/** One open window, with the last event that it took. The platform takes 2 MB. */
export const EVENT_WINDOW_ROW_MAX_BYTES = 1_900_000;
/** Late events that a shard keeps to be read. */
export const LATE_KEPT = 1_000;
/** Offsets that were redriven are remembered so long, and so many of them. */
export const REDONE_KEPT_MS = 7 * 24 * 3600_000;
export const REDONE_MAX = 100_000;

// --- DAG jobs -----------------------------------------------------------------------------------
export const DAG_STEPS_MAX = 2_000;
export const DAG_DEPTH_MAX = 1_000;
export const DAG_EXPRESSION_MAX_CHARS = 4_000;
/** A whole definition, code included: each Worker that runs a part of it reads all of it. */
export const DAG_SPEC_MAX_BYTES = 4 * MIB;
export const FOR_EACH_ITEMS_MAX = 10_000;
export const FOR_EACH_CONCURRENCY_DEFAULT = 32;
export const FOR_EACH_CONCURRENCY_MAX = 256;
export const STEP_TIMEOUT_DEFAULT_MS = 60_000;
export const STEP_TIMEOUT_MAX_MS = 10 * 60_000;
export const SLEEP_MAX_MS = 366 * 24 * 3600_000;
export const WAIT_TIMEOUT_MAX_MS = 366 * 24 * 3600_000;
/** An output past the first goes to R2 by itself; past the second its step fails. */
export const STEP_INLINE_MAX_BYTES = 64 * KIB;
export const STEP_OUTPUT_MAX_BYTES = 16 * MIB;
/** Of bytes, which are not written as text: an isolate has 128 MB for everything. */
export const STEP_OUTPUT_BINARY_MAX_BYTES = 100 * MIB;
/** What a function gets to see: the outputs of the steps that it needs, together. */
export const STEP_INPUT_MAX_BYTES = 32 * MIB;
/** Of them, what lies in the run itself: it crosses in one message, of 32 MiB at most and two bytes a character. */
export const STEP_INLINE_TOGETHER_MAX_CHARS = 12 * MIB;
/** Units of one call each have a copy of the input: with a large one, fewer run side by side. */
export const STEP_COPIES_MAX_CHARS = 8 * MIB;
export const FOR_EACH_ITEMS_MAX_BYTES = 8 * MIB;
/** Inline outputs that a run hands out in one message, of 32 MiB at most. */
export const OUTPUTS_PAGE_MAX_CHARS = 8 * MIB;
/** Outputs in R2 that are put in their place in a result: each is a read, and the platform allows 10,000 subrequests. */
export const RESULT_CLAIMS_MAX = 9_000;
/** Units (a step, or items of a `forEach`) that one call to an isolate runs, and such calls of one run at once. */
export const STEP_UNITS_TOGETHER = 50;
export const STEP_CALLS_AT_ONCE = 4;
/** CPU time of such a call: the platform's most. */
export const STEP_CPU_MS = 300_000;
export const STEP_LOG_LINES_MAX = 100;
/** Attempts whose times, errors and log lines are kept for each unit. */
export const STEP_ATTEMPTS_KEPT = 20;
/** An attempt that was lost (a restart) is made again without counting as a failure, so often. */
export const STEP_LOST_MAX = 10;
/** A volunteer's program carries what all items see: input and needed outputs, as JSON. */
export const VOLUNTEER_GIVEN_MAX_BYTES = 4 * MIB;
/** Items with the payloads that travel along, all together; one of them has RECORD_MAX_BYTES at most. */
export const VOLUNTEER_INPUT_MAX_BYTES = 512 * MIB;
/** Claims in the input of a volunteer step: each is a read, and the platform allows 10,000 subrequests. */
export const VOLUNTEER_CLAIMS_MAX = 5_000;
/** What one item may return as bytes. It comes back in chunks, each with a third more as base64 in a value. */
export const VOLUNTEER_OUTPUT_MAX_BYTES = 32 * MIB;
export const VOLUNTEER_CHUNK_BYTES = 720 * KIB;
/** One answer with outputs of a step's job has at most so many, and ends when it has read so much. */
export const COLLECT_OUTPUTS_MAX = 500;
export const COLLECT_INLINE_MAX_BYTES = 4 * MIB;
export const COLLECT_READ_MAX_BYTES = 64 * MIB;
/** A larger result of a MapReduce step is no output: it stays with its job. */
export const STEP_RESULT_MAX_BYTES = 1024 * MIB;
export const SIGNAL_MAX_BYTES = 256 * KIB;
/** Signals of one name that came before anything waits for them. */
export const SIGNALS_KEPT = 100;
/** All signals of a run that wait. */
export const SIGNALS_KEPT_MAX_CHARS = 4 * MIB;
/** What a run holds in memory: small outputs, items, events waited for. */
export const RUN_HELD_MAX_CHARS = 24 * MIB;
/** Outputs shown with a run, all together; past it they are left out. Each is shown with its step. */
export const RUN_SHOWN_MAX_CHARS = 1 * MIB;
export const RUN_EVENTS_KEPT = 50_000;
/** Stored answers of a step that tell of attempts; older ones are dropped. */
export const STEP_ATTEMPT_PACKS_KEPT = 2_000;
/** Attempts, and characters of their logs, that are listed of one step. */
export const STEP_ATTEMPTS_LISTED = 200;
export const STEP_LOGS_LISTED_MAX_CHARS = 2 * MIB;
/** Items whose records lie in one row: as many as are run together. */
export const STEP_ITEMS_PER_ROW = 50;
/** JSON of the items that go into one call. */
export const STEP_CALL_ITEMS_MAX_CHARS = 2 * MIB;
/** An attempt whose end is unknown is made again after a pause that grows from the first to the second. */
export const STEP_LOST_PAUSE_MS = 500;
export const STEP_LOST_PAUSE_MAX_MS = 30_000;
/** A call that has not answered so long after the last moment at which it could is given up. */
export const STEP_LOST_GRACE_MS = 10_000;
/** How often the job of a step is looked at: growing between the two. */
export const STEP_JOB_POLL_MIN_MS = 250;
export const STEP_JOB_POLL_MAX_MS = 5_000;
/** While something is under way a run's alarm is never further off: a call that died is noticed then. */
export const RUN_BEAT_MS = 30_000;
/** What an object asks of others, an isolate's start and its code included, is given up after this long and done again. */
export const EFFECT_TIMEOUT_MS = 120_000;
/** What a run's counts, and the place of a watch, may lose in a crash. */
export const RUN_COUNTS_STORED_MS = 10_000;
export const WATCH_PLACE_STORED_EVENTS = 1_000;

// --- User Service -------------------------------------------------------------------------------
/** Events about users that the stream `users` has not taken yet. */
export const USER_EVENTS_OWED_MAX = 10_000;
export const USER_EVENTS_TOLD_AT_ONCE = 100;

// --- Batching -----------------------------------------------------------------------------------
export const WINDOW_EVENTS_DEFAULT = 1_000;
export const WINDOW_EVENTS_MAX = 100_000_000;
export const WINDOW_BYTES_DEFAULT = 100 * MIB;
export const WINDOW_BYTES_MAX = 10 * 1024 * MIB;
export const WINDOW_WAIT_DEFAULT_MS = 60_000;
export const WINDOW_WAIT_MAX_MS = 7 * 24 * 3600_000;
export const BATCH_RUN_MS = 10 * 60_000;
/** Batches that are done are listed up to this many. */
export const BATCHES_KEPT = 1_000;
/** Fired windows that wait to be run; past it no more is counted until one has run. */
export const WINDOWS_WAITING_MAX = 100;
/** Windows given up that are tried again at once. */
export const WINDOWS_REDRIVEN_MAX = 1_000;
/** Questions to logs in one go; more in the next. */
export const WINDOW_LOOKS_MAX = 64;
/** A run's lease, and how often it is renewed while the function works. */
export const WINDOW_LEASE_MS = 60_000;
export const WINDOW_BEAT_MS = 15_000;
/** How often the job of a window is looked at: growing between the two. */
export const WINDOW_JOB_POLL_MIN_MS = 1_000;
export const WINDOW_JOB_POLL_MAX_MS = 30_000;

// --- Schedules ----------------------------------------------------------------------------------
export const SCHEDULE_NEXT_RUNS = 5;
export const SCHEDULE_RUNS_KEPT = 60;
/** A run that starts later than this after its time says so. */
export const SCHEDULE_LATE_MS = 60_000;
/** A schedule is one row; the platform takes values of 2 MB. */
export const SCHEDULE_MAX_BYTES = 1.5 * MIB;
/** Times that passed unused: the youngest are listed, older ones counted up to a number. */
export const SCHEDULE_MISSED_LISTED = 5;
export const SCHEDULE_MISSED_COUNTED = 1_000;
/** Jobs of one schedule that may go on at once; with "lastRun" it is one. */
export const SCHEDULE_JOBS_MAX = 8;
/** A submission that meets trouble is tried again this often, with back-off between the two bounds. */
export const SCHEDULE_ATTEMPTS_MAX = 10;
export const SCHEDULE_RETRY_BASE_MS = 1_000;
export const SCHEDULE_RETRY_MAX_MS = 5 * 60_000;
/** A run asks after its job when an eighth of its time has passed again, between the two bounds. */
export const SCHEDULE_ASK_SHARE = 8;
export const SCHEDULE_ASK_MIN_MS = 500;
export const SCHEDULE_ASK_MAX_MS = 30_000;
/** A page of schedules ends early past this size: each carries its code and its runs. */
export const SCHEDULES_PAGE_BYTES = 8 * MIB;

// --- Volunteers ---------------------------------------------------------------------------------
export const LOBBY_SHARDS = 8;
export const VOLUNTEERS_PER_LOBBY_MAX = 2_000;
export const SLOTS_MAX = 64;
export const GRANT_AIM_MS = 3_000;
export const GRANT_MAX_TASKS = 500;
export const FRAME_MAX_BYTES = MIB;
export const FRAMES_PER_SECOND_MAX = 50;
/** New sockets from one network to one lobby shard; bursts of twice as many are served. */
export const CONNECTIONS_PER_SECOND_MAX = 10;
/** Networks whose budgets a lobby remembers. */
export const NETWORKS_REMEMBERED_MAX = 10_000;

// --- Edge mappers -------------------------------------------------------------------------------
/** How long a job with `mappers: "any"` waits for a volunteer before the edge begins. */
export const EDGE_GRACE_MS = 3_000;
export const EDGE_MAPPERS_MAX = 4;
/** One queue message maps for about this long, then leaves; the job sends the next. */
export const EDGE_BATCH_MS = 5_000;
export const EDGE_CPU_MS = 60_000;
/** Wall time of one task or reduce call in an isolate. */
export const EDGE_TASK_MS = 120_000;
/** Edge mappers send no beats: their leases outlast a task. */
export const EDGE_LEASE_MS = 150_000;
/** A wake-up that no mapper answered, and a mapper that fell silent, are replaced after this long. */
export const EDGE_UNANSWERED_MS = 15_000;
export const EDGE_RING_AGAIN_MS = 90_000;
/** Local mode only: loop iterations and calls one edge-run task may make (the local runtime has no CPU limit). */
export const LOOP_GUARD_STEPS = 1_000_000_000;

// --- Dry run ------------------------------------------------------------------------------------
export const DRY_RUN_RECORDS = 100;
export const DRY_RUN_BYTES = 256 * KIB;
export const DRY_RUN_MS = 10_000;

function assertThat(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits.ts: ${relation} does not hold`);
}
assertThat(UPLOAD_PART_BYTES >= UPLOAD_PART_MIN_BYTES, 'UPLOAD_PART_BYTES ≥ UPLOAD_PART_MIN_BYTES');
assertThat(UPLOAD_PART_BYTES <= UPLOAD_PART_HELD_MAX_BYTES, 'a part can be held in memory');
assertThat(KEY_MAX_BYTES + VALUE_MAX_BYTES < SPILL_BUFFER_BYTES, 'a record fits the spill buffer');
assertThat(SPILL_BUFFER_BYTES <= SPILL_MAX_BYTES, 'SPILL_BUFFER_BYTES ≤ SPILL_MAX_BYTES');
assertThat(MERGE_FAN_IN * MERGE_CHUNK_BYTES <= 48 * MIB, 'merge read-ahead fits in an isolate');
assertThat(
  PARTITIONS_MAX * RESULT_CHUNK_MIN_BYTES <= RESULT_MERGE_BYTES,
  'every part of a result can be read ahead',
);
assertThat(VALUE_MAX_BYTES <= GROUP_MAX_BYTES, 'VALUE_MAX_BYTES ≤ GROUP_MAX_BYTES');
assertThat(LEASE_MIN_MS <= LEASE_MS && LEASE_MS <= LEASE_MAX_MS, 'LEASE_MIN ≤ LEASE ≤ LEASE_MAX');
assertThat(EDGE_TASK_MS < EDGE_LEASE_MS, 'EDGE_TASK_MS < EDGE_LEASE_MS');
assertThat(PROGRESS_MS * 3 < LEASE_MIN_MS, 'several progress beats fit in the shortest lease');
assertThat(CLAIM_CHECK_MAX_BYTES + 64 * KIB <= LOG_ROW_MAX_BYTES, 'an event fits a row');
assertThat(LOG_ROW_MAX_BYTES <= APPEND_CALL_MAX_BYTES, 'a row fits one call to a LogObject');
assertThat(APPEND_CALL_MAX_BYTES <= APPEND_MAX_BYTES, 'a call is part of a request');
assertThat(
  SCHEDULE_MISSED_LISTED + 2 * SCHEDULE_JOBS_MAX < SCHEDULE_RUNS_KEPT,
  'what is open and what was missed leaves room for history',
);
assertThat(
  SCHEDULE_ATTEMPTS_MAX * SCHEDULE_RETRY_MAX_MS < IDEMPOTENCY_MS / 2,
  'a run is submitted while its key is remembered',
);
assertThat(PROCESS_TIMEOUT_MS < CONSUME_LEASE_MS, 'a batch of slow events fits its lease');
assertThat(
  PROCESS_START_MS + PROCESS_TIMEOUT_MS + PROCESS_GRACE_MS < CONSUME_LEASE_MS,
  'a batch ends before its lease does',
);
assertThat(CONSUME_RENEW_MS * 2 < CONSUME_LEASE_MS, 'a lease is renewed before it runs out');
assertThat(
  EFFECT_TIMEOUT_MS > PROCESS_START_MS + PROCESS_TIMEOUT_MS + PROCESS_GRACE_MS,
  'expressions are evaluated in the time of an effect',
);
assertThat(SERVICE_TIMEOUT_MS < PROCESS_TIMEOUT_MS, 'a service times out before its event does');
assertThat(SHARDS_MAX <= STATE_MERGE_ITEMS, 'every shard’s next item can be held');
assertThat(
  STATE_MERGE_ITEMS * STATE_LISTED_MAX_BYTES <= 32 * MIB,
  'a page of states, merged, fits in an isolate',
);
assertThat(STATE_MAX_BYTES + STATE_KEY_MAX_BYTES * 4 < 2_000_000, 'a state fits a row');
assertThat(JOIN_MAX_BYTES < 2_000_000 - 64 * KIB, 'a join fits a row');
assertThat(WINDOW_BEAT_MS * 3 < WINDOW_LEASE_MS, 'several beats fit in a window’s lease');
