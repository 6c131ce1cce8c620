// Saves a response of the API as a file. Without a token the browser streams it to disk by itself; with one
// the header has to be sent, so the bytes pass through memory.
import { client } from './api.ts';
import { token } from './token.svelte.ts';

export async function download(path: string, fileName: string): Promise<void> {
  if (!token.value) return save(path, fileName);
  const blob = await (await client.request(path)).blob();
  const url = URL.createObjectURL(blob);
  save(url, fileName);
  // The browser has taken hold of the blob once the click is handled.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}

function save(url: string, fileName: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
}
