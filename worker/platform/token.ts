// Signed texts: base64url(JSON) "." base64url(HMAC-SHA-256). Its holder may do what it says; it cannot be made or
// changed without the secret, and checking it needs no look-up.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Imported keys by secret: importing costs more than signing. */
const keys = new Map<string, CryptoKey>();

async function keyOf(secret: string): Promise<CryptoKey> {
  const known = keys.get(secret);
  if (known) return known;
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, [
    'sign',
    'verify',
  ]);
  keys.set(secret, key);
  return key;
}

export async function signToken(secret: string, payload: unknown): Promise<string> {
  const body = encoder.encode(JSON.stringify(payload));
  const signature = await crypto.subtle.sign('HMAC', await keyOf(secret), body);
  return `${base64url(body)}.${base64url(new Uint8Array(signature))}`;
}

/** The payload; null when the text was not signed with this secret. */
export async function verifyToken(secret: string, token: string): Promise<unknown> {
  const [bodyText, signatureText, ...more] = token.split('.');
  if (!bodyText || !signatureText || more.length > 0) return null;
  const body = fromBase64url(bodyText);
  const signature = fromBase64url(signatureText);
  if (!body || !signature) return null;
  const valid = await crypto.subtle.verify('HMAC', await keyOf(secret), signature, body);
  return valid ? JSON.parse(decoder.decode(body)) : null;
}

export function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (char) =>
      char.charCodeAt(0),
    );
  } catch {
    return null;
  }
}
