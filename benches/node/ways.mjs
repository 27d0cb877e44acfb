// How a graph of functions can be run: by orch, by its peers, by hand. Each is given names, parents by place, and the function,
// and does all that it takes, the making of its graph included.

import { PGraph } from 'p-graph'
import pMap from 'p-map'

export async function orch({ Graph, run }, names, shape, fn) {
  const graph = new Graph('bench')
  for (let place = 0; place < names.length; place++) {
    const parents = shape[place]
    if (parents.length === 0) graph.task(names[place], fn)
    else graph.task(names[place], fn, { after: parents.map((parent) => names[parent]) })
  }
  let heard = 0
  const report = await run(graph, { onEvent: () => heard++ })
  if (report.counts.succeeded !== names.length || heard !== 2 * names.length + 2) throw new Error('not all of it ran')
}

export async function withoutListener({ Graph, run }, names, shape, fn) {
  const graph = new Graph('bench')
  for (let place = 0; place < names.length; place++) {
    const parents = shape[place]
    if (parents.length === 0) graph.task(names[place], fn)
    else graph.task(names[place], fn, { after: parents.map((parent) => names[parent]) })
  }
  const report = await run(graph)
  if (report.counts.succeeded !== names.length) throw new Error('not all of it ran')
}

export async function pGraph(names, shape, fn) {
  const nodes = new Map(names.map((name) => [name, { run: fn }]))
  const dependencies = shape.flatMap((parents, place) => parents.map((parent) => [names[parent], names[place]]))
  await new PGraph(nodes, dependencies).run()
}

/** Knows no dependencies: it only loops. */
export async function pMapOnly(names, _shape, fn) {
  await pMap(names, fn)
}

/** As the prototype did: level by level, each waits for the slowest of the one before. */
export async function levelBarrier(names, shape, fn) {
  const nodes = new Map(names.map((name, place) => [name, { name, parents: shape[place].map((parent) => names[parent]) }]))
  const level = new Map()
  const levels = []
  for (const [name, { parents }] of nodes) {
    const own = parents.reduce((most, parent) => Math.max(most, level.get(parent) + 1), 0)
    level.set(name, own)
    ;(levels[own] ??= []).push(name)
  }
  const results = new Map()
  for (const ready of levels) {
    await Promise.all(ready.map(async (name) => results.set(name, await fn(nodes.get(name)))))
  }
}
