/** Plain JSON for receivers of one's own. It carries no title. Spec: runtime 15. */
import type { Format } from "../Notification.ts"

export const format: Format = ({ category, level, message }, { hostname, ip, name }) =>
  JSON.stringify({ name, level, hostname, ip, category, message })
