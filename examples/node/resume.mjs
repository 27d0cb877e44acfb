// One run, whatever happens to its processes: begin it, kill it, call this again, or the same in Python.
//
//   node resume.mjs runs.db ../commands/review-all.json --kill rank
//   node resume.mjs runs.db ../commands/review-all.json
//   orch report --store runs.db
//
// The agents are functions here; in examples/python/resume.py they are functions of Python, and the run is the same.

import { NotFound, Store, load, resume, start } from '@orch-engine/orch'

const [path, file, , victim] = process.argv.slice(2)
if (path === undefined || file === undefined) throw new Error('usage: node resume.mjs STORE FILE [--kill TASK]')

const store = new Store(path)
const graph = load(file, {
  '*': async ({ id }) => {
    if (id === victim) process.kill(process.pid, 'SIGKILL')
    return `${id} by node`
  },
})

const running = await resume(graph, { store }).catch((error) => {
  if (error instanceof NotFound) return start(graph, { store })
  throw error
})
console.log(`run ${running.id}: kept ${running.resumed?.kept.length ?? 0}`)
const report = await running.report()
for (const { id, value } of report) console.log(`${id}: ${value}`)
report.check()
