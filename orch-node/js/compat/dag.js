'use strict'

const native = require('../native.js')
const { raised, InvalidDefinition } = require('../errors.js')
const { Emitter, settings } = require('./emitter.js')

const MINUTE = 60_000

/** The fields of a task that a node shows in its own words. */
const SHOWN = new Set(['id', 'after', 'estimate_ms', 'agent', 'description', 'phase'])

const TEXTS = {
  CIRCULAR_DEPENDENCY: () => 'Circular dependency detected',
  MISSING_REFERENCE: (names) => `Missing: ${names.join(', ')}`,
  MISSING_CONTEXT_INPUT: (names) => `Missing: ${names.join(', ')}`,
}

const key = (value) => (typeof value === 'string' ? value : value?.key)
const list = (value) => (Array.isArray(value) ? value : [])
const keys = (value) => list(value).map(key).filter((name) => typeof name === 'string')

/** The definition in a loaded command, or itself. */
function definitionOf(command) {
  if (typeof command !== 'object' || command === null) {
    throw new TypeError(`a command definition must be an object; got ${command === null ? 'null' : typeof command}`)
  }
  const { definition } = command
  return typeof definition === 'object' && definition !== null ? definition : command
}

/** Whether agents have no ids: the form of the first phase, in which every input must be made by somebody. */
function isFirstForm(definition) {
  const agents = list(definition.phases).flatMap((phase) => list(phase?.agents))
  return agents.length > 0 && agents.every((agent) => typeof agent === 'object' && agent !== null && agent.id === undefined)
}

/**
 * What the core makes of a definition: its problems, and its graph unless something stops it.
 *
 * @returns {{definition: object, problems: object[], graph: object | null, inputs: object, required: string[], deadline_ms: number | null}}
 */
function understand(definition, options = {}) {
  const text = JSON.stringify(definition)
  if (text === undefined) throw new TypeError('the command definition has no JSON form')
  const strict = options.strict ?? isFirstForm(definition)
  return JSON.parse(raised(() => native.commandGraph(text, JSON.stringify({ strict, inputs: options.inputs ?? [] }))))
}

class DAG {
  constructor(fields) {
    Object.assign(this, fields)
  }

  /** The graph as text: each level with its nodes, and what they wait for; or as a Mermaid flowchart. */
  visualize(format = 'text') {
    if (format === 'mermaid') return raised(() => native.graphMermaid(JSON.stringify(graphOf(this))))
    if (format !== 'text') throw new TypeError(`\`format\` is ${String(format)}; give 'text' or 'mermaid'`)
    const after = dependencies(this)
    return look(this)
      .levels.map((level, number) => {
        const lines = level.map((id) => {
          const waits = after.get(id) ?? []
          return waits.length > 0 ? `  ${id} <- ${waits.join(', ')}` : `  ${id}`
        })
        return [`Level ${number}`, ...lines].join('\n')
      })
      .join('\n')
  }
}

/** What each node waits for: the edges, or where there is no list of them, what the nodes say. */
function dependencies(dag) {
  const after = new Map(list(dag.nodes).map((node) => [node.id, []]))
  if (Array.isArray(dag.edges)) {
    for (const { from, to } of dag.edges) after.get(to)?.push(from)
  } else {
    for (const node of list(dag.nodes)) after.get(node.id).push(...list(node.dependencies))
  }
  return after
}

/** The JSON form of the core's graph. `limits` are resources and breakers of the definition. */
function graphOf(dag) {
  if (typeof dag !== 'object' || dag === null || !Array.isArray(dag.nodes)) {
    throw new TypeError('a DAG must be an object with `nodes` and `edges`')
  }
  const after = dependencies(dag)
  const known = new Set(after.keys())
  const tasks = dag.nodes.map((node) => {
    const task = { ...node.config, id: String(node.id), after: [...new Set(after.get(node.id))] }
    if (typeof node.agent === 'string') task.agent = node.agent
    if (typeof node.task === 'string') task.description = node.task
    if (typeof node.phaseName === 'string') task.phase = node.phaseName
    else if (node.phase !== undefined) task.phase = String(node.phase)
    if (typeof node.estimatedTime === 'number' && node.estimatedTime >= 0) task.estimate_ms = node.estimatedTime
    if (task.inputs === undefined && keys(node.inputs).length > 0) {
      task.inputs = keys(node.inputs).map((name) => ({ key: name, required: false }))
    }
    if (task.outputs === undefined && keys(node.outputs).length > 0) task.outputs = keys(node.outputs).map((name) => ({ key: name }))
    if (typeof node.compensate === 'function') task.undo = { ...task.undo }
    return task
  })
  // An edge to a node that is not there is as wrong as one from it.
  for (const { to } of list(dag.edges)) {
    if (!known.has(to) && tasks.length > 0) tasks[0].after.push(to)
  }
  return { name: dag.metadata?.command ?? dag.id ?? 'dag', tasks, ...dag.limits }
}

