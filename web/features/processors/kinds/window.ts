// Code that runs once for each window of event time. Pure.
import { EventPath } from '../../../../shared/schemas/processor.ts';
import { eventTime, watermarkText } from '../../../lib/processors/event-time.ts';
import { KEYED, keysDraftOf, keysPartOf, lateDraftOf, latePartOf, tooLate } from './keyed.ts';
import type { KindRules, SpecOf } from './rules.ts';

/** The figure has no room for more. */
const toSecond = (isoTime: string) =>
  new Date(Math.floor(Date.parse(isoTime) / 1000) * 1000).toISOString();

export const WINDOW: KindRules<SpecOf<'window'>> = {
  ...KEYED,
  title: 'On windows of event time',
  line: 'counts and sessions by key',
  templates: ['views', 'sessions'],
  templateOf: ({ windowType }) => (windowType === 'session' ? 'sessions' : 'views'),
  fields: [
    ...KEYED.fields,
    'late',
    'window.type',
    'window.sizeMs',
    'window.slideMs',
    'window.gapMs',
    'window.graceMs',
    'window.idleMs',
    'window.skewMs',
    'window.time',
  ],
  draftOf(spec) {
    const { type, time, ...rules } = spec.window;
    return {
      ...keysDraftOf(spec),
      ...lateDraftOf(spec),
      windowType: type,
      timePath: time,
      ...rules,
      slideMs: ('slideMs' in rules && rules.slideMs) || null,
    };
  },
  partOf(draft, streams, errors) {
    const { windowType, sizeMs, slideMs, gapMs, graceMs, idleMs, skewMs } = draft;
    const keys = keysPartOf(draft, streams, errors);
    const time = draft.timePath.trim();
    const checked = EventPath.safeParse(time);
    if (!checked.success)
      errors.push({
        path: 'window.time',
        message: checked.error.issues[0]?.message ?? 'not a path into the event',
      });
    const common = { graceMs, idleMs, skewMs, time };
    const window =
      windowType === 'session'
        ? { type: 'session', gapMs, ...common }
        : { type: 'tumbling', sizeMs, ...(slideMs !== null && { slideMs }), ...common };
    return { ...keys, ...latePartOf(draft), window };
  },
  holds: { one: 'open window', many: 'open windows', short: 'open', heading: 'Open windows' },
  figures({ keyed }, nowMs) {
    const watermark = keyed?.watermark ?? null;
    const label = 'Event time';
    if (watermark === null) return [{ label, value: '–', detail: 'no event yet' }];
    return [
      {
        label,
        value: eventTime(toSecond(watermark), nowMs),
        detail: watermarkText(watermark, nowMs).replace(' the clock', ''),
        title: watermark,
      },
    ];
  },
  counters: ({ fired = 0, late }) => [['Closed', 'windows that ran', fired], tooLate(late)],
  late: {
    none: 'None. An event whose windows have all closed, or that is from the future, lands here.',
    stream: (spec) => spec.late,
  },
  drain: {
    does: 'Closes every open window now',
    nothing: 'No window is open',
    isEmpty: ({ keyed }) => keyed?.keys === 0,
  },
};
