// A run whose task claims `site`, as a process of its own: `node claims.mjs STORE [die]`. It tells its parent what happens, and its task
// ends when the parent says so, or by its own process.

import { once } from 'node:events'

import { Graph, Store, start } from '../../js/index.mjs'

const [, , path, dies] = process.argv

async function publish({ fence }) {
  process.send({ has: fence })
  const [word] = await once(process, 'message')
  if (dies) process.kill(process.pid, 'SIGKILL')
  return word
}

// Without a store it does nothing.
if (path !== undefined) {
  const handle = start(new Graph('site').task('publish', publish, { claims: 'site' }), { store: new Store(path) })
  for await (const event of handle) {
    if (event.type === 'task_waits') process.send({ waits: event.resource, holder: event.holder })
  }
  process.send({ ended: (await handle.report()).get('publish') })
  process.disconnect()
}
