// What tasks claim where their runs are kept in one store: one process has it at a time.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Graph, Store, run, start } from '../js/index.mjs'

const aid = fileURLToPath(new URL('aids/claims.mjs', import.meta.url))
let folder
let made = 0

before(() => (folder = mkdtempSync(join(tmpdir(), 'orch-claims-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

const place = () => join(folder, `${++made}.db`)

/** A process of its own, the words that it says one after the other, and its end. */
function another(...args) {
  const child = fork(aid, args)
  const heard = []
  let wake
  child.on('message', (word) => {
    heard.push(word)
    wake?.()
  })
  const ended = once(child, 'exit').then(([code, signal]) => {
    wake?.()
    return code ?? signal
  })
  const word = async () => {
    while (heard.length === 0) {
      assert.equal(child.exitCode ?? child.signalCode, null, 'it ended, and said nothing')
      await new Promise((resolve) => (wake = resolve))
    }
    return heard.shift()
  }
  /** Its fence, when it has what it claims. It may say before or after that it had to wait. */
  const has = async () => {
    for (;;) {
      const said = await word()
      if (said.has !== undefined) return said.has
      assert.deepEqual(said, { waits: 'site', holder: 'another process' })
    }
  }
  const end = async () => {
    let said = await word()
    if (said.waits !== undefined) said = await word()
    return said.ended
  }
  return { has, end, say: (word) => child.send(word), ended }
}

test('what a task of one process claims, no task of another has meanwhile', async () => {
  const path = place()
  const both = [another(path), another(path)]
  const words = both.map(async (it) => ({ it, has: await it.has() }))
  const holder = await Promise.race(words)
  holder.it.say('first')
  assert.equal(await holder.it.end(), 'first')
  const waiter = await words[holder.it === both[0] ? 1 : 0]
  assert.ok(waiter.has > holder.has, `${waiter.has} after ${holder.has}`)
  waiter.it.say('second')
  assert.equal(await waiter.it.end(), 'second')
  assert.deepEqual(await Promise.all(both.map((it) => it.ended)), [0, 0])
})

test('what a killed process had, another gets', async () => {
  const path = place()
  const victim = another(path, 'die')
  const has = await victim.has()
  const site = new Graph('site').task('publish', ({ fence }) => fence, { claims: 'site' })
  const handle = start(site, { store: new Store(path) })
  for await (const { type } of handle) {
    if (type === 'task_waits') victim.say('die')
  }
  assert.equal(await victim.ended, 'SIGKILL')
  assert.ok((await handle.report()).get('publish') > has)
})

test('runs of one store in one process take turns, however each is written', async () => {
  const store = new Store(place())
  let holders = 0
  const alone = async ({ fence }) => {
    assert.equal(++holders, 1)
    await new Promise(setImmediate)
    holders--
    return fence
  }
  const graph = () => new Graph('site').task('a', alone, { claims: 'site' }).task('b', alone, { claims: ['site', 'other'] })
  const reports = await Promise.all(['normal', 'full', 'normal'].map((sync) => run(graph(), { store, sync })))
  const fences = reports.flatMap((report) => [report.get('a'), report.get('b')])
  assert.equal(new Set(fences).size, 6)
})

test('without claims there is no fence, and without a store claims hold within the run', async () => {
  const graph = new Graph('two').task('a', ({ fence }) => typeof fence).task('b', ({ fence }) => fence > 0, { claims: 'site' })
  const report = await run(graph)
  assert.deepEqual([report.get('a'), report.get('b')], ['undefined', true])
})
