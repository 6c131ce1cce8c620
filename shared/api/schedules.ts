// Schedules: MapReduce jobs by cron.
import { SCHEDULE_JOBS_MAX, SCHEDULE_NEXT_RUNS, SCHEDULE_RUNS_KEPT } from '../limits.ts';
import { listOf, ListQuery, ResourceName } from '../schemas/common.ts';
import { Schedule, ScheduleRun, ScheduleSpec } from '../schemas/schedule.ts';
import { created, json, jsonBody, nothing, resource } from './operation.ts';
import { ROUTES } from './routes.ts';

const EXAMPLE_SPEC = `{
  "cron": "0 3 * * *", "timezone": "Europe/Berlin",
  "job": {
    "kind": "mapreduce", "name": "revenue by category",
    "input": { "stream": "orders", "from": "lastRun", "to": "latest" },
    "code": "export function map(event, emit) { emit(event.payload.category, event.payload.total) }\\nexport const combine = \\"sum\\"\\nexport const reduce = \\"sum\\""
  }
}`;

export const schedules = resource(
  'schedules',
  ROUTES.schedules,
  {
    tag: { name: 'Schedules', description: 'Jobs that read streams again, by cron.' },
    params: { name: ResourceName.meta({ description: 'The schedule’s name.' }) },
  },
  {
    list: {
      summary: 'All schedules, by name',
      description: 'A page ends early when it grows large.',
      query: ListQuery,
      answers: { 200: json('A page of schedules.', listOf(Schedule)) },
      problems: ['invalid_request'],
      curl: '$API/schedules',
    },
    put: {
      summary: 'Run a MapReduce job by cron, or change how',
      description: `\`cron\` has five fields (minute, hour, day, month, weekday), six with seconds in front, or seven with a year behind; nicknames such as \`@daily\` and a single ISO time are taken, too. \`timezone\` is a name of the IANA database. The job is meant to read a stream, but may have any input. With \`"from": "lastRun"\` each event is read by one run: a run reads what came since the last run whose job is done, so the events of a job that failed are read again by the next. Such runs wait for each other; others go side by side, up to ${SCHEDULE_JOBS_MAX}. A run that still waits when the next one is due is \`missed\`. After a time when the edge was down the latest time that passed runs late, and says so; earlier ones are \`missed\`. Each time runs once.`,
      body: jsonBody(ScheduleSpec),
      answers: {
        200: json('The schedule, changed.', Schedule),
        201: created('The schedule, new.', Schedule, 'schedule'),
      },
      problems: ['invalid_request', 'bad_program', 'not_found', 'gone', 'too_large'],
      curl: `-X PUT $API/schedules/revenue -H 'content-type: application/json' -d '${EXAMPLE_SPEC}'`,
    },
    get: {
      summary: `A schedule, with its next ${SCHEDULE_NEXT_RUNS} runs and its last ${SCHEDULE_RUNS_KEPT}`,
      description:
        'A run’s state is the one that its job has now. A paused schedule has no next runs.',
      answers: { 200: json('The schedule.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '$API/schedules/revenue',
    },
    delete: {
      summary: 'Delete a schedule',
      description: 'The jobs that it started stay, and go on.',
      answers: { 204: nothing('It is gone.') },
      problems: ['invalid_request', 'not_found'],
      curl: '-X DELETE $API/schedules/revenue',
    },
    run: {
      summary: 'Run now, beside the plan',
      description:
        'Also while the schedule is paused. With `lastRun` it counts as a run: the next one goes on behind it. When it has to wait for the run before, `job` is null; a second one that would wait is a conflict. A job that is refused makes a run with the state `refused` and the reason.',
      answers: { 202: json('The run.', ScheduleRun) },
      problems: ['invalid_request', 'not_found', 'conflict'],
      curl: '-X POST $API/schedules/revenue/run',
    },
    pause: {
      summary: 'Let no time run until it is resumed',
      description: 'Jobs that go on are not stopped. Nothing is `missed` meanwhile.',
      answers: { 200: json('The schedule, paused.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '-X POST $API/schedules/revenue/pause',
    },
    resume: {
      summary: 'Go on with the next time',
      answers: { 200: json('The schedule, active.', Schedule) },
      problems: ['invalid_request', 'not_found'],
      curl: '-X POST $API/schedules/revenue/resume',
    },
  },
);
