/** A message of a DingTalk group robot. Spec: runtime 15. */
import type { Format } from "../Notification.ts"
import * as Markdown from "./Markdown.ts"

export const format: Format = (notification, origin) =>
  JSON.stringify({
    msgtype: "markdown",
    markdown: { title: notification.category, text: Markdown.text(notification, origin) }
  })
