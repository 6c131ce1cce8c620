// The memory of the local edge's runtime, as the kernel counts it (Linux only): resident now, and the
// highest since the peak was last reset.
import { readdir, readFile, writeFile } from 'node:fs/promises';

/** The workerd that this process started; undefined where there is no /proc. */
export async function runtimePid(): Promise<number | undefined> {
  const entries = await readdir('/proc').catch(() => []);
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    const status = await readFile(`/proc/${entry}/status`, 'utf8').catch(() => '');
    const isChild = new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(status);
    if (isChild && /^Name:\s+workerd/m.test(status)) return Number(entry);
  }
  return undefined;
}

/** 5 is the kernel's word for "reset the peak" (proc(5), clear_refs). */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

export async function residentMiB(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: mib('VmRSS'), peak: mib('VmHWM') };
}
