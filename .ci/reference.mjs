// Writes the generated part of docs/reference from the built program: node .ci/pinned.mjs ./.ci/reference.mjs
// The same pages are compared with the files by test/docs.test.ts.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { pages } from "./reference/pages.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const load = (module) => import(new URL(`../dist/${module}.js`, import.meta.url).href)

const { builtins, builtinInstances } = await load("plugin/builtin/index")
const { HELP } = await load("cli/Arguments")
const generated = pages({
  ConfigSchema: await load("config/ConfigSchema"),
  builtins,
  builtinInstances,
  failures: await load("proxy/Failure"),
  Format: await load("log/Format"),
  ContextValue: await load("proxy/ContextValue"),
  DynamicValue: await load("proxy/DynamicValue"),
  HELP
})

const folder = join(root, "docs/reference")
mkdirSync(join(folder, "plugins"), { recursive: true })
// Pages of plugins that are gone.
for (const file of readdirSync(join(folder, "plugins"))) {
  if (!generated.has(`plugins/${file}`)) rmSync(join(folder, "plugins", file))
}
for (const [path, text] of generated) writeFileSync(join(folder, path), text)
console.log(`${generated.size} pages in docs/reference`)
