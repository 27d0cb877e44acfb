import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { DAGBuilder, EnhancedDAGBuilder, ParallelScheduler } from '@orch-engine/orch/compat'
import { told, reviewAll, agent, v2, fixtures } from './compat-aids.mjs'

test('the first form: edges are what is made and read, ten of them', () => {
  const builder = new DAGBuilder()
  const events = told(builder, ['dagBuilt', 'dagValidated', 'dagOptimized', 'validationError'])
  const dag = builder.buildDAG(reviewAll())
  assert.equal(dag.nodes.length, 7)
  assert.equal(dag.edges.length, 10)
  assert.deepEqual(dag.edges[0], { from: 'codebase-analyzer', to: 'quality-reviewer', data: 'codebase-analysis' })
  const { command, estimatedTime, parallelism, maxParallelism, levels, criticalPath } = dag.metadata
  assert.deepEqual([command, estimatedTime, parallelism, maxParallelism, levels], ['/review-all', 1020, 5, 5, 3])
  assert.deepEqual(criticalPath.map((node) => node.phase), [1, 2, 3])
  assert.match(dag.id, /^\/review-all-[0-9a-f]{12}$/)
  assert.match(dag.hash, /^[0-9a-f]{64}$/)
  assert.deepEqual(Object.keys(dag.nodes[1]).slice(0, 2), ['id', 'agent'])
  assert.equal(builder.validate(dag).valid, true)
  assert.equal(builder.optimize(dag).edges.length, 10)
  assert.deepEqual(events.names, ['dagBuilt', 'dagValidated', 'dagOptimized'])
})

test('the same graph has the same hash, another another', () => {
  const builder = new DAGBuilder()
  const [a, b] = [builder.buildDAG(reviewAll()), builder.buildDAG(reviewAll())]
  assert.equal(a.hash, b.hash)
  const other = reviewAll()
  other.phases[2].agents[0].inputs.pop()
  assert.notEqual(builder.buildDAG(other).hash, a.hash)
})

test('the messages of the prototype, and everything at once', () => {
  const builder = new DAGBuilder()
  const events = told(builder, ['validationError'])
  const missing = builder.validate(
    builder.buildDAG({
      name: '/x',
      description: 'd',
      estimatedTime: 1,
      phases: [{ number: 1, name: 'One', dependencies: [], agents: [agent('n', ['a', 'b'], [])] }],
    }),
  )
  assert.deepEqual(missing.errors, ['Missing: a, b'])
  assert.deepEqual(missing.problems.map((problem) => problem.code), ['MISSING_CONTEXT_INPUT', 'MISSING_CONTEXT_INPUT'])

  const circle = builder.validate(builder.buildDAG(v2([['a', ['b']], ['b', ['a']], ['c', ['b']]])))
  assert.deepEqual(circle.errors, ['Circular dependency detected'])
  assert.ok(circle.warnings.some((text) => text.includes('`c` can never start')), 'unreachable nodes are warned of')
  assert.match(circle.problems[0].message, /a → b → a/)

  const unknown = builder.validate(builder.buildDAG(v2([['a', ['nobody', 'none']]])))
  assert.deepEqual(unknown.errors, ['Missing: nobody, none'])
  assert.equal(events.names.length, 3)
})

test('a node never waits for itself, and phases order what values do not', () => {
  const builder = new DAGBuilder()
  const dag = builder.buildDAG({
    name: '/x',
    description: 'd',
    estimatedTime: 1,
    phases: [
      { number: 1, name: 'One', dependencies: [], agents: [agent('make', [], ['x']), agent('improve', ['x'], ['x'])] },
      { number: 2, name: 'Two', dependencies: ['One'], agents: [agent('free', [], []), agent('make', [], ['y'])] },
    ],
  })
  assert.deepEqual(
    dag.edges.map(({ from, to }) => `${from} ${to}`),
    ['make improve', 'improve free', 'improve make-2'],
  )
})

test('a graph made by hand is one, and what was changed counts', () => {
  const node = (id, phase) => ({ id, agent: id, inputs: [], outputs: [], phase })
  const hand = { nodes: [node('a', 1), node('b', 2)], edges: [{ from: 'a', to: 'b', data: '' }], metadata: {} }
  const builder = new DAGBuilder()
  const scheduler = new ParallelScheduler()
  assert.equal(builder.validate(hand).valid, true)
  assert.deepEqual(scheduler.topologicalSort(hand).map((level) => level.nodes[0]), hand.nodes)
  hand.edges.push({ from: 'b', to: 'a', data: '' })
  assert.deepEqual(builder.validate(hand).errors, ['Circular dependency detected'])
  assert.throws(() => scheduler.topologicalSort(hand), { code: 'INVALID_DEFINITION' }, 'it does not lose nodes in silence')
  hand.edges = [{ from: 'a', to: 'gone', data: '' }]
  assert.deepEqual(builder.validate(hand).errors, ['Missing: gone'])

  const dag = builder.buildDAG(reviewAll())
  dag.edges = dag.edges.slice(1)
  assert.equal(scheduler.topologicalSort(dag)[0].nodes.length, 2)
})

