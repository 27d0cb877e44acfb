'use strict'

// Definitions from files: commands in JSON or Markdown, and WfFormat.

const { Fatal, InvalidDefinition, raised } = require('./errors.js')
const { Graph, Ready } = require('./graph.js')
const native = require('./native.js')
const { callable, noMore, object, text, texts, truth, whole, wrong } = require('./options.js')

/** A graph from a definition, whose agents are functions and programs. */
class LoadedGraph extends Graph {
  #native
  #agents
  #programs
  #ready
  #file

  constructor(graph, agents, programs, file) {
    super(graph.name)
    this.#file = file
    this.#native = graph
    this.#agents = agents
    this.#programs = programs
  }

  get _source() {
    return this.#file === undefined ? this.name : native.runSource(this.#file)
  }

  get size() {
    return this.#native.size
  }

  get ids() {
    return this.#native.ids()
  }

  has(id) {
    return this.ids.includes(id)
  }

  /** What is odd about the definition. */
  get warnings() {
    return this.#native.warnings()
  }

  /** Refused: the definition is the whole graph. */
  task() {
    throw new InvalidDefinition(`\`${this.name}\` was loaded from a definition; add the task there`)
  }

  _ready(kept = false, store, run, source) {
    // Who does what asks for a capability depends on what is in the store.
    if (kept && this.#native.asks) return this.#deal(store, run, source)
    return (this.#ready ??= this.#deal())
  }

  /** Gives the tasks that ask for a capability to agents, and checks that there is one for each task. */
  #deal(store, run, source) {
    const { graph, assigned } = raised(() => this.#programs.deal(this.#native, store, run, source))
    raised(() => this.#programs.check(graph))
    const ready = this.#compile(graph)
    ready.assigned = JSON.parse(assigned).map(([it, why]) => {
      return { task: it.task, capability: it.capability, agent: it.agent, expectedMs: it.expected_ms, again: it.again, why }
    })
    return ready
  }

  #compile(graph) {
    const agents = this.#agents
    const ready = new Ready(graph)
    ready.programs = this.#programs
    ready.readsValues = true
    ready.agents = agents
    ready.strict = new Set()
    const of = (agent) => agents.get(agent) ?? agents.get('*') ?? program
    for (const [place, options] of JSON.parse(raised(() => graph.options())).entries()) {
      ready.calls.push(of(options.agent))
      if (options.expand !== undefined || options.outputs?.some((output) => output.ttl_ms !== undefined)) {
        ready.strict.add(place)
      }
      if (options.undo !== undefined) {
        const undo = of(options.undo.agent ?? options.agent)
        ready.undos.set(place, (_, context) => undo(context))
      }
    }
    return ready
  }
}

/** Stands for what a program does. */
function program(context) {
  throw new Fatal(`the agent \`${context.agent}\` is no function`)
}

/** The functions of agents, and what the core has to know of them. */
function agentsOf(agents) {
  const entries = agents instanceof Map ? [...agents] : Object.entries(object(agents, 'agents'))
  const functions = new Map()
  const candidates = []
  for (const [name, given] of entries) {
    const where = `agents.${text(name, 'agents')}`
    const { run, capabilities = [], atOnce, ...rest } = typeof given === 'object' && given !== null ? given : { run: given }
    noMore(rest, where)
    functions.set(name, callable(run, where))
    const candidate = { name, capabilities: texts(capabilities, `${where}.capabilities`) }
    if (atOnce !== undefined) candidate.at_once = Math.min(whole(atOnce, `${where}.atOnce`, 1), 2 ** 32 - 1)
    candidates.push(candidate)
  }
  return { functions, candidates }
}

function programsOf(programs, candidates) {
  const flags = []
  const tables = {}
  for (const [name, told] of Object.entries(object(programs, 'programs'))) {
    if (typeof told === 'string') flags.push(`${name}=${told}`)
    else if (Array.isArray(told)) tables[name] = { argv: texts(told, `programs.${name}`) }
    else if (typeof told === 'object' && told !== null) tables[name] = told
    else throw wrong(`programs.${name}`, 'a command line, an array or an object', told)
  }
  return raised(() => new native.Programs(JSON.stringify(tables), flags, JSON.stringify(candidates), process.cwd()))
}

function graphOf(source, file, agents = {}, options = {}) {
  const { programs = {}, barriers = false, inputs = [], ...rest } = object(options, 'options')
  noMore(rest, 'options')
  const phase_order = truth(barriers, 'barriers') ? 'barrier' : 'dag'
  const { functions, candidates } = agentsOf(agents)
  const told = JSON.stringify({ phase_order, inputs: texts(inputs, 'inputs') })
  const graph = raised(() => native.Graph.parse(source, file, told))
  return new LoadedGraph(graph, functions, programsOf(programs, candidates), file)
}

/** The graph of a definition's file: version 2 JSON of any dialect, version 1 Markdown, or WfFormat. */
function load(path, agents, options) {
  const file = path instanceof URL ? require('node:url').fileURLToPath(path) : text(path, 'path')
  return graphOf(
    raised(() => native.Graph.textOf(file)),
    file,
    agents,
    options,
  )
}

/** The graph of a definition that is text already. */
function parse(source, agents, options) {
  return graphOf(text(source, 'source'), undefined, agents, options)
}

module.exports = { LoadedGraph, load, parse }
