/** A message of a WeCom group robot. Spec: runtime 15. */
import { clip, type Format } from "../Notification.ts"
import * as Markdown from "./Markdown.ts"

// The service refuses longer content, with a status of 200.
const MAX_BYTES = 4096

export const format: Format = (notification, origin) =>
  JSON.stringify({
    msgtype: "markdown",
    markdown: { content: clip(Markdown.text(notification, origin), MAX_BYTES) }
  })
