/** The programs in examples/ run and print what they promise. The type checker sees them through test/tsconfig.json. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Program, ROOT } from "./support/Program.ts"

const PRINTS: Record<string, string> = {
  "config-writer.ts": `Good morning!
Good evening!
pingap.toml:5:1: error: locations.hello.upstream: upstream(nobody) is not found
Good morning!
# Says what visitors read first.
[plugins.greeting]
category = "mock"
data = "Good morning!" # until noon
`,
  "embed.ts": "200 Hello!\n200 Hello!\n429 That was enough.\n",
  "plugin.ts": `You asked for /tea - visits: 1
You asked for /tea - visits: 2
You asked for /coffee - visits: 1
X-Visits ends with Map(2) { '/tea' => 2, '/coffee' => 1 }
`
}

const CAN_AWAIT_USING = Number(process.versions.node.split(".")[0]) >= 24

const programs = readdirSync(join(ROOT, "examples")).filter((file) => file.endsWith(".ts"))

describe("examples", () => {
  it("are all checked here", () => {
    assert.deepStrictEqual(programs.sort(), Object.keys(PRINTS).sort())
  })

  it.for(programs)("%s runs", async (file, { skip }) => {
    const script = join(ROOT, "examples", file)
    // Type stripping keeps the syntax that the file has; a build for an older Node would not.
    skip(!CAN_AWAIT_USING && readFileSync(script, "utf8").includes("await using"), "`await using` needs Node 24")
    const { code, stderr, stdout } = await Program.run([], { script })
    assert.deepStrictEqual([stdout, stderr, code], [PRINTS[file], "", 0])
    assert.isAtMost(readFileSync(script, "utf8").split("\n").length - 1, 60)
  })
})
