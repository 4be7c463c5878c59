/** A configuration in etcd, a key per item, written over etcd's own JSON gateway as any other writer would. */
import type { EtcdServer } from "../EtcdServer.ts"
import type { Items } from "../Items.ts"
import type { Place } from "./Place.ts"

const prefix = "/pingap"
const putsPerTransaction = 100

/** The place in a running etcd. It does not end with the place. */
export function etcdKeys(etcd: EtcdServer): Place {
  return {
    name: "etcd",
    conf: `etcd://127.0.0.1:${etcd.port}${prefix}`,
    etcdPort: etcd.port,
    fill: async (items: Items) => {
      const entries = [...items]
      for (let at = 0; at < entries.length; at += putsPerTransaction) {
        await etcd.putAll(entries.slice(at, at + putsPerTransaction).map(([key, text]) => [keyOf(key), text]))
      }
    },
    put: (key, text) => (text === null ? etcd.remove(keyOf(key)) : etcd.put(keyOf(key), text)),
    close: async () => {}
  }
}

/** Every item that etcd has now. */
export async function itemsIn(etcd: EtcdServer): Promise<Items> {
  const entries = await etcd.entries(`${prefix}/`)
  return new Map(entries.map(([key, text]) => [key.slice(prefix.length + 1).replace(/\.toml$/, ""), text]))
}

function keyOf(key: string): string {
  return `${prefix}/${key}.toml`
}
