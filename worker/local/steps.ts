// Commands that check the tree, side by side: as many at a time as there are cores. Each says how it went when it is
// over, with all of its output where it failed.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { ROOT } from './build.ts';

export interface Step {
  name: string;
  command: string;
  args: string[];
}

/** Runs all, in this order, also after a failure: the longest had better be first. True when all went well. */
export async function runSteps(steps: readonly Step[]): Promise<boolean> {
  let allWell = true;
  const waiting = steps.values();
  const lane = async () => {
    for (const step of waiting) allWell = (await runStep(step)) && allWell;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return allWell;
}

function runStep({ name, command, args }: Step): Promise<boolean> {
  const beganMs = performance.now();
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
      if (status === 0) console.log(`check: ${name}: fine, ${seconds} s`);
      else console.error(`${Buffer.concat(output).toString()}\ncheck: ${name} failed`);
      resolve(status === 0);
    });
  });
}
