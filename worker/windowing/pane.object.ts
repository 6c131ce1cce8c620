// The open windows of some keys.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../platform/env.ts';

export class PaneObject extends DurableObject<Env> {}
