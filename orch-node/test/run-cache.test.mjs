import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { Cache, ContextManager, Graph, InvalidType, Store, load, run, start } from '../js/index.mjs'

let folder
before(() => (folder = mkdtempSync(join(tmpdir(), 'orch-run-cache-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

let calls = 0
const draw = ({ inputs }) => (calls++, { files: 3, of: inputs.root ?? null })

/** A map of some code, good for a minute, and who reads it. */
function graph(options = {}, fn = draw) {
  return new Graph('mapped')
    .task('map', fn, { outputs: { map: 60_000 }, ...options })
    .task('read', ({ inputs }) => inputs.map.files + 1, { after: 'map' })
}

/** How often `draw` was called by that. */
async function called(work) {
  const before = calls
  const value = await work()
  return [calls - before, value]
}

test('a second run is answered from the cache, and says so', async () => {
  const cache = new Cache()
  assert.deepEqual((await called(() => run(graph(), { cache })))[0], 1)
  const events = []
  const [more, report] = await called(async () => {
    const going = start(graph(), { cache })
    for await (const event of going) events.push(event)
    return going.report()
  })
  assert.equal(more, 0)
  const hit = events.find(({ type }) => type === 'task_cached')
  assert.deepEqual([hit.task, hit.output], ['map', { files: 3, of: null }])
  assert.deepEqual([report.get('map'), report.get('read')], [{ files: 3, of: null }, 4])
  assert.equal(cache.get('map'), undefined, 'what a run made is under its key for that run alone')
})

test('without a cache, or with another, it is made again', async () => {
  const cache = new Cache()
  await run(graph(), { cache })
  assert.equal((await called(() => run(graph())))[0], 1)
  assert.equal((await called(() => run(graph(), { cache: new Cache() })))[0], 1)
})

test('other code, other inputs, other sources are another result', async () => {
  const cache = new Cache()
  const file = join(folder, 'source.txt')
  writeFileSync(file, 'one')
  const first = () => run(graph(), { cache })
  await first()
  assert.equal((await called(first))[0], 0)
  const other = await run(graph({}, () => ({ files: 9 })), { cache })
  assert.equal(other.get('map').files, 9)
  const reads = (root) => run(graph({ inputs: 'root' }), { cache, inputs: { root } })
  assert.deepEqual(await Promise.all([reads(1), reads(2)].map(async (done) => (await done).get('map').of)), [1, 2])
  const versioned = (tool) => run(graph({ sources: { tools: { parser: tool }, models: ['m'] } }), { cache })
  assert.equal((await called(() => versioned('1')))[0], 1)
  assert.equal((await called(() => versioned('1')))[0], 0)
  assert.equal((await called(() => versioned('2')))[0], 1)
  const was = process.cwd()
  process.chdir(folder)
  try {
    const reading = () => run(graph({ sources: 'source.txt' }), { cache })
    assert.equal((await called(reading))[0], 1)
    assert.equal((await called(reading))[0], 0)
    writeFileSync(file, 'two')
    assert.equal((await called(reading))[0], 1)
  } finally {
    process.chdir(was)
  }
})

test('two runs that want the same at once make it once', async () => {
  const cache = new Cache()
  const [made, reports] = await called(() => Promise.all([run(graph(), { cache }), run(graph(), { cache })]))
  assert.equal(made, 1)
  assert.deepEqual(reports.map((report) => report.get('read')), [4, 4])
})

test('tasks read by key what a context manager has, and share what they make', async () => {
  const contexts = new ContextManager()
  contexts.set('root', '/src')
  const [, report] = await called(() => run(graph({ inputs: 'root' }), { cache: contexts }))
  assert.deepEqual(report.get('map'), { files: 3, of: '/src' })
  assert.equal((await called(() => run(graph({ inputs: 'root' }), { cache: contexts })))[0], 0)
  contexts.set('root', '/lib')
  assert.deepEqual((await run(graph({ inputs: 'root' }), { cache: contexts })).get('map').of, '/lib')
})

test('a result whose time is over is made again', async () => {
  const cache = new Cache({ manual: true })
  await run(graph(), { cache })
  cache._advance(59_000)
  assert.equal((await called(() => run(graph(), { cache })))[0], 0)
  cache._advance(2000)
  assert.equal((await called(() => run(graph(), { cache })))[0], 1)
})

test('a cache over a store gives what another one made', async () => {
  const path = join(folder, 'shared.db')
  assert.equal((await called(() => run(graph(), { cache: new Cache({ store: new Store(path) }) })))[0], 1)
  assert.equal((await called(() => run(graph(), { cache: new Cache({ store: new Store(path) }) })))[0], 0)
})

test('definitions take a cache too', async () => {
  const cache = new Cache()
  const file = join(folder, 'map.json')
  const agent = { id: 'map', agentId: 'mapper', dependencies: [], task: 'draw it', context: { outputs: [{ key: 'map', ttl: 60 }] } }
  writeFileSync(file, JSON.stringify({ version: '2.0.0', name: '/map', description: 'x', phases: [{ id: 'p', name: 'P', parallel: true, agents: [agent] }] }))
  const once = () => run(load(file, { mapper: draw }), { cache })
  await once()
  const [more, report] = await called(once)
  assert.deepEqual([more, report.get('map').files], [0, 3])
})

test('what is no cache is refused', async () => {
  await assert.rejects(run(graph(), { cache: new Map() }), (error) => {
    return error instanceof InvalidType && /`cache` must be a Cache or a ContextManager; got an object/.test(error.message)
  })
  assert.throws(() => graph({ sources: { tool: 1 } }), InvalidType)
})

test('a process that ends as soon as its run is awaited has shared what it made', async () => {
  const path = join(folder, 'ends.db')
  const source = `import { Cache, Graph, Store, run } from ${JSON.stringify(new URL('../js/index.mjs', import.meta.url).href)}
    const graph = new Graph('g').task('map', () => 'x'.repeat(1e6), { outputs: { map: 60_000 } })
    const report = await run(graph, { cache: new Cache({ store: new Store(${JSON.stringify(path)}) }) })
    console.log(report.task('map').attempts)
    process.exit(0)`
  const attempts = () => execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' })
  assert.deepEqual([attempts(), attempts()], ['1\n', '0\n'])
})
