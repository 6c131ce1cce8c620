// Code that runs on each event, and keeps nothing. Pure.
import { type KindRules, PLAIN, type SpecOf } from './rules.ts';

export const STATELESS: KindRules<SpecOf<'stateless'>> = {
  ...PLAIN,
  title: 'On each event',
  line: 'keeps nothing in between',
  templates: ['stateless'],
  templateOf: () => 'stateless',
};
