/** Keys that are read and checked, and change nothing in this version. `*`: all keys of the section. */
export const WITHOUT_EFFECT: Readonly<Record<string, ReadonlyArray<string>>>
