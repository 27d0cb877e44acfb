// A graph whose runs are kept; as a program, it runs the graph and is killed in the middle: `node kept.mjs STORE [LOG]`.

import { appendFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { Graph, Store, run } from '../../js/index.mjs'

/** Each task writes its name and its idempotency key to the log. `publish` ends the process where `killed` says so. */
export const graph = () =>
  new Graph('kept')
    .task('collect', note(() => ({ words: ['faster', 'smaller'] })))
    .task('count', note(({ inputs }) => inputs.collect.words.length), { after: 'collect' })
    .task('nothing', note(() => undefined), { after: 'collect' })
    .task('publish', note(publish), { after: ['count', 'nothing', 'collect'] })
    .task('tell', note(({ inputs }) => inputs.publish.toUpperCase()), { after: 'publish' })

function publish({ inputs, context }) {
  if (context.killed) process.kill(process.pid, 'SIGKILL')
  return `${inputs.collect.words.join(', ')}: ${inputs.count} words, and ${inputs.nothing}`
}

/** A function with its own code, so that an edit of one is not one of all. */
function note(fn) {
  const noted = (context) => {
    appendFileSync(context.context.log, `${context.id} ${context.idempotencyKey}\n`)
    return fn(context)
  }
  noted.toString = () => fn.toString()
  return noted
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv.length > 2) {
  const [, , path, log] = process.argv
  await run(graph(), { store: new Store(path), context: { log, killed: true } })
}