/** Levels, critical path and times of a DAG, by the core. */
function look(dag) {
  return JSON.parse(raised(() => native.graphView(JSON.stringify(graphOf(dag)))))
}

/** A node for each task of the core's graph, or, where there is none, for each agent of the definition. */
function nodesOf(understood, given) {
  const { definition, graph } = understood
  const tasks = new Map(list(graph?.tasks).map((task) => [task.id, task]))
  const nodes = []
  list(definition.phases).forEach((phase, place) => {
    const number = typeof phase?.number === 'number' ? phase.number : place + 1
    list(phase?.agents).forEach((agent, nth) => {
      if (typeof agent !== 'object' || agent === null) return
      const task = tasks.get(agent.id)
      const node = {
        id: String(agent.id ?? ''),
        agent: task?.agent ?? agent.agentId ?? agent.type ?? agent.name,
        agentId: task?.agent ?? agent.agentId ?? agent.type ?? agent.name,
        task: task?.description ?? agent.task ?? agent.description ?? '',
        inputs: task === undefined ? keys(agent.context?.inputs) : keys(task.inputs),
        outputs: task === undefined ? keys(agent.context?.outputs) : keys(task.outputs),
        dependencies: task === undefined ? list(agent.dependencies).map(String) : list(task.after),
        phase: number,
        phaseName: typeof phase.name === 'string' ? phase.name : phase.id,
        estimatedTime: task?.estimate_ms ?? MINUTE,
      }
      if (task !== undefined) {
        node.config = Object.fromEntries(Object.entries(task).filter(([name]) => !SHOWN.has(name)))
      }
      // Functions do not cross: they stay with the node.
      const own = list(list(given.phases)[place]?.agents)[nth]
      if (typeof own?.compensate === 'function') node.compensate = own.compensate
      nodes.push(node)
    })
  })
  return nodes
}

/** The edges, and what flows along each: the keys that one makes and the other reads. */
function edgesOf(nodes) {
  const makes = new Map(nodes.map((node) => [node.id, new Set(node.outputs)]))
  return nodes.flatMap((node) =>
    node.dependencies.map((from) => {
      const flows = node.inputs.filter((name) => makes.get(from)?.has(name))
      return { from, to: node.id, data: flows.join(', ') }
    }),
  )
}

/** Fills in what follows from nodes and edges; where the core refuses them, as far as it goes. */
function finish(dag, given) {
  const nodes = new Map(dag.nodes.map((node) => [node.id, node]))
  let view
  try {
    view = look(dag)
  } catch (error) {
    if (!(error instanceof InvalidDefinition)) throw error
  }
  dag.hash = view?.hash ?? ''
  dag.id ??= view === undefined ? dag.metadata.command : `${dag.metadata.command}-${view.hash.slice(0, 12)}`
  dag.metadata = {
    ...dag.metadata,
    estimatedTime: typeof given?.estimatedTime === 'number' ? given.estimatedTime : view?.critical_ms ?? 0,
    totalEstimatedTime: view?.critical_ms ?? 0,
    sequentialTime: view?.serial_ms ?? 0,
    criticalPath: list(view?.critical_path).map((id) => nodes.get(id)),
    parallelism: view?.widest ?? 0,
    maxParallelism: view?.widest ?? 0,
    levels: view?.levels.length ?? 0,
  }
  return dag
}

/**
 * Makes graphs of command definitions, checks and simplifies them.
 *
 * Events: `dagBuilt`, `dagValidated`, `dagOptimized`, `validationError`.
 */
class DAGBuilder extends Emitter {
  constructor(config) {
    super()
    this.config = settings(config)
  }

  /** The graph of a definition, of either form, or of a loaded command. What is wrong with it, `validate` tells. */
  buildDAG(commandDef) {
    const given = definitionOf(commandDef)
    const understood = understand(given, this.config)
    const nodes = nodesOf(understood, given)
    const { name, tasks, ...limits } = understood.graph ?? { name: given.name, tasks: [] }
    void tasks
    const command = typeof name === 'string' && name !== '' ? name : 'command'
    const dag = new DAG({ id: undefined, nodes, edges: edgesOf(nodes), metadata: { command } })
    Object.defineProperties(dag, {
      limits: { value: limits, writable: true, configurable: true, enumerable: Object.keys(limits).length > 0 },
      problems: { value: understood.problems, writable: true, configurable: true },
      command: { value: understood, writable: true, configurable: true },
    })
    finish(dag, given)
    this._tell('dagBuilt', { dag, nodeCount: nodes.length, edgeCount: dag.edges.length, id: dag.id })
    return dag
  }

