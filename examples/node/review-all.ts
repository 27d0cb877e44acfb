// `/review-all` as a graph of functions: one map of the code, five reviews of it side by side, one list at the end.
//
// The functions stand for calls of models. `node review-all.js [directory]` after `tsc`.

import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { type Event, Graph, RunFailed, start } from '@orch-engine/orch'

interface Source {
  path: string
  lines: string[]
}

interface Finding {
  review: string
  path: string
  words: string
}

interface Shared {
  directory: string
}

/** A reviewer looks at each file on its own. */
function review(name: string, look: (source: Source) => string | undefined) {
  return async ({ inputs, signal }: { inputs: { map: Source[] }; signal: AbortSignal }): Promise<Finding[]> => {
    const found: Finding[] = []
    for (const source of inputs.map) {
      signal.throwIfAborted()
      const words = look(source)
      if (words !== undefined) found.push({ review: name, path: source.path, words })
    }
    return found
  }
}

export const graph = new Graph<{}, Shared>('/review-all')
  .task(
    'map',
    async ({ context, log }): Promise<Source[]> => {
      const names = (await readdir(context.directory, { recursive: true })).filter((name) => /\.[jt]s$/.test(name)).sort()
      log(`${names.length} files`)
      const read = async (path: string) => (await readFile(join(context.directory, path), 'utf8')).split('\n')
      return Promise.all(names.map(async (path) => ({ path, lines: await read(path) })))
    },
    { retries: 2, timeoutMs: 60_000, estimateMs: 300_000 },
  )
  .task('quality', review('quality', ({ lines }) => (lines.length > 500 ? `${lines.length} lines` : undefined)), {
    after: ['map'],
    estimateMs: 360_000,
  })
  .task('security', review('security', ({ lines }) => lines.find((line) => /\beval\(/.test(line))?.trim()), {
    after: ['map'],
    estimateMs: 360_000,
    critical: true,
  })
  .task('speed', review('speed', ({ lines }) => lines.find((line) => /Sync\(/.test(line))?.trim()), { after: ['map'] })
  .task('documents', review('documents', ({ lines }) => (lines.some((line) => /\/[/*]/.test(line)) ? undefined : 'no comment')), {
    after: ['map'],
    allowFailure: true,
  })
  .task('tests', review('tests', ({ lines }) => lines.find((line) => /\.only\(/.test(line))?.trim()), { after: ['map'] })
  .task(
    'rank',
    ({ inputs }) =>
      [inputs.security, inputs.quality, inputs.speed, inputs.tests, inputs.documents].flatMap((findings) => findings ?? []),
    { after: ['security', 'quality', 'speed', 'tests', 'documents'] },
  )

function tell(event: Event): void {
  if (event.type === 'task_output') console.log(`  ${event.task}: ${event.text}`)
  if (event.type === 'task_finished') console.log(`${event.state === 'succeeded' ? '✓' : '✗'} ${event.task}`)
}

const plan = graph.plan({ maxParallel: 3 })
console.log(`${plan.levels.length} levels, critical path ${plan.criticalPath.join(' → ')}`)

const running = start(graph, { maxParallel: 3, context: { directory: process.argv[2] ?? '.' } })
for await (const event of running) tell(event)
const report = await running.report()
try {
  report.check()
  for (const { review, path, words } of report.get('rank')) console.log(`${review}: ${path}: ${words}`)
  console.log(`${report.counts.succeeded} of ${report.size} tasks succeeded`)
} catch (error) {
  if (!(error instanceof RunFailed)) throw error
  console.error(error.message)
  process.exitCode = 1
}
