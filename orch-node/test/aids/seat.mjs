// A process of the history in ../history.test.mjs, in Node, of four threads: `node seat.mjs FOLDER FROM VICTIM NTH`. The same in
// Python: seat.py. Two threads want the values of each round, two hold leases, from round FROM on until there is no more or the file
// `stop` is there. Where VICTIM says `make` or `hold`, the process kills itself when that happens for the NTH time.

import { existsSync, openSync, writeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker, isMainThread, threadId, workerData } from 'node:worker_threads'

import { Cache, Store, load, run } from '../../js/index.mjs'

if (isMainThread && process.argv.length > 2) {
  const [, , folder, from, victim, nth] = process.argv
  const left = new Int32Array(new SharedArrayBuffer(4)).fill(Number(nth))
  for (const part of ['keys', 'keys', 'leases', 'leases']) {
    new Worker(new URL(import.meta.url), { workerData: { folder, from: Number(from), victim, left, part } })
  }
} else if (!isMainThread) {
  const { folder, from, victim, left, part } = workerData
  // Where a line stands in the file says when it was written.
  const log = openSync(`${folder}/log`, 'a')
  const me = `${process.pid}.${threadId}`
  const say = (...words) => writeSync(log, `${words.join(' ')}\n`)
  const pass = (what) => {
    if (what !== victim || Atomics.sub(left, 0, 1) !== 1) return
    say('die', me)
    process.kill(process.pid, 'SIGKILL')
    // The signal may be on its way.
    for (;;);
  }
  const agents = {
    maker({ id }) {
      say('begin', me, id)
      pass('make')
      const value = `${id}@${me}`
      say('end', me, id, value)
      return value
    },
    holder({ id, fence }) {
      const leases = id.split('-')[1]
      for (const lease of leases) say('hold', me, lease, fence)
      pass('hold')
      for (const lease of leases) say('free', me, lease)
    },
  }
  const store = new Store(`${folder}/runs.db`)
  const cache = new Cache({ store })
  for (let nth = from; existsSync(`${folder}/${part}-${nth}.json`) && !existsSync(`${folder}/stop`); nth++) {
    say('round', me, nth)
    const report = await run(load(`${folder}/${part}-${nth}.json`, agents), { store, cache, maxParallel: 1 })
    for (const { id, value } of report) if (value) say('got', me, id, value)
    // Others may have the leases too.
    if (part === 'leases') await pause(100)
  }
}