  /**
   * What is wrong with a graph, everything at once.
   *
   * @returns {{valid: boolean, errors: string[], warnings: string[], problems: object[]}} `problems` has codes and places.
   */
  validate(dag) {
    let found = []
    try {
      found = look(dag).warnings
    } catch (error) {
      if (!(error instanceof InvalidDefinition)) throw error
      found = error.problems
    }
    // What was found in the definition has better places.
    const known = list(dag.problems)
    const codes = new Set(known.map((problem) => problem.code))
    const problems = [...known, ...found.filter((problem) => !codes.has(problem.code))]
    const errors = texts(problems.filter((problem) => problem.severity === 'error'))
    const warnings = texts(problems.filter((problem) => problem.severity !== 'error'))
    const result = { valid: errors.length === 0, errors, warnings, problems }
    this._tell('dagValidated', { dag, ...result })
    if (!result.valid) this._tell('validationError', { dag, errors, problems })
    return result
  }

  /** The same graph with equal nodes as one and without useless edges. The given one stays as it is. */
  optimize(dag) {
    const { graph, changes } = JSON.parse(raised(() => native.graphOptimized(JSON.stringify(graphOf(dag)))))
    const before = new Map(dag.nodes.map((node) => [node.id, node]))
    const nodes = graph.tasks.map((task) => ({ ...before.get(task.id), dependencies: list(task.after) }))
    const labels = new Map(list(dag.edges).map((edge) => [JSON.stringify([edge.from, edge.to]), edge]))
    const edges = nodes.flatMap((node) =>
      node.dependencies.map((from) => {
        const label = labels.get(JSON.stringify([from, node.id]))
        return label === undefined ? { from, to: node.id, data: '' } : { ...label }
      }),
    )
    const made = new DAG({ id: dag.id, nodes, edges, metadata: { ...dag.metadata } })
    for (const name of ['limits', 'problems', 'command']) {
      const property = Object.getOwnPropertyDescriptor(dag, name)
      if (property !== undefined) Object.defineProperty(made, name, property)
    }
    finish(made, { estimatedTime: dag.metadata?.estimatedTime })
    const told = { nodesBefore: dag.nodes.length, nodesAfter: nodes.length, edgesBefore: list(dag.edges).length, edgesAfter: edges.length }
    this._tell('dagOptimized', { dag: made, changes, ...told })
    return made
  }
}

/** Problems as the prototype says them: one text for all circles, one for all that is missing. */
function texts(problems) {
  const made = []
  const groups = new Map()
  for (const problem of problems) {
    const text = TEXTS[problem.code]
    if (text === undefined) {
      made.push(problem.path === '' ? problem.message : `${problem.path}: ${problem.message}`)
      continue
    }
    const name = /`([^`]*)`/.exec(problem.message)?.[1]
    const group = groups.get(text(['']))
    if (group === undefined) groups.set(text(['']), { at: made.push('') - 1, text, names: name === undefined ? [] : [name] })
    else if (name !== undefined && !group.names.includes(name)) group.names.push(name)
  }
  for (const { at, text, names } of groups.values()) made[at] = text(names)
  return made
}

/** A builder with the methods of later documents. */
class EnhancedDAGBuilder extends DAGBuilder {
  /** A graph, given the keys that a context has: they are no missing inputs. */
  buildWithContext(commandDef, context) {
    const inputs = Object.keys(context?.data ?? context ?? {})
    const builder = new DAGBuilder({ ...this.config, inputs: [...list(this.config.inputs), ...inputs] })
    const dag = builder.buildDAG(commandDef)
    this._tell('dagBuilt', { dag, nodeCount: dag.nodes.length, edgeCount: dag.edges.length, id: dag.id })
    return dag
  }

  /** A graph whose dynamic phases are filled while it runs. */
  buildDynamic(commandDef) {
    return this.buildDAG(commandDef)
  }

  /** What is wrong with the resources of a graph. */
  validateResources(dag) {
    const codes = new Set(['UNDECLARED_RESOURCE', 'INVALID_VALUE', 'DUPLICATE_ID'])
    const problems = this.validate(dag).problems.filter(
      (problem) => codes.has(problem.code) && /resource|lock|claim/i.test(`${problem.path} ${problem.message}`),
    )
    const errors = texts(problems.filter((problem) => problem.severity === 'error'))
    return { valid: errors.length === 0, errors, warnings: texts(problems.filter((problem) => problem.severity !== 'error')), problems }
  }

  /** Of each node that can be undone, how: a function, or what the definition says. */
  extractCompensations(dag) {
    const made = new Map()
    for (const node of list(dag.nodes)) {
      const compensation = node.compensate ?? node.config?.undo
      if (compensation !== undefined) made.set(node.id, compensation)
    }
    return made
  }
}

module.exports = { DAG, DAGBuilder, EnhancedDAGBuilder, definitionOf, graphOf, look, understand, texts }
