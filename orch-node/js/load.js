'use strict'

// Definitions from files: commands in JSON or Markdown, and WfFormat.

const { Fatal, InvalidDefinition, raised } = require('./errors.js')
const { Graph, Ready } = require('./graph.js')
const native = require('./native.js')
const { callable, noMore, object, text, texts, truth, wrong } = require('./options.js')

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

  _ready() {
    if (this.#ready === undefined) {
      raised(() => this.#programs.check(this.#native))
      this.#ready = this.#compile()
    }
    return this.#ready
  }

  #compile() {
    const agents = this.#agents
    const ready = new Ready(this.#native)
    ready.programs = this.#programs
    ready.readsValues = true
    ready.agents = agents
    ready.strict = new Set()
    const of = (agent) => agents.get(agent) ?? agents.get('*') ?? program
    for (const [place, options] of JSON.parse(raised(() => this.#native.options())).entries()) {
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

function agentsOf(agents) {
  const entries = agents instanceof Map ? [...agents] : Object.entries(object(agents, 'agents'))
  return new Map(entries.map(([name, fn]) => [text(name, 'agents'), callable(fn, `agents.${name}`)]))
}

function programsOf(programs, functions) {
  const flags = []
  const tables = {}
  for (const [name, told] of Object.entries(object(programs, 'programs'))) {
    if (typeof told === 'string') flags.push(`${name}=${told}`)
    else if (Array.isArray(told)) tables[name] = { argv: texts(told, `programs.${name}`) }
    else if (typeof told === 'object' && told !== null) tables[name] = told
    else throw wrong(`programs.${name}`, 'a command line, an array or an object', told)
  }
  return raised(() => new native.Programs(JSON.stringify(tables), flags, [...functions.keys()], process.cwd()))
}

function graphOf(source, file, agents = {}, options = {}) {
  const { programs = {}, barriers = false, inputs = [], ...rest } = object(options, 'options')
  noMore(rest, 'options')
  const phase_order = truth(barriers, 'barriers') ? 'barrier' : 'dag'
  const functions = agentsOf(agents)
  const told = JSON.stringify({ phase_order, inputs: texts(inputs, 'inputs') })
  const graph = raised(() => native.Graph.parse(source, file, told))
  return new LoadedGraph(graph, functions, programsOf(programs, functions), file)
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

module.exports = { LoadedGraph, load, parse, agentsOf, programsOf }
