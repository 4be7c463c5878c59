/**
 * Writes a parsed pattern in the syntax of an engine.
 *
 * Only constructs that mean the same everywhere are used: sets are spelled out, groups are numbered and never named,
 * anchors never depend on a flag of the whole expression.
 */
import type { CharSet, Property } from "./CharSet.ts"
import type { Anchor, Node } from "./Syntax.ts"

/** For V8, with the flag `u` and no other. */
export const toV8 = (root: Node): string => emit(root, V8) ?? ""

/** For the linear engine; null when it has no word for something in the pattern. */
export const toLinear = (root: Node): string | null => emit(root, LINEAR)

interface Target {
  readonly anchors: Readonly<Record<Anchor, string | null>>
  readonly codePoint: (code: number) => string
  readonly never: string
  readonly property: (property: Property) => string
}

const hex = (code: number): string => code.toString(16)
const isPlain = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95

const V8: Target = {
  anchors: {
    start: "^",
    end: "$",
    lineStart: "(?:^|(?<=\\n))",
    lineEnd: "(?=\\n|$)",
    boundary: "\\b",
    notBoundary: "\\B",
    wordStart: "\\b(?=\\w)",
    wordEnd: "\\b(?<=\\w)",
    wordStartHalf: "(?<!\\w)",
    wordEndHalf: "(?!\\w)"
  },
  codePoint: (code) => (isPlain(code) ? String.fromCharCode(code) : `\\u{${hex(code)}}`),
  never: "[]",
  property: ({ name, negated, script }) => `\\${negated ? "P" : "p"}{${script ? `Script=${name}` : name}}`
}

const LINEAR: Target = {
  anchors: {
    start: "\\A",
    end: "\\z",
    lineStart: "(?m:^)",
    lineEnd: "(?m:$)",
    boundary: "\\b",
    notBoundary: "\\B",
    wordStart: null,
    wordEnd: null,
    wordStartHalf: null,
    wordEndHalf: null
  },
  codePoint: (code) => (isPlain(code) ? String.fromCharCode(code) : `\\x{${hex(code)}}`),
  never: "[^\\x{0}-\\x{10ffff}]",
  property: ({ name, negated }) => `\\${negated ? "P" : "p"}{${name}}`
}

const emit = (node: Node, target: Target): string | null => {
  switch (node.type) {
    case "empty":
      return "(?:)"
    case "set":
      return emitSet(node.set, target)
    case "anchor":
      return target.anchors[node.anchor]
    case "group": {
      const body = emit(node.body, target)
      return body === null ? null : `${node.index === 0 ? "(?:" : "("}${body})`
    }
    case "concat": {
      let text = ""
      for (const part of node.parts) {
        const written = emit(part, target)
        if (written === null) return null
        text += written
      }
      return text
    }
    case "alternate": {
      const options = node.options.map((option) => emit(option, target))
      return options.includes(null) ? null : options.join("|")
    }
    case "repeat": {
      const body = emit(node.body, target)
      if (body === null) return null
      const atom = node.body.type === "set" || node.body.type === "group" ? body : `(?:${body})`
      return `${atom}${quantifier(node.min, node.max)}${node.greedy ? "" : "?"}`
    }
  }
}

const quantifier = (min: number, max: number): string => {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`
  if (min === 0 && max === 1) return "?"
  return min === max ? `{${min}}` : `{${min},${max}}`
}

const emitSet = (set: CharSet, target: Target): string => {
  const { ranges, properties, negated } = set
  if (properties.length === 0) {
    if (ranges.length === 0) return target.never
    if (ranges.length === 2 && ranges[0] === ranges[1]) return target.codePoint(ranges[0]!)
  }
  let text = ""
  for (let i = 0; i < ranges.length; i += 2) {
    const low = ranges[i]!
    const high = ranges[i + 1]!
    text += low === high ? target.codePoint(low) : `${target.codePoint(low)}-${target.codePoint(high)}`
  }
  for (const property of properties) text += target.property(property)
  return `[${negated ? "^" : ""}${text}]`
}
