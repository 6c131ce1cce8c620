// A volunteer's network as a keyed hash of its address's prefix (IPv4 /24, IPv6 /48): enough to send replicas
// to different networks, and nothing that gives an address away.
import { base64url } from '../platform/token.ts';

export async function networkHash(secret: string, address: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${secret}/network/${networkPrefix(address)}`);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return base64url(digest.subarray(0, 9));
}

/** `203.0.113.7` → `203.0.113`; `2001:db8:1:2::3` → `2001:db8:1`; anything else as it is. */
export function networkPrefix(address: string): string {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address)) return address.split('.').slice(0, 3).join('.');
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after]
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
