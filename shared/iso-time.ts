// A time as the REST API writes it: ISO 8601, UTC, with milliseconds.
export const isoTime = (ms: number): string => new Date(ms).toISOString();
