/**
 * The text that the chat services show: a coloured line, then one quoted line per field. Spec: runtime 15.
 *
 * The blanks at the beginning of its lines are the reference's; Markdown ignores them, and whoever parses the text may
 * count on them.
 */
import type { Notification, Origin } from "../Notification.ts"

const INDENT = " ".repeat(16)

export const text = ({ category, level, message, title }: Notification, { hostname, ip, name }: Origin): string =>
  [
    ` <font color="${level === "info" ? "comment" : "warning"}">${name}(${level})</font>`,
    `${INDENT}>title: ${title}`,
    `${INDENT}>hostname: ${hostname}`,
    `${INDENT}>ip: ${ip}`,
    `${INDENT}>category: ${category}`,
    `${INDENT}>message: ${message}`
  ].join("\n")
