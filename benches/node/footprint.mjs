// What it costs to have the package: milliseconds to require it, and to make a first graph too; medians of fresh processes, and
// memory.
//
// `node benches/node/footprint.mjs [rounds] [package]`

import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const rounds = Number(process.argv[2] ?? 15)
const require = createRequire(import.meta.url)
const orch = require.resolve(process.argv[3] ?? fileURLToPath(new URL('../../orch-node', import.meta.url)))

const pGraph = require.resolve('p-graph')
const packages = {
  orch: `require(${JSON.stringify(orch)})`,
  'orch, with a first graph': `new (require(${JSON.stringify(orch)}).Graph)()`,
  'p-graph': `require(${JSON.stringify(pGraph)})`,
  nothing: '',
}
const told = Object.fromEntries(Object.keys(packages).map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, code] of Object.entries(packages)) {
    const source = `const before = process.memoryUsage().rss, began = performance.now()
      ${code}
      console.log(JSON.stringify([performance.now() - began, (process.memoryUsage().rss - before) / 2 ** 20]))`
    told[name].push(JSON.parse(execFileSync(process.execPath, ['-e', source], { encoding: 'utf8' })))
  }
}
const median = (numbers) => numbers.sort((one, other) => one - other)[Math.floor(numbers.length / 2)]
console.log('| package | ms to require | MiB |\n|---|--:|--:|')
for (const [name, pairs] of Object.entries(told)) {
  console.log(`| ${name} | ${median(pairs.map(([ms]) => ms)).toFixed(1)} | ${median(pairs.map(([, mib]) => mib)).toFixed(1)} |`)
}
