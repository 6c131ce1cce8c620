// The swarm as App asks for it, for whatever page shows it: one question for all of them.
import { createContext } from 'svelte';
import type { Swarm } from '../../shared/schemas/swarm.ts';
import type { Poll } from './poll.svelte.ts';

export const [useSwarm, provideSwarm] = createContext<Poll<Swarm>>();
