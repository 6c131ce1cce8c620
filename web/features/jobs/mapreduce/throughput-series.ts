// What was committed when, in buckets of equal width. When a job outlasts the buckets their width doubles
// and neighbours merge, so that an hour takes the memory of a minute.

export interface Amount {
  tasks: number;
  records: number;
  bytes: number;
}

const BUCKETS = 240;
const FIRST_BUCKET_MS = 250;
/** A point of the chart should stand for this many tasks. */
const TASKS_A_POINT = 6;

export class ThroughputSeries {
  /** Start of bucket 0; null before anything was committed. */
  startMs: number | null = null;
  bucketMs = FIRST_BUCKET_MS;
  /** Buckets in use. */
  length = 0;
  readonly tasks = new Float64Array(BUCKETS);
  readonly records = new Float64Array(BUCKETS);
  readonly bytes = new Float64Array(BUCKETS);

  add(atMs: number, amount: Amount): void {
    // Aligned to the clock, so that two tabs show the same buckets.
    this.startMs ??= Math.floor(atMs / FIRST_BUCKET_MS) * FIRST_BUCKET_MS;
    let bucket = this.#bucketOf(atMs);
    while (bucket >= BUCKETS) {
      this.#halve();
      bucket = this.#bucketOf(atMs);
    }
    this.tasks[bucket] = (this.tasks[bucket] ?? 0) + amount.tasks;
    this.records[bucket] = (this.records[bucket] ?? 0) + amount.records;
    this.bytes[bucket] = (this.bytes[bucket] ?? 0) + amount.bytes;
    this.length = Math.max(this.length, bucket + 1);
  }

  /** Seconds since the start, and the rate a second in that bucket. */
  rates(of: keyof Amount): { seconds: number[]; perSecond: number[] } {
    const seconds: number[] = [];
    const perSecond: number[] = [];
    for (let bucket = 0; bucket < this.length; bucket++) {
      seconds.push(((bucket + 0.5) * this.bucketMs) / 1000);
      perSecond.push(((this[of][bucket] ?? 0) * 1000) / this.bucketMs);
    }
    return { seconds, perSecond };
  }

  /**
   * The same for a chart: averaged over neighbouring buckets where tasks are rarer than buckets, which would
   * otherwise show as spikes that no mapper's speed has.
   */
  smoothed(of: keyof Amount): { seconds: number[]; perSecond: number[] } {
    const { seconds, perSecond } = this.rates(of);
    const tasks = this.tasks.subarray(0, this.length).reduce((sum, amount) => sum + amount, 0);
    const reach = Math.floor(
      Math.min(this.length / 8, tasks > 0 ? (TASKS_A_POINT * this.length) / tasks / 2 : 0),
    );
    const averaged = perSecond.map((_, at) => {
      const window = perSecond.slice(Math.max(0, at - reach), at + reach + 1);
      return window.reduce((sum, rate) => sum + rate, 0) / window.length;
    });
    return { seconds, perSecond: averaged };
  }

  #bucketOf(atMs: number): number {
    return Math.max(0, Math.floor((atMs - (this.startMs ?? atMs)) / this.bucketMs));
  }

  #halve(): void {
    for (const values of [this.tasks, this.records, this.bytes]) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const from = bucket * 2;
        values[bucket] = from < BUCKETS ? (values[from] ?? 0) + (values[from + 1] ?? 0) : 0;
      }
    }
    this.bucketMs *= 2;
    this.length = Math.ceil(this.length / 2);
  }
}
