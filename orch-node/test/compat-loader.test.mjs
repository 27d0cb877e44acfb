import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'

import { CommandLoadError, CommandLoader } from '@orch-engine/orch/compat'
import { fixtures, v2 } from './compat-aids.mjs'

function folder(t) {
  const made = mkdtempSync(join(tmpdir(), 'orch-compat-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A file, with a time of its own. */
function write(path, content, seconds = 1000) {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  utimesSync(path, seconds, seconds)
  return path
}

const refused = (code, more = {}) => (error) => {
  assert.ok(error instanceof CommandLoadError, String(error?.stack))
  assert.deepEqual([error.name, error.code], ['CommandLoadError', code])
  for (const [key, value] of Object.entries(more)) assert.deepEqual(error.details[key], value)
  return true
}

const MARKDOWN = `# Review Code

Reviews the code.

## Analysis
1. code-reader - read the code (2 min)
2. senior-reviewer - review it (5 min) depends on 1
`

test('the defaults of the contract', () => {
  assert.deepEqual(new CommandLoader().config, { cacheEnabled: true, validateSchema: true, convertV1ToV2: true, maxCacheSize: 50, cacheTTL: 3600000 })
})

test('a file of JSON, with all that is known of it', async (t) => {
  const file = write(join(folder(t), 'x.json'), v2([['a', []]]))
  const loader = new CommandLoader()
  const { definition, metadata, validationResult } = await loader.load(relative(process.cwd(), file))
  assert.deepEqual(definition, v2([['a', []]]))
  const { loadedAt, ...rest } = metadata
  const hash = createHash('sha256').update(readFileSync(file)).digest('hex')
  assert.deepEqual(rest, { source: file, format: 'json', version: '2.0.0', hash, fileSize: statSync(file).size, mtime: 1_000_000 })
  assert.ok(loadedAt <= Date.now())
  assert.deepEqual(validationResult, { valid: true, errors: [], warnings: [] })
})

test('Markdown of version 1 becomes version 2', async (t) => {
  const file = write(join(folder(t), 'review-code.md'), MARKDOWN)
  const { definition, metadata } = await new CommandLoader().load(file)
  assert.equal(metadata.format, 'markdown')
  assert.equal(definition.version, '2.0.0')
  const agents = definition.phases.flatMap((phase) => phase.agents)
  assert.deepEqual(agents.map((agent) => agent.agentId), ['code-reader', 'senior-reviewer'])
  assert.deepEqual(agents[1].dependencies, [agents[0].id])
  await assert.rejects(new CommandLoader({ convertV1ToV2: false }).load(file), refused('CONVERSION_DISABLED'))
  assert.equal((await new CommandLoader().loadMarkdown(write(join(folder(t), 'plain'), MARKDOWN))).metadata.format, 'markdown')
})

test('the pair of the documents', { skip: fixtures === undefined && 'the fixtures are not here' }, async (t) => {
  const file = join(folder(t), 'review-code.md')
  copyFileSync(`${fixtures}/commands/v1-pairs/loader-01.md`, file)
  const { definition } = await new CommandLoader().load(file)
  const want = JSON.parse(readFileSync(`${fixtures}/commands/from-docs/loader-01-review-code.json`, 'utf8'))
  const ids = (command) => command.phases.flatMap((phase) => phase.agents.map(({ id, agentId, dependencies, estimatedTime }) => ({ id, agentId, dependencies, estimatedTime })))
  assert.deepEqual(ids(definition), ids(want))
})

test('all shipped commands load', { skip: fixtures === undefined && 'the fixtures are not here' }, async () => {
  const loader = new CommandLoader()
  for (const kind of ['v2', 'v1-markdown']) {
    for (const name of readdirSync(`${fixtures}/commands/${kind}`).filter((name) => name !== 'README.md')) {
      const loaded = await loader.load(`${fixtures}/commands/${kind}/${name}`)
      assert.ok(loaded.definition.phases.length > 0, name)
    }
  }
})

test('codes: files', async (t) => {
  const at = folder(t)
  const loader = new CommandLoader()
  await assert.rejects(loader.load(join(at, 'none.json')), refused('FILE_NOT_FOUND', { path: join(at, 'none.json') }))
  await assert.rejects(loader.load(join(at, 'none.md')), refused('FILE_NOT_FOUND'))
  await assert.rejects(loader.load(write(join(at, 'bad.json'), '{"version": ')), refused('INVALID_JSON'))
  await assert.rejects(loader.load(write(join(at, 'empty.json'), '')), refused('INVALID_JSON'))
  await assert.rejects(loader.load(write(join(at, 'list.json'), '[1]')), refused('INVALID_FORMAT'))
  await assert.rejects(loader.load(at), refused('INVALID_FORMAT'))
  await assert.rejects(loader.load(7), refused('INVALID_FORMAT'))
  await assert.rejects(loader.load(null), refused('INVALID_FORMAT'))
  assert.throws(() => loader.loadProgrammatic([1]), refused('INVALID_FORMAT'))
})

test('codes: definitions, with fields and details', () => {
  const loader = new CommandLoader()
  const found = (def) => loader.validate(def).errors.map(({ code, field }) => [code, field])
  assert.deepEqual(found({ ...v2([['a', []]]), version: '9' }), [['INVALID_VERSION', 'version']])
  assert.deepEqual(found({ ...v2([['a', []]]), name: '' }), [['INVALID_NAME', 'name']])
  const [circle] = loader.validate(v2([['a', ['b']], ['b', ['a']]])).errors
  assert.deepEqual([circle.code, circle.details.cycle], ['CIRCULAR_DEPENDENCY', ['a', 'b', 'a']])
  const [missing] = loader.validate(v2([['a', []], ['b', ['gone']]])).errors
  assert.deepEqual([missing.code, missing.field, missing.details.missingDep], ['MISSING_REFERENCE', 'phases[0].agents[1].dependencies[0]', 'gone'])
  const double = loader.validate(v2([['a', []], ['a', []]])).errors
  assert.deepEqual([double[0].code, double[0].field], ['DUPLICATE_ID', 'phases[0].agents[1].id'])
  const input = loader.validate(v2([['a', []]], { a: { context: { inputs: [{ key: 'k' }] } } }))
  assert.deepEqual([input.valid, input.warnings[0].code], [true, 'MISSING_CONTEXT_INPUT'])
  const near = loader.validate(v2([['collect', []], ['b', ['colect']]]))
  assert.match(near.errors[0].message, /did you mean `collect`/)
  assert.equal(loader.validate('x').valid, false)
})

test('what is not valid is refused, with everything that is wrong', async (t) => {
  const loader = new CommandLoader()
  const def = v2([['a', ['b']], ['b', ['a']]], {}, { name: 7 })
  assert.throws(() => loader.loadProgrammatic(def), (error) => {
    refused('VALIDATION_FAILED')(error)
    assert.deepEqual(error.details.errors.map(({ code }) => code).toSorted(), ['CIRCULAR_DEPENDENCY', 'INVALID_TYPE'])
    return true
  })
  const file = write(join(folder(t), 'x.json'), def)
  await assert.rejects(loader.load(file), refused('VALIDATION_FAILED'))
  const lax = new CommandLoader({ validateSchema: false })
  assert.equal((await lax.load(file)).definition.name, 7)
  const { metadata } = lax.loadProgrammatic(v2([['a', []]]))
  assert.deepEqual([metadata.source, metadata.format], ['programmatic', 'json'])
})

test('kept while the file stays the same, for an hour, the most used of so many', async (t) => {
  const at = folder(t)
  const loader = new CommandLoader({ maxCacheSize: 2, manual: true })
  const file = write(join(at, 'a.json'), v2([['a', []]]))
  const first = await loader.load(file)
  assert.equal(await loader.load(file), first)
  assert.deepEqual(loader.getCacheStats(), { size: statSync(file).size, entries: 1, hitRate: 50 })
  write(file, v2([['b', []]]), 2000)
  const second = await loader.load(file)
  assert.equal(second.definition.phases[0].agents[0].id, 'b')
  loader._advance(3_599_999)
  assert.equal(await loader.load(file), second)
  loader._advance(1)
  assert.notEqual(await loader.load(file), second)
  const [b, c] = ['b', 'c'].map((name) => write(join(at, `${name}.json`), v2([[name, []]])))
  await loader.load(b)
  const kept = await loader.load(file)
  await loader.load(c)
  assert.equal(loader.getCacheStats().entries, 2)
  assert.equal(await loader.load(file), kept, '`b` was used longest ago')
  loader.clearCache(file)
  assert.equal(loader.getCacheStats().entries, 1)
  loader.clearCache()
  assert.deepEqual([loader.getCacheStats().entries, loader.getCacheStats().size], [0, 0])
  const off = new CommandLoader({ cacheEnabled: false })
  assert.notEqual(await off.load(file), await off.load(file))
  assert.deepEqual(off.getCacheStats(), { size: 0, entries: 0, hitRate: 0 })
})
