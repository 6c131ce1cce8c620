// The script of the sandboxed frame: makes and ends Web Workers for the host, nothing else. User code runs in
// the workers only, so it never sees the frame's document (which could navigate, or open WebRTC connections,
// past any CSP).
import type { FromFrame, ToFrame } from './sandbox-messages.ts';

export const TICK_MS = 100;

/** Travels as text (see sandbox-source.ts): it may use its argument and globals, and nothing else of this module. */
export function frameMain(tickMs: number): void {
  const start = (control: MessagePort, workerSource: string): void => {
    const say = (message: FromFrame) => control.postMessage(message);
    const scriptUrl = (source: string) =>
      URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const workerUrl = scriptUrl(workerSource);
    const workers = new Map<number, Worker>();
    control.onmessage = ({ data, ports }: MessageEvent<ToFrame>) => {
      if (data.type === 'terminate') {
        workers.get(data.worker)?.terminate();
        workers.delete(data.worker);
        return;
      }
      const worker = new Worker(workerUrl);
      const broke = (message: string) => say({ type: 'broke', worker: data.worker, message });
      worker.onerror = (event) => {
        event.preventDefault();
        broke(event.message || 'the worker stopped without saying why');
      };
      worker.onmessageerror = () => broke('a message to the worker could not be read');
      workers.set(data.worker, worker);
      worker.postMessage(null, [...ports]);
    };
    const clock = new Worker(scriptUrl(`setInterval(() => postMessage(0), ${tickMs})`));
    clock.onmessage = () => say({ type: 'tick' });
    say({ type: 'open' });
  };
  addEventListener('message', ({ source, data, ports }: MessageEvent<unknown>) => {
    const control = ports[0];
    if (source === parent && control && typeof data === 'string') start(control, data);
  });
}
