import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { InvalidDefinition, InvalidFormat, InvalidValue, NotFound, RunFailed, Store, load, parse, resume, run, start } from '../js/index.mjs'

const commands = new URL('../../examples/commands/', import.meta.url)

/** A command with one phase. */
function command(...agents) {
  const filled = agents.map((agent) => ({ dependencies: [], task: 'do it', agentId: agent.id, ...agent }))
  const phases = [{ id: 'one', name: 'One', parallel: true, agents: filled }]
  return JSON.stringify({ version: '2.0.0', name: '/x', description: 'x', phases })
}

test('functions do what agents do', async () => {
  const text = command(
    { id: 'first', agentId: 'reader' },
    { id: 'second', agentId: 'writer', task: 'write it', dependencies: ['first'] },
  )
  const graph = parse(text, {
    reader: async ({ id, definition }) => [id, definition.description],
    writer: ({ inputs, agent, definition }) => [inputs, agent, definition.description],
  })
  assert.deepEqual([graph.size, graph.has('second'), graph.plan().levels], [2, true, [['first'], ['second']]])
  const report = await run(graph)
  assert.deepEqual(report.get('second'), [{ first: ['first', 'do it'] }, 'writer', 'write it'])
})

test('programs do what agents do', async () => {
  const text = command({ id: 'a' }, { id: 'b', dependencies: ['a'] })
  const graph = parse(text, {}, { programs: { a: 'echo hello', b: ['sh', '-c', 'cat | grep -o hello | head -1'] } })
  const report = await run(graph)
  assert.deepEqual([report.get('a'), report.get('b')], ['hello', 'hello'])
})

test('functions and programs in one run', async () => {
  const text = command(
    { id: 'program' },
    { id: 'function', dependencies: ['program'] },
    { id: 'again', dependencies: ['function'], agentId: 'sh' },
  )
  const graph = parse(
    text,
    { function: async ({ inputs }) => ({ count: inputs.program.count + 1 }) },
    { programs: { program: 'echo \'{"count": 1}\'', sh: { argv: ['sh', '-c', 'grep -o \'count":[0-9]\' | head -1'] } } },
  )
  const ended = []
  const running = start(graph)
  for await (const event of running) if (event.type === 'task_finished') ended.push([event.task, event.output])
  assert.deepEqual(ended, [
    ['program', { count: 1 }],
    ['function', { count: 2 }],
    ['again', 'count":2'],
  ])
})

test('a program can be cancelled', async () => {
  const running = start(parse(command({ id: 'a' }), {}, { programs: { a: 'sleep 100' } }))
  for await (const event of running) if (event.type === 'task_started') running.cancel('enough')
  assert.equal((await running.report()).state, 'cancelled')
})

test('a program that fails fails the run', async () => {
  await assert.rejects(run(parse(command({ id: 'a' }), {}, { programs: { '*': 'false' } })), RunFailed)
})

test('a file is read, and one function may stand for all agents', async () => {
  const graph = load(new URL('review-all.json', commands), { '*': ({ id }) => id })
  const report = await run(graph, { maxParallel: 4 })
  assert.equal(report.counts.succeeded, 7)
  assert.equal(report.get('rank-findings'), 'rank-findings')
})

test('what is wrong is told', () => {
  assert.throws(() => load('nowhere.json'), NotFound)
  assert.throws(() => parse('{'), InvalidFormat)
  assert.throws(() => parse(command({ id: 'a', dependencies: ['b'] })), InvalidDefinition)
  assert.throws(() => parse(command({ id: 'a' })).plan(), /neither functions nor programs/)
  assert.throws(() => parse(command({ id: 'a' }), { a: 1 }), { name: 'InvalidType', message: /`agents.a` must be a function/ })
  assert.throws(() => parse(command({ id: 'a' }), { a: () => 1 }).task('b', () => 1), InvalidDefinition)
})

/** A command whose tasks ask for a capability. */
function asking(...tasks) {
  const agents = tasks.map(([id, capability]) => ({ id, task: 'do it', capability, estimatedTime: 60_000 }))
  return JSON.stringify({ version: '2.0.0', name: '/x', description: 'x', phases: [{ id: 'one', name: 'One', agents }] })
}

test('who failed before is not asked again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'orch-load-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const asked = []
  const flaky = () => {
    asked.push('flaky')
    throw new Error('not today')
  }
  const steady = () => asked.push('steady')
  const graph = parse(asking(['look', 'Security']), {
    flaky: { run: flaky, capabilities: 'security review' },
    steady: { run: steady, capabilities: ['security review', 'docs'] },
  })
  const store = new Store(join(folder, 'runs.db'))
  // Of equals the earlier name.
  const failed = await run(graph, { store, check: false })
  assert.deepEqual([failed.state, asked], ['failed', ['flaky']])

  // Who had it keeps it in the same run; the next run asks whoever did better.
  const again = await resume(graph, { store, run: failed.run, check: false })
  assert.deepEqual(again.assigned.map((it) => [it.agent, it.again]), [['flaky', true]])
  assert.equal((await again.report()).state, 'failed')
  const next = start(graph, { store })
  const [chosen] = next.assigned
  assert.deepEqual([chosen.task, chosen.capability, chosen.agent, chosen.again], ['look', 'Security', 'steady', false])
  assert.match(chosen.why, /^look: steady, which can Security; expected to take 120 s, flaky /)
  await next.report()
  assert.deepEqual(asked, ['flaky', 'flaky', 'steady'])
})

test('who does so many at once does no more', async () => {
  let now = 0
  let most = 0
  const narrow = async () => {
    most = Math.max(most, ++now)
    for (let i = 0; i < 3; i++) await null
    now--
  }
  const text = asking(...['a', 'b', 'c', 'd', 'e'].map((id) => [id, 'count']))
  await run(parse(text, { narrow: { run: narrow, capabilities: 'count', atOnce: 2 } }))
  assert.equal(most, 2)
  const programs = { adder: { argv: ['true'], capabilities: ['count'], at_once: 1 } }
  const handle = start(parse(text, {}, { programs }))
  assert.deepEqual(handle.assigned.map((it) => it.agent), ['adder', 'adder', 'adder', 'adder', 'adder'])
  assert.equal((await handle.report()).state, 'succeeded')
})

test('what nobody can do is told', async () => {
  const graph = parse(asking(['a', 'juggle']), { narrow: { run: () => 1, capabilities: ['count'] } })
  await assert.rejects(run(graph), (error) => {
    assert.ok(error instanceof InvalidDefinition)
    assert.deepEqual(error.problems.map((it) => it.code), ['NO_CAPABLE_AGENT'])
    return true
  })
  assert.throws(() => parse(asking(), { x: { run: () => 1, atOnce: 0 } }), InvalidValue)
  assert.throws(() => parse(asking(), { x: { run: () => 1, atonce: 2 } }), /agents\.x: there is no option `atonce`/)
})
