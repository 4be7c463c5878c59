// The drills' entry: `node .ci/pinned.mjs ./bench/drills/run.mjs [options]`, `--help` lists them.
import { main } from "./Main.ts"

process.exit(await main(process.argv.slice(2)))