test('equal nodes become one, useless edges go, the given graph stays', () => {
  const builder = new DAGBuilder()
  const same = { agentId: 'r', task: 't', context: { inputs: [], outputs: [{ key: 'k' }] } }
  const dag = builder.buildDAG(v2([['a', []], ['b', ['a']], ['c', ['a', 'b']]], { a: { context: undefined } }))
  const optimized = builder.optimize(dag)
  assert.equal(dag.edges.length, 3)
  assert.deepEqual(optimized.edges.map(({ from, to }) => from + to), ['ab', 'bc'])
  const twins = builder.buildDAG(v2([['a', []], ['b', []]], { a: same, b: same }))
  assert.deepEqual(builder.optimize(twins).nodes.map((node) => node.id), ['a'])
})

test('plans, and graphs as text', () => {
  const dag = new DAGBuilder().buildDAG(reviewAll())
  const plan = new ParallelScheduler({ maxParallelism: 3 }).getExecutionPlan(dag)
  assert.deepEqual(plan.levels.map(({ number, nodes }) => [number, nodes.length]), [[0, 1], [1, 5], [2, 1]])
  assert.equal(plan.parallelism, 7 / 3, 'on average')
  assert.equal(plan.maxParallelism, 3)
  assert.equal(plan.estimatedTime, 180_000)
  assert.equal(plan.sequentialTime, 420_000)
  assert.equal(plan.criticalPath.length, 3)
  assert.match(dag.visualize(), /^Level 0\n {2}codebase-analyzer\nLevel 1\n {2}quality-reviewer <- codebase-analyzer\n/)
  assert.match(dag.visualize('mermaid'), /^flowchart TD/)
  assert.throws(() => dag.visualize('svg'), /give 'text' or 'mermaid'/)
})

test('the shipped commands have their golden numbers', { skip: fixtures === undefined && 'the fixtures are not here' }, () => {
  const builder = new DAGBuilder()
  for (const [file, nodes, edges, levels, widest, serial, critical] of [
    ['review-all', 7, 10, 3, 5, 2460, 1020],
    ['security-fortress', 21, 54, 9, 4, 175 * 60, 70 * 60],
    ['orchestrate-complex', 22, 27, 13, 5, 6240, 3180],
  ]) {
    const dag = builder.buildDAG(JSON.parse(readFileSync(`${fixtures}/commands/v2/${file}.json`)))
    assert.deepEqual(builder.validate(dag).errors, [], file)
    const { metadata } = dag
    const found = [dag.nodes.length, dag.edges.length, metadata.levels, metadata.maxParallelism]
    assert.deepEqual(found, [nodes, edges, levels, widest], file)
    assert.deepEqual([metadata.sequentialTime / 1000, metadata.totalEstimatedTime / 1000], [serial, critical], file)
  }
})

test('bad input is told by name', () => {
  const builder = new DAGBuilder()
  for (const bad of [null, undefined, 7, 'x']) assert.throws(() => builder.buildDAG(bad), TypeError)
  for (const bad of [null, {}, { nodes: 7 }]) assert.throws(() => builder.validate(bad), /`nodes` and `edges`/)
  const circular = reviewAll()
  circular.self = circular
  assert.throws(() => builder.buildDAG(circular), TypeError)
  assert.equal(builder.validate(builder.buildDAG({})).valid, false)
})

test('the later builder', () => {
  const builder = new EnhancedDAGBuilder()
  const def = { name: '/x', description: 'd', estimatedTime: 1, phases: [{ number: 1, name: 'One', dependencies: [], agents: [{ ...agent('n', ['given'], []), compensate() {} }] }] }
  assert.equal(builder.validate(builder.buildDAG(def)).valid, false)
  const dag = builder.buildWithContext(def, { given: 1 })
  assert.equal(builder.validate(dag).valid, true)
  assert.deepEqual([...builder.extractCompensations(dag).keys()], ['n'])
  assert.equal(builder.validateResources(builder.buildDynamic(def)).valid, true)
  const locks = builder.buildDAG(v2([['a', []]], { a: { resources: { locks: [{ resourceId: 'db' }] } } }))
  assert.equal(builder.validateResources(locks).problems[0].code, 'UNDECLARED_RESOURCE')
})
