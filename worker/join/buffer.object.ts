// The events of some keys of a join that wait for the others.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../platform/env.ts';

export class BufferObject extends DurableObject<Env> {}
