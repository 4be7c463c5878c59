// The benchmark's entry: `npm run bench -- [options]`, `npm run bench -- --help`.
import { main } from "./e2e/Main.ts"

process.exit(await main(process.argv.slice(2)))
