import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = join(root, '..', 'examples', 'node')
let folder

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'orch-examples-'))
  mkdirSync(join(folder, 'node_modules', '@orch-engine'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules', '@orch-engine', 'orch'), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', sources, '--outDir', folder], { encoding: 'utf8' })
  assert.deepEqual([stdout, status], ['', 0])
})

after(() => rmSync(folder, { recursive: true, force: true }))

test('review-all: a map, five reviews, one list', () => {
  const code = join(folder, 'code')
  mkdirSync(code)
  writeFileSync(join(code, 'a.js'), '// reads\nconst text = readFileSync(path)\n')
  writeFileSync(join(code, 'b.ts'), 'eval(input)\n')
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, 'review-all.js'), code], { encoding: 'utf8' })
  assert.deepEqual([stderr, status], ['', 0])
  const lines = stdout.trimEnd().split('\n')
  assert.deepEqual(lines.slice(0, 3), ['3 levels, critical path map → quality → rank', '  map: 2 files', '✓ map'])
  assert.deepEqual(lines.slice(3, 8).sort(), ['✓ documents', '✓ quality', '✓ security', '✓ speed', '✓ tests'])
  assert.deepEqual(lines.slice(8), [
    '✓ rank',
    'security: b.ts: eval(input)',
    'speed: a.js: const text = readFileSync(path)',
    'documents: b.ts: no comment',
    '7 of 7 tasks succeeded',
  ])
})

test('budget: what was expected, who got the money, what is left', () => {
  const env = { ...process.env }
  delete env.DISCORD_WEBHOOK_URL
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, 'budget.js'), join(folder, 'budget.db')], { encoding: 'utf8', env })
  assert.deepEqual([stderr, status], ['', 0])
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines[0], 'expected: $0.900, at most about $0.900')
  assert.match(lines[1], /^speed: .*budget/)
  assert.match(lines[2], /^documents: /)
  assert.deepEqual(lines.slice(3), [
    'quality-reviewer: $0.180 for 40000 + 4000 tokens',
    'security-reviewer: $0.180 for 40000 + 4000 tokens',
    'month: $0.360 of $0.50, milestones: 0.25',
  ])
})
