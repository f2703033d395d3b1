// Prints, as JSON, what the suite in the folder argv[2] consists of: its groups of tests, and the results that it brings of other caches.
import { readdir, readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'

const folder = `${pathToFileURL(process.argv[2]).href}/`
const load = async name => (await import(folder + name)).default

// Groups that tests/index.mjs leaves out are run as well: the suite's command adds them.
const groups = [...await load('tests/index.mjs')]
for (const name of (await readdir(new URL('tests', folder))).sort()) {
  const group = await load(`tests/${name}`)
  if (group?.tests && !groups.some(known => known.id === group.id)) groups.push(group)
}

const published = []
for (const { name, version, type, file } of await load('results/index.mjs')) {
  const results = JSON.parse(await readFile(new URL(`results/${file}`, folder), 'utf8'))
  published.push({ name, version, type, results })
}

process.stdout.write(JSON.stringify({ groups, published }))
