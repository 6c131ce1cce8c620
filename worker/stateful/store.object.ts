// The states of some keys of a stateful processor.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../platform/env.ts';

export class StoreObject extends DurableObject<Env> {}
