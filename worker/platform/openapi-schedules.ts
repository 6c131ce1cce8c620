// Described here: schedules, MapReduce jobs by cron.
import * as z from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { SCHEDULE_JOBS_MAX, SCHEDULE_NEXT_RUNS, SCHEDULE_RUNS_KEPT } from '../../shared/limits.ts';
import { listOf, ListQuery, ResourceName } from '../../shared/schemas/common.ts';
import { Schedule, ScheduleRun, ScheduleSpec } from '../../shared/schemas/schedule.ts';
import { json, location, nothing, operation } from './openapi-operation.ts';

const tag = 'Schedules';
const path = z.object({ name: ResourceName.meta({ description: 'The schedule’s name.' }) });

const EXAMPLE_SPEC = `{
  "cron": "0 3 * * *", "timezone": "Europe/Berlin",
  "job": {
    "kind": "mapreduce", "name": "revenue by category",
    "input": { "stream": "orders", "from": "lastRun", "to": "latest" },
    "code": "export function map(event, emit) { emit(event.payload.category, event.payload.total) }\\nexport const combine = \\"sum\\"\\nexport const reduce = \\"sum\\""
  }
}`;

export const schedulePaths: ZodOpenApiPathsObject = {
  '/api/schedules': {
    get: operation({
      id: 'listSchedules',
      tag,
      summary: 'All schedules, by name',
      description: 'A page ends early when it grows large.',
      params: { query: ListQuery },
      answers: { 200: json('A page of schedules.', listOf(Schedule)) },
      problems: ['invalid_request'],
      curl: '$API/schedules',
    }),
  },
  '/api/schedules/{name}': {
    put: operation({
      id: 'putSchedule',
      tag,
      summary: 'Run a MapReduce job by cron, or change how',
      description: `\`cron\` has five fields (minute, hour, day, month, weekday), six with seconds in front, or seven with a year behind; nicknames such as \`@daily\` and a single ISO time are taken, too. \`timezone\` is a name of the IANA database. The job is meant to read a stream, but may have any input. With \`"from": "lastRun"\` each event is read by one run: a run reads what came since the last run whose job is done, so the events of a job that failed are read again by the next. Such runs wait for each other; others go side by side, up to ${SCHEDULE_JOBS_MAX}. A run that still waits when the next one is due is \`missed\`. After a time when the edge was down the latest time that passed runs late, and says so; earlier ones are \`missed\`. Each time runs once.`,
      params: { path },
      body: { required: true, content: { 'application/json': { schema: ScheduleSpec } } },
      answers: {
        200: json('The schedule, changed.', Schedule),
        201: { ...json('The schedule, new.', Schedule), headers: location('schedule') },
      },
      problems: ['invalid_request', 'bad_program', 'not_found', 'gone', 'too_large'],
      curl: `-X PUT $API/schedules/revenue -H 'content-type: application/json' -d '${EXAMPLE_SPEC}'`,
    }),
    get: operation({
      id: 'getSchedule',
      tag,
      summary: `A schedule, with its next ${SCHEDULE_NEXT_RUNS} runs and its last ${SCHEDULE_RUNS_KEPT}`,
      description:
        'A run’s state is the one that its job has now. A paused schedule has no next runs.',
      params: { path },
      answers: { 200: json('The schedule.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/schedules/revenue',
    }),
    delete: operation({
      id: 'deleteSchedule',
      tag,
      summary: 'Delete a schedule',
      description: 'The jobs that it started stay, and go on.',
      params: { path },
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found'],
      curl: '-X DELETE $API/schedules/revenue',
    }),
  },
  '/api/schedules/{name}/run': {
    post: operation({
      id: 'runSchedule',
      tag,
      summary: 'Run now, beside the plan',
      description:
        'Also while the schedule is paused. With `lastRun` it counts as a run: the next one goes on behind it. When it has to wait for the run before, `job` is null; a second one that would wait is a conflict. A job that is refused makes a run with the state `refused` and the reason.',
      params: { path },
      answers: { 202: json('The run.', ScheduleRun) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X POST $API/schedules/revenue/run',
    }),
  },
  '/api/schedules/{name}/pause': {
    post: operation({
      id: 'pauseSchedule',
      tag,
      summary: 'Let no time run until it is resumed',
      description: 'Jobs that go on are not stopped. Nothing is `missed` meanwhile.',
      params: { path },
      answers: { 200: json('The schedule, paused.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '-X POST $API/schedules/revenue/pause',
    }),
  },
  '/api/schedules/{name}/resume': {
    post: operation({
      id: 'resumeSchedule',
      tag,
      summary: 'Go on with the next time',
      params: { path },
      answers: { 200: json('The schedule, active.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '-X POST $API/schedules/revenue/resume',
    }),
  },
};
