import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const ts = require('typescript')
const here = fileURLToPath(new URL('.', import.meta.url))

/** The options of `tsc --strict`, with the package found where it lies. */
const options = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  typeRoots: [join(here, '..', 'node_modules', '@types')],
  paths: { '@orch-engine/orch/compat': [join(here, '..', 'js', 'compat', 'index.d.ts')] },
}

/** Compiles a file strictly, and runs what comes of it inside of this package, which then finds itself by its name. */
function compileAndRun(t, file) {
  const program = ts.createProgram([file], options)
  const problems = ts.getPreEmitDiagnostics(program).map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, '\n'))
  assert.deepEqual(problems, [])
  const folder = mkdtempSync(join(here, '.compiled-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
  })
  writeFileSync(join(folder, 'run.cjs'), outputText)
  return spawnSync(process.execPath, [join(folder, 'run.cjs')], { encoding: 'utf8', timeout: 60_000 })
}

test('code written against the printed signatures compiles strictly, and runs', (t) => {
  const { status, stdout, stderr } = compileAndRun(t, join(here, 'types', 'contract.ts'))
  assert.deepEqual([stdout, stderr, status], ['the contract holds\n', '', 0])
})

test('the demo prints the lines of the prototype, with true numbers', (t) => {
  const { status, stdout, stderr } = compileAndRun(t, join(here, '..', '..', 'examples', 'node', 'review-all-compat.ts'))
  assert.deepEqual([stderr, status], ['', 0])
  const reviewers = ['quality', 'best-practices', 'architecture', 'performance', 'security'].map((name) => `${name}-reviewer`)
  const line = '='.repeat(60)
  const expected = [
    line,
    'EXAMPLE: /review-all with Parallel Orchestration',
    line,
    '',
    '[DAG] Built with 7 nodes and 10 edges',
    '[DAG] Estimated parallelism: 5',
    '[DAG] ✅ Validation passed',
    '[ProgressTracker] Initialized with 11 tasks',
    '[Scheduler] Executing 3 levels with max 5 parallel agents',
    '[Scheduler] Starting Level 0 with 1 agents in parallel',
    '[Scheduler]   Executing codebase-analyzer...',
    '[ContextManager] Cached "codebase-analysis" with TTL 3600s',
    '[Scheduler]   ✅ Completed codebase-analyzer',
    '[Scheduler] Completed Level 0',
    '[Scheduler] Starting Level 1 with 5 agents in parallel',
    ...reviewers.map((name) => `[Scheduler]   Executing ${name}...`),
    ...reviewers.map(() => '[ContextManager] Cache HIT for "codebase-analysis" (100% hit rate)'),
    ...reviewers.map((name) => `[Scheduler]   ✅ Completed ${name}`),
    '[Scheduler] Completed Level 1',
    '[Scheduler] Starting Level 2 with 1 agents in parallel',
    '[Scheduler]   Executing senior-reviewer...',
    '[Scheduler]   ✅ Completed senior-reviewer',
    '[Scheduler] Completed Level 2',
    '[ProgressTracker] Command completed',
    '',
    line,
    'EXECUTION COMPLETE',
    line,
    'Success: true',
    'Execution Time: * seconds',
    'Context Cache Hit Rate: 100%',
    'Todos: 12',
    line,
    ...reviewers.map((name) => `${name} read 129 files`),
    '',
  ]
  assert.deepEqual(stdout.replace(/Execution Time: [\d.]+/, 'Execution Time: *').split('\n'), expected)
})

test('the classes are at the top level too, and both forms of modules have the same', async () => {
  const names = require('../js/compat/names.js')
  const compat = require('@orch-engine/orch/compat')
  const top = require('@orch-engine/orch')
  const module = await import('@orch-engine/orch/compat')
  const topModule = await import('@orch-engine/orch')
  assert.deepEqual(Object.keys(compat).toSorted(), names.toSorted())
  for (const name of names) {
    assert.equal(typeof compat[name], 'function', name)
    for (const other of [top, module, topModule]) assert.equal(other[name], compat[name], name)
  }
  for (const name of ['DAGBuilder', 'ContextManager', 'ParallelScheduler', 'ResourceManager', 'RecoveryManager', 'ProgressTracker', 'OrchestrationEngine']) {
    assert.ok(new compat[name]() instanceof require('node:events'), name)
  }
})

test('requiring the package does not read the classes, and they keep no process alive', () => {
  const run = (code) => spawnSync(process.execPath, ['-e', code], { cwd: join(here, '..'), encoding: 'utf8', timeout: 20_000 })
  const lazy = run("require('.'); console.log(require.resolve('./js/compat/index.js') in require.cache)")
  assert.equal(lazy.stdout.trim(), 'false')
  const ends = run("const c = require('./js/compat'); new c.ContextManager(); new c.ResourceManager().acquire('a', 'b'); const e = new c.OrchestrationEngine({ executor: () => 1 }); e.setTodoWriteAPI({ write() {} }); console.log('over')")
  assert.deepEqual([ends.stdout.trim(), ends.status], ['over', 0])
})
