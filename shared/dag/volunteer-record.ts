// A volunteer step as a MapReduce job: what a record of its input holds, and what its map emits. Written at the edge,
// read in a browser, and back. Bytes travel as base64: values are JSON.
import { VOLUNTEER_CHUNK_BYTES } from '../limits.ts';
import type { Json } from '../schemas/common.ts';

/** One unit: a line of the job's input, and a split of its own. */
export interface VolunteerRecord {
  /** Which item of the `forEach`; null without. */
  item: number | null;
  value?: Json;
  /** Payloads of claims by their token. */
  payloads: Record<string, string>;
}

/** The first value of a unit. Chunks follow where the output does not stand in it. */
export type VolunteerHead =
  | { kind: 'json'; json: string; log: string[] }
  /** `json`: what the chunks hold is JSON. */
  | { kind: 'bytes'; bytes: number; json: boolean; contentType: string; log: string[] };

/** Keys sort as units and their chunks do: the head is number 0, its chunks are 1, 2, … */
export const volunteerKey = (unit: number, number: number): string =>
  `${digits(unit)}.${digits(number)}`;

const digits = (number: number): string => {
  let text = `${number}`;
  while (text.length < 6) text = `0${text}`;
  return text;
};

export const chunkCount = (bytes: number): number =>
  ((bytes + VOLUNTEER_CHUNK_BYTES - 1) / VOLUNTEER_CHUNK_BYTES) | 0;
