/** Version of this package, as error pages, `--version` and logs show it. */
import { readFileSync } from "node:fs"

const manifest: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
)

export const VERSION: string = manifest.version
