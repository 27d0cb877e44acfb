import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The examples of a page. */
function examplesOf(page) {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/```js\n(.*?)```/gs)].map(([, source]) => source)
}

const examples = [...examplesOf('README.md'), ...examplesOf('../README.md')]
let folder

function npm(cwd, ...args) {
  const env = { ...process.env, npm_config_offline: 'true', npm_config_loglevel: 'error' }
  return execFileSync('npm', [...args, '--no-audit', '--no-fund'], { cwd, encoding: 'utf8', env, shell: process.platform === 'win32' })
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'orch-pack-'))
  npm(root, 'pack', '--pack-destination', folder)
  const dependencies = { '@orch-engine/orch': `file:./orch-engine-orch-${version}.tgz`, orch: `file:./orch-engine-orch-${version}.tgz` }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'empty', private: true, dependencies }))
  npm(folder, 'install')
})

after(() => rmSync(folder, { recursive: true, force: true }))

const said = [
  'faster and smaller, 2 links\n',
  'fetch Error: not yet\n',
  'version 3 succeeded\n',
  '0\n',
  '0.03\n0.024 writer 0.024\n',
  'faster and smaller, 2 links\n',
]

test('every example of the pages has an answer here', () => assert.equal(examples.length, said.length))

for (const [nth, expected] of said.entries()) {
  test(`example ${nth + 1} of the pages runs in an empty project`, () => {
    writeFileSync(join(folder, 'example.mjs'), examples[nth])
    assert.equal(execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' }), expected)
  })
}

test('`require` finds it by its name and by an alias', () => {
  const source = "console.log(require('orch').version(), require('@orch-engine/orch').version())"
  assert.equal(execFileSync(process.execPath, ['-e', source], { cwd: folder, encoding: 'utf8' }), `${version} ${version}\n`)
})

test('`npx orch` is the command', () => {
  assert.equal(npm(folder, 'exec', '--', 'orch', '--version'), `orch ${version}\n`)
})
