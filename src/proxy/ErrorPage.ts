/**
 * Bodies of the responses to failures. Spec: proxy-behaviour 12.
 *
 * Failures are constants with fixed texts, so each page is rendered once. Texts are escaped for the form of the
 * template, and hold neither client input nor backend addresses (docs/differences.md).
 */
import type { Failure } from "./Failure.ts"
import { HTML, JSON_TYPE, type LocalResponse, NO_STORE, respond } from "./Response.ts"

const PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{error_type}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center; text-align: center; }
h1 { font-size: 1.25rem; font-weight: 600; margin: 0 0 .25rem; }
p { margin: 0; opacity: .75; }
footer { margin-top: 2rem; font-size: .8rem; opacity: .5; }
</style>
</head>
<body>
<main>
<h1>{{content}}</h1>
<p>{{error_type}}</p>
<footer>Pingap {{version}}</footer>
</main>
</body>
</html>
`

/** Renders pages of one template; an empty template means the built-in page. */
export const compile = (template: string, version: string): ((failure: Failure) => LocalResponse) => {
  const source = template === "" ? PAGE : template
  const json = /^\s*\{(?!\{)/.test(source)
  const escaped = json ? escapeJson : escapeHtml
  const pages = new Map<Failure, LocalResponse>()
  return (failure) => {
    let page = pages.get(failure)
    if (page === undefined) {
      const values: Record<string, string> = { version, content: failure.message, error_type: failure.type }
      const body = source.replace(/\{\{(version|content|error_type)\}\}/g, (_, name: string) => escaped(values[name]!))
      page = {
        ...respond(
          failure.status,
          [
            ["Content-Type", json ? JSON_TYPE : HTML],
            ["Cache-Control", NO_STORE],
            ["X-Pingap-EType", failure.type]
          ],
          body
        ),
        closes: failure.closes
      }
      pages.set(failure, page)
    }
    return page
  }
}

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const escapeJson = (text: string): string => JSON.stringify(text).slice(1, -1)
