/** What the pages are made from: modules of the program. */
export interface Modules {
  readonly ConfigSchema: object
  readonly builtins: ReadonlyArray<object>
  readonly builtinInstances: ReadonlyArray<object>
  readonly failures: object
  readonly Format: object
  readonly ContextValue: object
  readonly DynamicValue: object
  readonly HELP: string
}

/** Every generated page: path below docs/reference → text. */
export const pages: (modules: Modules) => ReadonlyMap<string, string>
