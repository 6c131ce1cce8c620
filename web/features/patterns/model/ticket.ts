// An event as text, with a long payload cut; and the hash of what a ticket stood for.
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';

const TEXT_MAX_CHARS = 240;

export function eventText(event: StreamEvent): string {
  return JSON.stringify(
    event,
    (_, value: unknown) =>
      typeof value === 'string' && value.length > TEXT_MAX_CHARS
        ? `${value.slice(0, TEXT_MAX_CHARS)}… (${value.length} characters)`
        : value,
    2,
  );
}

/** Throws where the platform has no `crypto.subtle`: on an address without TLS that is not this machine. */
export async function sha256Hex(content: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
