import assert from 'node:assert/strict'
import { test } from 'node:test'

import { InvalidDefinition, InvalidFormat, NotFound, RunFailed, load, parse, run, start } from '../js/index.mjs'

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
