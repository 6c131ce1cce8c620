// Numbers as people read them: three significant digits, the unit beside, the same everywhere. Pure.
// Bytes are decimal (1 MB = 1,000,000), as in MB/s of networks and disks.
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1,234 · 12,345 · 1.23 M · 4.56 G */
export function count(value: number): string {
  const size = Math.abs(value);
  if (size < 1e6) return GROUPED.format(value);
  if (size < 1e9) return `${significant(value / 1e6)} M`;
  if (size < 1e12) return `${significant(value / 1e9)} G`;
  return `${significant(value / 1e12)} T`;
}

/** Every digit: 1,234,567 */
export function exact(value: number): string {
  return GROUPED.format(value);
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function bytes(value: number): string {
  let unit = 0;
  let size = Math.abs(value);
  // 999.5 would be rounded to 1000 in this unit: it belongs to the next.
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  const sign = value < 0 ? '-' : '';
  return `${sign}${unit === 0 ? Math.round(size) : significant(size)} ${BYTE_UNITS[unit]}`;
}

/** Bytes a second. */
export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

/** Things a second: `perSecond(1234, 'tasks')` = "1,234 tasks/s". */
export function perSecond(value: number, unit: string): string {
  const text = value > 0 && value < 99.95 ? significant(value) : count(value);
  return `${text} ${unit}/s`;
}

/** 0 ms · 340 ms · 1.2 s · 42 s · 3 min 05 s · 2 h 03 min · 3 d 4 h */
export function duration(ms: number): string {
  const span = Math.max(0, ms);
  if (span < 999.5) return `${Math.round(span)} ms`;
  if (span < 9_950) return `${(span / 1000).toFixed(1)} s`;
  const seconds = Math.round(span / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Dollars, also tiny ones: $0 · < $0.0001 · $0.0004 · $0.012 · $1.23 · $1,234 */
export function usd(value: number): string {
  if (value === 0) return '$0';
  if (value < 0) return `-${usd(-value)}`;
  if (value < 0.0001) return '< $0.0001';
  if (value < 0.00995) return `$${value.toFixed(4)}`;
  if (value < 0.9995) return `$${value.toFixed(3)}`;
  if (value < 999.995) return `$${value.toFixed(2)}`;
  return `$${GROUPED.format(value)}`;
}

/** What a price is made of: "classA 12, requests 340". */
export const operationsText = (operations: Readonly<Record<string, number>>): string =>
  Object.entries(operations)
    .map(([kind, amount]) => `${kind} ${exact(amount)}`)
    .join(', ');

/** 0…1 as a percentage that says 100 % only when it is all, and 0 % only when it is nothing. */
export function percent(fraction: number): string {
  if (!(fraction > 0)) return '0 %';
  if (fraction >= 1) return '100 %';
  return `${Math.min(99, Math.max(1, Math.floor(fraction * 100)))} %`;
}

/** "just now" · "12 s ago" · "3 min ago" · "2 h ago" · "5 d ago"; clocks that differ never give "in …". */
export function timeAgo(isoTime: string, nowMs: number): string {
  const ms = nowMs - Date.parse(isoTime);
  if (!Number.isFinite(ms)) return '';
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `plural(1, 'browser')` = "1 browser", `plural(2, 'browser')` = "2 browsers". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** The beginning of a long id, enough to recognise it. */
export function shortId(id: string, chars = 10): string {
  return id.length <= chars + 1 ? id : `${id.slice(0, chars)}…`;
}

function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
