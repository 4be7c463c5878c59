import { assert, describe, it } from "@effect/vitest"
import { clip, LEVELS, type Notification, type Origin } from "../../../src/notification/Notification.ts"
import * as Dingtalk from "../../../src/notification/target/Dingtalk.ts"
import * as Generic from "../../../src/notification/target/Generic.ts"
import * as Wecom from "../../../src/notification/target/Wecom.ts"

const notification: Notification = {
  category: "reload_config_fail",
  level: "error",
  title: 'A "title"',
  message: "first\nsecond <b>"
}
const origin: Origin = { name: "pingap", hostname: "edge", ip: "10.0.0.1;fe80::1" }

describe("levels", () => {
  it("NL1: print as error, warn, info", () => {
    assert.deepStrictEqual([...LEVELS].sort(), ["error", "info", "warn"])
  })
})

// The chat text once, as the receiver sees it.
const chat =
  ' <font color="warning">pingap(error)</font>\n' +
  '                >title: A "title"\n' +
  "                >hostname: edge\n" +
  "                >ip: 10.0.0.1;fe80::1\n" +
  "                >category: reload_config_fail\n" +
  "                >message: first\nsecond <b>"

describe("bodies, byte for byte", () => {
  it("generic", () => {
    assert.strictEqual(
      Generic.format(notification, origin),
      '{"name":"pingap","level":"error","hostname":"edge","ip":"10.0.0.1;fe80::1","category":"reload_config_fail","message":"first\\nsecond <b>"}'
    )
  })

  it("wecom", () => {
    assert.strictEqual(
      Wecom.format(notification, origin),
      `{"msgtype":"markdown","markdown":{"content":${JSON.stringify(chat)}}}`
    )
  })

  it("dingtalk", () => {
    assert.strictEqual(
      Dingtalk.format(notification, origin),
      `{"msgtype":"markdown","markdown":{"title":"reload_config_fail","text":${JSON.stringify(chat)}}}`
    )
  })

  it.each([
    ["info", "comment"],
    ["warn", "warning"],
    ["error", "warning"]
  ] as const)("level %s has the colour %s", (level, colour) => {
    const { markdown } = JSON.parse(Dingtalk.format({ ...notification, level }, { ...origin, name: "edge-1" }))
    assert.strictEqual(markdown.text.split("\n")[0], ` <font color="${colour}">edge-1(${level})</font>`)
  })

  it("wecom takes 4096 bytes and no more", () => {
    const { markdown } = JSON.parse(Wecom.format({ ...notification, message: "é".repeat(4_000) }, origin))
    assert.isAtMost(Buffer.byteLength(markdown.content), 4096)
    assert.isAbove(Buffer.byteLength(markdown.content), 4090)
    assert.match(markdown.content, /é…$/)
  })
})

describe("clip", () => {
  it.each([
    ["short", 10, "short"],
    ["0123456789", 10, "0123456789"],
    ["0123456789a", 10, "0123456…"],
    ["ééééé", 10, "ééééé"],
    ["éééééé", 10, "ééé…"],
    ["😀😀😀", 10, "😀…"]
  ])("%s in %d bytes is %s", (text, max, clipped) => {
    assert.strictEqual(clip(text, max), clipped)
    assert.isAtMost(Buffer.byteLength(clip(text, max)), max)
  })
})
