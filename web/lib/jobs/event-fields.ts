// Reads the fields of a job event, which the schema leaves open by type. A field that is missing or of
// another shape reads as nothing: a newer edge may say more than this page knows.
import type { JobEvent, TaskError } from '../../../shared/schemas/job.ts';

export const timeMsOf = (event: JobEvent): number => Date.parse(event.time) || 0;

export function numberOf(event: JobEvent, field: string, otherwise = 0): number {
  const value = event[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

export function textOf(event: JobEvent, field: string): string {
  const value = event[field];
  return typeof value === 'string' ? value : '';
}

export const byOf = (event: JobEvent): string => textOf(event, 'by') || 'edge';

/** `[[task, attempt, …], …]` */
export function numbersOf(event: JobEvent, field: string): number[][] {
  const value = event[field];
  if (!Array.isArray(value)) return [];
  return value.flatMap((row: unknown) => (Array.isArray(row) ? [row.map(Number)] : []));
}

export function errorOf(event: JobEvent): TaskError | null {
  const error = event['error'];
  if (typeof error !== 'object' || error === null) return null;
  return typeof (error as TaskError).message === 'string' ? (error as TaskError) : null;
}
